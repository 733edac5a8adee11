/* The block cache: per class a stack of freed blocks in front of the pages, as an array whose top pointer is also the count.
 * A sized free pushes without looking at page or owner, and what was freed last is used next. The blocks may be of any
 * thread's pages; they count as used there. Bins are described in hakmem.h; this file is about one heap's books of them.
 *
 *    base           top                        limit
 *    +------+------+------+------+------+------+------+
 *    | null |oldest| last |      |      |      |      |      empty: top == base
 *    +------+------+------+------+------+------+------+
 *
 * Capacities adapt: a class that runs dry and overflows in turn gets more, up to what CACHE_CLASS_BYTES of its blocks are. One
 * that overflows by more than it ran dry, because the program frees more than it allocates, is closed: its blocks go to their pages, so that
 * nothing holds on to pages that are about to be empty. It opens again after a few allocations. Until then these take the slow
 * path, which notices time passing; the older half of every bin is flushed there once an epoch. An allocation that finds an
 * open bin empty fills half of it from the page, as a program that only allocates will want; where that went on for
 * long and it never overflowed, all of it, and it gets more room. A closed bin through which other threads' blocks go
 * home gathers a few of them, since those of one page cost one CAS together; its entries are cleared when they leave, so that
 * blocks which another processor will allocate next are not fetched to this one.
 *
 * Before that the cache as a whole is closed, all bins of it: until an allocation, or a free of another thread's
 * block, follows upon CACHE_OPEN_FREES frees, or upon CACHE_OPEN_CALLS allocations. A thread that builds something and
 * ends, or frees what it built and ends, takes nothing out of a cache; it touches neither bins nor books, and has no
 * blocks to flush. */
#ifndef HAKMEM_CACHE_H
#define HAKMEM_CACHE_H

#include "../include/hakmem.h"
#include "block.h"
#include "size_class.h"

enum {
    CACHE_FIRST = 15, /* entries of the arrays that lie in the heap itself */
    CACHE_MOST = 1023,
    CACHE_OPEN_FREES = 16,
    CACHE_OPEN_CALLS = 4096,
    CACHE_MISSES = 512,     /* so many misses justify overflows later, and no more */
    CACHE_DRAINS = 3,       /* overflows in a row that no misses justify close a bin */
    CACHE_REOPEN = 8,       /* misses that open it again */
    CACHE_GROUP = 4,        /* blocks that leave together for each page, on average: as cheap as a bin that is closed */
    CACHE_FEW_BYTES = 8192, /* what a bin gathers of other threads' blocks */
    CACHE_REFILL_MOST = 16,
    CACHE_MAKER_REFILLS = 64,     /* so many without an overflow: the class is made here, and kept or freed elsewhere */
    CACHE_MAKER_REFILL_MOST = 63, /* then */
    CACHE_CLASS_BYTES = 32 * 1024,
    CACHE_HEAP_BYTES = 512 * 1024, /* what the grown capacities of all classes may hold, in bytes of blocks */
};

/* Cold figures of one bin. */
typedef struct {
    _Atomic(void **) base; /* written by the owner; read by others with `top` */
    uint16_t room;         /* entries that the array at `base` has */
    uint16_t
        misses; /* allocations that found it empty, less the blocks that left it by overflow; at most CACHE_MISSES */
    uint8_t drains;  /* overflows in a row that no misses justify */
    uint8_t refills; /* since it overflowed; at most CACHE_MAKER_REFILLS */
    uint8_t others;  /* blocks of other threads that were freed while it was closed */
    bool gathers;    /* it has room for a few, on their way to other threads' pages */
} hakmem_cache_book_t;

typedef struct {
    hakmem_cache_book_t of[HAKMEM_CACHE_CLASSES];
    void *first_arrays[HAKMEM_CACHE_CLASSES][CACHE_FIRST + 1];
    size_t bytes;      /* of blocks that grown capacities may hold */
    uint32_t opens_in; /* allocations before the cache opens; a free counts for many, but for the last. 0: it is open */
} hakmem_cache_books_t;

