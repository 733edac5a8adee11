/* The shared pool: each stage in turn, release, chunks that go back and come again, runs, growth, and all of it from
 * several threads at once. */
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "check.h"
#include "idle.h"
#include "options.h"
#include "os.h"
#include "purge.h"
#include "shared_pool.h"
#include "thread.h"
#include "tiny.h"

static bool bit(hakmem_slot_bits_t *bits, uint32_t slot) {
    return (atomic_load(&(*bits)[slot / 64]) >> (slot % 64) & 1) != 0;
}

/* The stage that a slot which nobody owns would come from; HAKMEM_STAGE_COUNT: somebody does. */
static hakmem_stage_t stage_of(hakmem_chunk_t *chunk, uint32_t slot) {
    bool empty = bit(&chunk->empty, slot), released = bit(&chunk->released, slot), unused = bit(&chunk->unused, slot);
    CHECK(empty + released + unused <= 1);
    return empty      ? HAKMEM_STAGE_EMPTY
           : released ? HAKMEM_STAGE_RELEASED
           : unused   ? HAKMEM_STAGE_UNUSED
                      : HAKMEM_STAGE_COUNT;
}

static void check_stage(const hakmem_run_t *run, hakmem_stage_t stage) {
    for (uint32_t i = 0; i < run->length; i++) {
        CHECK_EQ(stage_of(run->chunk, run->slot + i), stage);
    }
}

/* No block is made of the slots here, so nobody else tells a memory checker that they are used. */
static void use_run(const hakmem_run_t *run) {
    memcheck_open(run_start(run), (size_t)run->length * SLOT_BYTES);
}

static hakmem_run_t acquire(uint32_t length, uint32_t align) {
    hakmem_run_t run;
    CHECK(hakmem_pool_acquire(length, align, &run));
    CHECK_EQ(run.length, length);
    CHECK_EQ(run.slot % align, 0);
    CHECK(run.slot >= HEAD_SLOTS && run.slot + length <= run.chunk->slots);
    check_stage(&run, HAKMEM_STAGE_COUNT);
    use_run(&run);
    if (run.zero) {
        CHECK(is_zero(run_start(&run), (size_t)length * SLOT_BYTES));
    }
    memset(run_start(&run), 0xa5, (size_t)length * SLOT_BYTES);
    return run;
}

/* What is released stays resident, but for so much that some of it is purged at once. */
static void release(const hakmem_run_t *run) {
    hakmem_pool_release(run->chunk, run->slot, run->length);
    if (run->length <= 300) {
        check_stage(run, HAKMEM_STAGE_EMPTY);
    }
}

static void test_stages(void) {
    CHECK_EQ(hakmem_arena_chunk_count(), 0);
    hakmem_run_t a = acquire(1, 1); /* 3: there is no chunk yet */
    CHECK_EQ(hakmem_arena_chunk_count(), 1);
    CHECK_EQ(hakmem_arena_active_chunks(), 1);
    CHECK(a.zero && a.slot == HEAD_SLOTS);
    CHECK_EQ(stage_of(a.chunk, a.slot + 1), HAKMEM_STAGE_UNUSED);
    hakmem_run_t b = acquire(1, 1); /* 2 */
    CHECK(b.zero && b.slot == a.slot + 1 && b.chunk == a.chunk);
    release(&a);
    CHECK_EQ(hakmem_pool_dirty_bytes(), SLOT_BYTES);
    hakmem_run_t c = acquire(1, 1); /* 0.5 */
    CHECK(c.slot == a.slot && !c.zero);
    CHECK_EQ(hakmem_pool_dirty_bytes(), 0);
    release(&b);
    hakmem_pool_purge();
    check_stage(&b, HAKMEM_STAGE_RELEASED);
    release(&c); /* empty and lower, but the stage decides before the address does */
    hakmem_run_t d = acquire(1, 1), e = acquire(1, 1); /* 0.5, then 1 */
    CHECK(d.slot == c.slot && !d.zero);
    CHECK(e.slot == b.slot && e.zero);
    CHECK_EQ(hakmem_arena_chunk_count(), 1);
    /* A run over slots of all three kinds is zero only if none of them is merely empty. */
    release(&e);
    hakmem_pool_purge();
    hakmem_run_t f = acquire(2, 1);
    CHECK(f.slot == e.slot && f.zero);
    release(&f);
    release(&d);
    f = acquire(4, 1);
    CHECK(f.slot == d.slot && !f.zero);
    release(&f);
    hakmem_pool_purge();
    check_stage(&f, HAKMEM_STAGE_RELEASED);
}

