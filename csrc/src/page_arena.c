#include "page_arena.h"

#include "lock.h"
#include "os.h"
#include "trace.h"

#define SIZE(bytes) (bytes)
const uint32_t hakmem_class_sizes[CLASS_COUNT + 1] = {0, CLASS_SIZES_SMALL(SIZE), CLASS_SIZES_MEDIUM(SIZE)};

/* 256 GiB of address space cost nothing but numbers; what is above that takes further regions. */
#define REGION_BYTES (256 * GIB)
/* The least that is worth a region: a head and some slots. 16 MiB of address space must start a program. */
#define REGION_LEAST MIB
/* The first commit of a chunk. What follows is committed a huge page's slots at a time. */
enum { COMMIT_FIRST_SLOTS = 16 };

/* Huge pages, 2 MiB each: fewer faults, and fewer misses where addresses are translated. What is committed gets them when what
 * comes before it is resident nearly everywhere, and the program has used HUGE_AFTER_SLOTS for each of its heaps: a heap has a
 * page of every class that it uses, of which it may have touched little, and the last huge page is resident as a whole for its
 * first block. A chunk's first 2 MiB never get them, and so tell anew what the program does with its memory. */
enum { HUGE_AFTER_SLOTS = 96 };
_Static_assert(HUGE_UNIT_SLOTS *SLOT_BYTES == HUGE_PAGE && CHUNK_SLOTS / HUGE_UNIT_SLOTS <= 32, "a bit for each");

/* Until there is a region, `base` is where no pointer lies, null included: a thread may see `bytes` before it. */
hakmem_region_t hakmem_first_region = {(uintptr_t)1 << 63, 0};

/* All regions; those after the first are searched. */
static hakmem_region_t regions[MAX_REGIONS];

/* Release on append, acquire on read: who sees the count sees the entries, and the heads of the chunks. */
static _Atomic uint32_t region_count;
static _Atomic uint32_t chunk_count;
static hakmem_chunk_t *chunks[MAX_CHUNKS];

/* Under the arena's lock. */
static uintptr_t region_next; /* where the next chunk of the newest region goes */
static size_t region_left;    /* bytes of it that are not chunks yet */
static uint32_t idle_chunks;  /* made, given back */

static _Atomic uint32_t active_chunks; /* relaxed: a figure */
static _Atomic uint32_t heaps;         /* relaxed: a figure */
static _Atomic size_t reserved_bytes;  /* relaxed: a figure */

bool hakmem_arena_contains_slow(const void *p) {
    uint32_t count = atomic_load_explicit(&region_count, memory_order_acquire);
    for (uint32_t i = 1; i < count; i++) {
        uintptr_t base = atomic_load_explicit(&regions[i].base, memory_order_relaxed);
        size_t bytes = atomic_load_explicit(&regions[i].bytes, memory_order_relaxed);
        if (range_contains((hakmem_range_t){base, bytes}, p)) {
            return true;
        }
    }
    return false;
}

uint32_t hakmem_arena_chunk_count(void) {
    return atomic_load_explicit(&chunk_count, memory_order_acquire);
}

hakmem_chunk_t *hakmem_arena_chunk(uint32_t index) {
    return chunks[index];
}

uint32_t hakmem_arena_active_chunks(void) {
    return atomic_load_explicit(&active_chunks, memory_order_relaxed);
}

size_t hakmem_arena_reserved_bytes(void) {
    return atomic_load_explicit(&reserved_bytes, memory_order_relaxed);
}

