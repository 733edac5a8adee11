/* The page arena: address space, cut in chunks and slots; ptr -> page.
 *
 *    region      address space reserved at once, aligned to 32 MiB
 *    chunk       32 MiB of it (the last of a region may be shorter), aligned to 32 MiB: masking an address finds it
 *    slot        64 KiB; the first ones of a chunk hold its head:
 *
 *    | counters, bitmaps | slot info[512] | pages[512] |  slot 2  |  slot 3  | ...
 *    +-------------------+----------------+------------+----------+----------+----
 *
 * Heads stay readable for good once they were made: a remote free that came late may still look at one. */
#ifndef HAKMEM_PAGE_ARENA_H
#define HAKMEM_PAGE_ARENA_H

#include "../include/hakmem.h"
#include "page.h"

enum {
    SLOT_SHIFT = 16,
    SLOT_BYTES = 1 << SLOT_SHIFT,
    CHUNK_SHIFT = 25,
    CHUNK_SLOTS = 1 << (CHUNK_SHIFT - SLOT_SHIFT),
    CHUNK_WORDS = CHUNK_SLOTS / 64,
    HUGE_UNIT_SLOTS = 32, /* 2 MiB, aligned: what is in huge pages or not as a whole */
    MEDIUM_SLOTS = 8,     /* a medium page, at most; naturally aligned */
    MEDIUM_LEAST_SLOTS = 2,
    MAX_REGIONS = 256,
};
#define CHUNK_BYTES ((size_t)1 << CHUNK_SHIFT)

_Static_assert(SLOT_BYTES / CLASS_FEW_BYTES <= REMOTE_MASK_BITS, "a bit for each block of a small page");
_Static_assert(MEDIUM_SLOTS *SLOT_BYTES / (CLASS_SMALL_MAX + CLASS_SMALL_MAX / 8) <= REMOTE_MASK_BITS,
               "and of a medium one");
_Static_assert(MEDIUM_SLOTS *SLOT_BYTES <= 1 << BLOCK_WINDOW_SHIFT,
               "a page lies in a window of what free blocks carry");

/* What a slot's owner word says when it is not a heap's address (heaps are aligned to 64, so these are none). A heap's
 * address with OWNER_PARKED_BIT is a page that its owner parked: then every free is a CAS, the owner's too. */
enum {
    OWNER_NONE = 0, /* free, or never used */
    OWNER_PARKED_BIT = 1,
    OWNER_LARGE = 2,       /* the first slot of a large block */
    OWNER_LARGE_FREED = 4, /* was one; tells a double free from a wild pointer until the slot is used again */
    OWNER_ABANDONED = 8,
};

typedef struct {
    _Atomic uintptr_t owner;
    _Atomic uint16_t first;          /* slot in which the page or run begins */
    _Atomic uint16_t length;         /* slots of the page or run; valid at its first */
    _Atomic uint32_t class_plus_one; /* of a page, in every slot of it; 0: not a page's */
} hakmem_slot_info_t;

/* One bit per slot. A slot is in exactly one of empty, released and unused, or it is somebody's: to clear its bit with
 * an atomic operation is to own it. There are no links, hence nothing that purging could wipe. */
typedef _Atomic uint64_t hakmem_slot_bits_t[CHUNK_WORDS];

typedef struct hakmem_chunk_s {
    uint32_t index;              /* in the chunk table */
    uint32_t slots;              /* CHUNK_SLOTS, or fewer in a short chunk; constant */
    _Atomic uint32_t committed;  /* slots of the prefix that can be touched */
    _Atomic uint32_t huge_units; /* a bit for each 2 MiB for which the system was asked for huge pages */
    _Atomic uint32_t run_limit;  /* a run of so many slots was not found since the last release; else UINT32_MAX */
    bool active;                 /* under the arena's lock: false before first use and once given back */
    _Alignas(CACHE_LINE) hakmem_slot_bits_t empty;     /* free and resident: what was there may still be there */
    _Alignas(CACHE_LINE) hakmem_slot_bits_t released;  /* free, purged, zero */
    _Alignas(CACHE_LINE) hakmem_slot_bits_t unused;    /* never used since the chunk was made, zero */
    _Alignas(CACHE_LINE) hakmem_slot_bits_t aged;      /* of `empty`: those that were so at the last purge already */
    _Alignas(CACHE_LINE) hakmem_slot_bits_t abandoned; /* first slots of pages that may be abandoned (an index only) */
    hakmem_slot_info_t info[CHUNK_SLOTS];
    hakmem_tiny_page_t pages[CHUNK_SLOTS];
} hakmem_chunk_t;

