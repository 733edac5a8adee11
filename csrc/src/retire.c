#include "retire.h"

enum {
    RETIRED_MAX_BYTES = 1 << 20, /* touched bytes that empty pages may keep meanwhile */
};

void hakmem_heap_give_up(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    heap_unretire(heap, page);
    hakmem_queue_remove(heap, page);
    hakmem_heap_release_page(heap, page);
}

static hakmem_tiny_heap_t *page_heap(hakmem_tiny_page_t *page) {
    return atomic_load_explicit(&page->heap, memory_order_relaxed);
}

void hakmem_tiny_page_retire(hakmem_tiny_page_t *page) {
    HAKMEM_ASSERT(page_is_empty(page));
    hakmem_tiny_heap_t *heap = page_heap(page);
    page->expires_epoch = heap->epoch + 2;
    if (page->flags.is_retired) {
        return;
    }
    const hakmem_page_queue_t *queue = &heap->size_classes[page->size_class];
    if (queue->first != queue->last || heap->retired_bytes + hakmem_heap_touched_bytes(page) > RETIRED_MAX_BYTES) {
        hakmem_heap_give_up(heap, page);
        return;
    }
    page->flags.is_retired = 1;
    heap->retired_bytes += hakmem_heap_touched_bytes(page);
}

void hakmem_heap_attend(hakmem_tiny_page_t *page) {
    if (page->flags.has_remote_frees) {
        hakmem_tiny_collect_frees(page);
    }
    if (page_is_empty(page)) {
        hakmem_tiny_page_retire(page);
    } else {
        heap_unretire(page_heap(page), page);
    }
}

/* Gives a page up that was kept since it emptied, if its time has come; one that is in use again is only struck off. */
static void sweep_page(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    if (!page->flags.is_retired) {
        if (page_is_empty(page)) { /* other threads freed the last of it, without notice */
            hakmem_tiny_collect_frees(page);
            hakmem_tiny_page_retire(page);
        }
    } else if (!page_is_empty(page)) {
        heap_unretire(heap, page);
    } else if ((int32_t)(heap->epoch - page->expires_epoch) >= 0) {
        hakmem_heap_give_up(heap, page);
    }
}

void hakmem_heap_sweep(hakmem_tiny_heap_t *heap, uint32_t most) {
    uint32_t classes = CLASS_COUNT;
    for (uint32_t looked = 0; looked < most; looked++) {
        while (heap->sweep_next == NULL) {
            if (classes-- == 0) {
                return; /* a full turn */
            }
            heap->sweep_class = (heap->sweep_class + 1) % CLASS_COUNT;
            heap->sweep_next = heap->size_classes[heap->sweep_class].first;
        }
        hakmem_tiny_page_t *page = heap->sweep_next;
        heap->sweep_next = page->next;
        sweep_page(heap, page);
    }
}