/* 0: the heap's own slots, resident, last in first out. */
static void test_heap_slots(void) {
    hakmem_tiny_heap_t *heap = hakmem_thread_heap_get();
    hakmem_purge();
    CHECK_EQ(heap->l0_count, 0);
    void *kept[2][65536 / 4096 + 1];
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < COUNT_OF(kept[i]); k++) {
            kept[i][k] = hakmem_malloc(4096 + (size_t)i * 4096); /* two pages of one class and three of the other */
        }
    }
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(kept[0][0]);
    for (size_t k = 0; k < COUNT_OF(kept[0]); k++) {
        hakmem_free(kept[0][k]);
    }
    CHECK_EQ(heap->l0_count, 1);
    CHECK_PTR(heap->l0_slots[0], page->start);
    CHECK_EQ(stage_of(arena_chunk_of(page->start), arena_slot_of(page->start)), HAKMEM_STAGE_COUNT);
    void *p = hakmem_malloc(600);
    CHECK_EQ(heap->l0_count, 0);
    CHECK_PTR(hakmem_tiny_ptr_to_page(p), page);
    CHECK_EQ(page_block_size(page), 640);
    hakmem_free(p);
    for (size_t k = 0; k < COUNT_OF(kept[1]); k++) {
        hakmem_free(kept[1][k]);
    }
    CHECK(heap->l0_count != 0 && heap->l0_count <= L0_SLOTS);
    hakmem_purge();
    CHECK_EQ(heap->l0_count, 0);
    CHECK_EQ(hakmem_pool_dirty_bytes(), 0);
}

static void test_runs(void) {
    hakmem_run_t a = acquire(100, 1), b = acquire(3, 1); /* over the words of the bitmaps */
    CHECK_EQ(b.slot, a.slot + 100);
    hakmem_run_t c = acquire(8, 8);
    CHECK(c.slot >= b.slot + 3 && c.slot < b.slot + 3 + 8);
    CHECK(!hakmem_pool_grow(&a, 101)); /* b is in the way */
    CHECK_EQ(a.length, 100);
    release(&b);
    CHECK(hakmem_pool_grow(&a, 103));
    CHECK_EQ(a.length, 103);
    check_stage(&a, HAKMEM_STAGE_COUNT);
    CHECK(!hakmem_pool_grow(&a, CHUNK_SLOTS));
    release(&c);
    CHECK(!hakmem_pool_grow(&a, a.chunk->slots)); /* over the chunk's end */
    CHECK(hakmem_pool_grow(&a, a.chunk->slots - a.slot));
    release(&a);
    hakmem_pool_purge();
    hakmem_run_t d = acquire(256, 256);
    CHECK(d.slot == 256);
    release(&d);
    hakmem_pool_purge();
}

/* All slots of the first three chunks, in their order. */
static void acquire_chunks(hakmem_run_t runs[3]) {
    for (int i = 0; i < 3; i++) {
        hakmem_run_t run = acquire(CHUNK_SLOTS - HEAD_SLOTS, 1);
        CHECK(run.chunk->index < 3);
        runs[run.chunk->index] = run;
    }
}

static void release_chunks(hakmem_run_t runs[3]) {
    for (int i = 0; i < 3; i++) {
        hakmem_pool_release(runs[i].chunk, runs[i].slot, runs[i].length);
    }
}

/* Of what is released at once, no more is purged than is too much, and that from the highest address on. */
static void test_bound(void) {
    hakmem_pool_purge();
    hakmem_run_t runs[3];
    acquire_chunks(runs);
    release_chunks(runs);
    const uint32_t whole = runs[0].length;
    uint32_t left = (uint32_t)(hakmem_pool_dirty_bytes() / SLOT_BYTES);
    CHECK(left >= 700 && left <= 900);
    for (uint32_t i = 0; i < 2 * whole; i++) {
        const hakmem_run_t *run = &runs[i / whole];
        CHECK_EQ(stage_of(run->chunk, run->slot + i % whole), i < left ? HAKMEM_STAGE_EMPTY : HAKMEM_STAGE_RELEASED);
    }
    CHECK(!runs[2].chunk->active);
    hakmem_pool_purge();
    CHECK_EQ(hakmem_pool_dirty_bytes(), 0);
}

