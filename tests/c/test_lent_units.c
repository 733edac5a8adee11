/* What waits for one kind of block serves the other: free slots lend their pages to a mapping (purge.c, huge.c), and a freed mapping
 * becomes slots (shared_pool.c). Nothing of it is touched anew, nothing is there twice, and what the system refuses is lost to
 * nobody. */
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>

#include "core.h"
#include "idle.h"
#include "os.h"
#include "purge.h"
#include "recent.h"

enum {
    SLOTS = 1024, /* 64 MiB: three chunks */
    MAPPING = 40, /* MiB */
};

static hakmem_run_t taken[SLOTS];

/* Nothing waits, and what was in use before counts no more. */
static void forget_the_past(void) {
    hakmem_purge();
    usleep(350000); /* three periods and more */
    hakmem_waiting_tick(hakmem_os_now_ms());
    CHECK_EQ(hakmem_pool_dirty_bytes(), 0);
    CHECK_EQ(hakmem_idle_bytes(), 0);
}

/* Slots that were freed are a mapping; then they are free, and zero, and so they are used again. */
static void test_slots_to_mapping(void) {
    forget_the_past();
    take_slots(taken, 0, SLOTS, 0x5a);
    release_slots(taken, 0, SLOTS);
    size_t dirty = hakmem_pool_dirty_bytes(), before = resident();
    CHECK(dirty >= (MAPPING + 8) * MIB);
    long faulted = faults();
    char *p = hakmem_malloc(MAPPING * MIB);
    CHECK(p != NULL);
    CHECK_EQ(hakmem_os_resident_bytes(p, MAPPING * MIB), MAPPING * MIB);
    CHECK_EQ(hakmem_pool_dirty_bytes(), dirty - MAPPING * MIB);
    fill(p, MAPPING * MIB, 1);
    CHECK(faults() - faulted < 200);
    CHECK(before == 0 || resident() <= before + MIB);
    /* All slots once more, the lent ones among them: what says that it is zero is so. */
    for (uint32_t i = 0; i < SLOTS; i++) {
        CHECK(hakmem_pool_acquire(1, 1, &taken[i]));
        CHECK(!taken[i].zero || is_zero(run_start(&taken[i]), SLOT_BYTES));
        memset(run_start(&taken[i]), 1, SLOT_BYTES);
    }
    CHECK(holds(p, MAPPING * MIB, MAPPING * MIB, 1));
    release_slots(taken, 0, SLOTS);
    hakmem_free(p);
}

/* One slot of each 2 MiB is in use: nothing of them can be lent. */
static void test_used_units_stay(void) {
    forget_the_past();
    take_slots(taken, 0, SLOTS, 0x5a);
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (taken[i].slot % HUGE_UNIT_SLOTS != 7) {
            release_slots(taken, i, i + 1);
        }
    }
    size_t dirty = hakmem_pool_dirty_bytes();
    char *p = hakmem_malloc(MAPPING * MIB);
    CHECK(p != NULL && is_zero(p, MAPPING * MIB));
    CHECK_EQ(hakmem_pool_dirty_bytes(), dirty);
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (taken[i].slot % HUGE_UNIT_SLOTS == 7) {
            CHECK(run_start(&taken[i])[SLOT_BYTES - 1] == 0x5a);
            release_slots(taken, i, i + 1);
        }
    }
    hakmem_free(p);
}

/* A mapping that was freed is slots, as many as it has, where a chunk has 2 MiB for them of which nothing is resident. */
static void test_mapping_to_slots(void) {
    enum { BEFORE = 2 * HUGE_UNIT_SLOTS, MOVED = MAPPING * MIB / SLOT_BYTES };
    forget_the_past();
    char *p = hakmem_alloc_aligned(MAPPING * MIB, HUGE_PAGE);
    memset(p, 0x77, MAPPING * MIB);
    take_slots(taken, 0, BEFORE, 0x5a);
    hakmem_free(p);
    CHECK_EQ(hakmem_idle_bytes(), MAPPING * MIB);
    size_t before = resident();
    long faulted = faults();
    uint32_t to = BEFORE, fresh = 0;
    for (; to < SLOTS && hakmem_idle_bytes() + hakmem_pool_dirty_bytes() != 0; to++) {
        CHECK(hakmem_pool_acquire(1, 1, &taken[to]));
        CHECK_EQ(run_start(&taken[to])[1], taken[to].zero ? 0 : 0x77);
        fresh += taken[to].zero;
        memset(run_start(&taken[to]), 0x5a, SLOT_BYTES);
    }
    CHECK_EQ(to - BEFORE - fresh, MOVED);
    CHECK(fresh <= 2 * HUGE_UNIT_SLOTS); /* at a chunk's end, and beside the head of the next */
    CHECK_EQ(hakmem_in_use(IN_SLOTS), (int64_t)to * SLOT_BYTES);
    CHECK(faults() - faulted < 200 + (long)fresh * (SLOT_BYTES / 4096));
    CHECK(before == 0 || resident() <= before + fresh * (size_t)SLOT_BYTES + MIB);
    for (uint32_t i = 0; i < to; i++) {
        CHECK(run_start(&taken[i])[i % SLOT_BYTES] == 0x5a);
    }
    release_slots(taken, 0, to);
}

