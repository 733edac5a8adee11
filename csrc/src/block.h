/* What a free block holds: the next free block of its page, and where others lie that came back together with it.
 *
 *     31      16 15       0
 *    +----------+----------+
 *    |  others  |   next   |   the block's first 4 bytes
 *    +----------+----------+
 *    |  the place of each of the others, 16 bits, as many as there is room for: two in a block of 8 B
 *    +---------------------
 *
 * Two blocks of a page lie in one aligned window of 512 KiB, since a page of up to eight slots is aligned to its size. A place is
 * where a block lies there, in words of 8 B; `next` is a distance, the exclusive or of both places, since 0, which is no
 * other block's, means none. So 16 bits are enough, wherever the system's addresses lie, and what a program writes to a
 * block that it freed leads no further.
 *
 * Blocks that come back are linked so, a few together (BATCHES). Of those only the one that carries the others' places is touched,
 * which is one cache miss instead of one each: where another thread takes them up, and where a tree is built in memory that another
 * left. Without BATCHES a free block holds the address of the next. */
#ifndef HAKMEM_BLOCK_H
#define HAKMEM_BLOCK_H

#include <string.h>

#include "memcheck.h"

typedef struct hakmem_block_s {
    union {
        struct hakmem_block_s *next; /* without BATCHES */
        uint32_t link;               /* with them: `others` and `next` */
    };
} hakmem_block_t;

enum {
    BLOCK_UNIT_SHIFT = 3, /* blocks lie at multiples of 8 B */
    BLOCK_DISTANCE_BITS = 16,
    BLOCK_WINDOW_SHIFT = BLOCK_DISTANCE_BITS + BLOCK_UNIT_SHIFT,
    /* Not for memory checkers, which would take what is carried for writes to freed memory; nor where single blocks are popped off an
     * atomic list. */
    BATCHES = BLOCK_CACHE && DUAL_LISTS && !MEMCHECK,
};

/* Where a block lies in its window. */
HAKMEM_INLINE uint16_t block_place(const void *block) {
    return (uint16_t)((uintptr_t)block >> BLOCK_UNIT_SHIFT);
}

/* The block at a place in the window of `block`. Not by adding to the pointer: what it leads to is another object. */
HAKMEM_INLINE void *block_at(const hakmem_block_t *block, uint16_t place) {
    uintptr_t window = (uintptr_t)block >> BLOCK_WINDOW_SHIFT << BLOCK_WINDOW_SHIFT;
    void *other = (void *)(window + ((uintptr_t)place << BLOCK_UNIT_SHIFT));
    if (other == NULL) {
        __builtin_unreachable(); /* or callers would look */
    }
    return other;
}

/* By a mask, not a branch: lists end often, and at no foreseeable length. */
HAKMEM_INLINE hakmem_block_t *block_next(const hakmem_block_t *block) {
    if (BATCHES) {
        uintptr_t distance = (uint16_t)block->link;
        return (hakmem_block_t *)(((uintptr_t)block ^ distance << BLOCK_UNIT_SHIFT) & -(uintptr_t)(distance != 0));
    }
    return MEMCHECK ? hakmem_memcheck_read((void *const *)&block->next) : block->next;
}

/* How many others it carries. */
HAKMEM_INLINE uint32_t block_others(const hakmem_block_t *block) {
    return BATCHES ? block->link >> BLOCK_DISTANCE_BITS : 0;
}

HAKMEM_INLINE void block_link(hakmem_block_t *block, hakmem_block_t *next, uint32_t others) {
    HAKMEM_ASSERT(others == 0 || BATCHES);
    if (BATCHES) {
        uint16_t distance = (uint16_t)(((uintptr_t)block ^ (uintptr_t)next) >> BLOCK_UNIT_SHIFT);
        distance &= (uint16_t) - (next != NULL);
        block->link = distance | others << BLOCK_DISTANCE_BITS;
    } else if (MEMCHECK) {
        hakmem_memcheck_write((void **)&block->next, next);
    } else {
        block->next = next;
    }
}

/* One more of the others is carried, or one less; the next one stays. */
HAKMEM_INLINE void block_carry_more(hakmem_block_t *block) {
    block->link += (uint32_t)1 << BLOCK_DISTANCE_BITS;
}

