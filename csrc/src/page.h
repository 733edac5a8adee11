/* A page: equal blocks in one slot (small) or two to eight (medium), its three lists, its flags and its invariants. A page
 * knows neither its queue's neighbours nor the system; it says what happened and its heap decides.
 *
 * Invariant, for the owner at rest:   used - count(thread_free) = blocks that the program holds
 *   with dual lists                   used + |free| + |local_free| = capacity
 *   without                           used = capacity, and every free block is on thread_free */
#ifndef HAKMEM_PAGE_H
#define HAKMEM_PAGE_H

#include "remote.h"
#include "size_class.h"

/* What keeps a free from the shortest path; all written and read by the owner alone. */
typedef union {
    uint32_t combined; /* 0: the shortest path applies (spec: phase 3); else more than a page has blocks */
    struct {
        uint32_t : 16;
        uint32_t is_full : 1;          /* parked: no block left, in no queue */
        uint32_t has_remote_frees : 1; /* a pusher gave notice and its blocks are not collected yet */
        uint32_t is_retired : 1;       /* was empty when last looked at; kept in its queue for a while */
    };
} hakmem_page_flags_t;

struct hakmem_tiny_heap_s;

typedef struct hakmem_tiny_page_s {
    /* The owner's line. What another thread may read while the owner writes (to sum statistics, or after its push into
     * an abandoned page) is atomic and relaxed; the rest is the owner's alone. */
    _Alignas(CACHE_LINE) hakmem_block_t *free; /* allocation pops it */
    hakmem_block_t *local_free;                /* the owner's frees */
    _Atomic uint32_t used;                     /* blocks that are on neither of the two */
    hakmem_page_flags_t flags;
    bool slot_is_zero; /* memory beyond `capacity` is as the system gave it */
    bool free_is_zero; /* the blocks on `free` are zero but for their first word */
    uint8_t size_class;
    bool gave_way;                              /* nothing had come back when its turn came last */
    _Atomic uint32_t block_size;                /* bytes */
    uint32_t inverse;                           /* of block_size, in a way; see page_is_block_offset */
    uint32_t capacity;                          /* blocks made so far; the memory behind them is untouched */
    uint16_t reserved;                          /* blocks that fit */
    uint16_t others_most;                       /* how many a free block may carry; see block.h */
    uint32_t expires_epoch;                     /* while is_retired: in which of its heap's epochs to give it up */
    struct hakmem_tiny_page_s *next, *previous; /* in the queue of its class */

    /* The shared line. */
    _Alignas(CACHE_LINE) hakmem_thread_free_t thread_free; /* see remote.h */
    _Atomic(struct hakmem_tiny_heap_s *) heap;             /* whom a pusher notifies */
    struct hakmem_tiny_page_s *pending_next;               /* written by the one pusher that gives notice */
    char *start;                                           /* the first block; constant while the page is in use */
} hakmem_tiny_page_t;

_Static_assert(sizeof(hakmem_tiny_page_t) == 2 * CACHE_LINE, "one line for the owner, one for the others");
_Static_assert(offsetof(hakmem_tiny_page_t, inverse) < CACHE_LINE, "malloc and free touch one line");
_Static_assert(offsetof(hakmem_tiny_page_t, thread_free) == CACHE_LINE, "remote frees leave the owner's line alone");

HAKMEM_INLINE uint32_t page_used(const hakmem_tiny_page_t *page) {
    /* Relaxed: see the declaration; the owner reads its own writes. */
    return atomic_load_explicit(&page->used, memory_order_relaxed);
}

HAKMEM_INLINE void page_set_used(hakmem_tiny_page_t *page, uint32_t used) {
    atomic_store_explicit(&page->used, used, memory_order_relaxed);
}

HAKMEM_INLINE size_t page_block_size(const hakmem_tiny_page_t *page) {
    return atomic_load_explicit(&page->block_size, memory_order_relaxed);
}

