/* Full pages: parked, in no queue, until blocks come back; and the pages of which other threads gave notice that some did. */
#ifndef HAKMEM_PARK_H
#define HAKMEM_PARK_H

#include "heap.h"

/* Takes a page that has nothing left out of its queue. False: blocks came back meanwhile. */
bool hakmem_heap_park(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page);

/* The owner's free into a page that it parked: takes it back into its queue. False: somebody gave notice first. */
bool hakmem_heap_unpark(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page);

/* Takes up the pages that other threads gave notice of. Their word is made OWNED here and nowhere else. */
void hakmem_heap_drain_pending(hakmem_tiny_heap_t *heap);
void hakmem_heap_take_notified(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page);

/* Puts a page in its queue that is the caller's by its CAS, and may have been any heap's before. */
void hakmem_heap_enqueue_woken(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page);

/* Whether the page is in a queue of this thread's heap, once one that this thread parked has been taken back. */
HAKMEM_INLINE bool is_local_or_unparked(hakmem_tiny_page_t *page, uintptr_t owner) {
    hakmem_tiny_heap_t *heap = hakmem_thread_heap;
    return owner == (uintptr_t)heap ||
           (owner == ((uintptr_t)heap | OWNER_PARKED_BIT) && hakmem_heap_unpark(heap, page));
}

#endif
