/* Contents survive every change of size; in place inside a class; null, zero and failure do what the header says. */
#include "check.h"
#include "large.h"
#include "size_class.h"

static const size_t sizes[] = {0,
                               1,
                               8,
                               9,
                               16,
                               17,
                               100,
                               128,
                               129,
                               1000,
                               1024,
                               1025,
                               4096,
                               8192,
                               8193,
                               30000,
                               65536,
                               65537,
                               70000,
                               131072,
                               200000,
                               1 << 20,
                               HAKMEM_LARGE_MAX,
                               HAKMEM_LARGE_MAX + 1,
                               HAKMEM_LARGE_MAX + 100000};

static void test_pairs(void) {
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (size_t k = 0; k < COUNT_OF(sizes); k++) {
            size_t kept = sizes[i] < sizes[k] ? sizes[i] : sizes[k];
            void *p = hakmem_malloc(sizes[i]);
            CHECK(p != NULL);
            fill(p, sizes[i], i);
            errno = 7;
            p = hakmem_realloc(p, sizes[k]);
            CHECK(p != NULL && hakmem_usable_size(p) >= sizes[k]);
            CHECK_EQ(errno, 7);
            CHECK(holds(p, sizes[i], kept, i));
            fill(p, sizes[k], k); /* all of it is ours */
            hakmem_free(p);

            /* As Rust: sizes that are freed as they were last asked for. */
            for (size_t align = 1; sizes[i] != 0 && sizes[k] != 0 && align <= 4096; align *= 64) {
                p = hakmem_alloc_aligned(sizes[i], align);
                fill(p, sizes[i], i);
                p = hakmem_realloc_aligned(p, sizes[i], align, sizes[k]);
                CHECK(p != NULL && (uintptr_t)p % align == 0 && holds(p, sizes[i], kept, i));
                fill(p, sizes[k], k);
                if (align_up(sizes[k], align) <= HAKMEM_TINY_MAX) {
                    hakmem_free_tiny(p, hakmem_class_of(align_up(sizes[k], align)));
                } else {
                    hakmem_free(p);
                }
            }
        }
    }
}

static void test_in_place(void) {
    for (uint32_t c = 1; c < HAKMEM_CLASS_COUNT; c++) {
        size_t most = hakmem_class_bytes(c), least = hakmem_class_bytes(c - 1) + 1;
        char *p = hakmem_malloc(most);
        most = hakmem_usable_size(p);
        CHECK_PTR(hakmem_realloc(p, most), p);
        CHECK_PTR(hakmem_realloc(p, most * 3 / 4), p); /* little is wasted */
        CHECK_PTR(hakmem_realloc(p, most), p);
        hakmem_free(p);
        p = hakmem_alloc_aligned(most, 1);
        CHECK_PTR(hakmem_realloc_aligned(p, most, 1, most), p);
        if (hakmem_class_of(least) == hakmem_class_of(most)) {
            CHECK_PTR(hakmem_realloc_aligned(p, most, 1, least), p);
        }
        hakmem_free(p);
    }
    /* Much smaller: the memory is given back, not kept. */
    char *p = hakmem_malloc(60000);
    p = hakmem_realloc(p, 100);
    CHECK(hakmem_usable_size(p) < 200);
    hakmem_free(p);
    p = hakmem_malloc(HAKMEM_LARGE_MAX);
    p = hakmem_realloc(p, 100);
    CHECK(hakmem_usable_size(p) < 200);
    hakmem_free(p);
}

static void test_edges(void) {
    void *p = hakmem_realloc(NULL, 100);
    CHECK(p != NULL);
    fill(p, 100, 1);
    p = hakmem_realloc(p, 0);
    CHECK(p != NULL);
    hakmem_free(p);
    /* A failure leaves the block as it was, whatever its kind. */
    static const size_t kinds[] = {100, 30000, 100000, HAKMEM_LARGE_MAX * 2};
    static const size_t too_much[] = {PTRDIFF_MAX - 4096, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 7, SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        p = hakmem_malloc(kinds[i]);
        fill(p, kinds[i], 2);
        for (size_t k = 0; k < COUNT_OF(too_much); k++) {
            errno = 0;
            CHECK(hakmem_realloc(p, too_much[k]) == NULL);
            CHECK_EQ(errno, ENOMEM);
            errno = 0;
            CHECK(hakmem_realloc_aligned(p, kinds[i], 8, too_much[k]) == NULL);
            CHECK_EQ(errno, ENOMEM);
            CHECK(holds(p, kinds[i], kinds[i], 2));
        }
        hakmem_free(p);
    }
    p = hakmem_alloc_aligned(8, 8);
    CHECK(hakmem_realloc_aligned(p, 8, 8, SIZE_MAX - 3) == NULL); /* rounds up to zero */
    hakmem_free(p);
}

static void test_random(void) {
    static struct {
        void *p;
        size_t size;
        uint64_t seed;
    } blocks[64];
    uint64_t random = 4;
    for (long i = 0; i < rounds(20000); i++) {
        uint64_t r = next_random(&random);
        size_t k = r % COUNT_OF(blocks);
        size_t size = (r >> 16) % ((size_t)1 << (4 + (r >> 48) % 17));
        void *p = hakmem_realloc(blocks[k].p, size);
        CHECK(p != NULL);
        if (blocks[k].p != NULL) {
            CHECK(holds(p, blocks[k].size, size < blocks[k].size ? size : blocks[k].size, blocks[k].seed));
        }
        blocks[k].p = p, blocks[k].size = size, blocks[k].seed = r;
        fill(p, size, r);
    }
    for (size_t k = 0; k < COUNT_OF(blocks); k++) {
        CHECK(holds(blocks[k].p, blocks[k].size, blocks[k].size, blocks[k].seed));
        hakmem_free(blocks[k].p);
    }
}

int main(void) {
    test_pairs();
    test_in_place();
    test_edges();
    test_random();
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
    CHECK_EQ(stats.live_bytes, 0);
    return 0;
}
