/* Mappings of their own, above HAKMEM_LARGE_MAX: found by address in a hash table under a lock, since each of them costs a
 * system call anyway. */
#ifndef HAKMEM_HUGE_H
#define HAKMEM_HUGE_H

#include "base.h"

/* `*zero`: whether it must read as zero, and then whether it does. Null if the system refuses, or for a size above PTRDIFF_MAX. */
void *hakmem_huge_malloc(size_t size, size_t align, bool *zero);

/* Frees a block that lies in no chunk. Aborts if it is none of ours, or was freed just before. */
void hakmem_huge_free(void *p);

/* Usable bytes; 0 if `p` is not a huge block. */
size_t hakmem_huge_usable(const void *p);

/* Resizes, moving the mapping (not its contents) where it must and may. Null: `p` is as it was. Aborts as hakmem_huge_free. */
void *hakmem_huge_resize(void *p, size_t size, bool may_move);

/* Makes a huge block of `bytes` (whole system pages) of a committed range of the arena, by moving its pages out; the range reads
 * as zero afterwards. Null: nothing has changed. */
void *hakmem_huge_adopt(void *range, size_t bytes);

/* A large block of a chunk was handed out, whose memory nobody had touched: whether its user fills it tells about the first mappings,
 * until one of them can. */
void hakmem_huge_note_fresh_run(const void *run, size_t bytes);

uint64_t hakmem_huge_blocks(void);
size_t hakmem_huge_bytes(void);

#endif