/* Reserves a region that holds a chunk with `least` usable slots. False if the system refuses. */
static bool reserve_region(size_t least_bytes) {
    uint32_t count = atomic_load_explicit(&region_count, memory_order_relaxed);
    if (count == MAX_REGIONS) {
        HAKMEM_TRACE("SP_META_CAPACITY_ERROR", regions, MAX_REGIONS);
        return false;
    }
    size_t limit = hakmem_os_address_limit();
    size_t bytes = REGION_BYTES;
    if (limit != SIZE_MAX) {
        bytes = min_size(bytes, align_down(limit / 8, SLOT_BYTES));
    }
    bytes = max_size(bytes, least_bytes);
    void *base = hakmem_os_reserve(bytes, CHUNK_BYTES);
    while (base == NULL && bytes > least_bytes) {
        bytes = max_size(align_down(bytes / 2, SLOT_BYTES), least_bytes);
        base = hakmem_os_reserve(bytes, CHUNK_BYTES);
    }
    if (base == NULL) {
        return false;
    }
    memcheck_roots(base, bytes);
    atomic_store_explicit(&regions[count].base, (uintptr_t)base, memory_order_relaxed);
    atomic_store_explicit(&region_count, count + 1, memory_order_release);
    atomic_fetch_add_explicit(&reserved_bytes, bytes, memory_order_relaxed);
    region_next = (uintptr_t)base;
    region_left = bytes;
    return true;
}

static void set_free_bits(hakmem_chunk_t *chunk) {
    for (uint32_t slot = HEAD_SLOTS; slot < chunk->slots; slot++) {
        if (slot % 64 == 0 || slot == HEAD_SLOTS) {
            uint32_t word = slot / 64;
            uint64_t bits = UINT64_MAX << (slot % 64);
            uint32_t end = chunk->slots - word * 64;
            if (end < 64) {
                bits &= (UINT64_C(1) << end) - 1;
            }
            /* Release for the acquire of a claim; seq_cst as one side of the pool's `available`. */
            atomic_fetch_or_explicit(&chunk->unused[word], bits, memory_order_seq_cst);
        }
    }
}

/* A chunk that was given back and has room for `least` slots, lowest first. */
static hakmem_chunk_t *idle_chunk(uint32_t least) {
    uint32_t count = atomic_load_explicit(&chunk_count, memory_order_relaxed);
    for (uint32_t i = 0; idle_chunks != 0 && i < count; i++) {
        if (!chunks[i]->active && chunks[i]->slots >= least + HEAD_SLOTS) {
            return chunks[i];
        }
    }
    return NULL;
}

/* Lets pointers up to region_next be looked up. */
static void grow_region(uint32_t index) {
    uintptr_t base = atomic_load_explicit(&regions[index].base, memory_order_relaxed);
    if (index == 0) {
        atomic_store_explicit(&hakmem_first_region.base, base, memory_order_relaxed);
        atomic_store_explicit(&hakmem_first_region.bytes, region_next - base, memory_order_relaxed);
    }
    atomic_store_explicit(&regions[index].bytes, region_next - base, memory_order_relaxed);
}

static hakmem_chunk_t *make_chunk(uint32_t least) {
    uint32_t count = atomic_load_explicit(&chunk_count, memory_order_relaxed);
    if (count == MAX_CHUNKS) {
        HAKMEM_TRACE("SP_META_CAPACITY_ERROR", chunks, MAX_CHUNKS);
        return NULL;
    }
    size_t least_bytes = max_size((size_t)(least + HEAD_SLOTS) << SLOT_SHIFT, REGION_LEAST);
    if (region_left < least_bytes && !reserve_region(least_bytes)) {
        return NULL;
    }
    hakmem_chunk_t *chunk = (hakmem_chunk_t *)region_next;
    size_t bytes = min_size(region_left, CHUNK_BYTES);
    uint32_t first = (uint32_t)min_size(COMMIT_FIRST_SLOTS, bytes >> SLOT_SHIFT);
    if (!hakmem_os_commit(chunk, (size_t)first << SLOT_SHIFT)) {
        return NULL; /* the region keeps the room for the next attempt */
    }
    region_next += bytes;
    region_left -= bytes;
    chunk->index = count;
    chunk->slots = (uint32_t)(bytes >> SLOT_SHIFT);
    atomic_store_explicit(&chunk->committed, first, memory_order_relaxed);
    grow_region(atomic_load_explicit(&region_count, memory_order_relaxed) - 1);
    chunks[count] = chunk;
    atomic_store_explicit(&chunk_count, count + 1, memory_order_release);
    idle_chunks++;
    return chunk;
}

