/* Entry points that take memory back, and that ask about it. */
#include "flush.h"
#include "frees.h"
#include "huge.h"
#include "large.h"
#include "thread.h"

/* What a counting build and one for a memory checker want to know of every free; of large blocks large.c tells them. */
HAKMEM_INLINE void note_free(void *p) {
    if ((STATS || MEMCHECK) && slot_class(arena_info_of(p)) < CLASS_COUNT) {
        size_t bytes = size_class_bytes((uint32_t)slot_class(arena_info_of(p)));
        stat_live(-(int64_t)bytes);
        memcheck_freed(p, bytes);
    }
}

/* Whether `p` lies where this thread has freed before; see hakmem_cache_t. Nearly every pointer does, and the heap is at hand. */
HAKMEM_INLINE bool lies_where_known(const void *p) {
    return range_contains(hakmem_thread_heap->cache.range, p);
}

/* The heap of a thread that never allocated, once it has freed much of what lies in chunks: for its cache, in which blocks of one page wait for each other.
 * Without, each of them costs an atomic operation, on a line that the page's owner reads. Null: not yet, or there is no memory
 * for one, which is asked for again after as many frees. */
static hakmem_tiny_heap_t *heap_for_frees(void) {
    static HAKMEM_TLS uint32_t frees;
    return BLOCK_CACHE && ++frees % HEAP_AFTER_FREES == 0 ? hakmem_thread_heap_get() : NULL;
}

/* Null, a block where the thread has freed none yet, one in a region after the first, a mapping of its own, or nothing of ours. */
static HAKMEM_NOINLINE void free_elsewhere(void *p) {
    if (p == NULL) {
        return;
    }
    if (arena_contains_fast(p)) {
        hakmem_tiny_heap_t *heap = heap_is_real(hakmem_thread_heap) ? hakmem_thread_heap : heap_for_frees();
        if (heap != NULL) {
            heap->cache.range = arena_first_range();
            hakmem_free(p); /* which knows it now */
            return;
        }
    }
    if (arena_contains(p)) {
        note_free(p);
        hakmem_tiny_free(p);
    } else {
        hakmem_huge_free(p);
    }
}

/* Where the bin is closed: the shortest way to the page. The heap is a real one, since the empty heap's range has no pointer. */
HAKMEM_INLINE void free_past_bin(hakmem_tiny_heap_t *heap, void *p) {
    if (!heap_caches(heap)) {
        cache_note_early_free(&heap->books);
    }
    tiny_free_one_slot(p);
}

/* Where the bin is full, and open. */
static HAKMEM_NOINLINE void free_over(void *p, uint32_t size_class) {
    hakmem_tiny_heap_t *heap = hakmem_thread_heap;
    hakmem_flush_overflow(heap, size_class);
    if (cache_push(&heap->cache, size_class, p) != PUSH_DONE) {
        free_past_bin(heap, p);
    }
}

/* What a push was not. One function for all of it, since one that returns can be the caller's last act, as a jump without a frame, and
 * one that aborts cannot; what is for open bins is apart, as it needs a frame. By class plus one, which is what hakmem_free has at
 * hand. */
static HAKMEM_NOINLINE void free_unpushed(void *p, size_t class_plus_one, hakmem_push_t pushed) {
    if (hakmem_unlikely(pushed != PUSH_FULL)) {
        if (pushed == PUSH_TWICE) {
            hakmem_double_free(p);
        }
        hakmem_invalid_free(p);
    }
    hakmem_tiny_heap_t *heap = hakmem_thread_heap;
    uint32_t size_class = (uint32_t)class_plus_one - 1;
    if (hakmem_likely(cache_bin_is_closed(&heap->cache, size_class))) {
        free_past_bin(heap, p);
    } else {
        free_over(p, size_class);
    }
}

/* Pushes a block on its class's bin. That its page is in use is checked when it leaves the bin. */
HAKMEM_INLINE void free_cached(void *p, size_t size_class) {
    hakmem_push_t pushed = cache_push(&hakmem_thread_heap->cache, size_class, p);
    if (hakmem_unlikely(pushed != PUSH_DONE)) {
        free_unpushed(p, size_class + 1, pushed);
    }
}

/* What begins no block of a class that has a bin: one of another class, a large one, or none. */
static HAKMEM_NOINLINE void free_past_cache(void *p) {
    if (slot_class(arena_info_of(p)) < HAKMEM_CACHE_CLASSES) {
        hakmem_invalid_free(p);
    }
    hakmem_tiny_free(p);
}

HAKMEM_HOT void hakmem_free(void *p) {
    if (hakmem_unlikely(!lies_where_known(p))) {
        free_elsewhere(p);
        return;
    }
    note_free(p);
    if (!BLOCK_CACHE) {
        hakmem_tiny_free(p);
        return;
    }
    size_t size_class = slot_class(arena_info_of(p));
    if (hakmem_likely(begins_block_of(p, size_class))) {
        free_cached(p, size_class);
    } else {
        free_past_cache(p);
    }
}

HAKMEM_HOT void hakmem_free_tiny(void *p, uint32_t size_class) {
    if (hakmem_unlikely(!lies_where_known(p))) {
        free_elsewhere(p);
        return;
    }
    note_free(p);
    if (!BLOCK_CACHE) {
        tiny_free_one_slot(p);
        return;
    }
    HAKMEM_ASSERT(slot_class(arena_info_of(p)) == size_class);
    hakmem_tiny_heap_t *heap = hakmem_thread_heap;
    if (cache_bin_is_closed(&heap->cache, size_class)) { /* which the caller's push may have failed for */
        free_past_bin(heap, p);
    } else if (hakmem_likely(begins_block_of(p, size_class))) {
        free_cached(p, size_class);
    } else {
        free_unpushed(p, (size_t)size_class + 1, PUSH_INVALID);
    }
}

void hakmem_free_sized(void *p, size_t size) {
    (void)size; /* C's sizes are rounded up to 16 where Rust's are not, so the page's class decides, not this */
    hakmem_free(p);
}

void hakmem_free_aligned_sized(void *p, size_t align, size_t size) {
    (void)align, (void)size;
    hakmem_free(p);
}

static HAKMEM_NOINLINE size_t usable_elsewhere(const void *p) {
    if (p == NULL) {
        return 0;
    }
    if (!arena_contains(p)) {
        return hakmem_huge_usable(p);
    }
    uintptr_t owner = owner_load(arena_info_of(p));
    switch (owner) {
    case OWNER_NONE:
    case OWNER_LARGE_FREED:
        return 0;
    case OWNER_LARGE:
        return hakmem_large_usable(p);
    default:
        return page_block_size(hakmem_tiny_ptr_to_page(p));
    }
}

size_t hakmem_usable_size(const void *p) {
    size_t bytes = arena_block_bytes_fast(p);
    return hakmem_likely(bytes != 0) ? bytes : usable_elsewhere(p);
}