/* Whether `offset` bytes from the page's start begin a block that was made, by one multiplication and one comparison.
 *
 * A block's size is odd * 2^k, and `inverse` is the inverse of `odd` (mod 2^16), times 2^(16-k). The product with n * size is
 * n * 2^16 (mod 2^32), which the rotation makes n. If 2^k does not divide the offset, the product's lower half is not zero,
 * and the rotation more than any capacity. If only `odd` does not, the upper half is a number that times `odd` is the
 * offset / 2^k (mod 2^16); were it below the capacity, neither side could have wrapped, and `odd` would divide it. */
HAKMEM_INLINE bool page_is_block_offset(const hakmem_tiny_page_t *page, size_t offset) {
    uint32_t product = (uint32_t)offset * page->inverse;
    return (product << 16 | product >> 16) < page->capacity;
}

/* Whether a page of the class has a mask of the blocks that other threads freed, and no list of them; see remote.h. */
HAKMEM_INLINE bool size_class_has_mask(uint32_t size_class) {
    return REMOTE_MASKS && size_class_has_few(size_class);
}

HAKMEM_INLINE bool page_has_mask(const hakmem_tiny_page_t *page) {
    return size_class_has_mask(page->size_class);
}

/* Sets a page up for a class. Its slots begin at `start` and have `bytes`; `zero`: they are as the system gave them. */
void hakmem_page_init(hakmem_tiny_page_t *page, uint32_t size_class, char *start, size_t bytes, bool zero,
                      struct hakmem_tiny_heap_s *heap);

enum { PAGE_EXTEND_BYTES = 4096 };

/* Makes the next blocks, about a system page of them, and lists them. False: all are made. Owner only; `free` is empty
 * with dual lists. */
bool hakmem_page_extend(hakmem_tiny_page_t *page);

/* Takes thread_free with one exchange, joins it with local_free, and moves all to `free` if that is empty (spec name).
 * Owner only. Aborts if the list is longer than what was handed out. */
void hakmem_tiny_collect_frees(hakmem_tiny_page_t *page);

/* Owner only: how many blocks the next look at the page brings; with dual lists those of its owner, and if `free` is used up. */
HAKMEM_INLINE uint32_t page_gathered(const hakmem_tiny_page_t *page) {
    if (DUAL_LISTS) {
        return page->capacity - page_used(page);
    }
    /* Relaxed: a count, by which nothing is read. */
    return remote_count(atomic_load_explicit(&page->thread_free, memory_order_relaxed));
}

/* Owner only: whether a malloc would find a block without extending. */
HAKMEM_INLINE bool page_has_free(const hakmem_tiny_page_t *page) {
    if (DUAL_LISTS) {
        return page->free != NULL;
    }
    return page_gathered(page) != 0;
}

/* Owner only: whether the program holds no block of it, given what thread_free says now. */
HAKMEM_INLINE bool page_is_empty(const hakmem_tiny_page_t *page) {
    /* Acquire: pairs with the release in remote_push. Who finds the page empty gives its memory away, and the pushers' last
     * writes to it must come before those of the next user. */
    return remote_count(atomic_load_explicit(&page->thread_free, memory_order_acquire)) == page_used(page);
}

/* Whether blocks that the owner frees one by one are carried: not of medium pages, where that costs more than to touch the block. */
HAKMEM_INLINE bool page_gathers_frees(const hakmem_tiny_page_t *page) {
    return page->size_class < CLASS_SMALL_COUNT;
}

/* Owner only, with dual lists: a block comes back. The first on local_free carries it if it can, so that who takes them again touches
 * one block and not all. A batch of one (block.h), with an addition to the carrier's word, which need not be taken apart. */
HAKMEM_INLINE void page_put(hakmem_tiny_page_t *page, void *block) {
    hakmem_block_t *first = page->local_free;
    if (BATCHES && page_gathers_frees(page) && first != NULL) {
        uint32_t others = block_others(first);
        if (others < page->others_most) {
            block_places(first)[others] = block_place(block);
            block_carry_more(first);
            return;
        }
    }
    block_link(block, first, 0);
    page->local_free = block;
}

HAKMEM_INLINE void page_block_given(const hakmem_tiny_page_t *page, void *block) {
    if (MEMCHECK) {
        memcheck_given(block, page_block_size(page));
    }
}