_Static_assert(HAKMEM_CACHE_CLASSES == CLASS_SMALL_COUNT, "the one-slot classes have a bin each");

/* Fields that hakmem.h declares plainly, for the sake of languages that do not know C's atomics: atomic all the same. */
typedef _Atomic(void **) hakmem_atomic_slot_t;
_Static_assert(sizeof(hakmem_atomic_slot_t) == sizeof(void **), "an atomic pointer is a pointer");

/* Relaxed, both: only the owner writes; others read to sum statistics, and no block is reached through what they read. */
HAKMEM_INLINE void **bin_top(const hakmem_cache_t *cache, size_t size_class) {
    return atomic_load_explicit((const hakmem_atomic_slot_t *)&cache->tops[size_class], memory_order_relaxed);
}

HAKMEM_INLINE void bin_set_top(hakmem_cache_t *cache, size_t size_class, void **top) {
    atomic_store_explicit((hakmem_atomic_slot_t *)&cache->tops[size_class], top, memory_order_relaxed);
}

/* Pops the block freed last; null if there is none. */
HAKMEM_INLINE void *cache_pop(hakmem_cache_t *cache, uint32_t size_class) {
    void **top = bin_top(cache, size_class);
    void *block = *top;
    if (hakmem_likely(block != NULL)) {
        bin_set_top(cache, size_class, top - 1);
        memcheck_given(block, size_class_bytes(size_class));
        /* Not before a block was had: the closed cache is never written. The block goes through the call, so that it can be the
         * caller's last act and needs no register kept over it. */
        if (hakmem_unlikely(--cache->countdown == 0)) {
            block = hakmem_cache_tick(block);
            if (block == NULL) {
                __builtin_unreachable(); /* or the caller would look again, and could not end with the call */
            }
        }
    }
    return block;
}

typedef enum { PUSH_DONE, PUSH_FULL, PUSH_TWICE, PUSH_INVALID } hakmem_push_t;

/* PUSH_FULL: there is no room. PUSH_TWICE: `block` is what was pushed last, the commonest double free. PUSH_INVALID is for the
 * caller, who has looked whether it is a block at all. */
HAKMEM_INLINE hakmem_push_t cache_push(hakmem_cache_t *cache, size_t size_class, void *block) {
    void **top = bin_top(cache, size_class);
    HAKMEM_ASSERT(top <= cache->limits[size_class]);
    if (hakmem_unlikely(*top == block)) {
        return PUSH_TWICE;
    }
    if (hakmem_unlikely(top == cache->limits[size_class])) {
        return PUSH_FULL;
    }
    /* The program did not need to touch what it freed, and the next allocation of the class gets it, to be written at once. Not
     * where the entry is null, as it is kept in a bin that gathers blocks for other threads, and before its first use. */
    if (top[1] != NULL) {
        prefetch(block);
        prefetch((const char *)block + size_class_near_end(size_class));
    }
    top[1] = block;
    bin_set_top(cache, size_class, top + 1);
    return PUSH_DONE;
}

/* What the bins of a closed cache point to, so that they are empty and full at once. Never written. */
extern void *const hakmem_no_block;
#define HAKMEM_CLOSED_4_(end) end, end, end, end
#define HAKMEM_CLOSED_16_(end)                                                                                         \
    HAKMEM_CLOSED_4_(end), HAKMEM_CLOSED_4_(end), HAKMEM_CLOSED_4_(end), HAKMEM_CLOSED_4_(end)
#define HAKMEM_CLOSED_ENDS_(end)                                                                                       \
    { HAKMEM_CLOSED_16_(end), HAKMEM_CLOSED_16_(end), HAKMEM_CLOSED_16_(end), HAKMEM_CLOSED_16_(end) }