HAKMEM_INLINE void block_carry_less(hakmem_block_t *block) {
    block->link -= (uint32_t)1 << BLOCK_DISTANCE_BITS;
}

/* How many others a block of `size` bytes has room for. */
HAKMEM_INLINE uint32_t block_others_most(size_t size) {
    return BATCHES ? (uint32_t)((size - sizeof(uint32_t)) / sizeof(uint16_t)) : 0;
}

/* The places of the others. */
HAKMEM_INLINE uint16_t *block_places(hakmem_block_t *block) {
    return (uint16_t *)(&block->link + 1);
}

/* Blocks of one page on their way back to it, linked from the first to the last; or, where `mask` is not 0, a bit each and not
 * linked (see remote.h). */
typedef struct {
    hakmem_block_t *first, *last;
    uint32_t n;           /* with those that are carried */
    uint32_t last_others; /* which the last carries */
    uint64_t mask;
} hakmem_chain_t;

HAKMEM_INLINE hakmem_chain_t chain_of_one(void *block) {
    return (hakmem_chain_t){block, block, 1, 0, 0};
}

/* A list of one page's free blocks, while some are put in front of it. The first word of `carrier`, which is the list's first, is
 * written when it carries all that it can, or at the end. */
typedef struct {
    hakmem_block_t *carrier, *next;
    uint32_t others, others_most;
} hakmem_batch_t;

/* Goes on with a list, which may be empty. Blocks that carry none are not looked at. */
HAKMEM_INLINE hakmem_batch_t batch_on(hakmem_block_t *list, uint32_t others_most) {
    if (list == NULL || others_most == 0) {
        return (hakmem_batch_t){NULL, list, others_most, others_most};
    }
    return (hakmem_batch_t){list, block_next(list), block_others(list), others_most};
}

/* The carrier carries no more; the next one is `block`. */
HAKMEM_INLINE void batch_go_on(hakmem_batch_t *batch, void *block) {
    if (batch->carrier != NULL) {
        block_link(batch->carrier, batch->next, batch->others);
        batch->next = batch->carrier;
    }
    batch->carrier = block;
    batch->others = 0;
}

HAKMEM_INLINE void batch_add(hakmem_batch_t *batch, void *block) {
    if (batch->others < batch->others_most) {
        block_places(batch->carrier)[batch->others++] = block_place(block);
        return;
    }
    batch_go_on(batch, block);
}

/* Four at a time, the last of them once more if need be: most are six or more. */
HAKMEM_INLINE void copy_places(uint16_t *to, const uint16_t *from, size_t n) {
    enum { FOUR = 4 };
    if (n < FOUR) {
        for (size_t i = 0; i < n; i++) {
            to[i] = from[i];
        }
        return;
    }
    for (size_t i = 0; i < n - FOUR; i += FOUR) {
        memcpy(to + i, from + i, FOUR * sizeof *to);
    }
    memcpy(to + n - FOUR, from + n - FOUR, FOUR * sizeof *to);
}

/* Has the carrier carry more: the last of `places`. Returns how many. */
HAKMEM_INLINE size_t batch_carry(hakmem_batch_t *batch, const uint16_t *places, size_t n) {
    size_t room = batch->others_most - batch->others;
    size_t carried = room < n ? room : n;
    copy_places(block_places(batch->carrier) + batch->others, places + n - carried, carried);
    batch->others += (uint32_t)carried;
    return carried;
}

/* Adds `n` blocks, from the last one down; `places` has the place of each. */
HAKMEM_INLINE void batch_add_all(hakmem_batch_t *batch, void *const *blocks, const uint16_t *places, size_t n) {
    if (batch->others < batch->others_most) {
        n -= batch_carry(batch, places, n);
    }
    while (n != 0) {
        batch_go_on(batch, blocks[--n]);
        n -= batch_carry(batch, places, n);
    }
}

/* The list. At least one block was added. */
HAKMEM_INLINE hakmem_block_t *batch_end(hakmem_batch_t *batch) {
    block_link(batch->carrier, batch->next, batch->others);
    return batch->carrier;
}

/* What was added to an empty list; `last` was the first of it. */
HAKMEM_INLINE hakmem_chain_t batch_end_chain(hakmem_batch_t *batch, void *last, uint32_t n) {
    hakmem_block_t *first = batch_end(batch);
    return (hakmem_chain_t){first, last, n, block_others(last), 0};
}

#endif
