#include "frees.h"

#include "abandoned.h"
#include "large.h"
#include "notice.h"
#include "park.h"

void hakmem_free_remote_chain(hakmem_tiny_page_t *page, const hakmem_chain_t *chain) {
    stat_add(HAKMEM_COUNT_REMOTE_FREES, chain->n);
    uint64_t left;
    uint64_t old = remote_push(&page->thread_free, page->start, chain, &left);
    if (REMOTE_MASKS && hakmem_unlikely((chain->mask & remote_mask(old)) != 0)) {
        hakmem_double_free(page->start +
                           (size_t)__builtin_ctzll(chain->mask & remote_mask(old)) * page_block_size(page));
    }
    switch (remote_state(old)) {
    case PAGE_PARKED: {
        bool emptied = remote_count(left) == page_used(page);
        hakmem_give_notice(page);
        if (emptied) {
            hakmem_note_emptied(page);
        }
        break;
    }
    case PAGE_ABANDONED:
        /* `used` does not change while the page is abandoned. If it was claimed meanwhile, the figures may be anyone's; the
         * claim below then fails, or wins a page that is looked at again. */
        if (remote_count(left) == page_used(page) && hakmem_claim(page)) {
            hakmem_settle(page);
        }
        break;
    case PAGE_NOTIFIED:
        /* `used` does not change before the owner takes the page up. If it has, the answer is wrong, and only a hint. */
        if (remote_count(left) == page_used(page)) {
            hakmem_note_emptied(page);
        }
        break;
    case PAGE_OWNED:
        break;
    }
}

/* The page that `p` lies in, and its bit if the page has a mask, else 0. Aborts if it lies in none, or is not a block's first byte. Not by page->inverse, which is in the
 * owner's line: a division is small beside the CAS that follows. */
static hakmem_tiny_page_t *checked_page(void *p, uint64_t *mask) {
    hakmem_chunk_t *chunk = arena_chunk_of(p);
    hakmem_slot_info_t *info = arena_info_of(p);
    uint32_t size_class = (uint32_t)slot_class(info);
    if (size_class >= CLASS_COUNT) {
        hakmem_invalid_free(p);
    }
    uint32_t first = atomic_load_explicit(&info->first, memory_order_relaxed);
    size_t offset = (size_t)((char *)p - arena_slot_start(chunk, first));
    size_t size = size_class_bytes(size_class);
    size_t length = (size_t)atomic_load_explicit(&chunk->info[first].length, memory_order_relaxed) << SLOT_SHIFT;
    if (offset % size != 0 || offset + size > length) {
        hakmem_invalid_free(p);
    }
    *mask = size_class_has_mask(size_class) ? UINT64_C(1) << offset / size : 0;
    return &chunk->pages[first];
}

/* A block passed the cache by and went to another thread's page. */
static void note_remote(hakmem_tiny_page_t *page) {
    hakmem_tiny_heap_t *heap = hakmem_thread_heap;
    uint32_t size_class = (uint32_t)slot_class(arena_page_info(page));
    if (size_class >= HAKMEM_CACHE_CLASSES) {
        return;
    }
    if (heap_caches(heap)) {
        hakmem_cache_note_remote(&heap->cache, &heap->books, size_class);
    } else if (BLOCK_CACHE && heap_is_real(heap) && cache_opens_next(&heap->books)) {
        hakmem_cache_open(&heap->cache, &heap->books);
    }
}

HAKMEM_NOINLINE void hakmem_free_not_local(void *p) {
    uintptr_t owner = owner_load(arena_info_of(p));
    if (owner == OWNER_LARGE || owner == OWNER_LARGE_FREED) {
        hakmem_large_free(p);
        return;
    }
    uint64_t mask;
    hakmem_tiny_page_t *page = checked_page(p, &mask);
    if (is_local_or_unparked(page, owner)) {
        tiny_return(page, p);
    } else {
        note_remote(page);
        hakmem_tiny_free_remote(page, p, mask);
    }
}
