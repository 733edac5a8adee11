#define _GNU_SOURCE
#include "thread.h"

#include <pthread.h>

#include "adopt.h"
#include "early.h"
#include "failure.h"
#include "flush.h"
#include "frees.h"
#include "lock.h"
#include "meta.h"
#include "options.h"
#include "os.h"
#include "park.h"
#include "purge.h"
#include "unload.h"

/* Under the heaps lock, by serves_thread. A heap passes its parked pages on to who gets it next; a thread's must not go to a heap
 * made by hand, whose user may never look at them. */
static hakmem_tiny_heap_t *free_heaps[2];
/* Those of threads that rest with pages, the one that began last first. */
static hakmem_tiny_heap_t *resting_heaps;
static _Atomic size_t resting_bytes; /* theirs. Written under the lock. Relaxed: a figure */

/* What all of them may have touched together with what waits in the pool, about: an idle process has no ticks, and is bounded all the
 * same. */
#define RESTING_BYTES (16 * MIB)

static HAKMEM_TLS bool torn_down;    /* this thread's heap is given up */
static HAKMEM_TLS bool initialising; /* this thread is in `initialise`, or waits for it */
static pthread_key_t exit_key;
static bool exit_key_made;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Heaps ------------------------------------------------------------------------------------------------------------ */

/* Every heap ever made, newest first; heaps are never unmade, so that a walk needs no lock. */
static _Atomic(hakmem_tiny_heap_t *) all_heaps;

static void link_heap(hakmem_tiny_heap_t *heap) {
    hakmem_tiny_heap_t *first = atomic_load_explicit(&all_heaps, memory_order_relaxed);
    do {
        heap->next_of_all = first;
        /* Release: pairs with the acquire in hakmem_all_heaps; next_of_all is read there. */
    } while (
        !atomic_compare_exchange_weak_explicit(&all_heaps, &first, heap, memory_order_release, memory_order_relaxed));
}

hakmem_tiny_heap_t *hakmem_all_heaps(void) {
    return atomic_load_explicit(&all_heaps, memory_order_acquire);
}

/* Relaxed: only written under the lock. */
static void add_resting(size_t bytes) {
    size_t sum = atomic_load_explicit(&resting_bytes, memory_order_relaxed) + bytes;
    atomic_store_explicit(&resting_bytes, sum, memory_order_relaxed);
}

static hakmem_tiny_heap_t *heap_recycled(bool serves_thread) {
    hakmem_lock(HAKMEM_LOCK_HEAPS);
    bool rests = serves_thread && resting_heaps != NULL;
    hakmem_tiny_heap_t **list = rests ? &resting_heaps : &free_heaps[serves_thread];
    hakmem_tiny_heap_t *heap = *list;
    if (heap != NULL) {
        *list = heap->next_free;
        add_resting(-heap->resting_bytes);
    }
    hakmem_unlock(HAKMEM_LOCK_HEAPS);
    return heap;
}

static hakmem_tiny_heap_t *heap_new(bool serves_thread) {
    hakmem_tiny_heap_t *heap = heap_recycled(serves_thread);
    if (heap != NULL) {
        hakmem_heap_wake(heap);
    } else {
        heap = hakmem_meta_alloc(sizeof *heap);
        if (heap == NULL) {
            return NULL;
        }
        link_heap(heap);
        hakmem_arena_note_heap();
        hakmem_tiny_heap_init(heap);
    }
    heap->serves_thread = heap->adopts = serves_thread;
    return heap;
}

/* The lock orders what the last user stored in owner words, pages and queues before whatever the next one reads there. False: other
 * threads ended meanwhile, and too much would rest; the heap is still the caller's. */
static bool heap_recycle(hakmem_tiny_heap_t *heap) {
    bool rests = heap->resting_bytes != 0;
    hakmem_lock(HAKMEM_LOCK_HEAPS);
    bool fits =
        !rests || atomic_load_explicit(&resting_bytes, memory_order_relaxed) + heap->resting_bytes <= RESTING_BYTES;
    if (fits) {
        hakmem_tiny_heap_t **list = rests ? &resting_heaps : &free_heaps[heap->serves_thread];
        heap->next_free = *list;
        *list = heap;
        add_resting(heap->resting_bytes);
    }
    hakmem_unlock(HAKMEM_LOCK_HEAPS);
    return fits;
}

