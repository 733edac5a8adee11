/* Runs of slots and mappings of their own: sizes, alignment, figures, resizing in place and by moving the mapping. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "check.h"
#include "huge.h"
#include "large.h"
#include "os.h"
#include "tiny.h"

static hakmem_stats_t stats(void) {
    hakmem_stats_t out;
    hakmem_stats_get(&out);
    return out;
}

static bool in_arena(const void *p) {
    return arena_contains_fast(p) || hakmem_arena_contains_slow(p);
}

static void test_sizes(void) {
    static const size_t sizes[] = {
        HAKMEM_MEDIUM_MAX + 1, 65536 * 2,        65536 * 2 + 1,        1 << 20,
        HAKMEM_LARGE_MAX - 1,  HAKMEM_LARGE_MAX, HAKMEM_LARGE_MAX + 1, HAKMEM_LARGE_MAX + 4096,
        (size_t)100 << 20,
    };
    void *blocks[COUNT_OF(sizes)];
    uint64_t live = 0, large = 0, huge = 0;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *p = blocks[i] = hakmem_malloc(sizes[i]);
        CHECK(p != NULL);
        bool is_run = sizes[i] <= HAKMEM_LARGE_MAX;
        CHECK_EQ(in_arena(p), is_run);
        size_t unit = is_run ? SLOT_BYTES : hakmem_os_page_size();
        CHECK_EQ(hakmem_usable_size(p), align_up(sizes[i], unit));
        CHECK_EQ((uintptr_t)p % unit, 0);
        p[0] = 1;
        p[hakmem_usable_size(p) - 1] = 2; /* all of it can be written */
        fill(p, sizes[i], i);
        live += hakmem_usable_size(p);
        large += is_run;
        huge += !is_run;
        hakmem_stats_t now = stats();
        CHECK_EQ(now.live_bytes, live);
        CHECK_EQ(now.live_blocks, i + 1);
        CHECK_EQ(now.large_blocks, large);
        CHECK_EQ(now.huge_blocks, huge);
        CHECK(now.committed_bytes >= live && now.reserved_bytes >= now.committed_bytes);
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        CHECK(holds(blocks[i], sizes[i], sizes[i], i));
        uint64_t before = stats().live_bytes, usable = hakmem_usable_size(blocks[i]);
        hakmem_free(blocks[i]);
        CHECK_EQ(stats().live_bytes, before - usable);
        CHECK_EQ(hakmem_usable_size(blocks[i]), 0);
        unsigned char in_memory;
        if (sizes[i] > HAKMEM_LARGE_MAX) { /* a mapping of its own is gone, once nobody may want it again */
            hakmem_purge();
            CHECK(mincore(blocks[i], hakmem_os_page_size(), &in_memory) != 0 && errno == ENOMEM);
        }
    }
    CHECK_EQ(stats().live_blocks, 0);
    CHECK_EQ(stats().huge_blocks + stats().large_blocks, 0);
}

static void test_run_in_place(void) {
    char *p = hakmem_malloc(100000); /* 2 slots */
    fill(p, 100000, 1);
    CHECK_PTR(hakmem_realloc(p, 110000), p);
    CHECK_PTR(hakmem_realloc(p, 300000), p); /* 5: the next ones were free */
    CHECK_EQ(hakmem_usable_size(p), 5 * SLOT_BYTES);
    CHECK(holds(p, 100000, 100000, 1));
    CHECK_PTR(hakmem_realloc(p, 100000), p); /* back to 2 */
    CHECK_EQ(hakmem_usable_size(p), 2 * SLOT_BYTES);
    CHECK_EQ(stats().live_bytes, 2 * SLOT_BYTES);
    char *next = hakmem_malloc(100000);
    CHECK_PTR(next, p + 2 * SLOT_BYTES); /* what was given up serves others */
    fill(next, 100000, 2);
    char *moved = hakmem_realloc(p, 300000); /* in the way */
    CHECK(moved != NULL && moved != p);
    CHECK(holds(moved, 100000, 100000, 1));
    CHECK(holds(next, 100000, 100000, 2));
    CHECK_PTR(hakmem_realloc_aligned(moved, 300000, 1, 310000), moved);
    CHECK_PTR(hakmem_realloc_aligned(moved, 310000, 1, 70000), moved);
    CHECK_EQ(hakmem_usable_size(moved), 2 * SLOT_BYTES);
    CHECK(holds(moved, 100000, 70000, 1));
    hakmem_free(next);
    hakmem_free(moved);
    CHECK_EQ(stats().live_blocks, 0);
}

