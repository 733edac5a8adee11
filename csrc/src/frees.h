/* A block's way back to its page. The owner's short way is inline; the others are not. */
#ifndef HAKMEM_FREES_H
#define HAKMEM_FREES_H

#include "fatal.h"
#include "retire.h"
#include "slot_blocks.h"

/* Frees blocks of a page of which this thread is not known to be the owner: lock-free, one CAS. */
void hakmem_free_remote_chain(hakmem_tiny_page_t *page, const hakmem_chain_t *chain);

/* The same for one block (spec name). `mask`: its bit, if the page has a mask, else 0. */
HAKMEM_INLINE void hakmem_tiny_free_remote(hakmem_tiny_page_t *page, hakmem_block_t *block, uint64_t mask) {
    hakmem_chain_t chain = {block, block, 1, 0, mask};
    hakmem_free_remote_chain(page, &chain);
}

/* What is left of hakmem_tiny_free where the owner word is not the caller's heap. */
void hakmem_free_not_local(void *p);

/* Whether a free into an own page must look further: the block was the last one in use, or a flag is set. */
HAKMEM_INLINE bool tiny_wants_attention(const hakmem_tiny_page_t *page, uint32_t left) {
    if (BRANCH_HINTS) {
        return hakmem_unlikely(left <=
                               page->flags.combined); /* one comparison: any flag is more than a page has blocks */
    }
    return left == 0 || page->flags.is_full || page->flags.has_remote_frees || page->flags.is_retired;
}

/* The owner has given `n` blocks back to a page in its queue: dual lists have them. */
HAKMEM_INLINE void tiny_returned(hakmem_tiny_page_t *page, uint32_t n) {
    stat_add(HAKMEM_COUNT_LOCAL_FREES, n);
    uint32_t left = page_used(page) - n;
    page_set_used(page, left);
    if (tiny_wants_attention(page, left)) {
        hakmem_heap_attend(page);
    }
}

/* The same without dual lists, which do not count at `used`. */
HAKMEM_INLINE void tiny_return_chain(hakmem_tiny_page_t *page, const hakmem_chain_t *chain) {
    stat_add(HAKMEM_COUNT_LOCAL_FREES, chain->n);
    uint64_t word;
    remote_push(&page->thread_free, page->start, chain, &word);
    if (tiny_wants_attention(page, page_used(page) - remote_count(word))) {
        hakmem_heap_attend(page);
    }
}

/* The owner gives a block back to a page in its queue. */
HAKMEM_INLINE void tiny_return(hakmem_tiny_page_t *page, void *block) {
    if (DUAL_LISTS) {
        page_put(page, block);
        tiny_returned(page, 1);
    } else {
        hakmem_chain_t chain = chain_of_one(block);
        tiny_return_chain(page, &chain);
    }
}

/* The owner's free into a page in its queue. Aborts if `p` does not begin a block. */
HAKMEM_INLINE void tiny_free_local(hakmem_tiny_page_t *page, void *p, size_t offset) {
    if (hakmem_unlikely(!page_is_block_offset(page, offset))) {
        hakmem_invalid_free(p);
    }
    tiny_return(page, p);
}

/* Frees `p`, a pointer into a chunk: owner -> local_free, anyone else -> hakmem_tiny_free_remote (spec name). */
HAKMEM_INLINE void hakmem_tiny_free(void *p) {
    hakmem_slot_info_t *info = arena_info_of(p);
    if (hakmem_unlikely(owner_load(info) != (uintptr_t)hakmem_thread_heap)) {
        hakmem_free_not_local(p);
        return;
    }
    uint32_t first = atomic_load_explicit(&info->first, memory_order_relaxed);
    size_t offset = ((uintptr_t)p & (CHUNK_BYTES - 1)) - ((size_t)first << SLOT_SHIFT);
    tiny_free_local(&arena_chunk_of(p)->pages[first], p, offset);
}

/* The same where the caller knows that the page has one slot. */
HAKMEM_INLINE void tiny_free_one_slot(void *p) {
    if (hakmem_unlikely(owner_load(arena_info_of(p)) != (uintptr_t)hakmem_thread_heap)) {
        hakmem_free_not_local(p);
        return;
    }
    tiny_free_local(arena_page_of(p), p, (uintptr_t)p & (SLOT_BYTES - 1));
}

#endif
