/* Runs of slots and mappings of their own: sizes, alignment, figures, resizing in place and by moving the mapping. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "core.h"
#include "huge.h"
#include "idle.h"
#include "large.h"
#include "mapping.h"
#include "options.h"
#include "os.h"
#include "recent.h"
#include "tiny.h"

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
        CHECK_EQ(arena_contains(p), is_run);
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

/* What was in use before counts no more for what may wait. */
static void forget_the_past(void) {
    hakmem_purge();
    usleep(350000); /* three periods and more */
}

#ifdef __linux__ /* elsewhere pages cannot be moved */

static bool all_resident(const char *p, size_t bytes) {
    return hakmem_os_resident_bytes(p, bytes) == bytes;
}

/* A page before and a page behind a block, so that no other mapping lies right beside it. */
typedef struct {
    void *before, *behind;
} walls_t;

static void *wall_at(char *p) {
    return mmap(p, hakmem_os_page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static walls_t put_walls(char *p) {
    return (walls_t){wall_at(p - hakmem_os_page_size()), wall_at(p + hakmem_usable_size(p))};
}

static void take_walls(walls_t walls) {
    void *both[] = {walls.before, walls.behind};
    for (int i = 0; i < 2; i++) {
        if (both[i] != MAP_FAILED) { /* else something else was there */
            CHECK_EQ(munmap(both[i], hakmem_os_page_size()), 0);
        }
    }
}

/* A block of 17 MiB out of three of 6 MiB that were filled and freed, apart from each other. */
static char *joined(uint64_t seed) {
    forget_the_past();
    char *parts[3];
    walls_t walls[3];
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i] = hakmem_malloc(6 * MIB);
        memset(parts[i], 1, 6 * MIB);
        walls[i] = put_walls(parts[i]);
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        hakmem_free(parts[i]);
    }
    CHECK_EQ(hakmem_idle_bytes(), 18 * MIB);
    char *p = hakmem_malloc(17 * MIB);
    CHECK_EQ(hakmem_usable_size(p), 18 * MIB); /* whole units */
    CHECK_EQ(hakmem_idle_bytes(), 0);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        take_walls(walls[i]);
    }
    CHECK(all_resident(p, 18 * MIB));
    CHECK_EQ(stats().live_bytes, 18 * MIB);
    fill(p, 17 * MIB, seed);
    CHECK(holds(p, 17 * MIB, 17 * MIB, seed));
    return p;
}

static void test_joined(void) {
    /* Used again as it is, and cut where it was joined and elsewhere. */
    char *p = joined(1);
    hakmem_free(p);
    CHECK_PTR(hakmem_malloc(18 * MIB), p);
    hakmem_free(p);
    char *first = hakmem_malloc(6 * MIB), *second = hakmem_malloc(4 * MIB + 1);
    CHECK_PTR(first, p);
    CHECK_PTR(second, p + 6 * MIB);
    CHECK_EQ(hakmem_usable_size(second), 6 * MIB);
    CHECK_EQ(hakmem_idle_bytes(), 6 * MIB);
    fill(second, 6 * MIB, 5);
    hakmem_free(first);
    char *again = hakmem_malloc(12 * MIB); /* of the ends, with `second` in between */
    CHECK(all_resident(again, 12 * MIB));
    fill(again, 12 * MIB, 6);
    CHECK(holds(second, 6 * MIB, 6 * MIB, 5));
    hakmem_free(second);
    char *both = hakmem_malloc(20 * MIB); /* with fresh memory behind it */
    CHECK(all_resident(both, 6 * MIB) && is_zero(both + 6 * MIB, 14 * MIB));
    CHECK(holds(again, 12 * MIB, 12 * MIB, 6));
    hakmem_free(again);
    hakmem_free(both);
    /* Smaller, and then larger than the system grows what consists of several mappings. */
    p = joined(2);
    CHECK_PTR(hakmem_realloc(p, 11 * MIB), p);
    CHECK_EQ(hakmem_usable_size(p), 11 * MIB);
    CHECK(holds(p, 17 * MIB, 11 * MIB - 8192, 2));
    p = hakmem_realloc(p, 40 * MIB);
    CHECK(holds(p, 17 * MIB, 11 * MIB - 8192, 2) && is_zero(p + 11 * MIB, 29 * MIB));
    memset(p + 11 * MIB, 7, 29 * MIB);
    p = hakmem_realloc(p, 400 * MIB);
    CHECK(holds(p, 17 * MIB, 11 * MIB - 8192, 2) && p[40 * MIB - 1] == 7);
    CHECK_EQ(stats().live_bytes, 400 * MIB);
    hakmem_free(p);
    CHECK_EQ(stats().live_bytes, 0);
}