/* Time as these tests have it: it goes on when they say so. */
static uint64_t later_ms(uint64_t by) {
    static uint64_t now;
    now = (now == 0 ? hakmem_os_now_ms() + 1000000 : now) + by;
    return now;
}

/* Nothing is in use, but `dirty` bytes were at once: they may be wanted again for two periods more, and are old when these are over. */
static void check_goes_after_two_periods(size_t dirty) {
    for (int period = 0; period < 2; period++) {
        hakmem_waiting_tick(later_ms(option_purge_ms()));
        CHECK_EQ(hakmem_pool_dirty_bytes(), dirty);
    }
    hakmem_waiting_tick(later_ms(option_purge_ms()));
    CHECK_EQ(hakmem_pool_dirty_bytes(), 0);
}

static void test_recently_in_use(void) {
    hakmem_pool_purge();
    hakmem_waiting_tick(later_ms(1000)); /* a period begins */
    hakmem_run_t run = acquire(400, 1);
    release(&run);
    check_goes_after_two_periods(400 * (size_t)SLOT_BYTES);
    run = acquire(400, 1);
    release(&run);
    hakmem_waiting_tick(later_ms(option_purge_ms()));
    hakmem_waiting_tick(later_ms(10 * option_purge_ms())); /* nobody looked for long */
    CHECK_EQ(hakmem_pool_dirty_bytes(), 0);
}

/* Acquires and releases three chunks' slots at once. Returns how many are resident still. */
static size_t dirty_after_three_chunks(void) {
    hakmem_run_t runs[3];
    acquire_chunks(runs);
    release_chunks(runs);
    return hakmem_pool_dirty_bytes() / SLOT_BYTES;
}

/* The clock purges gaps that a run has no use for, while as much as before is in use. */
static void leave_gaps_until_they_are_purged(void) {
    enum { SINGLES = 1200, RUN = 300 };
    static hakmem_run_t singles[SINGLES];
    for (uint32_t i = 0; i < SINGLES; i++) {
        singles[i] = acquire(1, 1);
    }
    for (int period = 0; period < 4; period++) {
        hakmem_waiting_tick(later_ms(option_purge_ms()));
    }
    CHECK_EQ(hakmem_pool_dirty_bytes(), 0);
    for (uint32_t i = 0; i < SINGLES; i += 2) {
        release(&singles[i]);
    }
    hakmem_run_t run = acquire(RUN, 1);
    CHECK_EQ(hakmem_pool_dirty_bytes(), SINGLES / 2 * SLOT_BYTES);
    for (int period = 0; period < 2; period++) {
        hakmem_waiting_tick(later_ms(option_purge_ms()));
    }
    CHECK_EQ(hakmem_pool_dirty_bytes(), (SINGLES / 2 - RUN) * SLOT_BYTES);
    release(&run);
    for (uint32_t i = 1; i < SINGLES; i += 2) {
        release(&singles[i]);
    }
    CHECK_EQ(hakmem_pool_dirty_bytes(), SINGLES * SLOT_BYTES); /* what had been learned is known still */
}

/* A mapping that nobody wants says nothing about slots that are wanted. */
static void leave_a_mapping_until_it_goes(void) {
    hakmem_free(hakmem_malloc(2 * HAKMEM_LARGE_MAX));
    CHECK(hakmem_idle_bytes() != 0);
    for (int period = 0; period < 4; period++) {
        dirty_after_three_chunks();
        hakmem_waiting_tick(later_ms(option_purge_ms()));
    }
    CHECK_EQ(hakmem_idle_bytes(), 0);
}

/* What was purged for being too much and is wanted again soon may wait the next time, until the clock finds that nobody wanted it. */
static void test_wanted_again(void) {
    const size_t all = 3 * (CHUNK_SLOTS - HEAD_SLOTS);
    hakmem_pool_purge();
    CHECK(dirty_after_three_chunks() < all);
    CHECK_EQ(dirty_after_three_chunks(), all);
    CHECK_EQ(dirty_after_three_chunks(), all);
    leave_gaps_until_they_are_purged();
    CHECK_EQ(dirty_after_three_chunks(), all);
    leave_a_mapping_until_it_goes();
    CHECK_EQ(dirty_after_three_chunks(), all);
    check_goes_after_two_periods(all * SLOT_BYTES);
    CHECK(dirty_after_three_chunks() < all);

    hakmem_pool_purge();
    CHECK(dirty_after_three_chunks() < all);
    for (int period = 0; period < 20; period++) {
        hakmem_waiting_tick(later_ms(1000));
        hakmem_run_t run = acquire(1, 1); /* something is dirty, so that there are periods */
        release(&run);
    }
    CHECK(dirty_after_three_chunks() < all); /* what was purged is forgotten */
    hakmem_pool_purge();
    hakmem_waiting_tick(later_ms(1000)); /* no time is set */
}