hakmem_chunk_t *hakmem_arena_add_chunk(uint32_t least) {
    hakmem_lock(HAKMEM_LOCK_ARENA);
    hakmem_chunk_t *chunk = idle_chunk(least);
    if (chunk == NULL) {
        chunk = make_chunk(least);
    }
    if (chunk != NULL) {
        chunk->active = true;
        idle_chunks--;
        atomic_fetch_add_explicit(&active_chunks, 1, memory_order_relaxed);
        atomic_store_explicit(&chunk->run_limit, UINT32_MAX, memory_order_relaxed);
        set_free_bits(chunk);
    }
    hakmem_unlock(HAKMEM_LOCK_ARENA);
    return chunk;
}

bool hakmem_arena_retire_chunk(hakmem_chunk_t *chunk) {
    /* The caller owns every slot, so nobody commits here meanwhile. The head stays. */
    uint32_t committed = atomic_load_explicit(&chunk->committed, memory_order_relaxed);
    bool ok = hakmem_os_decommit(arena_slot_start(chunk, HEAD_SLOTS), (size_t)(committed - HEAD_SLOTS) << SLOT_SHIFT);
    if (ok) {
        atomic_store_explicit(&chunk->committed, HEAD_SLOTS, memory_order_relaxed);
        atomic_store_explicit(&chunk->huge_units, 0, memory_order_relaxed); /* the mapping is a fresh one */
        chunk->active = false;
        idle_chunks++;
        atomic_fetch_sub_explicit(&active_chunks, 1, memory_order_relaxed);
    }
    return ok;
}

void hakmem_arena_trim(void) {
    hakmem_lock(HAKMEM_LOCK_ARENA);
    if (region_left != 0) {
        hakmem_os_unmap((void *)region_next, region_left);
        atomic_fetch_sub_explicit(&reserved_bytes, region_left, memory_order_relaxed);
        region_left = 0;
    }
    hakmem_unlock(HAKMEM_LOCK_ARENA);
}

/* Whether the chunks up to this one, with `slots` of its own, are much for the heaps that there are. */
static bool used_much(const hakmem_chunk_t *chunk, uint32_t slots) {
    return (uint64_t)chunk->index * CHUNK_SLOTS + slots >=
           (uint64_t)HUGE_AFTER_SLOTS * atomic_load_explicit(&heaps, memory_order_relaxed);
}

void hakmem_arena_note_heap(void) {
    atomic_fetch_add_explicit(&heaps, 1, memory_order_relaxed);
}

/* Whether of the 2 MiB from a slot on five eighths are resident: blocks of 64 KiB and more leave a part of their runs untouched. */
static bool is_dense(hakmem_chunk_t *chunk, uint32_t slot) {
    return hakmem_os_resident_bytes(arena_slot_start(chunk, slot), HUGE_PAGE) >= HUGE_PAGE / 8 * 5;
}

/* Whether what comes before a slot that is being claimed was filled. The last 2 MiB may be about to be, since a page of every class
 * fills at a time; then those before tell. */
static bool is_dense_before(hakmem_chunk_t *chunk, uint32_t slot) {
    return (slot >= HUGE_UNIT_SLOTS && is_dense(chunk, slot - HUGE_UNIT_SLOTS)) ||
           (slot >= 2 * HUGE_UNIT_SLOTS && is_dense(chunk, slot - 2 * HUGE_UNIT_SLOTS));
}

/* Relaxed, all of these: which advice the system had last, and the advice is the system's to order. */
static uint32_t huge_units(const hakmem_chunk_t *chunk) {
    return atomic_load_explicit(&chunk->huge_units, memory_order_relaxed);
}

/* The units of which the slots have any. */
static uint32_t units_of(uint32_t slot, uint32_t length) {
    uint32_t first = slot / HUGE_UNIT_SLOTS, last = (slot + length - 1) / HUGE_UNIT_SLOTS;
    return ((UINT32_C(2) << (last - first)) - 1) << first;
}

bool hakmem_arena_in_huge_pages(const hakmem_chunk_t *chunk, uint32_t slot, uint32_t length) {
    return (huge_units(chunk) & units_of(slot, length)) != 0;
}

