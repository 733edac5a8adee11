/* Entry points that hand memory out. */
#include <errno.h>
#include <string.h>

#include "failure.h"
#include "large.h"
#include "thread.h"
#include "tiny.h"

static HAKMEM_NOINLINE void *large_block(size_t size, size_t align, bool clear) {
    bool zero = clear;
    if (hakmem_unlikely(!heap_is_real(hakmem_thread_heap))) {
        hakmem_thread_heap_get(); /* for the handlers of fork: a large block needs no heap, but takes locks */
    }
    void *p = hakmem_large_malloc(size, align, &zero);
    if (p == NULL && hakmem_threads_end_rest(UINT64_MAX)) { /* what rested may be what the system has no more of */
        zero = clear;
        p = hakmem_large_malloc(size, align, &zero);
    }
    if (p == NULL) {
        return hakmem_out_of_memory(size, align);
    }
    if (clear && !zero) {
        memset(p, 0, size);
    } else if (clear) {
        memcheck_defined(p, size);
    }
    return p;
}

/* Adds a block to the live bytes of a counting build; does nothing in any other. Passes it on, null too. */
HAKMEM_INLINE void *counted(void *p) {
    if (STATS && p != NULL) {
        stat_live((int64_t)page_block_size(hakmem_tiny_ptr_to_page(p)));
    }
    return p;
}

HAKMEM_INLINE void *page_block(hakmem_tiny_heap_t *heap, size_t size) {
    return counted(tiny_malloc(heap, size));
}

HAKMEM_INLINE void *page_block_zeroed(hakmem_tiny_heap_t *heap, size_t size) {
    return counted(hakmem_tiny_calloc(heap, size));
}

HAKMEM_HOT void *hakmem_malloc(size_t size) {
    if (hakmem_likely(size <= HAKMEM_MEDIUM_MAX)) {
        return page_block(hakmem_thread_heap, size_class_round_c(size));
    }
    return large_block(size, 1, false);
}

HAKMEM_HOT void *hakmem_malloc_16(size_t size) {
    if (BLOCK_CACHE && hakmem_likely(size <= CLASS_TABLE_MAX)) {
        void *block = cache_pop(&hakmem_thread_heap->cache, size_class_by_sixteens[(size + 15) / 16]);
        if (hakmem_likely(block != NULL)) {
            stat_add(HAKMEM_COUNT_DIRECT_HITS, 1);
            return counted(block);
        }
    }
    return hakmem_malloc(size > 8 ? size : 16);
}

void *hakmem_calloc(size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return hakmem_out_of_memory(SIZE_MAX, 1);
    }
    if (total <= HAKMEM_MEDIUM_MAX) {
        return page_block_zeroed(hakmem_thread_heap, size_class_round_c(total));
    }
    return large_block(total, 1, true);
}

HAKMEM_HOT void *hakmem_alloc_page_block(size_t size) {
    return page_block(hakmem_thread_heap, size);
}

void *hakmem_alloc_page_block_zeroed(size_t size) {
    return page_block_zeroed(hakmem_thread_heap, size);
}

/* Whether the request fits a class: then the size, rounded up to the alignment, is all that counts. */
static bool fits_page(size_t size, size_t align) {
    return size <= HAKMEM_MEDIUM_MAX && align <= HAKMEM_MEDIUM_MAX && align_up(size, align) <= HAKMEM_MEDIUM_MAX;
}

void *hakmem_alloc_aligned(size_t size, size_t align) {
    size = max_size(size, 1);
    if (fits_page(size, align)) {
        return page_block(hakmem_thread_heap, align_up(size, align));
    }
    return large_block(size, align, false);
}

void *hakmem_alloc_aligned_zeroed(size_t size, size_t align) {
    size = max_size(size, 1);
    if (fits_page(size, align)) {
        return page_block_zeroed(hakmem_thread_heap, align_up(size, align));
    }
    return large_block(size, align, true);
}

/* C asks for an alignment of at least 16 above 8 B whatever it names. */
static void *aligned_for_c(size_t align, size_t size) {
    return hakmem_alloc_aligned(size, max_size(align, size <= 8 ? 8 : 16));
}

void *hakmem_aligned_alloc(size_t align, size_t size) {
    if (!is_power_of_two(align)) {
        errno = EINVAL;
        return NULL;
    }
    return aligned_for_c(align, size);
}

int hakmem_posix_memalign(void **out, size_t align, size_t size) {
    if (!is_power_of_two(align) || align % sizeof(void *) != 0) {
        return EINVAL;
    }
    int kept = errno;
    void *p = aligned_for_c(align, size);
    errno = kept;
    if (p == NULL) {
        return ENOMEM;
    }
    *out = p;
    return 0;
}

void *hakmem_tiny_heap_malloc(hakmem_tiny_heap_t *heap, size_t size) {
    if (size > HAKMEM_MEDIUM_MAX) {
        errno = EINVAL;
        return NULL;
    }
    /* No cache: its user is not its blocks' only one. */
    return counted(hakmem_tiny_malloc_direct(heap, size_class_round_c(size)));
}
