#include "park.h"

#include "retire.h"

bool hakmem_heap_park(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    hakmem_slot_info_t *info = arena_page_info(page);
    /* The owner word first: once the state says PARKED the page may be taken by another thread, whose own store must be
     * the later one. */
    owner_store_all(info, (uintptr_t)heap | OWNER_PARKED_BIT);
    page->flags.is_full = 1;
    hakmem_queue_remove(heap, page);
    bool has_mask = page_has_mask(page);
    uint64_t expected = remote_nothing(has_mask, PAGE_OWNED);
    stat_atomic();
    /* Only an empty list may be parked: who pushed before would not have given notice. Release: pairs with the acquire of
     * the pusher that finds PARKED. Relaxed on failure: the list is taken with an acquire of its own. */
    if (atomic_compare_exchange_strong_explicit(&page->thread_free, &expected, remote_nothing(has_mask, PAGE_PARKED),
                                                memory_order_release, memory_order_relaxed)) {
        return true;
    }
    page->flags.is_full = 0;
    owner_store_all(info, (uintptr_t)heap);
    hakmem_queue_push_front(heap, page);
    return false;
}

void hakmem_heap_enqueue_woken(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    /* Relaxed: pushers read it after an acquire of a word that a later release of ours (park, abandon) has left. */
    atomic_store_explicit(&page->heap, heap, memory_order_relaxed);
    owner_store_all(arena_page_info(page), (uintptr_t)heap);
    page->flags.is_full = 0;
    /* Last: it has few free blocks now and gathers more until its turn comes. */
    hakmem_queue_push_back(heap, page);
}

bool hakmem_heap_unpark(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    uint64_t word;
    if (!remote_try_state(&page->thread_free, PAGE_PARKED, PAGE_OWNED, &word)) {
        return false;
    }
    hakmem_heap_enqueue_woken(heap, page);
    return true;
}

void hakmem_heap_take_notified(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    uint64_t word;
    bool notified = remote_try_state(&page->thread_free, PAGE_NOTIFIED, PAGE_OWNED, &word);
    HAKMEM_ASSERT(notified);
    (void)notified;
    hakmem_heap_enqueue_woken(heap, page);
    page->flags.has_remote_frees = 1; /* collected when the page is next allocated from, or freed into */
    if (page_is_empty(page)) {
        hakmem_heap_attend(page);
    }
}

void hakmem_heap_drain_pending(hakmem_tiny_heap_t *heap) {
    /* Relaxed: a notice that is missed now is found at the next call. Only the owner closes the list. */
    hakmem_tiny_page_t *seen = atomic_load_explicit(&heap->pending, memory_order_relaxed);
    if (seen == NULL || seen == HEAP_CLOSED) {
        return;
    }
    stat_atomic();
    /* Acquire: pairs with the release of each pusher's CAS in give_notice; pending_next is read. */
    hakmem_tiny_page_t *page = atomic_exchange_explicit(&heap->pending, NULL, memory_order_acquire);
    /* Relaxed: hints, of which what comes in between may be lost. */
    atomic_store_explicit(&heap->noticed, 0, memory_order_relaxed);
    atomic_store_explicit(&heap->emptied, 0, memory_order_relaxed);
    while (page != NULL) {
        hakmem_tiny_page_t *next = page->pending_next; /* before the page may be given notice of again */
        hakmem_heap_take_notified(heap, page);
        page = next;
    }
}