/* About how much the heap of a thread that ends may keep; heap_recycle decides. */
static size_t may_rest_with(void) {
    size_t others = atomic_load_explicit(&resting_bytes, memory_order_relaxed) + hakmem_pool_dirty_bytes();
    return option_purge_ms() == 0 || others > RESTING_BYTES ? 0 : RESTING_BYTES - others;
}

bool hakmem_threads_rest(void) {
    return atomic_load_explicit(&resting_bytes, memory_order_relaxed) != 0;
}

bool hakmem_threads_end_rest(uint64_t ms) {
    hakmem_lock(HAKMEM_LOCK_HEAPS);
    hakmem_tiny_heap_t **list = &resting_heaps;
    while (*list != NULL && (*list)->rests_since_ms > ms) {
        list = &(*list)->next_free;
    }
    hakmem_tiny_heap_t *ending = *list;
    *list = NULL;
    for (hakmem_tiny_heap_t *heap = ending; heap != NULL; heap = heap->next_free) {
        add_resting(-heap->resting_bytes);
    }
    hakmem_unlock(HAKMEM_LOCK_HEAPS);
    bool any = ending != NULL;
    while (ending != NULL) { /* they are this thread's alone */
        hakmem_tiny_heap_t *heap = ending;
        ending = heap->next_free;
        heap->resting_bytes = hakmem_heap_rest(heap, 0);
        heap_recycle(heap);
    }
    return any;
}

/* No notice reaches the heap from here on; takes up those that did. Pages that are parked stay so, with this heap's
 * address: a pusher that wakes one finds the list closed and settles it, or open again, because the heap serves another
 * thread, which then inherits it. */
static void heap_close(hakmem_tiny_heap_t *heap) {
    stat_atomic();
    /* Acquire: pairs with the release in notice.c. Release: pairs with the acquire of a pusher that finds it
     * closed; it must not see our use of the heap as still to come. */
    hakmem_tiny_page_t *page = atomic_exchange_explicit(&heap->pending, HEAP_CLOSED, memory_order_acq_rel);
    while (page != NULL && page != HEAP_CLOSED) {
        hakmem_tiny_page_t *next = page->pending_next;
        hakmem_heap_take_notified(heap, page);
        page = next;
    }
}

/* Leaves what the next thread wants, if it is a thread's, and gives up the rest: empty pages to the pool, the others to whoever wants
 * them. Its cache is closed. */
static void heap_end(hakmem_tiny_heap_t *heap) {
    heap_close(heap);
    heap->resting_bytes = hakmem_heap_rest(heap, heap->serves_thread ? may_rest_with() : 0);
    heap->rests_since_ms = hakmem_os_now_ms();
    if (!heap_recycle(heap)) {
        heap->resting_bytes = hakmem_heap_rest(heap, 0);
        heap_recycle(heap);
    }
}

/* Gives up the calling thread's heap. */
static void tear_down(hakmem_tiny_heap_t *heap) {
    if (heap_caches(heap)) {
        hakmem_flush_all(heap); /* while the heap is this thread's still: then its own blocks go the short way */
        hakmem_cache_close(&heap->cache, &heap->books);
    }
    hakmem_thread_heap = (hakmem_tiny_heap_t *)&hakmem_empty_heap;
    torn_down = true;
    heap_end(heap);
}

static void thread_exit(void *value) {
    hakmem_tiny_heap_t *heap = value;
    if (heap->on_exit != NULL) {
        heap->on_exit();
    }
    tear_down(heap);
}

/* In a fork's child only this thread lives on. Nobody will look at the other threads' pending lists, so they are closed: whoever
 * frees into a page that one of them parked takes it over. Pages that were in their queues are left alone, since a heap may have
 * been caught in the middle of a change. */
