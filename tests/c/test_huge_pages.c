/* Huge pages of chunks (page_arena.c): what was purged stays purged when a slot beside it is used again, and slots that were never
 * used do not stay resident. Where the system gives no huge pages, or does not tell, this holds anyway. */
#include "check.h"
#include "shared_pool.h"

enum {
    SLOTS =
        706,    /* the first chunk, which gets some on the way, and a part of the second, but no whole number of them */
    KEPT = 382, /* with the chunk's head a whole number */
};

static size_t resident(void) {
    return statm_bytes("%*u %lu");
}

static hakmem_run_t taken[SLOTS];

static void take(uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        CHECK(hakmem_pool_acquire(1, 1, &taken[i]));
        memset(run_start(&taken[i]), 1, SLOT_BYTES);
    }
}

static void give(uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        hakmem_pool_release(taken[i].chunk, taken[i].slot, 1);
    }
    hakmem_pool_purge();
}

int main(void) {
    if (skipped_under("address thread valgrind", "test_huge_pages", "the tool's own memory is in the figures")) {
        return 0;
    }
    take(0, 1);
    size_t start = resident();
    take(1, SLOTS);
    CHECK(start == 0 || resident() - start >= (SLOTS - 1) * (size_t)SLOT_BYTES);
    give(KEPT, SLOTS - 1);
    size_t kept = resident();
    CHECK(kept - start <= (KEPT + 1) * (size_t)SLOT_BYTES + MIB);
    take(KEPT, KEPT + 1);
    CHECK(resident() - kept <= SLOT_BYTES + MIB / 4);
    give(0, KEPT + 1);
    give(SLOTS - 1, SLOTS);
    CHECK(resident() - start <= MIB || resident() < start);
    return 0;
}
