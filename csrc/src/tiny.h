/* The fast path, as a header so that every entry point gets it inlined, and the generic path's interface. */
#ifndef HAKMEM_TINY_H
#define HAKMEM_TINY_H

#include "find.h"

/* The fallback: finds, extends, takes over or makes a page, and takes a block of it. `size` is at most HAKMEM_MEDIUM_MAX.
 * Null with ENOMEM. (spec name) */
void *hakmem_tiny_malloc_generic(hakmem_tiny_heap_t *heap, size_t size);

/* Between the two: `page` has nothing on `free`. If its owner freed into it, that is collected and serves; else the generic
 * path does. The size comes first, as in the entry points, so that it stays in its register on the way here. */
void *hakmem_tiny_malloc_collect(size_t size, hakmem_tiny_page_t *page, hakmem_tiny_heap_t *heap);

/* The page to allocate `size` bytes from; the empty page where there is none. */
HAKMEM_INLINE hakmem_tiny_page_t *tiny_page_for(hakmem_tiny_heap_t *heap, size_t size) {
    if (DIRECT_CACHE && hakmem_likely(size <= DIRECT_MAX)) {
        return heap->pages_direct[size_class_direct_index(size)];
    }
    hakmem_tiny_page_t *page = heap->size_classes[size_class_of(size)].first;
    if (!DIRECT_CACHE && page != NULL && !page_has_free(page)) {
        page = hakmem_heap_search(heap, page);
    }
    return page != NULL ? page : (hakmem_tiny_page_t *)&hakmem_empty_page;
}

/* A block of at least `size` bytes (at most HAKMEM_MEDIUM_MAX), aligned to what divides its class; null with ENOMEM.
 * The pages' fast path (spec name): with dual lists neither an atomic operation nor a search. */
HAKMEM_INLINE void *hakmem_tiny_malloc_direct(hakmem_tiny_heap_t *heap, size_t size) {
    hakmem_tiny_page_t *page = tiny_page_for(heap, size);
    void *block = page_pop(page);
    if (hakmem_likely(block != NULL)) {
        stat_add(HAKMEM_COUNT_DIRECT_HITS, size <= 1024);
        return block;
    }
    return hakmem_tiny_malloc_collect(size, page, heap);
}

/* As hakmem_tiny_malloc_direct where the cache had none. */
void *hakmem_tiny_malloc_uncached(hakmem_tiny_heap_t *heap, size_t size);

/* The block cache, then the pages: what the entry points use. */
HAKMEM_INLINE void *tiny_malloc(hakmem_tiny_heap_t *heap, size_t size) {
    if (!BLOCK_CACHE) {
        return hakmem_tiny_malloc_direct(heap, size);
    }
    if (hakmem_likely(size <= CLASS_SMALL_MAX)) {
        void *block = cache_pop(&heap->cache, size_class_of(size));
        if (hakmem_likely(block != NULL)) {
            stat_add(HAKMEM_COUNT_DIRECT_HITS, size <= 1024);
            return block;
        }
    }
    return hakmem_tiny_malloc_uncached(heap, size);
}

/* As tiny_malloc, and clears the block where it is not known to be zero. */
void *hakmem_tiny_calloc(hakmem_tiny_heap_t *heap, size_t size);

#endif
