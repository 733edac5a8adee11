/* What an allocation asks of its heap where the inline path ends: a page that has a free block, and now and then a look at the clock. */
#ifndef HAKMEM_FIND_H
#define HAKMEM_FIND_H

#include "heap.h"

/* A page of the class that has a free block, first in its queue; or null where the system refuses. */
hakmem_tiny_page_t *hakmem_heap_find_page(hakmem_tiny_heap_t *heap, uint32_t size_class);

/* The first page after `page` in its queue that has a free block, moved to the queue's front; or null. Without the direct cache
 * only. */
hakmem_tiny_page_t *hakmem_heap_search(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page);

/* Whether a page that is used up should let the next one in its queue have its turn: that has gathered more, in a longer
 * wait. What is collected too early serves too few allocations. */
HAKMEM_INLINE bool heap_page_gives_way(const hakmem_tiny_page_t *page) {
    return page->next != NULL && page->capacity == page->reserved &&
           page_gathered(page->next) > 2 * page_gathered(page);
}

/* When cache.countdown has run out: notices time passing, and sets it anew. True: a new epoch began. */
bool hakmem_heap_tick(hakmem_tiny_heap_t *heap);

#endif
