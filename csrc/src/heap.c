#include "heap.h"

#include <string.h>

const hakmem_tiny_page_t hakmem_empty_page;

/* Sixteen entries a line; the initialiser must name each, since the empty heap lives in read-only memory. */
#define E1 (hakmem_tiny_page_t *)&hakmem_empty_page
#define E8 E1, E1, E1, E1, E1, E1, E1, E1
#define E64 E8, E8, E8, E8, E8, E8, E8, E8
const hakmem_tiny_heap_t hakmem_empty_heap = {
    .cache = HAKMEM_CLOSED_CACHE,
#if HAKMEM_DIRECT_PAGES == 129
    .pages_direct = {E64, E64, E1},
#else
    .pages_direct = {E64, E1},
#endif
    .books = {.opens_in = CACHE_OPEN_CALLS},
    .pending = HEAP_CLOSED,
};

/* `used`: src/thread_cache.rs names it where only the linker sees. */
__attribute__((used)) HAKMEM_TLS hakmem_tiny_heap_t *hakmem_thread_heap = (hakmem_tiny_heap_t *)&hakmem_empty_heap;

/* Direct cache ----------------------------------------------------------------------------------------------------- */

void hakmem_tiny_update_direct_cache(hakmem_tiny_heap_t *heap, uint32_t size_class) {
    if (!DIRECT_CACHE) {
        return;
    }
    hakmem_tiny_page_t *page = heap->size_classes[size_class].first;
    if (page == NULL) {
        page = (hakmem_tiny_page_t *)&hakmem_empty_page;
    }
    size_t last = min_size(size_class_direct_last(size_class), DIRECT_PAGES - 1);
    for (size_t i = size_class_direct_first(size_class); i <= last; i++) {
        heap->pages_direct[i] = page;
    }
}

void hakmem_tiny_rebuild_direct_cache(hakmem_tiny_heap_t *heap) {
    for (size_t i = 0; i < DIRECT_PAGES; i++) {
        heap->pages_direct[i] = (hakmem_tiny_page_t *)&hakmem_empty_page;
    }
    for (uint32_t c = 0; c < CLASS_COUNT; c++) {
        hakmem_tiny_update_direct_cache(heap, c);
    }
}

/* Queues ----------------------------------------------------------------------------------------------------------- */

void hakmem_queue_push_front(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    hakmem_page_queue_t *queue = &heap->size_classes[page->size_class];
    page->previous = NULL;
    page->next = queue->first;
    if (queue->first != NULL) {
        queue->first->previous = page;
    } else {
        queue->last = page;
    }
    queue->first = page;
    hakmem_tiny_update_direct_cache(heap, page->size_class);
}

void hakmem_queue_push_back(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    hakmem_page_queue_t *queue = &heap->size_classes[page->size_class];
    if (queue->last == NULL) {
        hakmem_queue_push_front(heap, page);
        return;
    }
    page->next = NULL;
    page->previous = queue->last;
    queue->last->next = page;
    queue->last = page;
}

void hakmem_queue_remove(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    hakmem_page_queue_t *queue = &heap->size_classes[page->size_class];
    if (page == heap->sweep_next) {
        heap->sweep_next = page->next;
    }
    if (page->next != NULL) {
        page->next->previous = page->previous;
    } else {
        queue->last = page->previous;
    }
    if (page->previous != NULL) {
        page->previous->next = page->next;
    } else {
        queue->first = page->next;
        hakmem_tiny_update_direct_cache(heap, page->size_class);
    }
    page->next = page->previous = NULL;
}

/* A heap's beginning ----------------------------------------------------------------------------------------------- */

void hakmem_tiny_heap_init(hakmem_tiny_heap_t *heap) {
    /* Field by field: late pushers into inherited pages may be reading `pending`, and sums over all heaps the cache. */
    hakmem_cache_close(&heap->cache, &heap->books);
    memset(heap->size_classes, 0, sizeof heap->size_classes);
    heap->l0_count = 0;
    heap->epoch = heap->l0_used_epoch = 0;
    heap->epoch_began_ms = 0;
    heap->retired_bytes = 0;
    heap->sweep_next = NULL;
    heap->sweep_class = 0;
    memset(heap->medium_doublings, 0, sizeof heap->medium_doublings);
    hakmem_tiny_rebuild_direct_cache(heap);
    hakmem_heap_wake(heap);
}

void hakmem_heap_wake(hakmem_tiny_heap_t *heap) {
    heap->cache.countdown = heap->tick_interval = TICK_INTERVAL_LEAST;
    heap->books.opens_in = CACHE_OPEN_CALLS; /* whatever the last user had come to */
    heap->on_exit = NULL;
    atomic_store_explicit(&heap->noticed, 0, memory_order_relaxed);
    atomic_store_explicit(&heap->emptied, 0, memory_order_relaxed);
    /* Release: pairs with the acquire of a pusher that reads the open list; it may be an inherited page's. */
    atomic_store_explicit(&heap->pending, NULL, memory_order_release);
}
