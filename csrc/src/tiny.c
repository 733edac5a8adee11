#include "tiny.h"

#include <string.h>

#include "failure.h"
#include "flush.h"
#include "frees.h"
#include "options.h"
#include "os.h"
#include "thread.h"

static void tick(hakmem_tiny_heap_t *heap) {
    if (!hakmem_heap_tick(heap)) {
        return;
    }
    if (heap_caches(heap)) {
        hakmem_flush_half(heap);
    }
    if (hakmem_threads_rest()) {
        hakmem_threads_end_rest(option_purge_since(hakmem_os_now_ms())); /* which may have begun just before */
    }
}

HAKMEM_COLD void *hakmem_cache_tick(void *block) {
    if (heap_is_real(hakmem_thread_heap)) {
        tick(hakmem_thread_heap);
    }
    return block;
}

/* An allocation that passed the cache by counts as `calls` of those that do not. */
static void count_down(hakmem_tiny_heap_t *heap, uint32_t calls) {
    if (heap->cache.countdown > calls) {
        heap->cache.countdown -= calls;
    } else {
        tick(heap);
    }
}

static void *generic_on(hakmem_tiny_heap_t *heap, size_t size) {
    count_down(heap, TICK_GENERIC);
    hakmem_tiny_page_t *page = hakmem_heap_find_page(heap, size_class_of(size));
    return page == NULL ? NULL : page_pop(page);
}

HAKMEM_NOINLINE void *hakmem_tiny_malloc_collect(size_t size, hakmem_tiny_page_t *page, hakmem_tiny_heap_t *heap) {
    if (DUAL_LISTS && page->local_free != NULL && !heap_page_gives_way(page)) { /* the empty page has none */
        hakmem_tiny_collect_frees(page);
        stat_add(HAKMEM_COUNT_DIRECT_HITS, size <= 1024);
        return page_pop(page);
    }
    return hakmem_tiny_malloc_generic(heap, size);
}

static void *generic_on_any(hakmem_tiny_heap_t *heap, size_t size) {
    if (heap_is_real(heap) || (heap = hakmem_thread_heap_get()) != NULL) {
        return generic_on(heap, size);
    }
    return hakmem_thread_is_late() ? hakmem_late_heap_with(generic_on, size) : NULL;
}

HAKMEM_NOINLINE void *hakmem_tiny_malloc_generic(hakmem_tiny_heap_t *heap, size_t size) {
    stat_add(HAKMEM_COUNT_DIRECT_MISSES, size <= 1024);
    void *block = generic_on_any(heap, size);
    if (hakmem_unlikely(block == NULL) && hakmem_threads_end_rest(UINT64_MAX)) {
        block = generic_on_any(heap, size); /* what rested was what the system has no more of */
    }
    return block != NULL ? block : hakmem_out_of_memory(size, 1);
}

/* Moves some free blocks of the class's page to its bin, so that the next allocations pass all this by. */
static void refill(hakmem_tiny_heap_t *heap, uint32_t size_class, uint32_t room) {
    hakmem_tiny_page_t *page = heap->size_classes[size_class].first;
    void **blocks = hakmem_cache_oldest(&heap->books, size_class);
    uint32_t n = page_pop_many(page, blocks, room);
    hakmem_cache_refilled(&heap->cache, &heap->books, size_class, room, n);
    page_fetch_pushed(page);
}

/* The same with blocks that are made for it, of a page that has no others. */
static void *make_and_refill(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page, uint32_t room) {
    uint32_t size_class = page->size_class, n;
    heap_unretire(heap, page); /* its touched bytes change */
    void *block = page_make_many(page, hakmem_cache_oldest(&heap->books, size_class), room, &n);
    hakmem_cache_refilled(&heap->cache, &heap->books, size_class, room, n);
    stat_add(HAKMEM_COUNT_DIRECT_HITS, page_block_size(page) <= 1024);
    count_down(heap, (n + 1) * (uint32_t)page_block_size(page) / PAGE_EXTEND_BYTES * TICK_GENERIC);
    return block;
}

/* The bin is empty. */
static HAKMEM_NOINLINE void *malloc_missed(hakmem_tiny_heap_t *heap, size_t size) {
    uint32_t size_class = size_class_of(size);
    hakmem_cache_missed(&heap->cache, &heap->books, size_class);
    count_down(heap, 1);
    /* A checker would take what is moved for given. */
    uint32_t room = DUAL_LISTS && !MEMCHECK ? hakmem_cache_refill_room(&heap->cache, &heap->books, size_class) : 0;
    hakmem_tiny_page_t *page = heap->size_classes[size_class].first;
    if (room != 0 && page != NULL && page_makes_next(page)) {
        return make_and_refill(heap, page, room);
    }
    void *block = hakmem_tiny_malloc_direct(heap, size);
    if (room != 0 && block != NULL) {
        refill(heap, size_class, room);
    }
    return block;
}

static HAKMEM_NOINLINE void *open_and_malloc(hakmem_tiny_heap_t *heap, size_t size) {
    hakmem_cache_open(&heap->cache, &heap->books);
    return hakmem_tiny_malloc_direct(heap, size);
}

HAKMEM_NOINLINE void *hakmem_tiny_malloc_uncached(hakmem_tiny_heap_t *heap, size_t size) {
    if (heap_caches(heap)) {
        if (size <= CLASS_SMALL_MAX) {
            return malloc_missed(heap, size);
        }
    } else if (BLOCK_CACHE && heap_is_real(heap) && cache_note_early_malloc(&heap->books)) {
        return open_and_malloc(heap, size);
    }
    return hakmem_tiny_malloc_direct(heap, size);
}

void *hakmem_tiny_calloc(hakmem_tiny_heap_t *heap, size_t size) {
    if (BLOCK_CACHE && size <= CLASS_SMALL_MAX) {
        void *cached = cache_pop(&heap->cache, size_class_of(size));
        if (cached != NULL) {
            stat_add(HAKMEM_COUNT_DIRECT_HITS, size <= 1024);
            return memset(cached, 0, size);
        }
    }
    void *block = hakmem_tiny_malloc_uncached(heap, size);
    if (block == NULL) {
        return NULL;
    }
    /* The page's `free` list is the one that this block was popped from, or it was made just now: neither a pop nor a free changes
     * the flag. Only the owner may read it; the late heap's pages and those of heaps made by hand are cleared always. */
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(block);
    if (DUAL_LISTS && hakmem_tiny_is_local_page(page) && page->free_is_zero) {
        *(hakmem_block_t *)block = (hakmem_block_t){NULL}; /* the link is all that was ever written */
        memcheck_defined(block, size);
    } else {
        memset(block, 0, size);
    }
    return block;
}