enum { HEAD_SLOTS = (sizeof(hakmem_chunk_t) + SLOT_BYTES - 1) / SLOT_BYTES };
_Static_assert(HEAD_SLOTS == 2, "a chunk's head takes two slots");
_Static_assert(sizeof(hakmem_slot_info_t) == 16, "four slots' info a cache line; arena_info_offset");

typedef struct {
    _Atomic uintptr_t base;
    _Atomic size_t bytes;
} hakmem_region_t;

/* The first region, as far as it holds chunks: beyond, there is no head that could be looked at. It only grows. */
extern HAKMEM_HIDDEN hakmem_region_t hakmem_first_region;

HAKMEM_INLINE hakmem_range_t arena_first_range(void) {
    /* Relaxed: a pointer that hakmem gave out came with a happens-before from the reservation; for any other, either
     * answer of a race with the first reservation is right. */
    return (hakmem_range_t){atomic_load_explicit(&hakmem_first_region.base, memory_order_relaxed),
                            atomic_load_explicit(&hakmem_first_region.bytes, memory_order_relaxed)};
}

HAKMEM_INLINE bool range_contains(hakmem_range_t range, const void *p) {
    return (uintptr_t)p - range.base < range.bytes;
}

/* Whether `p` lies in the first region: nearly every pointer of ours does. Null does not. */
HAKMEM_INLINE bool arena_contains_fast(const void *p) {
    return range_contains(arena_first_range(), p);
}

bool hakmem_arena_contains_slow(const void *p); /* the regions after the first */

HAKMEM_INLINE bool arena_contains(const void *p) {
    return arena_contains_fast(p) || hakmem_arena_contains_slow(p);
}

HAKMEM_INLINE hakmem_chunk_t *arena_chunk_of(const void *p) {
    return (hakmem_chunk_t *)((uintptr_t)p & ~(uintptr_t)(CHUNK_BYTES - 1));
}

HAKMEM_INLINE uint32_t arena_slot_of(const void *p) {
    return (uint32_t)(((uintptr_t)p >> SLOT_SHIFT) & (CHUNK_SLOTS - 1));
}

/* The number of the slot times the size of its info, by one shift of the address. */
HAKMEM_INLINE size_t arena_info_offset(const void *p) {
    return ((uintptr_t)p >> (SLOT_SHIFT - 4)) & ((CHUNK_SLOTS - 1) * sizeof(hakmem_slot_info_t));
}

HAKMEM_INLINE hakmem_slot_info_t *arena_info_of(const void *p) {
    return (hakmem_slot_info_t *)(void *)((char *)arena_chunk_of(p)->info + arena_info_offset(p));
}

/* The page that begins in the slot. */
HAKMEM_INLINE hakmem_tiny_page_t *arena_page_of(const void *p) {
    enum { INFOS = sizeof(hakmem_tiny_page_t) / sizeof(hakmem_slot_info_t) }; /* that a page is as large as */
    return (hakmem_tiny_page_t *)(void *)((char *)arena_chunk_of(p)->pages + arena_info_offset(p) * INFOS);
}

HAKMEM_INLINE char *arena_slot_start(hakmem_chunk_t *chunk, uint32_t slot) {
    return (char *)chunk + ((size_t)slot << SLOT_SHIFT);
}

HAKMEM_INLINE uint32_t arena_page_slot(const hakmem_tiny_page_t *page) {
    return (uint32_t)(page - arena_chunk_of(page)->pages);
}

HAKMEM_INLINE hakmem_slot_info_t *arena_page_info(hakmem_tiny_page_t *page) {
    return &arena_chunk_of(page)->info[arena_page_slot(page)];
}

/* Orders of the owner word. Load relaxed: a thread that finds its own heap's address there wrote it itself, or got the
 * heap's memory through a lock after the last store of it. Store release: pairs with the acquire of those who sum
 * statistics; they read the page behind it. */
HAKMEM_INLINE uintptr_t owner_load(hakmem_slot_info_t *info) {
    return atomic_load_explicit(&info->owner, memory_order_relaxed);
}

HAKMEM_INLINE void owner_store(hakmem_slot_info_t *info, uintptr_t owner) {
    atomic_store_explicit(&info->owner, owner, memory_order_release);
}

