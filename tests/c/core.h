/* What tests of the core share besides check.h: its figures, the system's, and slots of the pool. */
#ifndef CORE_H
#define CORE_H

#include <sys/resource.h>

#include "check.h"
#include "shared_pool.h"

static inline hakmem_stats_t stats(void) {
    hakmem_stats_t figures;
    hakmem_stats_get(&figures);
    return figures;
}

/* Bytes; 0 where the system does not tell. */
static inline size_t resident(void) {
    return statm_bytes("%*u %lu");
}

/* Minor page faults so far. */
static inline long faults(void) {
    struct rusage usage;
    CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_minflt;
}

/* Runs of one slot at [from, to), each filled with a byte; and back to the pool. */
static inline void take_slots(hakmem_run_t taken[], uint32_t from, uint32_t to, int byte) {
    for (uint32_t i = from; i < to; i++) {
        CHECK(hakmem_pool_acquire(1, 1, &taken[i]));
        memset(run_start(&taken[i]), byte, SLOT_BYTES);
    }
}

static inline void release_slots(const hakmem_run_t taken[], uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        hakmem_pool_release(taken[i].chunk, taken[i].slot, 1);
    }
}

#endif
