/* size <-> class. Steps of 8 B to 128 B, then eight classes per doubling (at most 12.5 % waste) to 64 KiB.
 *
 * Alignment needs no classes of its own: round the size up to a multiple of the alignment first. If the alignment is at
 * most the step, every class is a multiple of it; else the rounded size is itself a class. Blocks lie at multiples of
 * their size from a page start that is aligned to 64 KiB, so every alignment up to 64 KiB holds. src/layout.rs is this
 * file's twin; a test compares the two over every size. */
#ifndef HAKMEM_SIZE_CLASS_H
#define HAKMEM_SIZE_CLASS_H

#include "base.h"

enum {
    CLASS_STEP = 8,
    CLASS_LINEAR_MAX = 128,                       /* the last size of the steps of 8 B */
    CLASS_LINEAR = CLASS_LINEAR_MAX / CLASS_STEP, /* 16 classes */
    CLASS_SMALL_MAX = 8 * 1024,                   /* one-slot pages up to here (HAKMEM_TINY_MAX) */
    CLASS_MEDIUM_MAX = 64 * 1024,                 /* pages of two to eight slots up to here */
    CLASS_SMALL_COUNT = CLASS_LINEAR + 6 * 8,     /* 128 B to 8 KiB are six doublings */
    CLASS_COUNT = CLASS_SMALL_COUNT + 3 * 8,      /* 8 to 64 KiB three more: 88 */
};

/* Eight classes of one step, `n` times each: the classes of sizes in words of 8 B. */
#define CLASS_TIMES_1(c) (c), (c) + 1, (c) + 2, (c) + 3, (c) + 4, (c) + 5, (c) + 6, (c) + 7
#define CLASS_TIMES_2_(c) (c), (c)
#define CLASS_TIMES_4_(c) (c), (c), (c), (c)
#define CLASS_TIMES_8_(c) CLASS_TIMES_4_(c), CLASS_TIMES_4_(c)
#define CLASS_EACH_(of, c)                                                                                             \
    of(c), of((c) + 1), of((c) + 2), of((c) + 3), of((c) + 4), of((c) + 5), of((c) + 6), of((c) + 7)

/* Sizes up to here find their class in a table of bytes: three instructions where the arithmetic takes a dozen. */
enum { CLASS_TABLE_MAX = 1024 };
static const uint8_t size_class_by_words[CLASS_TABLE_MAX / 8 + 1] = {
    0, /* no bytes at all are served as one */
    CLASS_TIMES_1(0),
    CLASS_TIMES_1(8),
    CLASS_EACH_(CLASS_TIMES_2_, 16),
    CLASS_EACH_(CLASS_TIMES_4_, 24),
    CLASS_EACH_(CLASS_TIMES_8_, 32),
};

/* The same by 16 B, and from 16 B on, as C's malloc promises the alignment of max_align_t. */
#define CLASS_ODD_(c) (c) + 1, (c) + 3, (c) + 5, (c) + 7
static const uint8_t size_class_by_sixteens[CLASS_TABLE_MAX / 16 + 1] = {
    1,
    CLASS_ODD_(0),
    CLASS_ODD_(8),
    CLASS_TIMES_1(16),
    CLASS_EACH_(CLASS_TIMES_2_, 24),
    CLASS_EACH_(CLASS_TIMES_4_, 32),
};

/* `of` each class's size in bytes: of the classes that have one-slot pages, and of the rest. */
#define CLASS_SIZES_8_(of, base, step)                                                                                 \
    of((base) + (step)), of((base) + 2 * (step)), of((base) + 3 * (step)), of((base) + 4 * (step)),                    \
        of((base) + 5 * (step)), of((base) + 6 * (step)), of((base) + 7 * (step)), of((base) + 8 * (step))
#define CLASS_SIZES_DOUBLING_(of, base) CLASS_SIZES_8_(of, base, (base) / 8)
#define CLASS_SIZES_SMALL(of)                                                                                          \
    CLASS_SIZES_8_(of, 0, CLASS_STEP), CLASS_SIZES_8_(of, 64, CLASS_STEP), CLASS_SIZES_DOUBLING_(of, 128),             \
        CLASS_SIZES_DOUBLING_(of, 256), CLASS_SIZES_DOUBLING_(of, 512), CLASS_SIZES_DOUBLING_(of, 1024),               \
        CLASS_SIZES_DOUBLING_(of, 2048), CLASS_SIZES_DOUBLING_(of, 4096)
#define CLASS_SIZES_MEDIUM(of)                                                                                         \
    CLASS_SIZES_DOUBLING_(of, 8192), CLASS_SIZES_DOUBLING_(of, 16384), CLASS_SIZES_DOUBLING_(of, 32768)

/* The class of a size from 0 to CLASS_MEDIUM_MAX; 0 counts as 1. */
HAKMEM_INLINE uint32_t size_class_of(size_t size) {
    if (hakmem_likely(size <= CLASS_TABLE_MAX)) {
        return size_class_by_words[(size + 7) / 8];
    }
    size_t last = size - 1;
    uint32_t top = 63 - (uint32_t)__builtin_clzll(last);
    return CLASS_LINEAR + (top - 7) * 8 + (uint32_t)((last >> (top - 3)) & 7);
}

/* The block size of a class, in bytes. */
HAKMEM_INLINE size_t size_class_bytes(uint32_t class_index) {
    if (class_index < CLASS_LINEAR) {
        return (size_t)(class_index + 1) * CLASS_STEP;
    }
    uint32_t k = class_index - CLASS_LINEAR;
    size_t base = (size_t)CLASS_LINEAR_MAX << (k >> 3);
    return base + (size_t)((k & 7) + 1) * (base >> 3);
}

/* Where the last word of a block of up to CLASS_LINEAR_MAX bytes is, in bytes from its start; of a larger one a word further inside. By
 * class plus one, which is what a free has read: no instruction then is for the difference. */
HAKMEM_INLINE size_t size_class_near_end(size_t class_index) {
    return (class_index + 1) * CLASS_STEP - CLASS_STEP;
}

/* What C's promise of alignment makes of a size: 8-aligned up to 8 B, else 16. */
HAKMEM_INLINE size_t size_class_round_c(size_t size) {
    return size <= 8 ? size : align_up(size, 16);
}

/* Index into pages_direct for a size of at most DIRECT_MAX (spec: (size + 7) / 8). */
HAKMEM_INLINE size_t size_class_direct_index(size_t size) {
    return (size + 7) / 8;
}

/* The first and last index of pages_direct that a class serves. The last may be beyond the array. */
HAKMEM_INLINE size_t size_class_direct_last(uint32_t class_index) {
    return size_class_bytes(class_index) / 8;
}

HAKMEM_INLINE size_t size_class_direct_first(uint32_t class_index) {
    return class_index == 0 ? 0 : size_class_direct_last(class_index - 1) + 1;
}

HAKMEM_INLINE bool size_class_is_medium(uint32_t class_index) {
    return class_index >= CLASS_SMALL_COUNT;
}

/* From this class on, of CLASS_FEW_BYTES, a page has few blocks: 56 at most, whether of one slot or of eight. */
enum { CLASS_FEW = CLASS_LINEAR + 3 * 8, CLASS_FEW_BYTES = 1024 + 128 };

HAKMEM_INLINE bool size_class_has_few(uint32_t class_index) {
    return class_index >= CLASS_FEW;
}

_Static_assert(CLASS_COUNT == 88, "eight classes per doubling from 128 B to 64 KiB");

#endif
