/* Freed mappings that wait a while for the next huge block: what is resident of them is not faulted in again. Take and
 * keep are called under the huge lock; bound and tick take it. */
#ifndef HAKMEM_IDLE_H
#define HAKMEM_IDLE_H

#include "mapping.h"

enum { IDLE_PIECES = 8 };

/* Takes one that has `bytes`, less what it has too many, which stays. If none has, and all together have `least`: several, or one, of
 * whole units: `bytes` rounded up to units together, or as much of that as there is. Returns how many; 0: nothing was taken. */
uint32_t hakmem_idle_take(size_t bytes, size_t least, hakmem_mapping_t pieces[IDLE_PIECES]);

/* Takes one aligned unit. False: none waits. And whether it is worth a try; that takes no lock. */
bool hakmem_idle_take_unit(hakmem_mapping_t *unit);
bool hakmem_idle_has_unit(void);

/* Keeps a mapping that was freed just now, and counts no more as in use, or the first part of it, as far as there is room for it.
 * Returns the rest, which may have no bytes. */
hakmem_mapping_t hakmem_idle_keep(hakmem_mapping_t mapping);

/* More is in use than before, or waits: gives back what is too much. `whole`: mappings as they are, for who grows in steps and would
 * cut a little at each. */
void hakmem_idle_bound(bool whole);

/* Gives back what has waited for its period (HAKMEM_PURGE_MS), but for as much as was in use just before; `all`: all of it. */
void hakmem_idle_tick(uint64_t now_ms, bool all);

size_t hakmem_idle_bytes(void);

#endif
