#include "flush.h"

#include "frees.h"
#include "park.h"

enum { PREFETCH_AHEAD = 4 };

/* The last of `blocks`, as many as lie in the slot, come back: how many they are. At least one does. */
HAKMEM_INLINE size_t batch_slot(hakmem_batch_t *batch, const hakmem_made_t *made, void **blocks, size_t n) {
    hakmem_batch_t adding = *batch; /* in registers */
    uint16_t places[MADE_LANES];
    size_t left = n;
    while (left >= MADE_LANES && all_lie_in(made, blocks + left - MADE_LANES, places)) {
        left -= MADE_LANES;
        batch_add_all(&adding, blocks + left, places, MADE_LANES);
    }
    while (left != 0 && lies_in(made, blocks[left - 1])) {
        batch_add(&adding, blocks[--left]);
    }
    *batch = adding;
    return n - left;
}

/* The same with a mask. */
static size_t mask_slot(uint64_t *mask, const hakmem_made_t *made, void **blocks, size_t n, uint32_t size_class) {
    size_t left = n;
    while (left != 0 && lies_in(made, blocks[left - 1])) {
        void *block = blocks[--left];
        uint64_t bit = UINT64_C(1) << block_index_of(block, size_class);
        if ((*mask & bit) != 0) {
            hakmem_double_free(block);
        }
        *mask |= bit;
    }
    return n - left;
}

static void prefetch_info(const void *p) {
    prefetch(arena_info_of(p));
}

/* Gives blocks of a class back. Neighbours in the array that are of one page, as they are after a run of frees, go together: one
 * subtraction from `used`, or one CAS. From the newest down: what carries the others is warmer than they are. */
static hakmem_flushed_t flush_blocks(void **blocks, size_t n, uint32_t size_class) {
    hakmem_flushed_t flushed = {n, 0, 0};
    while (n != 0) {
        if (n > PREFETCH_AHEAD) {
            prefetch_info(blocks[n - 1 - PREFETCH_AHEAD]);
        }
        void *newest = blocks[n - 1];
        hakmem_slot_info_t *info = arena_info_of(newest);
        if (slot_class(info) != size_class) {
            hakmem_invalid_free(newest);
        }
        hakmem_tiny_page_t *page = arena_page_of(newest);
        bool local = is_local_or_unparked(page, owner_load(info));
        /* Only the owner can tell what was made; the others' blocks are looked at when it collects them. */
        hakmem_made_t made = made_of(newest, size_class, local ? page->capacity : blocks_of_slot(size_class));
        bool own_list = local && DUAL_LISTS, has_mask = !own_list && size_class_has_mask(size_class);
        uint64_t mask = 0;
        hakmem_batch_t batch = own_list ? batch_on(page->local_free, page->others_most)
                                        : batch_on(NULL, block_others_most(size_class_bytes(size_class)));
        uint32_t length = (uint32_t)(has_mask ? mask_slot(&mask, &made, blocks, n, size_class)
                                              : batch_slot(&batch, &made, blocks, n));
        n -= length;
        flushed.chains++;
        flushed.local += local ? length : 0;
        if (local && length > page_used(page)) {
            hakmem_corrupted("more blocks came back than went out (a block freed twice?), page", page);
        }
        if (own_list) {
            page->local_free = batch_end(&batch);
            tiny_returned(page, length);
            continue;
        }
        hakmem_chain_t chain =
            has_mask ? (hakmem_chain_t){newest, newest, length, 0, mask} : batch_end_chain(&batch, newest, length);
        if (local) {
            tiny_return_chain(page, &chain);
        } else {
            hakmem_free_remote_chain(page, &chain);
        }
    }
    return flushed;
}

static hakmem_flushed_t flush_oldest(hakmem_tiny_heap_t *heap, uint32_t size_class, size_t n) {
    if (n == 0) { /* a bin that was never opened has no array */
        return (hakmem_flushed_t){0, 0, 0};
    }
    hakmem_flushed_t flushed = flush_blocks(hakmem_cache_oldest(&heap->books, size_class), n, size_class);
    hakmem_cache_drop_oldest(&heap->cache, &heap->books, size_class, n);
    return flushed;
}

void hakmem_flush_overflow(hakmem_tiny_heap_t *heap, uint32_t size_class) {
    size_t n = hakmem_cache_overflow(&heap->cache, &heap->books, size_class);
    hakmem_cache_flushed(&heap->cache, &heap->books, size_class, flush_oldest(heap, size_class, n));
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
