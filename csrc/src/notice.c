#include "notice.h"

#include "abandoned.h"

void hakmem_settle(hakmem_tiny_page_t *page) {
    hakmem_tiny_heap_t *heap = hakmem_thread_heap;
    if (heap_is_real(heap)) {
        hakmem_heap_adopt(heap, page);
    } else if (page_is_empty(page) || !hakmem_abandon(page, PAGE_OWNED)) {
        hakmem_heap_release_page(NULL, page);
    }
}

void hakmem_give_notice(hakmem_tiny_page_t *page) {
    /* Relaxed: our CAS acquired what the owner released when it parked, and a NOTIFIED page does not change hands. Read
     * after that CAS, not before: the page may have been another heap's until then. */
    hakmem_tiny_heap_t *heap = atomic_load_explicit(&page->heap, memory_order_relaxed);
    /* Acquire, here and on failure: pairs with the release of heap_close and of hakmem_tiny_heap_init. */
    hakmem_tiny_page_t *head = atomic_load_explicit(&heap->pending, memory_order_acquire);
    do {
        if (head == HEAP_CLOSED) {
            uint64_t word;
            remote_try_state(&page->thread_free, PAGE_NOTIFIED, PAGE_OWNED, &word);
            hakmem_settle(page);
            return;
        }
        page->pending_next = head;
        stat_atomic();
        /* Release: pairs with the acquire of who takes the list; pending_next is read there. */
    } while (!atomic_compare_exchange_weak_explicit(&heap->pending, &head, page, memory_order_release,
                                                    memory_order_acquire));
}