/* Built and freed in turn, what waits is not more than what was in use: the one kind of it becomes the other. */
static void test_in_turn(void) {
    forget_the_past();
    size_t before = resident();
    for (int turn = 0; turn < 4; turn++) {
        take_slots(taken, 0, SLOTS, 0x5a);
        release_slots(taken, 0, SLOTS);
        char *p = hakmem_malloc(SLOTS * (size_t)SLOT_BYTES);
        memset(p, 1, SLOTS * (size_t)SLOT_BYTES);
        hakmem_free(p);
        size_t waits = hakmem_pool_dirty_bytes() + hakmem_idle_bytes();
        printf("turn %d: %zu MiB wait\n", turn, waits / MIB);
        CHECK(waits <= SLOTS * (size_t)SLOT_BYTES + 6 * MIB);
        CHECK(before == 0 || resident() <= before + waits + 2 * MIB);
    }
}

/* Every call that the system can refuse is refused once, where slots become a mapping, or it slots. */
static void test_refused(bool to_mapping) {
    enum { HALF = 2 * HUGE_UNIT_SLOTS, ALL = 2 * HALF };
    bool over = !DEBUG_BUILD; /* refusals are not injected there */
    for (long skip = 0; !over; skip++) {
        forget_the_past();
        char *p = to_mapping ? NULL : hakmem_alloc_aligned(8 * MIB, HUGE_PAGE);
        if (p != NULL) {
            memset(p, 0x77, 8 * MIB);
        }
        take_slots(taken, 0, HALF, 0x5a);
        long calls = hakmem_os_calls();
        hakmem_os_inject_failures(skip, 1);
        if (to_mapping) {
            release_slots(taken, 0, HALF);
            p = hakmem_malloc(6 * MIB);
        } else {
            hakmem_free(p);
            p = NULL;
        }
        for (uint32_t i = to_mapping ? 0 : HALF; i < ALL; i++) {
            while (!hakmem_pool_acquire(1, 1, &taken[i])) {
            }
            CHECK(!taken[i].zero || is_zero(run_start(&taken[i]), SLOT_BYTES));
            memset(run_start(&taken[i]), 0x5a, SLOT_BYTES);
        }
        over = hakmem_os_calls() - calls <= skip;
        hakmem_os_inject_failures(0, 0);
        if (p != NULL) {
            memset(p, 3, 6 * MIB);
        }
        hakmem_free(p);
        release_slots(taken, 0, ALL);
        CHECK_EQ(hakmem_in_use(IN_SLOTS), 0);
        CHECK_EQ(stats().live_bytes, 0);
        CHECK(!over || skip >= 2);
    }
}

static void mark(char *p, size_t bytes, uint64_t by) {
    for (size_t at = 0; at < bytes; at += 4096) {
        memcpy(p + at, &by, sizeof by);
    }
}

static void check_marked(const char *p, size_t bytes, uint64_t by) {
    for (size_t at = 0; at < bytes; at += 4096) {
        CHECK(memcmp(p + at, &by, sizeof by) == 0);
    }
}

/* Slots and mappings by turns, each in its own measure. */
static void *by_turns(void *seed) {
    enum { MOST = 160 };
    uint64_t state = (uintptr_t)seed;
    for (long round = rounds(60); round > 0; round--) {
        hakmem_run_t runs[MOST];
        uint64_t n = next_random(&state) % MOST + 1, by = next_random(&state);
        size_t bytes = (4 + next_random(&state) % 9) * MIB + 1;
        for (uint64_t i = 0; i < n; i++) {
            CHECK(hakmem_pool_acquire(1, 1, &runs[i]));
            CHECK(!runs[i].zero || is_zero(run_start(&runs[i]), SLOT_BYTES));
            mark(run_start(&runs[i]), SLOT_BYTES, by + i);
        }
        char *p = hakmem_malloc(bytes);
        CHECK(p != NULL);
        mark(p, bytes, by);
        for (uint64_t i = 0; i < n; i++) {
            check_marked(run_start(&runs[i]), SLOT_BYTES, by + i);
            hakmem_pool_release(runs[i].chunk, runs[i].slot, 1);
        }
        check_marked(p, bytes, by);
        hakmem_free(p);
    }
    return NULL;
}

static void test_threads(void) {
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, by_turns, (void *)(i + 1)), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(hakmem_in_use(IN_SLOTS), 0);
    CHECK_EQ(hakmem_in_use(IN_MAPPINGS), 0);
}

int main(void) {
    test_threads();
    if (skipped_under("address thread valgrind", "test_lent_units", "the tool's own memory is in the figures") ||
        MEMCHECK || !hakmem_os_can_move(LEAVE_ZEROES)) {
        return 0;
    }
    test_slots_to_mapping();
    test_used_units_stay();
    test_mapping_to_slots();
    test_in_turn();
    test_refused(true);
    test_refused(false);
    return 0;
}
