/* Which addresses in a slot begin blocks, for the classes that have a bin: their pages are one slot, and blocks lie at multiples of their
 * size from its start. */
#ifndef HAKMEM_SLOT_BLOCKS_H
#define HAKMEM_SLOT_BLOCKS_H

#include "fatal.h"
#include "page_arena.h"

/* By class plus one, as slots have it: ceil(2^64 / size) where the class has a bin; else 0, of which nothing is a multiple. */
extern const uint64_t hakmem_class_divisors[CLASS_COUNT + 1];

HAKMEM_INLINE uint64_t class_divisor(size_t size_class) {
    return hakmem_class_divisors[size_class + 1];
}

/* Whether an offset in a slot is a multiple of the size whose divisor it is: only a multiple's product is below the divisor
 * (Lemire, Kaser, Kurz: "Faster remainder by direct computation", 2019). */
HAKMEM_INLINE bool offset_is_multiple(size_t offset, uint64_t divisor) {
    return offset * divisor < divisor;
}

/* Whether `p` lies a multiple of the class's size from the start of its slot, and the class has a bin: then its pages are one slot.
 * The class may be none. */
HAKMEM_INLINE bool begins_block_of(const void *p, size_t size_class) {
    return offset_is_multiple((uintptr_t)p & (SLOT_BYTES - 1), class_divisor(size_class));
}

/* Which block of its page `p` is, of such a class: the product's upper half. */
HAKMEM_INLINE uint32_t block_index_of(const void *p, uint32_t size_class) {
    return (uint32_t)((unsigned __int128)((uintptr_t)p & (SLOT_BYTES - 1)) * class_divisor(size_class) >> 64);
}

/* How many blocks of such a class a slot has. */
HAKMEM_INLINE uint32_t blocks_of_slot(uint32_t size_class) {
    return (uint32_t)(class_divisor(size_class) >> (64 - SLOT_SHIFT));
}

enum { MADE_LANES = 8 }; /* blocks that are looked at together: compilers make vectors of them */

/* The part of a slot that has blocks, of a size that is an odd number of units. A unit is a power of two, and at least a place (block.h). */
typedef struct {
    uintptr_t start;
    size_t bytes;
    uint64_t divisor;
    uintptr_t foreign; /* the bits in which an address is like `start` if it lies in the slot, on a unit */
    uint16_t inverse;  /* of the odd number (mod 2^16) */
    uint16_t units;
} hakmem_made_t;

/* The first `blocks` of the slot that `p` lies in. */
HAKMEM_INLINE hakmem_made_t made_of(const void *p, uint32_t size_class, uint32_t blocks) {
    uint32_t size = (uint32_t)size_class_bytes(size_class);
    uint32_t shift = (uint32_t)__builtin_ctz(size);
    return (hakmem_made_t){
        .start = align_down((uintptr_t)p, SLOT_BYTES),
        .bytes = (size_t)blocks * size,
        .divisor = class_divisor(size_class),
        .foreign = ~(uintptr_t)(SLOT_BYTES - 1) | ((UINT64_C(1) << shift) - 1),
        .inverse = odd_inverse(size >> shift),
        .units = (uint16_t)(blocks << (shift - BLOCK_UNIT_SHIFT)),
    };
}

/* Whether a block lies in the slot. Aborts if it does, and is none. */
HAKMEM_INLINE bool lies_in(const hakmem_made_t *made, void *block) {
    size_t offset = (uintptr_t)block - made->start;
    if (hakmem_likely(offset < made->bytes && offset_is_multiple(offset, made->divisor))) {
        return true;
    }
    if (offset < SLOT_BYTES) {
        hakmem_invalid_free(block);
    }
    return false;
}

/* Whether all of so many blocks lie in the slot, and where. No: perhaps some do, and one of them is none.
 *
 * A place in the slot, times the inverse, is how many units before it are blocks; if the odd number does not divide it, more than there
 * are. For then the product is a number that times the odd one is the place only mod 2^16, so at least 2^16 in truth, which is
 * eight times the places of a slot. */
HAKMEM_INLINE bool all_lie_in(const hakmem_made_t *made, void *const blocks[MADE_LANES], uint16_t places[MADE_LANES]) {
    enum { SLOT_PLACES = SLOT_BYTES >> BLOCK_UNIT_SHIFT };
    if ((((uintptr_t)blocks[0] ^ made->start) & made->foreign) != 0) {
        return false; /* mostly none between does, either, and the rest of the work would be for nothing */
    }
    uintptr_t any = made->start, all = made->start;
#pragma GCC unroll 8
    for (size_t i = 1; i < MADE_LANES; i++) {
        any |= (uintptr_t)blocks[i];
        all &= (uintptr_t)blocks[i];
    }
    if (((any ^ all) & made->foreign) != 0) {
        return false;
    }
    uint16_t inverse = made->inverse, units = made->units, bad[MADE_LANES];
    for (size_t i = 0; i < MADE_LANES; i++) {
        places[i] = block_place(blocks[i]);
        bad[i] = (uint16_t)((places[i] & (SLOT_PLACES - 1)) * inverse) >= units;
    }
    uint64_t words[2]; /* as wide as `bad` */
    _Static_assert(sizeof words == sizeof bad, "all lanes");
    memcpy(words, bad, sizeof bad);
    return (words[0] | words[1]) == 0;
}

#endif
