/* Blocks above the pages' reach: runs of slots up to HAKMEM_LARGE_MAX, then mappings of their own (huge.h). They have no owner: any
 * thread frees them alike, and the owner word alone tells that they are in use. */
#ifndef HAKMEM_LARGE_H
#define HAKMEM_LARGE_H

#include "../include/hakmem.h"
#include "shared_pool.h"

/* `size` bytes aligned to `align` (a power of two); null if the system refuses, or above PTRDIFF_MAX. `*zero` says whether the
 * block is to be zero, and then whether it is so already; the caller clears one that is not. */
void *hakmem_large_malloc(size_t size, size_t align, bool *zero);

/* Frees a block that begins in a chunk. Aborts for a second free, or a pointer that is not a block's first byte. */
void hakmem_large_free(void *p);

/* Usable bytes of a large block in a chunk; 0 if `p` is none. */
size_t hakmem_large_usable(const void *p);

/* Resizes in place: gives slots up, or takes the next ones. False: `p` is as it was. */
bool hakmem_large_resize(void *p, size_t size);

/* Resizes a large block in a chunk by making a mapping of its own of it: its pages are moved, not copied. Null: it is as it was.
 * The result is aligned to the system's page. */
void *hakmem_large_move_out(void *p, size_t size);

/* Up to here a run may grow where it lies. Above HAKMEM_LARGE_MAX only those are runs that have grown, since a chunk holds few of that
 * size and leaves much room between them. */
#define RUN_MAX (16 * MIB)

/* Whether such a request becomes a run of slots where the arena has room. */
HAKMEM_INLINE bool large_is_run(size_t size, size_t align) {
    return size <= HAKMEM_LARGE_MAX && align <= HAKMEM_LARGE_MAX;
}

#endif
