#include "adopt.h"

#include "abandoned.h"
#include "park.h"
#include "retire.h"

void hakmem_heap_adopt(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    hakmem_heap_enqueue_woken(heap, page);
    hakmem_tiny_collect_frees(page);
    stat_add(HAKMEM_COUNT_PAGES_RECLAIMED, 1);
    if (page_is_empty(page)) {
        hakmem_tiny_page_retire(page);
    }
}

void hakmem_heap_release_abandoned(hakmem_tiny_heap_t *heap) {
    uint32_t cursor = 0;
    hakmem_tiny_page_t *page;
    while (heap->adopts && (page = hakmem_claim_emptied(&cursor)) != NULL) {
        hakmem_heap_adopt(heap, page);
    }
}

void hakmem_heap_release_empty(hakmem_tiny_heap_t *heap) {
    hakmem_heap_drain_pending(heap);
    hakmem_heap_release_abandoned(heap);
    for (uint32_t c = 0; c < CLASS_COUNT; c++) {
        hakmem_tiny_page_t *next;
        for (hakmem_tiny_page_t *page = heap->size_classes[c].first; page != NULL; page = next) {
            next = page->next;
            hakmem_tiny_collect_frees(page);
            if (page_is_empty(page)) {
                hakmem_heap_give_up(heap, page);
            }
        }
    }
    hakmem_heap_release_l0(heap);
}

/* A page of the heap goes, to the pool if it is empty. */
static void part_with(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    hakmem_heap_note_medium_gone(heap, page);
    hakmem_tiny_collect_frees(page);
    heap_unretire(heap, page);
    hakmem_queue_remove(heap, page);
    if (page_is_empty(page) || !hakmem_abandon(page, PAGE_OWNED)) {
        hakmem_heap_release_page(NULL, page);
    }
}

size_t hakmem_heap_rest(hakmem_tiny_heap_t *heap, size_t most) {
    hakmem_heap_release_abandoned(heap);
    size_t kept = (size_t)heap->l0_count << SLOT_SHIFT;
    if (kept > most) {
        hakmem_heap_release_l0(heap);
        kept = 0;
    }
    for (uint32_t c = 0; c < CLASS_COUNT; c++) {
        const hakmem_page_queue_t *queue = &heap->size_classes[c];
        while (queue->first != queue->last) {
            part_with(heap, queue->last);
        }
        if (queue->first == NULL) {
            continue;
        }
        size_t touched = hakmem_heap_touched_bytes(queue->first);
        if (kept + touched <= most) {
            kept += touched;
        } else {
            part_with(heap, queue->first);
        }
    }
    return kept;
}
