/* The core's few mutexes, and the statistics that show who takes them. */
#ifndef HAKMEM_LOCK_H
#define HAKMEM_LOCK_H

#include <pthread.h>

#include "base.h"

/* Where a slot can come from; the order is the order in which the stages are tried. */
typedef enum {
    HAKMEM_STAGE_L0,       /* 0: the heap's own cache */
    HAKMEM_STAGE_EMPTY,    /* 0.5: empty and still resident */
    HAKMEM_STAGE_RELEASED, /* 1: released and purged */
    HAKMEM_STAGE_UNUSED,   /* 2: never used, in a chunk that is there */
    HAKMEM_STAGE_CHUNK,    /* 3: a new chunk */
    HAKMEM_STAGE_COUNT,
} hakmem_stage_t;

/* Innermost first: who holds one may take those above it, never those below. */
typedef enum {
    HAKMEM_LOCK_META,  /* memory for heaps and table nodes */
    HAKMEM_LOCK_ARENA, /* chunks and regions; stage 3 */
    HAKMEM_LOCK_HUGE,  /* the table of mappings of their own */
    HAKMEM_LOCK_HEAPS, /* the list of all heaps, and of those that are free */
    HAKMEM_LOCK_LATE,  /* the heap of threads that have torn down their own */
    HAKMEM_LOCK_COUNT,
} hakmem_lock_t;

void hakmem_lock(hakmem_lock_t which);
void hakmem_unlock(hakmem_lock_t which);

/* For fork: all of them, in a fixed order, so that the child gets none that is held. From a handler that interrupted their holder, those
 * that can be had without a deadlock. */
void hakmem_lock_all(void);
void hakmem_unlock_all(void);

/* True where the environment has HAKMEM_LOCK_STATS=1 (spec name; 0 or 1). Read by lock_stats_init. */
extern atomic_int g_lock_stats_enabled;

/* Reads HAKMEM_LOCK_STATS; where it is 1, counting begins and a table is printed to stderr at exit. Runs once, when
 * the first heap is made, in release builds too; calling it again does nothing. (spec name) */
void lock_stats_init(void);

/* An acquisition of a slot begins and ends: locks taken by this thread in between are counted for the stage. */
void hakmem_lock_stats_acquired(hakmem_stage_t stage, unsigned long locks_before);
unsigned long hakmem_lock_stats_taken(void); /* locks taken by this thread so far; 0 while counting is off */

#endif