/* A block that was cut comes together again in whatever order its parts are freed, where it was, and the system still has it as one:
 * it grows by moving, without a copy. */
static void test_cut_and_together(void) {
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t order = 0; order < COUNT_OF(orders); order++) {
        forget_the_past();
        char *p = hakmem_malloc(24 * MIB);
        memset(p, 1, 24 * MIB);
        walls_t walls = put_walls(p);
        hakmem_free(p);
        char *parts[3];
        for (size_t i = 0; i < COUNT_OF(parts); i++) {
            parts[i] = hakmem_malloc(8 * MIB);
            CHECK_PTR(parts[i], p + i * 8 * MIB);
        }
        CHECK_EQ(hakmem_idle_bytes(), 0);
        for (int i = 0; i < 3; i++) {
            hakmem_free(parts[orders[order][i]]);
        }
        CHECK_EQ(hakmem_idle_bytes(), 24 * MIB);
        CHECK_PTR(hakmem_malloc(24 * MIB), p);
        CHECK(all_resident(p, 24 * MIB));
        fill(p, 24 * MIB, order);
        memset(p + 8 * MIB, 0, 8 * MIB); /* a copy would leave these pages out */
        char *moved = hakmem_realloc(p, 48 * MIB);
        CHECK(moved != NULL && moved != p); /* walled in */
        CHECK(all_resident(moved, 24 * MIB));
        CHECK(holds(moved, 24 * MIB, 8 * MIB, order) && is_zero(moved + 8 * MIB, 8 * MIB));
        hakmem_free(moved);
        take_walls(walls);
    }
}

/* What lies side by side without having been cut from each other is one block, but not to the system. */
static void test_side_by_side(void) {
    forget_the_past();
    char *place = hakmem_malloc(24 * MIB);
    walls_t walls = put_walls(place);
    hakmem_free(place);
    char *parts[3];
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i] = hakmem_malloc(8 * MIB);
        CHECK_PTR(parts[i], place + i * 8 * MIB);
        memset(parts[i], 1, 8 * MIB);
    }
    /* The middle one moves away, and what the system has there then is another mapping. */
    char *moved = hakmem_realloc(parts[1], 9 * MIB);
    CHECK(moved != parts[1]);
    CHECK_PTR(mmap(parts[1], 8 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), parts[1]);
    hakmem_free(parts[0]);
    hakmem_free(parts[2]);
    hakmem_free(moved);
    char *again = hakmem_malloc(24 * MIB);
    CHECK(again != place);
    fill(again, 24 * MIB, 1);
    CHECK(holds(again, 24 * MIB, 24 * MIB, 1));
    again = hakmem_realloc(again, 30 * MIB);
    CHECK(holds(again, 24 * MIB, 24 * MIB, 1));
    hakmem_free(again);
    CHECK_EQ(munmap(parts[1], 8 * MIB), 0);
    take_walls(walls);
}

/* The first mapping is judged by the large block before it, if that was fresh: before any mapping was freed. */
static void test_first_mapping(void) {
    char *filled = hakmem_malloc(2 * MIB);
    memset(filled, 1, 2 * MIB);
    char *p = hakmem_malloc(5 * MIB + 1);
    CHECK_EQ(hakmem_usable_size(p), 6 * MIB);
    char *sparse = hakmem_malloc(3 * MIB + MIB / 2);
    memset(sparse, 1, MIB);
    char *larger = hakmem_malloc(12 * MIB + 1); /* too large to be judged by the first */
    CHECK_EQ(hakmem_usable_size(larger), 12 * MIB + hakmem_os_page_size());
    hakmem_free(larger);
    hakmem_free(sparse);
    hakmem_free(p);
    /* That mapping has told, so that nobody asks this one. */
    hakmem_purge();
    sparse = hakmem_malloc(2 * MIB);
    memset(sparse, 1, 2 * MIB);
    p = hakmem_malloc(5 * MIB + 1);
    CHECK_EQ(hakmem_usable_size(p), 5 * MIB + hakmem_os_page_size());
    hakmem_free(p);
    hakmem_free(sparse);
    hakmem_free(filled);
    hakmem_purge();
}

/* Once a block was seen to be filled, those after it are of huge pages from end to end. */
static void test_filled(void) {
    forget_the_past();
    char *p = hakmem_malloc(5 * MIB + 1);
    memset(p, 1, 5 * MIB + 1);
    hakmem_free(p);
    forget_the_past();
    p = hakmem_malloc(9 * MIB + 1);
    CHECK_EQ(hakmem_usable_size(p), 10 * MIB);
    hakmem_free(p);
}

