/* The cache's batches: blocks that leave its bins, on their way back to their pages. */
#ifndef HAKMEM_FLUSH_H
#define HAKMEM_FLUSH_H

#include "heap.h"

/* A cache's bin is full: makes room, by giving its oldest blocks back to their pages. */
void hakmem_flush_overflow(hakmem_tiny_heap_t *heap, uint32_t size_class);

/* Gives the blocks of all bins back to their pages; or the older half of each bin's, once an epoch: a bin in use has it back in
 * no time, and what is not used is gone in a few. */
void hakmem_flush_all(hakmem_tiny_heap_t *heap);
void hakmem_flush_half(hakmem_tiny_heap_t *heap);

#endif
