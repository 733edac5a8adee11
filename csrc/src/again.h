/* How much freed memory may wait for whoever wants as much again, whatever is in use: 64 MiB, since a process that falls silent keeps it
 * (time is noticed by allocations only). Where that proves too little, because all that was given back as too much is wanted again before
 * it is forgotten, it doubles, up to 1 GiB: a program that builds and frees more than that in turn would pay for every page each time. It
 * halves when something that waited was wanted by nobody. The free slots and the freed mappings have one each. */
#ifndef HAKMEM_AGAIN_H
#define HAKMEM_AGAIN_H

#include "base.h"

#define AGAIN_LEAST ((int64_t)64 * 1024 * 1024)
#define AGAIN_MOST ((int64_t)1024 * 1024 * 1024)

/* Bytes, both. Relaxed: figures that steer, nothing is read through them. Two threads may both store; it is then another bound than it
 * would have been. */
typedef struct {
    _Atomic int64_t most; /* what may wait */
    _Atomic int64_t
        too_much; /* what was given back for being more, and not wanted again yet; half is forgotten with each period */
} hakmem_again_t;

#define HAKMEM_AGAIN_INIT                                                                                              \
    { AGAIN_LEAST, 0 }

HAKMEM_INLINE int64_t again_most(hakmem_again_t *again) {
    return atomic_load_explicit(&again->most, memory_order_relaxed);
}

/* So much was given back for being more than may wait. */
HAKMEM_INLINE void again_was_too_much(hakmem_again_t *again, int64_t bytes) {
    atomic_fetch_add_explicit(&again->too_much, bytes, memory_order_relaxed);
}

/* So much is wanted that does not wait. */
HAKMEM_INLINE void again_wanted(hakmem_again_t *again, int64_t bytes) {
    int64_t given = atomic_load_explicit(&again->too_much, memory_order_relaxed);
    if (hakmem_likely(given == 0)) {
        return;
    }
    atomic_store_explicit(&again->too_much, given > bytes ? given - bytes : 0, memory_order_relaxed);
    int64_t most = again_most(again);
    if (given <= bytes && most < AGAIN_MOST) {
        atomic_store_explicit(&again->most, most * 2, memory_order_relaxed);
    }
}

/* Something waited for its time in vain. */
HAKMEM_INLINE void again_unwanted(hakmem_again_t *again) {
    int64_t most = again_most(again);
    if (most > AGAIN_LEAST) {
        atomic_store_explicit(&again->most, most / 2, memory_order_relaxed);
    }
}

/* A period is over. */
HAKMEM_INLINE void again_period(hakmem_again_t *again) {
    int64_t half = atomic_load_explicit(&again->too_much, memory_order_relaxed) / 2;
    /* A little that is wanted says nothing about the much that was forgotten. */
    atomic_store_explicit(&again->too_much, half < AGAIN_LEAST / 64 ? 0 : half, memory_order_relaxed);
}

/* As in the beginning: who asks for memory to be given back, or has none left, wants less to wait. */
HAKMEM_INLINE void again_forget(hakmem_again_t *again) {
    atomic_store_explicit(&again->most, AGAIN_LEAST, memory_order_relaxed);
    atomic_store_explicit(&again->too_much, 0, memory_order_relaxed);
}

#endif
