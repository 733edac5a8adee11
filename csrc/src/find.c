#include "find.h"

#include "abandoned.h"
#include "adopt.h"
#include "options.h"
#include "os.h"
#include "park.h"
#include "purge.h"
#include "retire.h"

/* Moves a page to the end of its queue if it should give way. One to which nothing comes back while the others have their turns
 * does so once: it is parked the next time. */
static bool give_way(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    bool nothing = page_gathered(page) == 0;
    bool gives = !page_has_free(page) && heap_page_gives_way(page) && !(nothing && page->gave_way);
    page->gave_way = gives && nothing;
    if (gives) {
        hakmem_queue_remove(heap, page);
        hakmem_queue_push_back(heap, page);
    }
    return gives;
}

/* The first page of the queue, once it is one that has a free block; those that have none are parked on the way. */
static hakmem_tiny_page_t *first_with_free(hakmem_tiny_heap_t *heap, uint32_t size_class) {
    hakmem_tiny_page_t *page;
    while ((page = heap->size_classes[size_class].first) != NULL) {
        if (give_way(heap, page)) {
            continue;
        }
        hakmem_tiny_collect_frees(page);
        if (page_has_free(page)) {
            return page;
        }
        heap_unretire(heap, page); /* its touched bytes are about to change */
        if (hakmem_page_extend(page)) {
            return page;
        }
        hakmem_heap_park(heap, page);
    }
    return NULL;
}

hakmem_tiny_page_t *hakmem_heap_find_page(hakmem_tiny_heap_t *heap, uint32_t size_class) {
    hakmem_heap_drain_pending(heap);
    hakmem_tiny_page_t *page;
    while ((page = first_with_free(heap, size_class)) == NULL) {
        page = heap->adopts ? hakmem_claim_abandoned(size_class) : NULL;
        if (page == NULL) {
            page = hakmem_heap_make_page(heap, size_class);
            if (page == NULL) {
                return NULL;
            }
            hakmem_queue_push_front(heap, page);
        } else {
            hakmem_heap_adopt(heap, page);
        }
    }
    return page;
}

HAKMEM_NOINLINE hakmem_tiny_page_t *hakmem_heap_search(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    do {
        page = page->next;
    } while (page != NULL && !page_has_free(page));
    if (page != NULL) { /* the next calls find it without a search */
        hakmem_queue_remove(heap, page);
        hakmem_queue_push_front(heap, page);
    }
    return page;
}

bool hakmem_heap_tick(hakmem_tiny_heap_t *heap) {
    uint64_t now = hakmem_os_now_ms();
    /* What saw no use for two epochs is given up: after HAKMEM_PURGE_MS. */
    bool new_epoch = now - heap->epoch_began_ms >= option_purge_ms() / 2;
    if (new_epoch) {
        heap->epoch += now - heap->epoch_began_ms < option_purge_ms() ? 1 : 2;
        heap->epoch_began_ms = now;
        hakmem_heap_drain_pending(heap); /* a heap that needs no page never looks there otherwise */
        hakmem_heap_sweep(heap, SWEEP_PAGES);
        if (heap->epoch - heap->l0_used_epoch >= 2) {
            hakmem_heap_release_l0(heap);
        }
        hakmem_heap_release_abandoned(heap);
    }
    /* Looking at the clock costs as much as ten allocations: less and less often within an epoch. */
    heap->tick_interval =
        new_epoch ? TICK_INTERVAL_LEAST : (uint32_t)min_size(2 * heap->tick_interval, TICK_INTERVAL_MOST);
    heap->cache.countdown = heap->tick_interval;
    hakmem_waiting_tick(now);
    return new_epoch;
}
