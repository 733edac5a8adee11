/* Freed mappings that wait a while for the next huge block: what is resident of them is not faulted in again. All but the
 * figure are called under the huge lock, except the tick, which takes it. */
#ifndef HAKMEM_IDLE_H
#define HAKMEM_IDLE_H

#include "base.h"

typedef struct {
    void *start;
    size_t bytes;
} hakmem_mapping_t;

/* Takes the smallest that has `bytes`, less what it has too many, which stays; if none has, the largest that has a quarter: the caller
 * makes it fit. False: there is none. */
bool hakmem_idle_take(size_t bytes, hakmem_mapping_t *mapping);

/* Keeps a mapping that was freed just now if there is room for it beside the `live` bytes still in huge blocks. */
bool hakmem_idle_keep(void *start, size_t bytes, size_t live);

/* Gives back what has waited for its period (100 ms); `all`: however long. */
void hakmem_idle_tick(uint64_t now_ms, bool all);

size_t hakmem_idle_bytes(void);

#endif