/* A chunk that is free from end to end goes back, and comes again zero; the last one stays. */
static void test_chunks(void) {
    hakmem_run_t runs[3];
    for (int i = 0; i < 3; i++) {
        runs[i] = acquire(CHUNK_SLOTS - HEAD_SLOTS, 1);
        CHECK_EQ(runs[i].chunk->index, i);
    }
    CHECK_EQ(hakmem_arena_active_chunks(), 3);
    hakmem_stats_t before, after;
    hakmem_stats_get(&before);
    for (int i = 0; i < 3; i++) {
        hakmem_pool_release(runs[i].chunk, runs[i].slot, runs[i].length);
    }
    hakmem_pool_purge();
    CHECK_EQ(hakmem_arena_active_chunks(), 1);
    hakmem_chunk_t *kept = NULL, *lowest_idle = NULL;
    for (int i = 2; i >= 0; i--) {
        if (runs[i].chunk->active) {
            kept = runs[i].chunk;
        } else {
            lowest_idle = runs[i].chunk;
            CHECK_EQ(atomic_load(&lowest_idle->committed), HEAD_SLOTS);
        }
    }
    hakmem_stats_get(&after);
    CHECK(after.committed_bytes + 3 * (CHUNK_SLOTS - HEAD_SLOTS) * (uint64_t)SLOT_BYTES <= before.committed_bytes);
    CHECK_EQ(after.reserved_bytes, before.reserved_bytes);
    hakmem_run_t first = acquire(CHUNK_SLOTS - HEAD_SLOTS, 1), again = acquire(20, 1);
    CHECK_PTR(first.chunk, kept);
    CHECK_PTR(again.chunk, lowest_idle); /* revived, not a fourth one */
    CHECK(again.zero && again.chunk->active);
    CHECK_EQ(hakmem_arena_chunk_count(), 3);
    CHECK_EQ(hakmem_arena_active_chunks(), 2);
    release(&again);
    hakmem_pool_release(first.chunk, first.slot, first.length);
    hakmem_pool_purge();
    CHECK_EQ(hakmem_arena_active_chunks(), 1);
}

/* At rest: what is counted as dirty is what is empty, and no chunk hides a run that it has (run_limit). */
static void check_at_rest(void) {
    size_t dirty = 0;
    for (uint32_t i = 0; i < hakmem_arena_chunk_count(); i++) {
        hakmem_chunk_t *chunk = hakmem_arena_chunk(i);
        uint32_t longest = 0, length = 0;
        for (uint32_t slot = HEAD_SLOTS; slot < chunk->slots; slot++) {
            hakmem_stage_t stage = stage_of(chunk, slot);
            dirty += stage == HAKMEM_STAGE_EMPTY;
            length = stage == HAKMEM_STAGE_COUNT ? 0 : length + 1;
            longest = length > longest ? length : longest;
        }
        CHECK(atomic_load(&chunk->run_limit) > longest);
    }
    CHECK_EQ(hakmem_pool_dirty_bytes(), dirty * SLOT_BYTES);
}

/* No slot was lost on the way. */
static void check_all_free(void) {
    for (uint32_t i = 0; i < hakmem_arena_chunk_count(); i++) {
        hakmem_chunk_t *chunk = hakmem_arena_chunk(i);
        for (uint32_t slot = HEAD_SLOTS; chunk->active && slot < chunk->slots; slot++) {
            CHECK(stage_of(chunk, slot) != HAKMEM_STAGE_COUNT);
        }
    }
}

