/* What the files that define malloc and its kin share. They are compiled where the Cargo feature `override` is on, and in
 * the drop-in library; each definition has the meaning of the C or C++ standard, of POSIX, or else of the GNU C library.
 *
 * <stdlib.h> and <malloc.h> declare most of these functions, with attributes that differ from one C library to the next.
 * They are declared here instead, where they are defined. */
#ifndef HAKMEM_OVERRIDE_H
#define HAKMEM_OVERRIDE_H

#include "../include/hakmem.h"
#include "../src/base.h"

/* Seen by the program and by every library in the process, although the core itself hides what is its own. */
#define HAKMEM_EXPORT __attribute__((visibility("default")))

/* What malloc promises for every size: max_align_t's alignment. hakmem_malloc promises less for at most 8 B. */
enum { MALLOC_ALIGN = 16 };

/* hakmem_malloc with blocks aligned to MALLOC_ALIGN throughout; in csrc/src/malloc.c, so that the short way is inlined. */
void *hakmem_malloc_16(size_t size);

/* A request as malloc makes it: large enough for a block that is aligned to MALLOC_ALIGN. */
HAKMEM_INLINE size_t malloc_size(size_t size) {
    return size > 8 ? size : MALLOC_ALIGN;
}

#endif