static void after_fork_in_child(void) {
    for (hakmem_tiny_heap_t *heap = hakmem_all_heaps(); heap != NULL; heap = heap->next_of_all) {
        if (heap->serves_thread && heap != hakmem_thread_heap) {
            /* Relaxed: there is no other thread. */
            atomic_store_explicit(&heap->pending, HEAP_CLOSED, memory_order_relaxed);
        }
    }
    hakmem_pool_after_fork();
    hakmem_unlock_all();
}

void hakmem_threads_give_up(void) {
    if (exit_key_made) {
        exit_key_made = false;
        pthread_key_delete(exit_key);
    }
    hakmem_tiny_heap_t *own = hakmem_thread_heap;
    for (hakmem_tiny_heap_t *heap = hakmem_all_heaps(); heap != NULL; heap = heap->next_of_all) {
        /* Closed: without a user, or another thread's that fork left behind in the middle of a change. Relaxed: no
         * other thread is in here. */
        if (heap != own && heap->serves_thread &&
            atomic_load_explicit(&heap->pending, memory_order_relaxed) != HEAP_CLOSED) {
            hakmem_thread_heap = heap;
            tear_down(heap);
        }
    }
    if (heap_is_real(own)) {
        hakmem_thread_heap = own;
        thread_exit(own);
    }
    hakmem_threads_end_rest(UINT64_MAX);
    torn_down = true; /* destructors of the same library may come after, and are served as a thread's last ones are */
}

static void initialise(void) {
    /* Only who holds every lock may fork: no other thread can leave one locked, or what it guards half changed. */
    pthread_atfork(hakmem_lock_all, hakmem_unlock_all, after_fork_in_child);
    exit_key_made = pthread_key_create(&exit_key, thread_exit) == 0;
    lock_stats_init();
}

hakmem_tiny_heap_t *hakmem_thread_heap_get(void) {
    if (heap_is_real(hakmem_thread_heap)) {
        return hakmem_thread_heap;
    }
    if (torn_down || initialising) {
        return NULL;
    }
    /* Before any lock is taken. What it calls may allocate, and is served by the late heap then. */
    initialising = true;
    if (OVERRIDE) {
        hakmem_early_record(); /* before anything of ours is mapped */
    }
    pthread_once(&once, initialise);
    initialising = false;
    hakmem_tiny_heap_t *heap = heap_new(true);
    if (heap == NULL) {
        return NULL;
    }
    hakmem_thread_heap = heap; /* first: what follows may allocate */
    if (exit_key_made) {
        pthread_setspecific(exit_key, heap);
    }
    if (heap->next_of_all != NULL) {
        static pthread_once_t once_more = PTHREAD_ONCE_INIT;
        pthread_once(&once_more, hakmem_watch_for_end);
    }
    return heap;
}

bool hakmem_thread_is_late(void) {
    return torn_down || initialising;
}

void *hakmem_late_heap_with(void *(*with)(hakmem_tiny_heap_t *heap, size_t size), size_t size) {
    static hakmem_tiny_heap_t *late; /* under the late lock */
    hakmem_lock(HAKMEM_LOCK_LATE);
    if (late == NULL) {
        late = heap_new(false);
        if (late != NULL) {
            late->adopts = true; /* it serves whoever comes, and is never given up */
        }
    }
    void *p = late == NULL ? NULL : with(late, size);
    hakmem_unlock(HAKMEM_LOCK_LATE);
    return p;
}

hakmem_tiny_heap_t *hakmem_tiny_heap_create(void) {
    /* Makes sure that fork handlers are there, also where this thread never allocates otherwise. */
    hakmem_thread_heap_get();
    hakmem_tiny_heap_t *heap = heap_new(false);
    return heap != NULL ? heap : hakmem_out_of_memory(sizeof *heap, CACHE_LINE);
}

void hakmem_tiny_heap_destroy(hakmem_tiny_heap_t *heap) {
    heap_end(heap);
}

hakmem_cache_t *hakmem_thread_cache(void (*on_exit)(void)) {
    hakmem_tiny_heap_t *heap = BLOCK_CACHE ? hakmem_thread_heap_get() : NULL;
    if (heap == NULL) {
        return NULL;
    }
    heap->on_exit = on_exit;
    return &heap->cache;
}
