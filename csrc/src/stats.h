/* Counters that a HAKMEM_STATS=1 build keeps; in any other build the additions are compiled away. */
#ifndef HAKMEM_STATS_H
#define HAKMEM_STATS_H

#include "base.h"

typedef enum {
    HAKMEM_COUNT_DIRECT_HITS,   /* mallocs of at most 1,024 B served without hakmem_tiny_malloc_generic */
    HAKMEM_COUNT_DIRECT_MISSES, /* those that went there */
    HAKMEM_COUNT_LOCAL_FREES,
    HAKMEM_COUNT_REMOTE_FREES,
    HAKMEM_COUNT_ATOMICS, /* executed read-modify-writes of the allocator's protocols, failed attempts included */
    HAKMEM_COUNT_PAGES_MADE,
    HAKMEM_COUNT_PAGES_RETIRED,
    HAKMEM_COUNT_PAGES_ABANDONED,
    HAKMEM_COUNT_PAGES_RECLAIMED,
    HAKMEM_COUNT_COUNT,
} hakmem_count_t;

extern _Atomic uint64_t hakmem_counts[HAKMEM_COUNT_COUNT];
extern _Atomic int64_t hakmem_live_bytes; /* what was handed out less what came back, usable sizes */
extern _Atomic int64_t hakmem_peak_bytes;

/* Relaxed throughout: nothing is published through a counter. */
HAKMEM_INLINE void stat_add(hakmem_count_t which, uint64_t n) {
    if (STATS) {
        atomic_fetch_add_explicit(&hakmem_counts[which], n, memory_order_relaxed);
    }
}

/* Before or after each read-modify-write of a protocol. */
HAKMEM_INLINE void stat_atomic(void) {
    stat_add(HAKMEM_COUNT_ATOMICS, 1);
}

HAKMEM_INLINE void stat_live(int64_t bytes) {
    if (STATS) {
        int64_t live = atomic_fetch_add_explicit(&hakmem_live_bytes, bytes, memory_order_relaxed) + bytes;
        int64_t peak = atomic_load_explicit(&hakmem_peak_bytes, memory_order_relaxed);
        while (live > peak && !atomic_compare_exchange_weak_explicit(&hakmem_peak_bytes, &peak, live,
                                                                     memory_order_relaxed, memory_order_relaxed)) {
        }
    }
}

#endif
