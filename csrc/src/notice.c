#include "notice.h"

#include "abandoned.h"
#include "adopt.h"
#include "heap_slots.h"

/* So many empty pages on a pending list, and a quarter of those on it, are worth a look: an owner that allocates would have
 * taken them up by then, and a look at all of them costs each little. */
enum { RELIEVE_LEAST = 8, RELIEVE_SHARE = 4 };

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
    atomic_fetch_add_explicit(&heap->noticed, 1, memory_order_relaxed); /* a hint */
    /* Acquire, here and on failure: pairs with the release of heap_close and of hakmem_heap_wake. */
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

/* Takes a heap's pending list, releases the pages that are empty, and gives notice of the others again. Whoever has popped a
 * NOTIFIED page has it alone, so that it may be given away as well as taken up. */
static void relieve(hakmem_tiny_heap_t *heap) {
    hakmem_tiny_page_t *page = atomic_load_explicit(&heap->pending, memory_order_relaxed);
    /* A CAS, not an exchange: a closed list must stay so. Acquire: pairs with the release in hakmem_give_notice. A head that
     * compares equal may have been away meanwhile, but is the head of what there is. */
    do {
        if (page == NULL || page == HEAP_CLOSED) {
            return;
        }
        stat_atomic();
    } while (!atomic_compare_exchange_weak_explicit(&heap->pending, &page, NULL, memory_order_acquire,
                                                    memory_order_relaxed));
    hakmem_tiny_heap_t *own = heap_is_real(hakmem_thread_heap) ? hakmem_thread_heap : NULL;
    while (page != NULL) {
        hakmem_tiny_page_t *next = page->pending_next;
        uint64_t word;
        if (page_is_empty(page) && remote_try_state(&page->thread_free, PAGE_NOTIFIED, PAGE_OWNED, &word)) {
            hakmem_heap_release_page(own, page);
        } else {
            hakmem_give_notice(page);
        }
        page = next;
    }
}

static bool is_worth_a_look(uint32_t emptied, uint32_t noticed) {
    return emptied >= RELIEVE_LEAST && emptied >= noticed / RELIEVE_SHARE;
}

void hakmem_note_emptied(hakmem_tiny_page_t *page) {
    /* Relaxed, all of it: the figures only say when it is worth a look, at whichever heap. */
    hakmem_tiny_heap_t *heap = atomic_load_explicit(&page->heap, memory_order_relaxed);
    uint32_t emptied = atomic_fetch_add_explicit(&heap->emptied, 1, memory_order_relaxed) + 1;
    if (is_worth_a_look(emptied, atomic_load_explicit(&heap->noticed, memory_order_relaxed))) {
        /* The exchange lets one thread look, not all. */
        emptied = atomic_exchange_explicit(&heap->emptied, 0, memory_order_relaxed);
        if (is_worth_a_look(emptied, atomic_exchange_explicit(&heap->noticed, 0, memory_order_relaxed))) {
            relieve(heap);
        }
    }
}
