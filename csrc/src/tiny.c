#include "tiny.h"

#include <string.h>

#include "abandoned.h"
#include "failure.h"
#include "large.h"
#include "thread.h"

/* Generic path ----------------------------------------------------------------------------------------------------- */

static void *generic_on(hakmem_tiny_heap_t *heap, size_t size) {
    hakmem_heap_tick(heap);
    hakmem_tiny_page_t *page = hakmem_heap_find_page(heap, size_class_of(size));
    return page == NULL ? NULL : page_pop(page);
}

HAKMEM_NOINLINE void *hakmem_tiny_malloc_generic(hakmem_tiny_heap_t *heap, size_t size) {
    stat_add(HAKMEM_COUNT_DIRECT_MISSES, size <= 1024);
    void *block = NULL;
    if (heap_is_real(heap)) {
        block = generic_on(heap, size);
    } else if ((heap = hakmem_thread_heap_get()) != NULL) {
        block = generic_on(heap, size);
    } else if (hakmem_thread_is_late()) {
        block = hakmem_late_heap_with(generic_on, size);
    }
    if (hakmem_unlikely(block == NULL)) {
        return hakmem_out_of_memory(size, 1);
    }
    stat_live((int64_t)size_class_bytes(size_class_of(size)));
    return block;
}

void *hakmem_tiny_calloc(hakmem_tiny_heap_t *heap, size_t size) {
    void *block = hakmem_tiny_malloc_direct(heap, size);
    if (block == NULL) {
        return NULL;
    }
    /* The page's `free` list is the one that this block was popped from: neither a pop nor a free changes the flag. Only the
     * owner may read it; the late heap's pages and those of heaps made by hand are cleared always. */
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(block);
    if (DUAL_LISTS && hakmem_tiny_is_local_page(page) && page->free_is_zero) {
        *(hakmem_block_t *)block = (hakmem_block_t){NULL}; /* the link is all that was ever written */
    } else {
        memset(block, 0, size);
    }
    return block;
}

/* Remote frees ----------------------------------------------------------------------------------------------------- */

void hakmem_tiny_free_remote(hakmem_tiny_page_t *page, hakmem_block_t *block) {
    stat_add(HAKMEM_COUNT_REMOTE_FREES, 1);
    uint64_t left;
    uint64_t old = remote_push(&page->thread_free, page->start, block, block, 1, &left);
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

/* `p` lies in a page that is not in a queue of this thread's heap. */
static void free_in_page(void *p, hakmem_chunk_t *chunk, uint32_t slot, uintptr_t owner) {
    uint32_t first = atomic_load_explicit(&chunk->info[slot].first, memory_order_relaxed);
    uint32_t size_class = atomic_load_explicit(&chunk->info[first].size_class, memory_order_relaxed);
    hakmem_tiny_page_t *page = &chunk->pages[first];
    size_t offset = (size_t)((char *)p - arena_slot_start(chunk, first));
    /* Not by page->divisor: that is in the owner's line. A division is small beside the CAS. */
    if (offset % size_class_bytes(size_class) != 0) {
        hakmem_invalid_free(p);
    }
    hakmem_tiny_heap_t *heap = hakmem_thread_heap;
    if (owner == ((uintptr_t)heap | OWNER_PARKED_BIT) && hakmem_heap_unpark(heap, page)) {
        tiny_free_local(page, p, offset);
        return;
    }
    stat_live(-(int64_t)size_class_bytes(size_class));
    hakmem_tiny_free_remote(page, p);
}

HAKMEM_NOINLINE void hakmem_free_not_local(void *p, hakmem_chunk_t *chunk, uint32_t slot) {
    uintptr_t owner = owner_load(&chunk->info[slot]);
    switch (owner) {
    case OWNER_NONE:
        hakmem_invalid_free(p);
    case OWNER_LARGE:
    case OWNER_LARGE_FREED:
        hakmem_large_free(p);
        return;
    default:
        free_in_page(p, chunk, slot, owner);
    }
}
