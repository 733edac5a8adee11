#include "frees.h"

#include "abandoned.h"
#include "large.h"
#include "notice.h"

void hakmem_free_remote_chain(hakmem_tiny_page_t *page, hakmem_block_t *first, hakmem_block_t *last, uint32_t n) {
    stat_add(HAKMEM_COUNT_REMOTE_FREES, n);
    uint64_t left;
    uint64_t old = remote_push(&page->thread_free, page->start, first, last, n, &left);
    switch (remote_state(old)) {
    case PAGE_PARKED:
        hakmem_give_notice(page);
        break;
    case PAGE_ABANDONED:
        /* `used` does not change while the page is abandoned. If it was claimed meanwhile, the figures may be anyone's; the
         * claim below then fails, or wins a page that is looked at again. */
        if (remote_count(left) == page_used(page) && hakmem_claim(page)) {
            hakmem_settle(page);
        }
        break;
    case PAGE_OWNED:
    case PAGE_NOTIFIED:
        break;
    }
}

/* The page that `p` lies in. Aborts if it lies in none, or is not a block's first byte. Not by page->divisor, which is in the
 * owner's line: a division is small beside the CAS that follows. */
static hakmem_tiny_page_t *checked_page(void *p, hakmem_chunk_t *chunk, uint32_t slot) {
    hakmem_slot_info_t *info = &chunk->info[slot];
    uint32_t size_class = slot_class(info);
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
    return &chunk->pages[first];
}

/* Whether the page is in a queue of this thread's heap, once one that this thread parked has been taken back. */
static bool is_local_or_unparked(hakmem_tiny_page_t *page, uintptr_t owner) {
    hakmem_tiny_heap_t *heap = hakmem_thread_heap;
    return owner == (uintptr_t)heap ||
           (owner == ((uintptr_t)heap | OWNER_PARKED_BIT) && hakmem_heap_unpark(heap, page));
}

HAKMEM_NOINLINE void hakmem_free_not_local(void *p, hakmem_chunk_t *chunk, uint32_t slot) {
    uintptr_t owner = owner_load(&chunk->info[slot]);
    if (owner == OWNER_LARGE || owner == OWNER_LARGE_FREED) {
        hakmem_large_free(p);
        return;
    }
    hakmem_tiny_page_t *page = checked_page(p, chunk, slot);
    if (is_local_or_unparked(page, owner)) {
        tiny_return_chain(page, p, p, 1);
    } else {
        hakmem_tiny_free_remote(page, p);
    }
}

/* The cache's batches ---------------------------------------------------------------------------------------------- */

enum { PREFETCH_AHEAD = 4 };

static void prefetch_info(const void *p) {
    __builtin_prefetch(&arena_chunk_of(p)->info[arena_slot_of(p)]);
}

/* Gives blocks of one-slot pages back. Neighbours in the array that are of one page, as they are after a run of frees, go as one
 * chain: one subtraction from `used`, or one CAS. */
static void flush_blocks(void **blocks, size_t n) {
    size_t done = 0;
    while (done < n) {
        void *p = blocks[done];
        if (done + PREFETCH_AHEAD < n) {
            prefetch_info(blocks[done + PREFETCH_AHEAD]);
        }
        hakmem_chunk_t *chunk = arena_chunk_of(p);
        uint32_t slot = arena_slot_of(p);
        hakmem_tiny_page_t *page = checked_page(p, chunk, slot);
        hakmem_block_t *first = p, *last = p;
        uint32_t length = 1;
        while (done + length < n && (uintptr_t)blocks[done + length] >> SLOT_SHIFT == (uintptr_t)p >> SLOT_SHIFT) {
            checked_page(blocks[done + length], chunk, slot);
            hakmem_block_t *next = blocks[done + length];
            next->next = first;
            first = next;
            length++;
        }
        if (is_local_or_unparked(page, owner_load(&chunk->info[slot]))) {
            for (hakmem_block_t *block = first;; block = block->next) { /* the owner can tell what was made */
                if (!page_is_block_offset(page, (size_t)((char *)block - page->start))) {
                    hakmem_invalid_free(block);
                }
                if (block == last) {
                    break;
                }
            }
            if (length > page_used(page)) {
                hakmem_corrupted("more blocks came back than went out (a block freed twice?), page", page);
            }
            tiny_return_chain(page, first, last, length);
        } else {
            hakmem_free_remote_chain(page, first, last, length);
        }
        done += length;
    }
}

static void flush_oldest(hakmem_tiny_heap_t *heap, uint32_t size_class, size_t n) {
    if (n != 0) {
        flush_blocks(hakmem_cache_oldest(&heap->books, size_class), n);
        hakmem_cache_drop_oldest(&heap->cache, &heap->books, size_class, n);
    }
}

void hakmem_flush_overflow(hakmem_tiny_heap_t *heap, uint32_t size_class) {
    flush_oldest(heap, size_class, hakmem_cache_overflow(&heap->cache, &heap->books, size_class));
}

void hakmem_flush_all(hakmem_tiny_heap_t *heap) {
    for (uint32_t c = 0; c < HAKMEM_CACHE_CLASSES; c++) {
        flush_oldest(heap, c, hakmem_cache_count(&heap->cache, &heap->books, c));
    }
}

void hakmem_flush_half(hakmem_tiny_heap_t *heap) {
    for (uint32_t c = 0; c < HAKMEM_CACHE_CLASSES; c++) {
        flush_oldest(heap, c, (hakmem_cache_count(&heap->cache, &heap->books, c) + 1) / 2);
    }
}
