#include "heap.h"

#include <string.h>

#include "abandoned.h"
#include "idle.h"
#include "options.h"
#include "os.h"
#include "purge.h"
#include "trace.h"

const hakmem_tiny_page_t hakmem_empty_page;

/* Sixteen entries a line; the initialiser must name each, since the empty heap lives in read-only memory. */
#define E1 (hakmem_tiny_page_t *)&hakmem_empty_page
#define E8 E1, E1, E1, E1, E1, E1, E1, E1
#define E64 E8, E8, E8, E8, E8, E8, E8, E8
const hakmem_tiny_heap_t hakmem_empty_heap = {
    .cache = {.bins = HAKMEM_CLOSED_BINS},
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

/* Queues ----------------------------------------------------------------------------------------------------------- */

static void queue_push_front(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
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

static void queue_push_back(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    hakmem_page_queue_t *queue = &heap->size_classes[page->size_class];
    if (queue->last == NULL) {
        queue_push_front(heap, page);
        return;
    }
    page->next = NULL;
    page->previous = queue->last;
    queue->last->next = page;
    queue->last = page;
}

static void queue_remove(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
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

/* Slots ------------------------------------------------------------------------------------------------------------ */

/* How many the page has. */
static uint32_t page_slots(const hakmem_tiny_page_t *page) {
    /* Relaxed: constant while the page is in use. */
    return atomic_load_explicit(&arena_chunk_of(page)->info[arena_page_slot(page)].length, memory_order_relaxed);
}

/* The class's next page may be smaller. */
static void note_medium_gone(hakmem_tiny_heap_t *heap, const hakmem_tiny_page_t *page) {
    if (size_class_is_medium(page->size_class)) {
        uint8_t *doublings = &heap->medium_doublings[page->size_class - CLASS_SMALL_COUNT];
        *doublings -= *doublings != 0;
    }
}

static bool acquire_slots(hakmem_tiny_heap_t *heap, uint32_t size_class, hakmem_run_t *run) {
    if (size_class_is_medium(size_class)) {
        uint8_t *doublings = &heap->medium_doublings[size_class - CLASS_SMALL_COUNT];
        uint32_t slots = (uint32_t)MEDIUM_LEAST_SLOTS << *doublings;
        bool acquired = hakmem_pool_acquire(slots, slots, run);
        *doublings += acquired && slots < MEDIUM_SLOTS;
        /* Where memory is short, there may be room between larger pages. */
        while (!acquired && slots > MEDIUM_LEAST_SLOTS) {
            slots /= 2;
            acquired = hakmem_pool_acquire(slots, slots, run);
        }
        return acquired;
    }
    if (heap->l0_count != 0) {
        char *start = heap->l0_slots[--heap->l0_count];
        heap->l0_used_epoch = heap->epoch;
        *run = (hakmem_run_t){arena_chunk_of(start), arena_slot_of(start), 1, false};
        hakmem_lock_stats_acquired(HAKMEM_STAGE_L0, hakmem_lock_stats_taken());
        HAKMEM_TRACE("SP_ACQUIRE_STAGE0_L0", start, 1);
        return true;
    }
    return hakmem_pool_acquire(1, 1, run);
}

static void release_slot(hakmem_tiny_heap_t *heap, hakmem_chunk_t *chunk, uint32_t slot) {
    if (heap != NULL && heap->l0_count < L0_SLOTS) {
        heap->l0_used_epoch = heap->epoch;
        heap->l0_slots[heap->l0_count++] = arena_slot_start(chunk, slot);
    } else {
        hakmem_pool_release(chunk, slot, 1);
    }
}

static void release_l0(hakmem_tiny_heap_t *heap) {
    while (heap->l0_count != 0) {
        char *start = heap->l0_slots[--heap->l0_count];
        hakmem_pool_release(arena_chunk_of(start), arena_slot_of(start), 1);
    }
}

static hakmem_tiny_page_t *make_page(hakmem_tiny_heap_t *heap, uint32_t size_class) {
    hakmem_run_t run;
    if (!acquire_slots(heap, size_class, &run)) {
        return NULL;
    }
    hakmem_tiny_page_t *page = &run.chunk->pages[run.slot];
    size_t had = page_block_size(page);
    if (had != 0 && had != size_class_bytes(size_class)) {
        HAKMEM_TRACE("SP_FIX_GEOMETRY", run_start(&run), size_class_bytes(size_class));
    }
    hakmem_page_init(page, size_class, run_start(&run), (size_t)run.length << SLOT_SHIFT, run.zero, heap);
    for (uint32_t i = 0; i < run.length; i++) {
        hakmem_slot_info_t *info = &run.chunk->info[run.slot + i];
        /* Relaxed: published by the owner word below. */
        atomic_store_explicit(&info->first, (uint16_t)run.slot, memory_order_relaxed);
        atomic_store_explicit(&info->length, (uint16_t)run.length, memory_order_relaxed);
        slot_set_class(info, size_class + 1);
        owner_store(info, (uintptr_t)heap);
    }
    stat_add(HAKMEM_COUNT_PAGES_MADE, 1);
    return page;
}

void hakmem_heap_release_page(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    HAKMEM_ASSERT(page_is_empty(page));
    hakmem_chunk_t *chunk = arena_chunk_of(page);
    uint32_t slot = arena_page_slot(page);
    uint32_t length = page_slots(page);
    owner_store_all(&chunk->info[slot], OWNER_NONE);
    for (uint32_t i = 0; i < length; i++) {
        slot_set_class(&chunk->info[slot + i], 0);
    }
    stat_add(HAKMEM_COUNT_PAGES_RETIRED, 1);
    if (length == 1) {
        release_slot(heap, chunk, slot);
    } else {
        if (heap != NULL) {
            note_medium_gone(heap, page);
        }
        hakmem_pool_release(chunk, slot, length);
    }
}

/* Full pages ------------------------------------------------------------------------------------------------------- */

/* Takes a page that has nothing left out of its queue. False: blocks came back meanwhile. */
static bool park(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    hakmem_slot_info_t *info = arena_page_info(page);
    /* The owner word first: once the state says PARKED the page may be taken by another thread, whose own store must be
     * the later one. */
    owner_store_all(info, (uintptr_t)heap | OWNER_PARKED_BIT);
    page->flags.is_full = 1;
    queue_remove(heap, page);
    uint64_t expected = PAGE_OWNED;
    stat_atomic();
    /* Only an empty list may be parked: who pushed before would not have given notice. Release: pairs with the acquire of
     * the pusher that finds PARKED. Relaxed on failure: the list is taken with an acquire of its own. */
    if (atomic_compare_exchange_strong_explicit(&page->thread_free, &expected, (uint64_t)PAGE_PARKED,
                                                memory_order_release, memory_order_relaxed)) {
        return true;
    }
    page->flags.is_full = 0;
    owner_store_all(info, (uintptr_t)heap);
    queue_push_front(heap, page);
    return false;
}

/* A page that is the caller's by its CAS, and may have been any heap's before. */
static void enqueue_woken(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    /* Relaxed: pushers read it after an acquire of a word that a later release of ours (park, abandon) has left. */
    atomic_store_explicit(&page->heap, heap, memory_order_relaxed);
    owner_store_all(arena_page_info(page), (uintptr_t)heap);
    page->flags.is_full = 0;
    /* Last: it has few free blocks now and gathers more until its turn comes. */
    queue_push_back(heap, page);
}

bool hakmem_heap_unpark(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    uint64_t word;
    if (!remote_try_state(&page->thread_free, PAGE_PARKED, PAGE_OWNED, &word)) {
        return false;
    }
    enqueue_woken(heap, page);
    return true;
}

void hakmem_heap_take_notified(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    uint64_t word;
    bool notified = remote_try_state(&page->thread_free, PAGE_NOTIFIED, PAGE_OWNED, &word);
    HAKMEM_ASSERT(notified);
    (void)notified;
    enqueue_woken(heap, page);
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

/* Empty pages ------------------------------------------------------------------------------------------------------ */

static size_t touched_bytes(const hakmem_tiny_page_t *page) {
    if (!page->slot_is_zero) { /* slots that were used before are resident as a whole */
        return (size_t)page_slots(page) << SLOT_SHIFT;
    }
    return (size_t)page->capacity * page_block_size(page);
}

static void unretire(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    if (page->flags.is_retired) {
        page->flags.is_retired = 0;
        heap->retired_bytes -= touched_bytes(page);
    }
}

static void give_up(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    unretire(heap, page);
    queue_remove(heap, page);
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
    if (queue->first != queue->last || heap->retired_bytes + touched_bytes(page) > RETIRED_MAX_BYTES) {
        give_up(heap, page);
        return;
    }
    page->flags.is_retired = 1;
    heap->retired_bytes += touched_bytes(page);
}

void hakmem_heap_attend(hakmem_tiny_page_t *page) {
    if (page->flags.has_remote_frees) {
        hakmem_tiny_collect_frees(page);
    }
    if (page_is_empty(page)) {
        hakmem_tiny_page_retire(page);
    } else {
        unretire(page_heap(page), page);
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
        unretire(heap, page);
    } else if ((int32_t)(heap->epoch - page->expires_epoch) >= 0) {
        give_up(heap, page);
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

/* A page's owner comes, or goes --------------------------------------------------------------------------------------------*/

void hakmem_heap_adopt(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    enqueue_woken(heap, page);
    hakmem_tiny_collect_frees(page);
    stat_add(HAKMEM_COUNT_PAGES_RECLAIMED, 1);
    if (page_is_empty(page)) {
        hakmem_tiny_page_retire(page);
    }
}

static void release_emptied_abandoned(hakmem_tiny_heap_t *heap) {
    uint32_t cursor = 0;
    hakmem_tiny_page_t *page;
    while (heap->adopts && (page = hakmem_claim_emptied(&cursor)) != NULL) {
        hakmem_heap_adopt(heap, page);
    }
}

void hakmem_heap_release_empty(hakmem_tiny_heap_t *heap) {
    hakmem_heap_drain_pending(heap);
    release_emptied_abandoned(heap);
    for (uint32_t c = 0; c < CLASS_COUNT; c++) {
        hakmem_tiny_page_t *next;
        for (hakmem_tiny_page_t *page = heap->size_classes[c].first; page != NULL; page = next) {
            next = page->next;
            hakmem_tiny_collect_frees(page);
            if (page_is_empty(page)) {
                give_up(heap, page);
            }
        }
    }
    release_l0(heap);
}

/* A page of the heap goes, to the pool if it is empty. */
static void part_with(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    note_medium_gone(heap, page);
    hakmem_tiny_collect_frees(page);
    unretire(heap, page);
    queue_remove(heap, page);
    if (page_is_empty(page) || !hakmem_abandon(page, PAGE_OWNED)) {
        hakmem_heap_release_page(NULL, page);
    }
}

size_t hakmem_heap_rest(hakmem_tiny_heap_t *heap, size_t most) {
    release_emptied_abandoned(heap);
    size_t kept = (size_t)heap->l0_count << SLOT_SHIFT;
    if (kept > most) {
        release_l0(heap);
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
        size_t touched = touched_bytes(queue->first);
        if (kept + touched <= most) {
            kept += touched;
        } else {
            part_with(heap, queue->first);
        }
    }
    return kept;
}

/* Finding a page --------------------------------------------------------------------------------------------------- */

/* Moves a page to the end of its queue if it should give way. One to which nothing comes back while the others have their turns
 * does so once: it is parked the next time. */
static bool give_way(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    bool nothing = page_gathered(page) == 0;
    bool gives = !page_has_free(page) && heap_page_gives_way(page) && !(nothing && page->gave_way);
    page->gave_way = gives && nothing;
    if (gives) {
        queue_remove(heap, page);
        queue_push_back(heap, page);
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
        unretire(heap, page); /* its touched bytes are about to change */
        if (hakmem_page_extend(page)) {
            return page;
        }
        park(heap, page);
    }
    return NULL;
}

hakmem_tiny_page_t *hakmem_heap_find_page(hakmem_tiny_heap_t *heap, uint32_t size_class) {
    hakmem_heap_drain_pending(heap);
    hakmem_tiny_page_t *page;
    while ((page = first_with_free(heap, size_class)) == NULL) {
        page = heap->adopts ? hakmem_claim_abandoned(size_class) : NULL;
        if (page == NULL) {
            page = make_page(heap, size_class);
            if (page == NULL) {
                return NULL;
            }
            queue_push_front(heap, page);
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
        queue_remove(heap, page);
        queue_push_front(heap, page);
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
            release_l0(heap);
        }
        release_emptied_abandoned(heap);
    }
    /* Looking at the clock costs as much as ten allocations: less and less often within an epoch. */
    heap->tick_interval =
        new_epoch ? TICK_INTERVAL_LEAST : (uint32_t)min_size(2 * heap->tick_interval, TICK_INTERVAL_MOST);
    heap->cache.countdown = heap->tick_interval;
    hakmem_pool_tick(now);
    hakmem_idle_tick(now, false);
    return new_epoch;
}