static void test_huge_resize(void) {
    enum { OLD = HAKMEM_LARGE_MAX * 2, MORE = OLD + 1000000, MUCH = HAKMEM_LARGE_MAX * 20 };
    char *p = hakmem_malloc(OLD);
    fill(p, OLD, 3);
    p = hakmem_realloc(p, MORE);
    CHECK(p != NULL && holds(p, OLD, OLD, 3));
    CHECK(is_zero(p + OLD, MORE - OLD)); /* new memory, not copied to */
    CHECK_EQ(hakmem_usable_size(p), align_up(MORE, hakmem_os_page_size()));
    /* Something behind it, so that it has to move; the mapping moves, the contents are not touched. */
    void *wall = mmap(p + hakmem_usable_size(p), 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(wall != MAP_FAILED);
    char *moved = hakmem_realloc(p, MUCH);
    CHECK(moved != NULL && holds(moved, OLD, OLD, 3));
    CHECK_EQ(hakmem_usable_size(moved), MUCH);
    CHECK_EQ(stats().live_bytes, MUCH);
    CHECK_EQ(stats().huge_blocks, 1);
    if (moved != p) {
        CHECK_EQ(hakmem_usable_size(p), 0);
    }
    p = hakmem_realloc(moved, OLD);
    CHECK(holds(p, OLD, OLD, 3));
    CHECK_EQ(stats().live_bytes, OLD);
    /* An alignment above the system's page: never moved by the mapping, so copied where it cannot grow. */
    char *aligned = hakmem_alloc_aligned(OLD, 1 << 21);
    CHECK_EQ((uintptr_t)aligned % (1 << 21), 0);
    fill(aligned, OLD, 4);
    for (size_t size = MORE; size < MUCH; size *= 2) {
        aligned = hakmem_realloc_aligned(aligned, size == MORE ? OLD : size / 2, 1 << 21, size);
        CHECK(aligned != NULL && (uintptr_t)aligned % (1 << 21) == 0);
        CHECK(holds(aligned, OLD, OLD, 4));
    }
    hakmem_free(aligned);
    /* From kind to kind, down and up. */
    static const size_t sizes[] = {HAKMEM_LARGE_MAX + 1,
                                   HAKMEM_LARGE_MAX,
                                   HAKMEM_LARGE_MAX / 2,
                                   100,
                                   65537,
                                   65536,
                                   HAKMEM_LARGE_MAX / 2 + 1,
                                   OLD,
                                   8,
                                   OLD,
                                   70000};
    size_t kept = OLD;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        p = hakmem_realloc(p, sizes[i]);
        CHECK(p != NULL && hakmem_usable_size(p) >= sizes[i]);
        kept = sizes[i] < kept ? sizes[i] : kept;
        CHECK(holds(p, OLD, kept, 3) || kept < 64);
        CHECK_EQ(stats().live_blocks, 1);
    }
    hakmem_free(p);
    munmap(wall, 4096);
    CHECK_EQ(stats().live_bytes, 0);
}

/* More mappings than hash buckets; freed in another order. */
static void test_many_huge(void) {
    enum { MANY = 3000 };
    static void *blocks[MANY];
    for (int i = 0; i < MANY; i++) {
        blocks[i] = hakmem_alloc_aligned(1, (size_t)HAKMEM_LARGE_MAX * 2); /* a page each, far apart */
        CHECK(blocks[i] != NULL && (uintptr_t)blocks[i] % ((size_t)HAKMEM_LARGE_MAX * 2) == 0);
    }
    CHECK_EQ(stats().huge_blocks, MANY);
    for (int i = 0; i < MANY; i++) {
        hakmem_free(blocks[(i * 7) % MANY]);
        blocks[(i * 7) % MANY] = NULL;
    }
    CHECK_EQ(stats().huge_blocks, 0);
}

int main(void) {
    errno = 7;
    hakmem_free(NULL);
    CHECK_EQ(errno, 7);
    test_sizes();
    hakmem_purge();
    test_run_in_place();
    test_huge_resize();
    test_many_huge();
    hakmem_free(NULL);
    CHECK_EQ(stats().live_blocks, 0);
    return 0;
}