/* A run that is in huge pages in part, and so several of the system's mappings, moves all the same. */
static void test_mixed_run_moves(void) {
    char *p = hakmem_malloc(HAKMEM_LARGE_MAX);
    fill(p, HAKMEM_LARGE_MAX, 5);
    hakmem_chunk_t *chunk = arena_chunk_of(p);
    uint32_t unit = (arena_slot_of(p) + HUGE_UNIT_SLOTS - 1) / HUGE_UNIT_SLOTS;
    hakmem_os_prefer_small_pages(chunk, (size_t)chunk->slots << SLOT_SHIFT);
    hakmem_os_prefer_huge_pages(arena_slot_start(chunk, unit * HUGE_UNIT_SLOTS), HUGE_PAGE);
    atomic_fetch_or(&chunk->huge_units, UINT32_C(1) << unit);
    uint64_t mappings = stats().huge_blocks;
    long before = faults();
    char *q = hakmem_realloc(p, 5 * HAKMEM_LARGE_MAX);
    long faulted = faults() - before;
    CHECK_EQ(stats().huge_blocks, mappings + 1);
    if (!skipped_under("thread valgrind", "whether a run was moved", "the tool's own memory is in the figures")) {
        CHECK(faulted < (long)(HAKMEM_LARGE_MAX / 4096 / 4)); /* nothing was copied */
    }
    CHECK(holds(q, HAKMEM_LARGE_MAX, HAKMEM_LARGE_MAX, 5));
    hakmem_free(q);
}

#endif

static bool same(const hakmem_mapping_t *a, const hakmem_mapping_t *b) {
    return a->start == b->start && a->bytes == b->bytes && a->seams == b->seams && a->cut_before == b->cut_before &&
           a->cut_behind == b->cut_behind;
}

/* The books alone: what is cut at random and put together again in a random order is what it was, seams and all. */
static void test_cut_and_append(void) {
    enum { UNITS = 64 };
    uint64_t random = 11;
    for (int round = 0; round < 2000; round++) {
        uint64_t seams = next_random(&random) & next_random(&random) & ~UINT64_C(1);
        const hakmem_mapping_t whole = {(void *)(UINT64_C(1) << 40), UNITS * MAPPING_UNIT, seams, false, false, false};
        hakmem_mapping_t pieces[UNITS];
        uint32_t n = 0;
        hakmem_mapping_t rest = whole;
        while (rest.bytes > MAPPING_UNIT && n < 9) {
            size_t units = 1 + next_random(&random) % (rest.bytes / MAPPING_UNIT - 1);
            pieces[n++] = hakmem_mapping_cut(&rest, units * MAPPING_UNIT);
        }
        pieces[n++] = rest;
        while (n > 1) {
            uint32_t i = (uint32_t)(next_random(&random) % (n - 1));
            CHECK(hakmem_mapping_append(&pieces[i], &pieces[i + 1]));
            n--;
            memmove(&pieces[i + 1], &pieces[i + 2], (n - i - 1) * sizeof pieces[0]);
        }
        CHECK(same(&pieces[0], &whole));
    }
    /* Of other mappings: a seam, if it can be remembered. */
    char *start = (char *)(UINT64_C(1) << 40);
    hakmem_mapping_t a = mapping_of(start, 3 * MAPPING_UNIT),
                     b = mapping_of(start + 3 * MAPPING_UNIT, MAPPING_UNIT + 4096);
    CHECK(hakmem_mapping_append(&a, &b));
    CHECK_EQ(a.seams, 1 << 3);
    CHECK_EQ(a.bytes, 4 * MAPPING_UNIT + 4096);
    hakmem_mapping_t c = mapping_of(start + a.bytes, MAPPING_UNIT);
    CHECK(!hakmem_mapping_append(&a, &c)); /* not at a unit */
    hakmem_mapping_t large = mapping_of(start, MAPPING_JOINED_MAX), one = mapping_of(start + large.bytes, MAPPING_UNIT);
    CHECK(!hakmem_mapping_append(&large, &one)); /* no bit for it */
    /* Without a seam, however large. */
    large = mapping_of(start, 3 * MAPPING_JOINED_MAX);
    hakmem_mapping_t front = hakmem_mapping_cut(&large, 2 * MAPPING_JOINED_MAX);
    CHECK(hakmem_mapping_append(&front, &large));
    CHECK(front.bytes == 3 * MAPPING_JOINED_MAX && front.seams == 0);
}