static void *churn(void *seed) {
    enum { HELD = 24 };
    hakmem_run_t held[HELD] = {{0}};
    uint64_t random = (uintptr_t)seed;
    for (long i = 0; i < rounds(30000); i++) {
        uint64_t r = next_random(&random);
        hakmem_run_t *run = &held[r % HELD];
        if (run->chunk != NULL) {
            uint64_t *words = (uint64_t *)(void *)run_start(run);
            size_t last = ((size_t)run->length * SLOT_BYTES / 8) - 1;
            CHECK(words[0] == (uintptr_t)run && words[last] == (uintptr_t)run); /* nobody else has it */
            hakmem_pool_release(run->chunk, run->slot, run->length);
            run->chunk = NULL;
        } else {
            uint32_t align = (r >> 32) % 4 == 0 ? 8 : 1;
            uint32_t length = (r >> 34) % 64 == 0 ? 300 : 1 + (uint32_t)((r >> 34) % 24);
            CHECK(hakmem_pool_acquire(length, align, run));
            use_run(run);
            uint64_t *words = (uint64_t *)(void *)run_start(run);
            size_t last = ((size_t)length * SLOT_BYTES / 8) - 1;
            CHECK(!run->zero || (words[0] == 0 && words[last] == 0));
            words[0] = words[last] = (uintptr_t)run;
        }
        if ((r >> 48) % 512 == 0) {
            hakmem_pool_purge();
        }
    }
    for (int i = 0; i < HELD; i++) {
        if (held[i].chunk != NULL) {
            hakmem_pool_release(held[i].chunk, held[i].slot, held[i].length);
        }
    }
    return NULL;
}

static void test_threads(void) {
    for (int round = 0; round < 3; round++) {
        pthread_t threads[4];
        for (uintptr_t i = 0; i < 4; i++) {
            CHECK_EQ(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
        }
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        }
        check_at_rest();
        hakmem_pool_purge();
        check_at_rest();
        CHECK_EQ(hakmem_pool_dirty_bytes(), 0);
        check_all_free();
        CHECK(hakmem_arena_active_chunks() <= 1);
    }
}

/* So much is released at once that it is purged at once, but the system keeps some of it (it does so with locked memory): what is
 * left waits for its time as any slots do. */
static void test_left_by_purge(void) {
    if (skipped_under("address thread", "test_left_by_purge", "the tool makes mlock do nothing")) {
        return;
    }
    hakmem_pool_purge();
    hakmem_waiting_tick(later_ms(1000)); /* nothing waits, and no time is set */
    hakmem_run_t runs[3];
    acquire_chunks(runs);
    /* Of those that go, the first of a chunk that stays. */
    void *kept = run_start(&runs[1]) + (runs[1].length - 1) * (size_t)SLOT_BYTES;
    if (mlock(kept, 1) != 0) {
        printf("no memory can be locked: not tested\n");
        release_chunks(runs);
        hakmem_pool_purge();
        return;
    }
    release_chunks(runs);
    size_t left = hakmem_pool_dirty_bytes();
    CHECK(left != 0 && left < 2 * runs[0].length * (size_t)SLOT_BYTES);
    CHECK_EQ(stage_of(runs[1].chunk, runs[1].slot + runs[1].length - 1), HAKMEM_STAGE_EMPTY);
    CHECK_EQ(munlock(kept, 1), 0);
    check_goes_after_two_periods(left);
}

/* Much was in use and is free again: who notices time passing is not held up by how much it was. */
static void test_tick_after_much_was_in_use(void) {
    enum { RUNS = 2048 }; /* 8 GiB of address space, of which nothing is touched */
    static hakmem_run_t runs[RUNS];
    for (int i = 0; i < RUNS; i++) {
        CHECK(hakmem_pool_acquire(62, 1, &runs[i]));
    }
    for (int i = 0; i < RUNS; i++) {
        hakmem_pool_release(runs[i].chunk, runs[i].slot, runs[i].length);
    }
    struct timespec before, after;
    CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before), 0);
    hakmem_pool_tick(hakmem_os_now_ms() + option_purge_ms());
    CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after), 0);
    int64_t ns = (after.tv_sec - before.tv_sec) * INT64_C(1000000000) + after.tv_nsec - before.tv_nsec;
    if (!skipped_under("address thread undefined valgrind", "the time of a tick", "the tool takes its own")) {
        CHECK(ns < 30000000);
    }
    hakmem_pool_purge();
}

int main(void) {
    test_stages();
    test_heap_slots();
    test_runs();
    test_bound();
    test_recently_in_use();
    test_wanted_again();
    test_chunks();
    test_left_by_purge();
    check_at_rest();
    test_threads();
    test_tick_after_much_was_in_use();
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
    return 0;
}
