#define _GNU_SOURCE
#include "thread.h"

#include <pthread.h>

#include "abandoned.h"
#include "early.h"
#include "meta.h"

static hakmem_tiny_heap_t *free_heaps; /* under the heaps lock */
static HAKMEM_TLS bool torn_down;
static pthread_key_t exit_key;
static bool exit_key_made;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Heaps ------------------------------------------------------------------------------------------------------------ */

static hakmem_tiny_heap_t *heap_new(bool serves_thread) {
    hakmem_lock(HAKMEM_LOCK_HEAPS);
    hakmem_tiny_heap_t *heap = free_heaps;
    if (heap != NULL) {
        free_heaps = heap->next_free;
    }
    hakmem_unlock(HAKMEM_LOCK_HEAPS);
    if (heap == NULL) {
        heap = hakmem_meta_alloc(sizeof *heap);
    }
    if (heap != NULL) {
        hakmem_tiny_heap_init(heap);
        heap->serves_thread = serves_thread;
    }
    return heap;
}

/* The lock orders what the last user stored in owner words before whatever the next one reads there. */
static void heap_recycle(hakmem_tiny_heap_t *heap) {
    hakmem_lock(HAKMEM_LOCK_HEAPS);
    heap->next_free = free_heaps;
    free_heaps = heap;
    hakmem_unlock(HAKMEM_LOCK_HEAPS);
}

/* No notice reaches the heap from here on; takes up those that did. Pages that are parked stay so, with this heap's
 * address: a pusher that wakes one finds the list closed and settles it, or open again, because the heap serves another
 * thread, which then inherits it. */
static void heap_close(hakmem_tiny_heap_t *heap) {
    stat_atomic();
    /* Acquire: pairs with the release in hakmem_give_notice. Release: pairs with the acquire of a pusher that finds it
     * closed; it must not see our use of the heap as still to come. */
    hakmem_tiny_page_t *page = atomic_exchange_explicit(&heap->pending, HEAP_CLOSED, memory_order_acq_rel);
    while (page != NULL) {
        hakmem_tiny_page_t *next = page->pending_next;
        hakmem_heap_take_notified(heap, page);
        page = next;
    }
}

static void thread_exit(void *value) {
    hakmem_tiny_heap_t *heap = value;
    hakmem_thread_heap = (hakmem_tiny_heap_t *)&hakmem_empty_heap;
    torn_down = true;
    heap_close(heap);
    hakmem_heap_abandon_all(heap);
    heap_recycle(heap);
}

/* Only the forking thread lives on in the child, so it must hold every lock: no other can leave one locked or half way. */
static void initialise(void) {
    pthread_atfork(hakmem_lock_all, hakmem_unlock_all, hakmem_unlock_all);
    exit_key_made = pthread_key_create(&exit_key, thread_exit) == 0;
    lock_stats_init();
}

hakmem_tiny_heap_t *hakmem_thread_heap_get(void) {
    if (heap_is_real(hakmem_thread_heap)) {
        return hakmem_thread_heap;
    }
    if (torn_down) {
        return NULL;
    }
    if (OVERRIDE) {
        hakmem_early_record(); /* before anything of ours is mapped */
    }
    hakmem_tiny_heap_t *heap = heap_new(true);
    if (heap == NULL) {
        return NULL;
    }
    /* The heap first: what follows may allocate. A thread that is second here waits for the first one's pthread_once, but
     * has its heap already. */
    hakmem_thread_heap = heap;
    pthread_once(&once, initialise);
    if (exit_key_made) {
        pthread_setspecific(exit_key, heap);
    }
    return heap;
}

bool hakmem_thread_is_late(void) {
    return torn_down;
}

void *hakmem_late_heap_with(void *(*with)(hakmem_tiny_heap_t *heap, size_t size), size_t size) {
    static hakmem_tiny_heap_t *late; /* under the late lock */
    hakmem_lock(HAKMEM_LOCK_LATE);
    if (late == NULL) {
        late = heap_new(false);
    }
    void *p = late == NULL ? NULL : with(late, size);
    hakmem_unlock(HAKMEM_LOCK_LATE);
    return p;
}

hakmem_tiny_heap_t *hakmem_tiny_heap_create(void) {
    /* Makes sure that fork handlers are there, also where this thread never allocates otherwise. */
    hakmem_thread_heap_get();
    return heap_new(false);
}

/* Frees a page whatever the program still holds of it. Nobody else may touch it, says the contract of destroy. */
static void drop_page(hakmem_tiny_page_t *page) {
    page_set_used(page, 0);
    atomic_store_explicit(&page->thread_free, PAGE_OWNED, memory_order_relaxed);
    hakmem_heap_release_page(NULL, page);
}

void hakmem_tiny_heap_destroy(hakmem_tiny_heap_t *heap) {
    heap_close(heap);
    hakmem_heap_forget_queues(heap);
    /* A heap does not know its parked pages; every slot's owner word is looked at instead. Rare, and no cost elsewhere. */
    for (uint32_t i = 0; i < hakmem_arena_chunk_count(); i++) {
        hakmem_chunk_t *chunk = hakmem_arena_chunk(i);
        for (uint32_t slot = HEAD_SLOTS; slot < chunk->slots; slot++) {
            uintptr_t owner = owner_load(&chunk->info[slot]);
            hakmem_tiny_page_t *page = &chunk->pages[slot];
            uint64_t word;
            bool ours =
                owner == (uintptr_t)heap || (owner == ((uintptr_t)heap | OWNER_PARKED_BIT) &&
                                             remote_try_state(&page->thread_free, PAGE_PARKED, PAGE_OWNED, &word));
            if (ours) {
                drop_page(page); /* clears the owner word of all its slots, so that none is met twice */
            }
        }
    }
    heap_recycle(heap);
}

/* Pages that change hands ------------------------------------------------------------------------------------------ */

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
