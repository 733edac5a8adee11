/* What a free block holds: the next free block of its page, and where others lie that came back together with it.
 *
 *     63      48 47                             0
 *    +----------+--------------------------------+
 *    |  others  |  address of the next, 0: none  |   the block's first word
 *    +----------+--------------------------------+
 *    |  16 bits each: in words, where the others lie in the window, as many as there is room for
 *    +-------------------------------------------
 *
 * Blocks that the cache gives back are linked so, a few together (BATCHES). Of those only the one that carries the offsets is
 * touched, which is one cache miss instead of one each: where another thread takes them up, and where a tree is built
 * in memory that another left. A block that is freed alone carries none. The window is the aligned 512 KiB around the block: a
 * page of up to eight slots is aligned to its size and lies in one. */
#ifndef HAKMEM_BLOCK_H
#define HAKMEM_BLOCK_H

#include "memcheck.h"

typedef struct hakmem_block_s {
    struct hakmem_block_s *next; /* and `others`: see block_next */
} hakmem_block_t;

enum {
    BLOCK_OTHERS_SHIFT = 48, /* user space ends below: no system gives more unless it is asked to */
    BLOCK_UNIT_SHIFT = 3,    /* blocks lie at multiples of 8 B */
    BLOCK_WINDOW_SHIFT = 16 + BLOCK_UNIT_SHIFT,
    /* Not for memory checkers, which would take the offsets for writes to freed memory; nor where single blocks are popped off an
     * atomic list. */
    BATCHES = BLOCK_CACHE && DUAL_LISTS && !MEMCHECK && sizeof(void *) == 8,
};

/* The two accesses that the core has to a free block's first word. */
HAKMEM_INLINE uintptr_t block_word(const hakmem_block_t *block) {
    return (uintptr_t)(MEMCHECK ? hakmem_memcheck_read((void *const *)&block->next) : block->next);
}

HAKMEM_INLINE void block_set_word(hakmem_block_t *block, uintptr_t word) {
    if (MEMCHECK) {
        hakmem_memcheck_write((void **)&block->next, (void *)word);
    } else {
        block->next = (hakmem_block_t *)word;
    }
}

HAKMEM_INLINE hakmem_block_t *block_next(const hakmem_block_t *block) {
    uintptr_t word = block_word(block);
    return (hakmem_block_t *)(BATCHES ? word & (((uintptr_t)1 << BLOCK_OTHERS_SHIFT) - 1) : word);
}

/* How many others it carries. */
HAKMEM_INLINE uint32_t block_others(const hakmem_block_t *block) {
    return BATCHES ? (uint32_t)(block_word(block) >> BLOCK_OTHERS_SHIFT) : 0;
}

/* Whether an address can be linked to. */
HAKMEM_INLINE bool block_can_link(uintptr_t address) {
    return !BATCHES || address >> BLOCK_OTHERS_SHIFT == 0;
}

HAKMEM_INLINE void block_link(hakmem_block_t *block, hakmem_block_t *next, uint32_t others) {
    HAKMEM_ASSERT(others == 0 || BATCHES);
    block_set_word(block, (uintptr_t)next | (BATCHES ? (uintptr_t)others << BLOCK_OTHERS_SHIFT : 0));
}

/* One more of the others is carried, or one less; the word's other part stays. */
HAKMEM_INLINE void block_carry_more(hakmem_block_t *block) {
    block_set_word(block, block_word(block) + ((uintptr_t)BATCHES << BLOCK_OTHERS_SHIFT));
}

HAKMEM_INLINE void block_carry_less(hakmem_block_t *block) {
    block_set_word(block, block_word(block) - ((uintptr_t)BATCHES << BLOCK_OTHERS_SHIFT));
}

/* How many others a block of `size` bytes has room for. */
HAKMEM_INLINE uint32_t block_others_most(size_t size) {
    return BATCHES ? (uint32_t)((size - sizeof(hakmem_block_t)) / sizeof(uint16_t)) : 0;
}

HAKMEM_INLINE uint16_t *block_offsets(hakmem_block_t *block) {
    return (uint16_t *)(block + 1);
}

/* What is carried of a block: the word of its window that it begins with. */
HAKMEM_INLINE uint16_t block_offset(const void *block) {
    return (uint16_t)((uintptr_t)block >> BLOCK_UNIT_SHIFT);
}

/* The one that an offset which `block` carries leads to. */
HAKMEM_INLINE void *block_at(hakmem_block_t *block, uint16_t offset) {
    /* Not by adding to the pointer: what it leads to is another object. */
    uintptr_t window = (uintptr_t)block & ~(((uintptr_t)1 << BLOCK_WINDOW_SHIFT) - 1);
    return (void *)(window + ((uintptr_t)offset << BLOCK_UNIT_SHIFT));
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

HAKMEM_INLINE void batch_add(hakmem_batch_t *batch, void *block) {
    if (batch->others < batch->others_most) {
        block_offsets(batch->carrier)[batch->others++] = block_offset(block);
        return;
    }
    if (batch->carrier != NULL) {
        block_link(batch->carrier, batch->next, batch->others);
        batch->next = batch->carrier;
    }
    batch->carrier = block;
    batch->others = 0;
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