/* With what waits, no more is there than was in use at once; and a process that falls silent keeps little. */
static void test_what_waits(void) {
    forget_the_past();
    void *first = hakmem_malloc(12 * MIB), *second = hakmem_malloc(12 * MIB);
    hakmem_free(first);
    hakmem_free(second);
    CHECK_EQ(hakmem_idle_bytes(), 24 * MIB);
    void *zeroed = hakmem_calloc(1, 16 * MIB); /* fresh */
    CHECK_EQ(hakmem_idle_bytes(), 8 * MIB);
    zeroed = hakmem_realloc(zeroed, 20 * MIB);
    CHECK(hakmem_idle_bytes() <= 4 * MIB);
    hakmem_free(zeroed);
    CHECK(hakmem_idle_bytes() <= 24 * MIB);
    enum { MANY = 60 };
    void *blocks[MANY];
    for (int i = 0; i < MANY; i++) {
        blocks[i] = hakmem_malloc(8 * MIB);
    }
    for (int i = 0; i < MANY; i++) {
        hakmem_free(blocks[i]);
        CHECK(stats().live_bytes + hakmem_idle_bytes() <= MANY * 8 * MIB);
        CHECK(hakmem_idle_bytes() <= 64 * MIB + stats().live_bytes);
    }
    CHECK(hakmem_idle_bytes() != 0);
    hakmem_idle_tick(hakmem_os_now_ms() + option_purge_ms(), false); /* it is old, but as much was in use just before */
    CHECK(hakmem_idle_bytes() != 0);
    usleep(350000);
    hakmem_free(hakmem_malloc(100000)); /* time passes for who allocates */
    CHECK_EQ(hakmem_idle_bytes(), 0);
}

/* Who only frees ends periods as well: what waits is no more than was in use just before. */
static void test_only_frees(void) {
    forget_the_past();
    void *blocks[4];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = hakmem_malloc(40 * MIB);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        usleep(350000);
        hakmem_free(blocks[i]);
        CHECK(hakmem_idle_bytes() <= 40 * MIB);
    }
}

/* What is unmapped for being more than may wait, and wanted again soon, may wait the next time, until it does in vain. */
static void test_wanted_again(void) {
    forget_the_past();
    static const size_t waits[] = {64 * MIB, 128 * MIB, 160 * MIB, 160 * MIB};
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        hakmem_free(hakmem_malloc(160 * MIB));
        CHECK_EQ(hakmem_idle_bytes(), waits[i]);
    }
    usleep(350000);
    hakmem_free(hakmem_malloc(100000));
    CHECK_EQ(hakmem_idle_bytes(), 0);
    hakmem_free(hakmem_malloc(160 * MIB));
    CHECK_EQ(hakmem_idle_bytes(), 128 * MIB);
    hakmem_purge();
    hakmem_free(hakmem_malloc(160 * MIB));
    CHECK_EQ(hakmem_idle_bytes(), 64 * MIB);
}

/* A thread that read the clock and then was held up takes nothing that was freed meanwhile. */
static void test_clock_of_before(void) {
    forget_the_past();
    hakmem_free(hakmem_malloc(12 * MIB));
    hakmem_recent_tick(hakmem_os_now_ms() + 4 * option_purge_ms()); /* or it would stay as what was in use just before */
    CHECK_EQ(hakmem_recent_above(IN_MAPPINGS), 0);
    hakmem_idle_tick(hakmem_os_now_ms() - 1000, false);
    CHECK_EQ(hakmem_idle_bytes(), 12 * MIB);
    hakmem_idle_tick(hakmem_os_now_ms() + option_purge_ms(), false);
    CHECK_EQ(hakmem_idle_bytes(), 0);
}

static void test_purge_at_once(void) {
    forget_the_past();
    atomic_store(&hakmem_options.purge_ms, 0);
    hakmem_free(hakmem_malloc(12 * MIB));
    CHECK_EQ(hakmem_idle_bytes(), 0);
    atomic_store(&hakmem_options.purge_ms, PURGE_MS_DEFAULT);
}

int main(void) {
    errno = 7;
    hakmem_free(NULL);
    CHECK_EQ(errno, 7);
#ifdef __linux__
    test_first_mapping();
#endif
    test_sizes();
    hakmem_purge();
    test_run_in_place();
    test_huge_resize();
    test_many_huge();
#ifdef __linux__
    test_joined();
    test_cut_and_together();
    test_side_by_side();
    test_filled();
    test_mixed_run_moves();
#endif
    test_cut_and_append();
    test_what_waits();
    test_only_frees();
    test_wanted_again();
    test_clock_of_before();
    test_purge_at_once();
    hakmem_free(NULL);
    CHECK_EQ(stats().live_blocks, 0);
    return 0;
}