#define HAKMEM_CLOSED_CACHE                                                                                            \
    { .tops = HAKMEM_CLOSED_ENDS_((void **)&hakmem_no_block), .limits = HAKMEM_CLOSED_ENDS_((void **)&hakmem_no_block) }

/* Relaxed: as for `top`. */
HAKMEM_INLINE void **book_base(const hakmem_cache_book_t *book) {
    return atomic_load_explicit(&book->base, memory_order_relaxed);
}

/* Whether the bin takes none, as one that was closed, or every one while the cache as a whole is: empty and full at once. */
HAKMEM_INLINE bool cache_bin_is_closed(const hakmem_cache_t *cache, uint32_t size_class) {
    void **top = bin_top(cache, size_class);
    return top == cache->limits[size_class] && *top == NULL;
}

HAKMEM_INLINE bool cache_is_open(const hakmem_cache_books_t *books) {
    return books->opens_in == 0;
}

/* An allocation, or a free, before the cache was opened. True: the allocation may open it. */
HAKMEM_INLINE bool cache_note_early_malloc(hakmem_cache_books_t *books) {
    return --books->opens_in == 0;
}

HAKMEM_INLINE void cache_note_early_free(hakmem_cache_books_t *books) {
    enum { FREE = CACHE_OPEN_CALLS / CACHE_OPEN_FREES };
    books->opens_in = books->opens_in > FREE ? books->opens_in - FREE : 1;
}

/* Whether enough was freed for the next allocation to open it. */
HAKMEM_INLINE bool cache_opens_next(const hakmem_cache_books_t *books) {
    return books->opens_in == 1;
}

/* Closes every bin, as before first use. They are empty. */
void hakmem_cache_close(hakmem_cache_t *cache, hakmem_cache_books_t *books);

/* Every bin empty, with the arrays in `books`, or larger ones that it has. A bin has no room before its class saw some
 * allocations: a thread that only frees keeps nothing back. */
void hakmem_cache_open(hakmem_cache_t *cache, hakmem_cache_books_t *books);

/* An allocation found the bin empty. */
void hakmem_cache_missed(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class);

/* A block of another thread was freed whose bin is closed. After some of them the bin has room for a few, which then go back
 * together: one CAS for those of one page. */
void hakmem_cache_note_remote(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class);

/* What became of blocks that left an overflowing bin: how many they were, how many of them were this thread's own, and in how
 * many chains they went. Where they went in groups the bin is not closed; where most of what a bin gathered for others was its own,
 * it is. */
typedef struct {
    size_t blocks, local, chains;
} hakmem_flushed_t;
void hakmem_cache_flushed(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class,
                          hakmem_flushed_t flushed);

/* How many blocks an empty bin takes beforehand: half of its room, so that frees find some as well, or all where there are none. */
uint32_t hakmem_cache_refill_room(const hakmem_cache_t *cache, const hakmem_cache_books_t *books, uint32_t size_class);

/* An empty bin has `n` blocks now, which lie in the last of the entries from hakmem_cache_oldest on that there was room for. A small bin
 * of a class that is only made here grows. */
void hakmem_cache_refilled(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class, uint32_t room,
                           uint32_t n);

/* A bin's oldest block, and those after it. */
void **hakmem_cache_oldest(const hakmem_cache_books_t *books, uint32_t size_class);

/* A bin is full: adapts its capacity, and returns how many of its oldest blocks must leave now. A bin that
 * is closed by this has no room afterwards either. It was open. */
size_t hakmem_cache_overflow(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class);

/* Takes the `n` oldest blocks off a bin, once the caller has done with them. */
void hakmem_cache_drop_oldest(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class, size_t n);

/* How many blocks a bin holds. For its owner, or approximately for others. */
size_t hakmem_cache_count(const hakmem_cache_t *cache, const hakmem_cache_books_t *books, uint32_t size_class);

#endif
