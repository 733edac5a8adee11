/* The fast path, as a header so that every entry point gets it inlined, and the generic path's interface. */
#ifndef HAKMEM_TINY_H
#define HAKMEM_TINY_H

#include "fatal.h"
#include "heap.h"

/* The fallback: finds, extends, takes over or makes a page, and takes a block of it. `size` is at most HAKMEM_MEDIUM_MAX.
 * Null with ENOMEM. (spec name) */
void *hakmem_tiny_malloc_generic(hakmem_tiny_heap_t *heap, size_t size);

/* As hakmem_tiny_malloc_direct, and clears the block where it is not known to be zero. */
void *hakmem_tiny_calloc(hakmem_tiny_heap_t *heap, size_t size);

/* Frees into a page of which this thread is not known to be the owner: lock-free (spec name). */
void hakmem_tiny_free_remote(hakmem_tiny_page_t *page, hakmem_block_t *block);

/* What is left of hakmem_free where the owner word is not the caller's heap. */
void hakmem_free_not_local(void *p, hakmem_chunk_t *chunk, uint32_t slot);

/* The page to allocate `size` bytes from; the empty page where there is none. */
HAKMEM_INLINE hakmem_tiny_page_t *tiny_page_for(hakmem_tiny_heap_t *heap, size_t size) {
    if (DIRECT_CACHE && hakmem_likely(size <= DIRECT_MAX)) {
        return heap->pages_direct[size_class_direct_index(size)];
    }
    hakmem_tiny_page_t *page = heap->size_classes[size_class_of(size)].first;
    while (!DIRECT_CACHE && page != NULL && !page_has_free(page)) {
        page = page->next;
    }
    return page != NULL ? page : (hakmem_tiny_page_t *)&hakmem_empty_page;
}

/* A block of at least `size` bytes (at most HAKMEM_MEDIUM_MAX), aligned to what divides its class; null with ENOMEM.
 * The fast path (spec name): with dual lists neither an atomic operation nor a search. */
HAKMEM_INLINE void *hakmem_tiny_malloc_direct(hakmem_tiny_heap_t *heap, size_t size) {
    hakmem_tiny_page_t *page = tiny_page_for(heap, size);
    void *block = page_pop(page);
    if (hakmem_likely(block != NULL)) {
        if (STATS) { /* asked here, since a compiler keeps the relaxed load of an argument that nobody uses */
            stat_add(HAKMEM_COUNT_DIRECT_HITS, size <= 1024);
            stat_live((int64_t)page_block_size(page));
        }
        return block;
    }
    return hakmem_tiny_malloc_generic(heap, size);
}

/* Whether a free into an own page must look further: the block was the last one in use, or a flag is set. */
HAKMEM_INLINE bool tiny_wants_attention(const hakmem_tiny_page_t *page, uint32_t left) {
    if (BRANCH_HINTS) {
        return hakmem_unlikely(left == 0) || hakmem_unlikely(page->flags.combined != 0);
    }
    return left == 0 || page->flags.is_full || page->flags.has_remote_frees || page->flags.is_retired;
}

/* The owner's free into a page in its queue. Aborts if `p` does not begin a block. */
HAKMEM_INLINE void tiny_free_local(hakmem_tiny_page_t *page, void *p, size_t offset) {
    if (hakmem_unlikely(!page_is_block_offset(page, offset))) {
        hakmem_invalid_free(p);
    }
    hakmem_block_t *block = p;
    uint32_t left;
    if (STATS) {
        stat_add(HAKMEM_COUNT_LOCAL_FREES, 1);
        stat_live(-(int64_t)page_block_size(page));
    }
    if (DUAL_LISTS) {
        block->next = page->local_free;
        page->local_free = block;
        left = page_used(page) - 1;
        page_set_used(page, left);
    } else {
        uint64_t word;
        remote_push(&page->thread_free, page->start, block, block, 1, &word);
        left = page_used(page) - remote_count(word);
    }
    if (tiny_wants_attention(page, left)) {
        hakmem_heap_attend(page);
    }
}

/* Frees `p`, a pointer into a chunk: owner -> local_free, anyone else -> hakmem_tiny_free_remote (spec name). */
HAKMEM_INLINE void hakmem_tiny_free(void *p) {
    hakmem_chunk_t *chunk = arena_chunk_of(p);
    uint32_t slot = arena_slot_of(p);
    hakmem_slot_info_t *info = &chunk->info[slot];
    if (hakmem_unlikely(owner_load(info) != (uintptr_t)hakmem_thread_heap)) {
        hakmem_free_not_local(p, chunk, slot);
        return;
    }
    uint32_t first = atomic_load_explicit(&info->first, memory_order_relaxed);
    size_t offset = ((uintptr_t)p & (CHUNK_BYTES - 1)) - ((size_t)first << SLOT_SHIFT);
    tiny_free_local(&chunk->pages[first], p, offset);
}

/* The same where the caller knows that the page has one slot. */
HAKMEM_INLINE void tiny_free_one_slot(void *p) {
    hakmem_chunk_t *chunk = arena_chunk_of(p);
    uint32_t slot = arena_slot_of(p);
    if (hakmem_unlikely(owner_load(&chunk->info[slot]) != (uintptr_t)hakmem_thread_heap)) {
        hakmem_free_not_local(p, chunk, slot);
        return;
    }
    tiny_free_local(&chunk->pages[slot], p, (uintptr_t)p & (SLOT_BYTES - 1));
}

#endif
