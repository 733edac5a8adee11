/* The shared pool: slots without an owner. A slot is acquired in stages, cheapest first (stage 0, the heap's own cache,
 * is the heap's affair); stages 0.5 to 2 are lock-free claims of bits, stage 3 takes the arena's lock. Between 0.5 and 1, where a freed
 * mapping waits, 2 MiB of it become slots: that takes the lock of the mappings.
 *
 *    released by a heap -> empty -- purge --> released --+
 *                            |                  |        |  a chunk that is free from end to end goes back
 *    new chunk -> unused ----+---- acquire -----+        v
 *                                                      unused (of an idle chunk)                              */
#ifndef HAKMEM_SHARED_POOL_H
#define HAKMEM_SHARED_POOL_H

#include "lock.h"
#include "page_arena.h"

typedef struct {
    hakmem_chunk_t *chunk;
    uint32_t slot;   /* the first */
    uint32_t length; /* slots */
    bool zero;       /* all of it is as the system gave it */
} hakmem_run_t;

HAKMEM_INLINE char *run_start(const hakmem_run_t *run) {
    return arena_slot_start(run->chunk, run->slot);
}

/* Acquires `length` slots in a row, beginning at a multiple of `align` (a power of two). False: the system refuses. */
bool hakmem_pool_acquire(uint32_t length, uint32_t align, hakmem_run_t *run);

/* Grows a run to `length` slots where the next ones are free. False: it stays as it is. */
bool hakmem_pool_grow(hakmem_run_t *run, uint32_t length);

/* Gives slots back. Their owner words are OWNER_NONE or OWNER_LARGE_FREED already. May purge. */
void hakmem_pool_release(hakmem_chunk_t *chunk, uint32_t slot, uint32_t length);

#endif
