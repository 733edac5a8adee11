/* Every power of two up to 32 MiB, through each entry point that takes one; and what malloc promises without. */
#include "check.h"
#include "hakmem.h"

static const size_t sizes[] = {1,    7,    8,    9,    16,   24,    100,   128,   129,
                               1000, 1024, 4097, 8192, 8193, 40000, 65536, 65537, 1000000};

static void check_block(void *p, size_t size, size_t align) {
    CHECK(p != NULL);
    CHECK_EQ((uintptr_t)p & (align - 1), 0);
    CHECK(hakmem_usable_size(p) >= size);
    fill(p, size, align);
}

static void test_each(void) {
    for (size_t align = 1; align <= (size_t)32 << 20; align *= 2) {
        void *blocks[COUNT_OF(sizes)][5];
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            size_t size = sizes[i];
            void **p = blocks[i];
            check_block(p[0] = hakmem_aligned_alloc(align, size), size, align);
            CHECK_EQ((uintptr_t)p[0] % (size <= 8 ? 8 : 16), 0);
            p[1] = NULL;
            if (align >= sizeof(void *)) {
                errno = 7;
                CHECK_EQ(hakmem_posix_memalign(&p[1], align, size), 0);
                CHECK_EQ(errno, 7);
                check_block(p[1], size, align);
            }
            check_block(p[2] = hakmem_alloc_aligned(size, align), size, align);
            p[3] = hakmem_alloc_aligned_zeroed(size, align);
            CHECK(p[3] != NULL && is_zero(p[3], size));
            check_block(p[3], size, align);
            /* As Rust resizes: the alignment holds, the contents too. */
            check_block(p[4] = hakmem_alloc_aligned(size, align), size, align);
            p[4] = hakmem_realloc_aligned(p[4], size, align, size * 2 + 1);
            CHECK(p[4] != NULL && (uintptr_t)p[4] % align == 0 && hakmem_usable_size(p[4]) >= size * 2 + 1);
            CHECK(holds(p[4], size, size, align));
            fill(p[4], size * 2 + 1, align);
        }
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            for (int k = 0; k < 5; k++) {
                size_t size = k == 4 ? sizes[i] * 2 + 1 : sizes[i];
                CHECK(blocks[i][k] == NULL || holds(blocks[i][k], size, size, align));
                if (k % 2 == 0) {
                    hakmem_free(blocks[i][k]);
                } else {
                    hakmem_free_aligned_sized(blocks[i][k], align, size);
                }
            }
        }
    }
}

static void test_plain(void) {
    static void *blocks[3000];
    for (size_t size = 0; size < COUNT_OF(blocks); size++) {
        blocks[size] = size % 2 ? hakmem_malloc(size) : hakmem_calloc(size, 1);
        CHECK(blocks[size] != NULL);
        CHECK_EQ((uintptr_t)blocks[size] % (size <= 8 ? 8 : 16), 0);
        CHECK(hakmem_usable_size(blocks[size]) >= size);
    }
    for (size_t size = 0; size < COUNT_OF(blocks); size++) {
        CHECK(blocks[size] = hakmem_realloc(blocks[size], COUNT_OF(blocks) - size));
        CHECK_EQ((uintptr_t)blocks[size] % (COUNT_OF(blocks) - size <= 8 ? 8 : 16), 0);
        hakmem_free_sized(blocks[size], COUNT_OF(blocks) - size);
    }
}

/* As Rust allocates: a multiple of 8 or of the alignment, aligned to the largest power of two that divides it. */
static void test_page_blocks(void) {
    for (size_t size = 8; size <= HAKMEM_MEDIUM_MAX; size += 8) {
        void *p = hakmem_alloc_page_block(size), *q = hakmem_alloc_page_block_zeroed(size);
        CHECK(p != NULL && q != NULL && is_zero(q, size));
        CHECK_EQ(((uintptr_t)p | (uintptr_t)q) & ((size & -size) - 1), 0);
        CHECK(hakmem_usable_size(p) >= size && hakmem_usable_size(q) >= size);
        memset(p, 0xff, size);
        memset(q, 0xff, size);
        if (size <= HAKMEM_TINY_MAX) {
            hakmem_free_tiny(p, hakmem_class_of(size));
            hakmem_free_tiny(q, hakmem_class_of(size));
        } else {
            hakmem_free(p);
            hakmem_free(q);
        }
    }
}

static void test_bad_alignments(void) {
    static const size_t none[] = {0, 3, 6, 12, 24, 100, 4097, SIZE_MAX, ((size_t)1 << 63) + 1};
    hakmem_stats_t before, after;
    hakmem_stats_get(&before);
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        errno = 7;
        CHECK(hakmem_aligned_alloc(none[i], 64) == NULL);
        CHECK_EQ(errno, EINVAL);
        void *out = &before;
        errno = 7;
        CHECK_EQ(hakmem_posix_memalign(&out, none[i], 64), EINVAL);
        CHECK_PTR(out, &before);
        CHECK_EQ(errno, 7);
    }
    for (size_t align = 1; align < sizeof(void *); align *= 2) { /* powers of two, but not multiples of a pointer */
        void *out = &before;
        CHECK_EQ(hakmem_posix_memalign(&out, align, 64), EINVAL);
        CHECK_PTR(out, &before);
    }
    /* Aligned so far that no system can. */
    void *out = &before;
    CHECK_EQ(hakmem_posix_memalign(&out, (size_t)1 << 63, 64), ENOMEM);
    CHECK_PTR(out, &before);
    errno = 7;
    CHECK(hakmem_aligned_alloc((size_t)1 << 62, 64) == NULL);
    CHECK_EQ(errno, ENOMEM);
    hakmem_stats_get(&after);
    CHECK_EQ(after.live_blocks, before.live_blocks);
    CHECK_EQ(after.live_bytes, before.live_bytes);
}

/* No bytes, however aligned: a block that can be freed. */
static void test_no_bytes(void) {
    for (size_t align = 1; align <= (size_t)32 << 20; align *= 2) {
        void *p = hakmem_aligned_alloc(align, 0), *q = hakmem_alloc_aligned(0, align);
        void *r = hakmem_alloc_aligned_zeroed(0, align);
        CHECK(p != NULL && q != NULL && r != NULL && p != q && q != r);
        CHECK_EQ(((uintptr_t)p | (uintptr_t)q | (uintptr_t)r) & (align - 1), 0);
        hakmem_free(p);
        hakmem_free(q);
        hakmem_free(r);
    }
}

int main(void) {
    test_each();
    test_plain();
    test_page_blocks();
    test_bad_alignments();
    test_no_bytes();
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
    CHECK_EQ(stats.live_bytes, 0);
    return 0;
}