/* How many others a free block of the page carries. Aborts if it cannot be so many. */
HAKMEM_INLINE uint32_t page_others_of(const hakmem_tiny_page_t *page, const hakmem_block_t *block) {
    uint32_t others = block_others(block);
    if (hakmem_unlikely(others > page->others_most)) {
        hakmem_corrupted("a block was written to after it was freed, page", page);
    }
    return others;
}

/* Owner only: takes a block, or returns null. */
HAKMEM_INLINE void *page_pop(hakmem_tiny_page_t *page) {
    if (DUAL_LISTS) {
        hakmem_block_t *block = page->free;
        if (hakmem_unlikely(block == NULL)) {
            return NULL;
        }
        page_set_used(page, page_used(page) + 1);
        uint32_t others = page_others_of(page, block);
        if (others != 0) { /* one of those first, so that there is no new place to be found for the rest */
            block_carry_less(block);
            return block_at(block, block_places(block)[others - 1]);
        }
        hakmem_block_t *next = block_next(block);
        page->free = next;
        prefetch(next); /* which the next call reads, perhaps long after */
        page_block_given(page, block);
        return block;
    }
    void *block = remote_pop(&page->thread_free, page->start);
    if (block != NULL) {
        page_block_given(page, block);
    }
    return block;
}

/* Owner only, with dual lists: takes up to `most` blocks, those of a batch together, and puts them at the end of `blocks`, from the
 * last entry down. Returns how many. */
HAKMEM_INLINE uint32_t page_pop_many(hakmem_tiny_page_t *page, void **blocks, uint32_t most) {
    hakmem_block_t *block = page->free;
    void **at = blocks + most;
    while (block != NULL && at != blocks) {
        uint32_t others = block_others(block);
        if (others != 0) {
            others = page_others_of(page, block);
            uint32_t room = (uint32_t)(at - blocks), kept = others > room ? others - room : 0;
            const uint16_t *places = block_places(block);
            while (others != kept) {
                void *other = block_at(block, places[--others]);
                prefetch_for_write(other); /* all at once; else the program waits for one after the other */
                *--at = other;
            }
            if (at == blocks) {
                block_link(block, block_next(block), others);
                break;
            }
        }
        *--at = block;
        block = block_next(block);
    }
    page->free = block;
    uint32_t n = (uint32_t)(blocks + most - at);
    page_set_used(page, page_used(page) + n);
    prefetch_for_write(block);
    return n;
}

/* Owner only, with dual lists: whether the next block can only be one that was never made. */
HAKMEM_INLINE bool page_makes_next(const hakmem_tiny_page_t *page) {
    /* Relaxed: of what is pushed just now the next look tells. */
    return page->free == NULL && page->local_free == NULL && page->capacity < page->reserved &&
           remote_count(atomic_load_explicit(&page->thread_free, memory_order_relaxed)) == 0;
}

/* Owner only: makes the next block and up to `most` after it, which go to the end of `blocks`, from the last entry down; returns the
 * first, and how many the others are. No list is written that would be read at once. */
HAKMEM_INLINE void *page_make_many(hakmem_tiny_page_t *page, void **blocks, uint32_t most, uint32_t *others) {
    size_t size = page_block_size(page);
    uint32_t left = page->reserved - page->capacity - 1, n = most < left ? most : left;
    char *first = page->start + page->capacity * size, *p = first;
    for (void **at = blocks + most, **end = at - n; at != end;) {
        p += size;
        prefetch_for_write(p);
        *--at = p;
    }
    page->capacity += n + 1;
    page->free_is_zero = page->slot_is_zero; /* as of a list that is used up */
    page_set_used(page, page_used(page) + n + 1);
    *others = n;
    return first;
}

/* Owner only, with dual lists: where the page has nothing left but what others pushed, which will be walked next, fetches the first
 * block of it, a line that was last written by another processor. */
HAKMEM_INLINE void page_fetch_pushed(hakmem_tiny_page_t *page) {
    if (page->free == NULL && page->local_free == NULL) {
        /* Relaxed: an address to fetch, through which nothing is read. */
        uint64_t word = atomic_load_explicit(&page->thread_free, memory_order_relaxed);
        if (remote_count(word) != 0 && !remote_has_mask(word)) {
            prefetch(remote_head(word, page->start));
        }
    }
}

#endif
