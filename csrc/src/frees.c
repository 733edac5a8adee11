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

/* Whether the page is in a queue of this thread's heap, once one that this thread parked has been taken back. */
static bool is_local_or_unparked(hakmem_tiny_page_t *page, uintptr_t owner) {
    hakmem_tiny_heap_t *heap = hakmem_thread_heap;
    return owner == (uintptr_t)heap ||
           (owner == ((uintptr_t)heap | OWNER_PARKED_BIT) && hakmem_heap_unpark(heap, page));
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

/* The cache's batches ---------------------------------------------------------------------------------------------- */

enum { PREFETCH_AHEAD = 4 };

static void prefetch_info(const void *p) {
    prefetch(arena_info_of(p));
}

#define DIVISOR(size) (UINT64_MAX / (size) + 1)
#define DIVISORS_8(base, step)                                                                                         \
    DIVISOR((base) + (step)), DIVISOR((base) + 2 * (step)), DIVISOR((base) + 3 * (step)),                              \
        DIVISOR((base) + 4 * (step)), DIVISOR((base) + 5 * (step)), DIVISOR((base) + 6 * (step)),                      \
        DIVISOR((base) + 7 * (step)), DIVISOR((base) + 8 * (step))
const uint64_t hakmem_class_divisors[CLASS_COUNT + 1] = {
    0,
    DIVISORS_8(0, 8),
    DIVISORS_8(64, 8),
    DIVISORS_8(128, 16),
    DIVISORS_8(256, 32),
    DIVISORS_8(512, 64),
    DIVISORS_8(1024, 128),
    DIVISORS_8(2048, 256),
    DIVISORS_8(4096, 512),
};

/* The part of a slot that has blocks: how far it goes, and what their offsets are multiples of. */
typedef struct {
    uintptr_t start;
    size_t bytes;
    uint64_t divisor;
} hakmem_made_t;

/* Whether a block lies in the slot. Aborts if it does, and is none. */
HAKMEM_INLINE bool lies_in(hakmem_made_t made, void *block) {
    size_t offset = (uintptr_t)block - made.start;
    if (hakmem_likely(offset < made.bytes && offset_is_multiple(offset, made.divisor))) {
        return true;
    }
    if (offset < SLOT_BYTES) {
        hakmem_invalid_free(block);
    }
    return false;
}

/* The last of `blocks`, as many as lie in the slot, come back: how many they are. At least one does. */
HAKMEM_INLINE size_t batch_slot(hakmem_batch_t *batch, hakmem_made_t made, void **blocks, size_t n) {
    hakmem_batch_t adding = *batch; /* in registers */
    size_t left = n;
    do {
        void *block = blocks[left - 1];
        if (!lies_in(made, block)) {
            break;
        }
        batch_add(&adding, block);
    } while (--left != 0);
    *batch = adding;
    return n - left;
}

/* The same with a mask. */
static size_t mask_slot(uint64_t *mask, hakmem_made_t made, void **blocks, size_t n, uint32_t size_class) {
    size_t left = n;
    do {
        void *block = blocks[left - 1];
        if (!lies_in(made, block)) {
            break;
        }
        uint64_t bit = UINT64_C(1) << block_index_of(block, size_class);
        if ((*mask & bit) != 0) {
            hakmem_double_free(block);
        }
        *mask |= bit;
    } while (--left != 0);
    return n - left;
}

/* Gives blocks of a class back. Neighbours in the array that are of one page, as they are after a run of frees, go together: one
 * subtraction from `used`, or one CAS. From the newest down: what carries the others is warmer than they are. */
static hakmem_flushed_t flush_blocks(void **blocks, size_t n, uint32_t size_class) {
    hakmem_flushed_t flushed = {n, 0, 0};
    size_t size = size_class_bytes(size_class);
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
        hakmem_made_t made = {align_down((uintptr_t)newest, SLOT_BYTES),
                              (local ? page->capacity : SLOT_BYTES / size) * size, class_divisor(size_class)};
        bool own_list = local && DUAL_LISTS, has_mask = !own_list && size_class_has_mask(size_class);
        uint64_t mask = 0;
        hakmem_batch_t batch =
            own_list ? batch_on(page->local_free, page->others_most) : batch_on(NULL, block_others_most(size));
        uint32_t length =
            (uint32_t)(has_mask ? mask_slot(&mask, made, blocks, n, size_class) : batch_slot(&batch, made, blocks, n));
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
