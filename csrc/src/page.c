#include "page.h"

#include "fatal.h"

/* See page_is_block_offset. */
static uint32_t inverse_of(uint32_t size) {
    uint32_t k = (uint32_t)__builtin_ctz(size);
    return (uint32_t)odd_inverse(size >> k) << (16 - k);
}

void hakmem_page_init(hakmem_tiny_page_t *page, uint32_t size_class, char *start, size_t bytes, bool zero,
                      struct hakmem_tiny_heap_s *heap) {
    size_t size = size_class_bytes(size_class);
    page->free = NULL;
    page->local_free = NULL;
    page_set_used(page, 0);
    page->flags.combined = 0;
    page->slot_is_zero = zero;
    page->free_is_zero = false;
    page->size_class = (uint8_t)size_class;
    page->gave_way = false;
    atomic_store_explicit(&page->block_size, (uint32_t)size, memory_order_relaxed);
    page->capacity = 0;
    page->reserved = (uint16_t)(bytes / size);
    /* Not more than there are: what a program wrote to a freed block is seldom so little. */
    page->others_most = (uint16_t)min_size(block_others_most(size), page->reserved - 1u);
    page->expires_epoch = 0;
    page->next = page->previous = NULL;
    page->inverse = inverse_of((uint32_t)size);
    page->pending_next = NULL;
    page->start = start;
    memcheck_close(start, bytes);
    /* Relaxed, both: the page is published with its blocks, by whatever the program uses to pass them on; a pusher that
     * follows page->heap has gone through the acquire of its own CAS on thread_free. */
    atomic_store_explicit(&page->heap, heap, memory_order_relaxed);
    atomic_store_explicit(&page->thread_free, remote_nothing(size_class_has_mask(size_class), PAGE_OWNED),
                          memory_order_relaxed);
}

bool hakmem_page_extend(hakmem_tiny_page_t *page) {
    uint32_t left = page->reserved - page->capacity;
    if (left == 0) {
        return false;
    }
    size_t size = page_block_size(page);
    uint32_t n = (uint32_t)max_size(PAGE_EXTEND_BYTES / size, 1);
    n = n < left ? n : left;
    char *first = page->start + page->capacity * size;
    char *last = first + (n - 1) * size;
    for (char *p = first; p < last; p += size) {
        block_link((hakmem_block_t *)(void *)p, (hakmem_block_t *)(void *)(p + size), 0);
    }
    hakmem_block_t *head = (hakmem_block_t *)(void *)first;
    hakmem_block_t *tail = (hakmem_block_t *)(void *)last;
    page->capacity += n;
    if (DUAL_LISTS) {
        HAKMEM_ASSERT(page->free == NULL);
        block_link(tail, NULL, 0);
        page->free = head;
        page->free_is_zero = page->slot_is_zero;
    } else {
        /* Counted as used first: the list must never be longer than what is used. */
        page_set_used(page, page_used(page) + n);
        uint64_t left_word;
        remote_push(&page->thread_free, page->start, &(hakmem_chain_t){head, tail, n, 0, 0}, &left_word);
    }
    return true;
}

/* Makes sure that a block that was pushed, and those it carries, were ever made. Who pushed them could not tell without the owner's
 * line. Returns how many they are. */
static uint32_t checked_count(hakmem_block_t *block, const hakmem_tiny_page_t *page) {
    size_t made = page->capacity * page_block_size(page);
    if ((size_t)((char *)block - page->start) >= made) {
        hakmem_invalid_free(block);
    }
    uint32_t others = page_others_of(page, block);
    for (uint32_t i = 0; i < others; i++) {
        void *other = block_at(block, block_places(block)[i]);
        if ((size_t)((char *)other - page->start) >= made) {
            hakmem_invalid_free(other);
        }
    }
    return 1 + others;
}

/* Walks to the end of a list that was taken, and makes sure that it is as long as it said. */
static hakmem_block_t *list_tail(hakmem_block_t *head, uint32_t count, const hakmem_tiny_page_t *page) {
    hakmem_block_t *tail = head;
    uint32_t seen = checked_count(tail, page);
    while (block_next(tail) != NULL && seen < count) {
        tail = block_next(tail);
        seen += checked_count(tail, page);
    }
    if (seen != count || block_next(tail) != NULL) {
        hakmem_corrupted("a page's remote list does not match its count (a block freed twice?), page", page);
    }
    return tail;
}

/* Puts the blocks of a mask on local_free, the lowest as the first to be taken. Aborts if one of them was never made. */
static void put_mask(hakmem_tiny_page_t *page, uint64_t mask) {
    size_t size = page_block_size(page);
    hakmem_batch_t batch = batch_on(page->local_free, page->others_most);
    while (mask != 0) {
        uint32_t highest = 63 - (uint32_t)__builtin_clzll(mask);
        void *block = page->start + highest * size;
        if (highest >= page->capacity) {
            hakmem_invalid_free(block);
        }
        batch_add(&batch, block);
        mask ^= UINT64_C(1) << highest;
    }
    page->local_free = batch_end(&batch);
}

/* The same with a list. Aborts if it is not as long as it said, too. */
static void put_list(hakmem_tiny_page_t *page, hakmem_block_t *head, uint32_t count) {
    hakmem_block_t *tail = list_tail(head, count, page);
    block_link(tail, page->local_free, block_others(tail));
    page->local_free = head;
}

void hakmem_tiny_collect_frees(hakmem_tiny_page_t *page) {
    page->flags.has_remote_frees = 0;
    if (!DUAL_LISTS) {
        return; /* thread_free is the list that allocation pops */
    }
    uint64_t word = remote_take(&page->thread_free);
    uint32_t count = remote_count(word);
    if (count != 0) {
        uint32_t used = page_used(page);
        if (count > used) {
            hakmem_corrupted("more blocks came back than went out (a block freed twice?), page", page);
        }
        if (remote_has_mask(word)) {
            put_mask(page, remote_mask(word));
        } else {
            put_list(page, remote_head(word, page->start), count);
        }
        page_set_used(page, used - count);
    }
    if (page->free == NULL) {
        page->free = page->local_free;
        page->local_free = NULL;
        page->free_is_zero = false;
    }
}
