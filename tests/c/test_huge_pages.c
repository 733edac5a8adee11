/* Huge pages of chunks (page_arena.c): who fills his memory gets them, and who does not gets none; what was purged stays purged when
 * a slot beside it is used again, and slots that were never used do not stay resident; but what was purged only because too much
 * waited is in huge pages again. Where the system gives no huge pages, or
 * does not tell, all but the first holds anyway. */
#include "core.h"
#include "os.h"
#include "purge.h"

enum {
    SLOTS =
        706,    /* the first chunk, which gets some on the way, and a part of the second, but no whole number of them */
    KEPT = 398, /* with the chunk's head no whole number either */
    FEW = 26,
    SPARSE = 240,
    MANY = 1600, /* more than waits */
};

static hakmem_run_t taken[MANY];

static void give(uint32_t from, uint32_t to) {
    release_slots(taken, from, to);
    hakmem_pool_purge();
}

static bool system_gives_huge_pages(void) {
    char *p = hakmem_os_map(4 * MIB, HUGE_PAGE);
    CHECK(p != NULL);
    hakmem_os_prefer_huge_pages(p, 4 * MIB);
    long before = faults();
    memset(p, 1, 4 * MIB);
    bool given = faults() - before < 16;
    hakmem_os_unmap(p, 4 * MIB);
    return given;
}

/* One page of each slot is used. */
static void test_sparse(void) {
    size_t start = resident();
    for (uint32_t i = 0; i < SPARSE; i++) {
        CHECK(hakmem_pool_acquire(1, 1, &taken[i]));
        *run_start(&taken[i]) = 1;
    }
    CHECK(resident() - start <= SPARSE * hakmem_os_page_size() + MIB);
    give(0, SPARSE);
}

/* Twice, with nothing between that says that it is not wanted. */
static void test_too_much(bool huge_pages) {
    take_slots(taken, 0, MANY, 1);
    release_slots(taken, 0, MANY);
    uint64_t waits = hakmem_pool_dirty_bytes() / SLOT_BYTES;
    CHECK(waits < MANY - 300);
    long before = faults();
    take_slots(taken, 0, MANY, 1);
    printf("%ld faults for %u slots that were too much\n", faults() - before, (unsigned)(MANY - waits));
    CHECK(!huge_pages || faults() - before < (long)(MANY - waits) * (SLOT_BYTES / 4096) / 4);
    give(0, MANY);
}

int main(void) {
    if (skipped_under("address thread valgrind", "test_huge_pages", "the tool's own memory is in the figures")) {
        return 0;
    }
    test_sparse();
    take_slots(taken, 0, 1, 1);
    bool huge_pages = system_gives_huge_pages();
    long faults_before = faults();
    size_t start = resident();
    take_slots(taken, 1, SLOTS, 1);
    CHECK(!huge_pages || faults() - faults_before < SLOTS * (SLOT_BYTES / 4096) / 2);
    CHECK(start == 0 || resident() - start >= (SLOTS - 1) * (size_t)SLOT_BYTES);
    give(KEPT, SLOTS - 1);
    size_t kept = resident();
    CHECK(kept - start <= (KEPT + 1) * (size_t)SLOT_BYTES + MIB);
    take_slots(taken, KEPT, KEPT + FEW, 1); /* the last ones in 2 MiB that are free otherwise, and so in a huge page */
    give(KEPT, KEPT + FEW);
    take_slots(taken, KEPT, KEPT + FEW, 1);
    CHECK(resident() - kept <= FEW * (size_t)SLOT_BYTES + MIB / 4);
    give(0, KEPT + FEW);
    give(SLOTS - 1, SLOTS);
    CHECK(resident() - start <= MIB || resident() < start);
    test_too_much(huge_pages);
    return 0;
}