/* The class of the page that the slot belongs to; a number that is no class if it belongs to none. Relaxed: constant while the
 * page is in use. */
HAKMEM_INLINE size_t slot_class(hakmem_slot_info_t *info) {
    return (size_t)atomic_load_explicit(&info->class_plus_one, memory_order_relaxed) - 1;
}

HAKMEM_INLINE void slot_set_class(hakmem_slot_info_t *info, uint32_t class_plus_one) {
    atomic_store_explicit(&info->class_plus_one, class_plus_one, memory_order_relaxed);
}

/* By class plus one, in bytes; of none 0. */
extern const uint32_t hakmem_class_sizes[CLASS_COUNT + 1];

/* How large a page's blocks are; 0 if `p` lies in no page, or only in one beyond the first region. */
HAKMEM_INLINE size_t arena_block_bytes_fast(const void *p) {
    if (hakmem_unlikely(!arena_contains_fast(p))) {
        return 0;
    }
    return hakmem_class_sizes[slot_class(arena_info_of(p)) + 1];
}

/* Stores `owner` in every slot of the page or run that begins at `info`. */
HAKMEM_INLINE void owner_store_all(hakmem_slot_info_t *info, uintptr_t owner) {
    uint32_t length = atomic_load_explicit(&info->length, memory_order_relaxed);
    for (uint32_t i = 0; i < length; i++) {
        owner_store(&info[i], owner);
    }
}

/* The page that `p`, a block of a small or medium page, belongs to (spec name). */
HAKMEM_INLINE hakmem_tiny_page_t *hakmem_tiny_ptr_to_page(const void *p) {
    /* Relaxed: constant while the page is in use. */
    return &arena_chunk_of(p)->pages[atomic_load_explicit(&arena_info_of(p)->first, memory_order_relaxed)];
}

/* Chunk table: every chunk ever made, in order. Entries are never removed. */
uint32_t hakmem_arena_chunk_count(void);
hakmem_chunk_t *hakmem_arena_chunk(uint32_t index);

/* Stage 3: makes a new chunk or revives one that was given back, with all of its slots unused. Null where the system
 * refuses, or (with a trace line) where the chunk table is full. Takes the arena's lock. `least` slots at least. */
hakmem_chunk_t *hakmem_arena_add_chunk(uint32_t least);

/* Gives a chunk back, all of whose slots the caller has claimed, under the arena's lock. False: the system refused, and everything is
 * as it was. */
bool hakmem_arena_retire_chunk(hakmem_chunk_t *chunk);

/* Gives the address space back in which no chunk was made yet. The next chunk reserves anew. */
void hakmem_arena_trim(void);

/* Makes `length` slots from `slot` on touchable, which the caller has claimed, and those below. False if the system refuses.
 * Lock-free. */
bool hakmem_arena_commit(hakmem_chunk_t *chunk, uint32_t slot, uint32_t length);

/* There is one heap more than before; heaps that are used again are not counted again. */
void hakmem_arena_note_heap(void);

/* Whether the system was asked for huge pages for any of the slots: a touch of one makes its 2 MiB resident. */
bool hakmem_arena_in_huge_pages(const hakmem_chunk_t *chunk, uint32_t slot, uint32_t length);

/* Asks for huge pages for the 2 MiB around a slot, all of which the caller has claimed, if they are resident nearly everywhere now. */
void hakmem_arena_prefer_huge_pages(hakmem_chunk_t *chunk, uint32_t slot);

/* Memory was moved to the 2 MiB at a slot, which the caller has claimed: asks for huge pages there if it is resident nearly everywhere,
 * else for none. */
void hakmem_arena_moved_in(hakmem_chunk_t *chunk, uint32_t slot);

/* Asks for what was asked for last for all of the 2 MiB at a slot, which the caller has claimed: see hakmem_arena_unite. */
void hakmem_arena_unite_unit(hakmem_chunk_t *chunk, uint32_t slot);

/* Asks for huge pages for all of a run of the caller's that has them in part: what has different advice is several mappings to the
 * system, which it does not move by one call. False: it has none. */
bool hakmem_arena_unite(hakmem_chunk_t *chunk, uint32_t slot, uint32_t length);

/* What is touched from now on of the 2 MiB around a slot, which the caller has claimed, costs one of the system's pages each. */
void hakmem_arena_prefer_small_pages(hakmem_chunk_t *chunk, uint32_t slot);

uint32_t hakmem_arena_active_chunks(void);
size_t hakmem_arena_reserved_bytes(void);

#endif
