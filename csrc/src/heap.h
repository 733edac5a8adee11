/* A thread's heap: a queue of pages per size class, the direct page cache that knows each queue's first, and the slots kept at
 * hand. Fields are the owner's alone but for `pending`.
 *
 * Where a page of the heap can be:
 *   in the queue of its class   state OWNED, owner word = heap
 *   parked (full)               state PARKED, owner word = heap | 1, in no queue; the heap need not know it
 *   pending                     state NOTIFIED: other threads freed into a parked page; the owner takes it up again    */
#ifndef HAKMEM_HEAP_H
#define HAKMEM_HEAP_H

#include "cache.h"
#include "page_arena.h"

typedef struct {
    hakmem_tiny_page_t *first, *last;
} hakmem_page_queue_t;

enum {
    L0_SLOTS = 4,              /* stage 0: at most 256 KiB of slots at hand */
    TICK_INTERVAL_LEAST = 32,  /* allocations between looks at the clock, when an epoch begins */
    TICK_INTERVAL_MOST = 1024, /* and when it lasts; reached by doubling */
    TICK_GENERIC = 32, /* a generic call counts as so many allocations: it stands for the blocks of an extension */
};

struct hakmem_tiny_heap_s {
    _Alignas(CACHE_LINE) hakmem_cache_t cache; /* first: src/fast.rs knows the heap by its address */
    /* By size: the first page of the class's queue, or the static empty page (spec: phase 1). */
    hakmem_tiny_page_t *pages_direct[DIRECT_PAGES];
    hakmem_page_queue_t size_classes[CLASS_COUNT];

    char *l0_slots[L0_SLOTS]; /* last in first out; resident */
    uint32_t l0_count;
    uint32_t l0_used_epoch; /* when one was last taken or put */

    uint32_t tick_interval; /* what cache.countdown began with */
    uint32_t epoch;
    uint64_t epoch_began_ms;
    size_t retired_bytes; /* touched bytes of pages with is_retired */
    /* How large the next page of a medium class is: twice as large for each that was made, and half for each that was given up. Of
     * most such classes a program has a few blocks, here now and there then, and every slot that had one stays resident. */
    uint8_t medium_doublings[CLASS_COUNT - CLASS_SMALL_COUNT];

    hakmem_tiny_page_t *sweep_next; /* where hakmem_heap_sweep goes on; null: with the class after `sweep_class` */
    uint32_t sweep_class;

    hakmem_cache_books_t books;
    void (*on_exit)(void); /* who has a copy of this heap's address and wants to know when it ends */

    struct hakmem_tiny_heap_s *next_of_all; /* constant once linked; see thread.h */
    struct hakmem_tiny_heap_s *next_free;   /* under the heaps lock */
    size_t resting_bytes;                   /* without a user: what its pages have touched */
    uint64_t rests_since_ms;
    bool serves_thread; /* is some thread's own; constant while in use */
    bool adopts; /* takes over what others left; not a heap made by hand, whose user may never look at it again */

    /* Pages that other threads gave notice of; a stack, pushed by CAS and taken whole. HEAP_CLOSED: nobody will look. A
     * line of its own: other threads write it. */
    _Alignas(CACHE_LINE) _Atomic(hakmem_tiny_page_t *) pending;
    /* About how many are on it, and how many of those were seen to hold nothing more; see notice.c. */
    _Atomic uint32_t noticed, emptied;
};

_Static_assert(offsetof(hakmem_tiny_heap_t, cache) == 0, "a heap's address is its cache's");
_Static_assert(sizeof(((hakmem_tiny_heap_t *)0)->pages_direct) == DIRECT_PAGES * sizeof(void *),
               "1,032 B per heap at 129 entries");

#define HEAP_CLOSED ((hakmem_tiny_page_t *)(uintptr_t)1)

/* Stand in before a thread has a heap and where a class has no page, so that the fast path tests for neither. Never
 * written; no slot's owner word is ever the empty heap. */
extern const hakmem_tiny_page_t hakmem_empty_page;
extern const hakmem_tiny_heap_t hakmem_empty_heap;

/* The calling thread's heap, or the empty heap. */
extern HAKMEM_TLS hakmem_tiny_heap_t *hakmem_thread_heap;

HAKMEM_INLINE bool heap_is_real(const hakmem_tiny_heap_t *heap) {
    return heap != &hakmem_empty_heap;
}

/* Whether its cache is open: only a thread's own, and not from the first block on. */
HAKMEM_INLINE bool heap_caches(const hakmem_tiny_heap_t *heap) {
    return BLOCK_CACHE && cache_is_open(&heap->books);
}

/* Whether the page belongs to the calling thread's heap and is in its queue (spec name). */
HAKMEM_INLINE bool hakmem_tiny_is_local_page(hakmem_tiny_page_t *page) {
    return owner_load(arena_page_info(page)) == (uintptr_t)hakmem_thread_heap;
}

/* Makes a heap ready for use; its former pages and blocks are forgotten (spec name). The struct is 64-aligned, and zero before
 * its first use. Its cache is closed. */
void hakmem_tiny_heap_init(hakmem_tiny_heap_t *heap);

/* Makes a heap whose last user has gone ready for the next one, with the pages that it rested with. */
void hakmem_heap_wake(hakmem_tiny_heap_t *heap);

/* Fills the direct cache from all queues; sets the entries of one class (spec names). */
void hakmem_tiny_rebuild_direct_cache(hakmem_tiny_heap_t *heap);
void hakmem_tiny_update_direct_cache(hakmem_tiny_heap_t *heap, uint32_t size_class);

/* The queue of the page's class: puts the page first or last, or takes it out. */
void hakmem_queue_push_front(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page);
void hakmem_queue_push_back(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page);
void hakmem_queue_remove(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page);

#endif
