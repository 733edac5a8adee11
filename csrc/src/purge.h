/* Free slots that are still resident: how many there are, how many may wait for the next run that wants them, and when the others
 * are purged. Who claims and gives slots tells it; all figures are its own. */
#ifndef HAKMEM_PURGE_H
#define HAKMEM_PURGE_H

#include "mapping.h"
#include "slot_bits.h"

/* Called now and then on slow paths: gives back what has waited for a whole period (HAKMEM_PURGE_MS), but for as much as was in use just
 * before; slots, or mappings as well. */
void hakmem_pool_tick(uint64_t now_ms);
void hakmem_waiting_tick(uint64_t now_ms);

/* Purges everything that is empty, and gives chunks back. */
void hakmem_pool_purge(void);

/* Bytes of free slots that are still resident. */
size_t hakmem_pool_dirty_bytes(void);

/* Takes free slots, `least` to `most` times 2 MiB, each aligned and mostly resident, so that their pages can be moved to a mapping.
 * Returns how many times; none where there are fewer. As many are given back, `moved` or not; those that are not are purged, so that
 * what the system does not move is not tried again. Lock-free. */
uint32_t hakmem_pool_lend_units(uint32_t least, uint32_t most, hakmem_mapping_t units[]);
void hakmem_pool_units_back(const hakmem_mapping_t units[], uint32_t count, bool moved);

/* Who holds free slots for a while, so that others may look for them in vain, says so before and after. */
void hakmem_purge_begin(void);
void hakmem_purge_end(void);

/* Whether so many more slots may wait as resident. */
bool hakmem_purge_has_room(uint32_t length);

/* In a fork's child: forgets what other threads were in the middle of. */
void hakmem_pool_after_fork(void);

/* What follows is for shared_pool.c. `length` slots were claimed, `were_dirty` of them resident. */
void hakmem_purge_count_claimed(uint32_t length, int64_t were_dirty);

/* How many slots are dirty, and how many are in use. */
typedef struct {
    int64_t dirty, live;
} hakmem_slot_counts_t;

/* `length` slots are about to be given back: counts them before their bits are set, since whoever claims them subtracts after. */
hakmem_slot_counts_t hakmem_purge_count_given(uint32_t length);

/* Their bits are set: purges what is too much by those counts, and sees to it that the rest waits for its period at most. */
void hakmem_purge_given(hakmem_slot_counts_t counts);

/* How many purges have ended. */
uint32_t hakmem_purges_ended(void);

/* Whether any purge has begun that had not ended when hakmem_purges_ended said `ended`. */
bool hakmem_purges_since(uint32_t ended);

#endif
