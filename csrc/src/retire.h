/* Empty pages: each is kept for a while, in its queue, in case its blocks are wanted again, and given up then; at once where its queue
 * has others, or where much is kept. */
#ifndef HAKMEM_RETIRE_H
#define HAKMEM_RETIRE_H

#include "heap_slots.h"

enum {
    /* How many of its pages a heap looks at in an epoch, for those that emptied unnoticed: some 0.2 ms' worth. All of them, up
     * to 128 MiB; more take several epochs, so that no allocation waits for a walk over a large heap. */
    SWEEP_PAGES = 2048,
};

/* The owner found a page of its own empty: keeps it for a while if it is its queue's only one, else gives it up (spec
 * name). The page is in its queue. */
void hakmem_tiny_page_retire(hakmem_tiny_page_t *page);

/* The owner freed into a page whose flags or count want attention; see hakmem_tiny_free. */
void hakmem_heap_attend(hakmem_tiny_page_t *page);

/* Strikes a page off that was kept since it emptied, and is in use again or about to go. Before its touched bytes change. */
HAKMEM_INLINE void heap_unretire(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    if (page->flags.is_retired) {
        page->flags.is_retired = 0;
        heap->retired_bytes -= hakmem_heap_touched_bytes(page);
    }
}

/* Gives an empty page up that is in its queue. */
void hakmem_heap_give_up(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page);

/* Looks at the next `most` pages of the queues, each once at most: gives up what was kept long enough after it emptied, and
 * retires what other threads emptied. */
void hakmem_heap_sweep(hakmem_tiny_heap_t *heap, uint32_t most);

#endif