/* The units that lie in [from, to) as a whole. */
static void prefer_huge_pages(hakmem_chunk_t *chunk, uint32_t from, uint32_t to) {
    uint32_t first = (from + HUGE_UNIT_SLOTS - 1) / HUGE_UNIT_SLOTS, end = to / HUGE_UNIT_SLOTS;
    if (first < end) {
        hakmem_os_prefer_huge_pages(arena_slot_start(chunk, first * HUGE_UNIT_SLOTS), (end - first) * HUGE_PAGE);
        uint32_t units = (UINT32_C(1) << end) - (UINT32_C(1) << first);
        atomic_fetch_or_explicit(&chunk->huge_units, units, memory_order_relaxed);
    }
}

void hakmem_arena_prefer_huge_pages(hakmem_chunk_t *chunk, uint32_t slot) {
    uint32_t first = (uint32_t)align_down(slot, HUGE_UNIT_SLOTS);
    if (used_much(chunk, first) && is_dense(chunk, first)) {
        prefer_huge_pages(chunk, first, first + HUGE_UNIT_SLOTS);
    }
}

bool hakmem_arena_unite(hakmem_chunk_t *chunk, uint32_t slot, uint32_t length) {
    if (!hakmem_arena_in_huge_pages(chunk, slot, length)) {
        return false;
    }
    hakmem_os_prefer_huge_pages(arena_slot_start(chunk, slot), (size_t)length << SLOT_SHIFT);
    /* Those at its ends as well, though they may be so in part: a purge then looks after them. */
    atomic_fetch_or_explicit(&chunk->huge_units, units_of(slot, length), memory_order_relaxed);
    return true;
}

void hakmem_arena_prefer_small_pages(hakmem_chunk_t *chunk, uint32_t slot) {
    uint32_t unit = slot / HUGE_UNIT_SLOTS;
    atomic_fetch_and_explicit(&chunk->huge_units, ~(UINT32_C(1) << unit), memory_order_relaxed);
    hakmem_os_prefer_small_pages(arena_slot_start(chunk, unit * HUGE_UNIT_SLOTS), HUGE_PAGE);
}

static void prefer(hakmem_chunk_t *chunk, uint32_t slot, bool huge_pages) {
    if (huge_pages) {
        prefer_huge_pages(chunk, slot, slot + HUGE_UNIT_SLOTS);
    } else {
        hakmem_arena_prefer_small_pages(chunk, slot);
    }
}

void hakmem_arena_moved_in(hakmem_chunk_t *chunk, uint32_t slot) {
    prefer(chunk, slot, is_dense(chunk, slot));
}

void hakmem_arena_unite_unit(hakmem_chunk_t *chunk, uint32_t slot) {
    prefer(chunk, slot, hakmem_arena_in_huge_pages(chunk, slot, HUGE_UNIT_SLOTS));
}

bool hakmem_arena_commit(hakmem_chunk_t *chunk, uint32_t slot, uint32_t length) {
    /* Acquire: pairs with the release below; who sees the prefix may touch it. */
    uint32_t have = atomic_load_explicit(&chunk->committed, memory_order_acquire);
    uint32_t slots = slot + length;
    if (hakmem_likely(slots <= have)) {
        return true;
    }
    uint32_t want = slots <= COMMIT_FIRST_SLOTS ? COMMIT_FIRST_SLOTS
                                                : (uint32_t)min_size(align_up(slots, HUGE_UNIT_SLOTS), chunk->slots);
    /* Two threads may do this at once: the call has the same effect twice. */
    if (!hakmem_os_commit(arena_slot_start(chunk, have), (size_t)(want - have) << SLOT_SHIFT)) {
        if (want == slots || !hakmem_os_commit(arena_slot_start(chunk, have), (size_t)(slots - have) << SLOT_SHIFT)) {
            return false;
        }
        want = slots;
    }
    if (used_much(chunk, slot) && is_dense_before(chunk, slot)) {
        prefer_huge_pages(chunk, have, want);
    }
    /* The prefix only grows while anyone owns a slot of the chunk, and the caller does. */
    while (have < want && !atomic_compare_exchange_weak_explicit(&chunk->committed, &have, want, memory_order_release,
                                                                 memory_order_acquire)) {
    }
    return true;
}
