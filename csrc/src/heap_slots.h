/* Where a heap's pages come from and go to: the slots at hand, then the pool; and how many slots a page of a medium class gets. */
#ifndef HAKMEM_HEAP_SLOTS_H
#define HAKMEM_HEAP_SLOTS_H

#include "heap.h"

/* A fresh page of the class, in no queue; or null where the system refuses. */
hakmem_tiny_page_t *hakmem_heap_make_page(hakmem_tiny_heap_t *heap, uint32_t size_class);

/* Gives an empty page's slots back; to the heap's own slots first, where `heap` is not null. In no queue. */
void hakmem_heap_release_page(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page);

/* Gives the slots at hand to the pool. */
void hakmem_heap_release_l0(hakmem_tiny_heap_t *heap);

/* The class's next page may be smaller. */
void hakmem_heap_note_medium_gone(hakmem_tiny_heap_t *heap, const hakmem_tiny_page_t *page);

/* How much of the page is resident, about. */
size_t hakmem_heap_touched_bytes(const hakmem_tiny_page_t *page);

#endif
