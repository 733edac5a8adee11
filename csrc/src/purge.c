#include "purge.h"

#include "idle.h"
#include "lock.h"
#include "options.h"
#include "os.h"
#include "recent.h"
#include "trace.h"

enum {
    /* What may wait for its period, added up: 1 MiB, half of what is in use, and of what was in use just before what recent.h says. */
    DIRTY_LEAST_SLOTS = 16,
    DIRTY_LIVE_SHIFT = 1,
    NONE_DIRTY = -1, /* none, and chunks that are free from end to end go as well */
};

#define HUGE_UNIT ((UINT64_C(1) << HUGE_UNIT_SLOTS) - 1)
_Static_assert(64 % HUGE_UNIT_SLOTS == 0, "a word has whole 2 MiB");

/* Relaxed: figures that steer, nothing is read through them. Seq_cst where a purge is set by dirty_slots, see hakmem_pool_tick. */
static _Atomic int64_t dirty_slots; /* set bits of all `empty` */

/* When the next purge is due, by the coarse clock; 0: nothing is waiting. */
static _Atomic uint64_t purge_at;

/* Purges, counted as they begin and as they end. Relaxed on the first: who finds a slot's bit cleared by a purge has acquired
 * that (see claim_bits), and the count with it. Release and acquire on the second: who sees that a purge has ended sees the
 * bits that it gave back. */
static _Atomic uint32_t purges_begun, purges_ended;

/* How much is dirty, and in use ------------------------------------------------------------------------------------- */

/* How many dirty slots may wait for their period, with `live` in use. About one and a half times what is in use, or 65 MiB if that
 * is less: an idle process has no ticks, and is bounded all the same. One that frees and builds more in turn may have more. */
static int64_t may_wait(int64_t live) {
    return DIRTY_LEAST_SLOTS + (live >> DIRTY_LIVE_SHIFT) + (hakmem_recent_may_wait(IN_SLOTS) >> SLOT_SHIFT);
}

void hakmem_purge_count_claimed(uint32_t length, int64_t were_dirty) {
    atomic_fetch_sub_explicit(&dirty_slots, were_dirty, memory_order_relaxed);
    hakmem_in_use_add(IN_SLOTS, (int64_t)length << SLOT_SHIFT);
}

hakmem_slot_counts_t hakmem_purge_count_given(uint32_t length) {
    /* Seq_cst: the other side is in hakmem_pool_tick. */
    int64_t dirty = atomic_fetch_add_explicit(&dirty_slots, length, memory_order_seq_cst) + length;
    int64_t live = hakmem_in_use_add(IN_SLOTS, -((int64_t)length << SLOT_SHIFT)) >> SLOT_SHIFT;
    return (hakmem_slot_counts_t){dirty, live};
}

size_t hakmem_pool_dirty_bytes(void) {
    int64_t slots = atomic_load_explicit(&dirty_slots, memory_order_relaxed);
    return slots > 0 ? (size_t)slots << SLOT_SHIFT : 0;
}

bool hakmem_purge_has_room(uint32_t length) {
    int64_t live = hakmem_in_use(IN_SLOTS) >> SLOT_SHIFT;
    return (int64_t)(hakmem_pool_dirty_bytes() >> SLOT_SHIFT) + length <= may_wait(live);
}

/* One chunk --------------------------------------------------------------------------------------------------------- */

/* Purges slots of one word that the caller has. Returns those that are purged: not all where the system keeps contents. */
static uint64_t purge_slots(hakmem_chunk_t *chunk, uint32_t word, uint64_t slots) {
    uint64_t done = 0;
    while (slots != 0) {
        uint32_t from = (uint32_t)__builtin_ctzll(slots);
        uint64_t rest = ~(slots >> from);
        uint32_t length = rest == 0 ? 64 - from : (uint32_t)__builtin_ctzll(rest);
        uint64_t mask = word_mask(0, from, length);
        if (hakmem_os_purge(arena_slot_start(chunk, word * 64 + from), (size_t)length << SLOT_SHIFT)) {
            done |= mask;
            HAKMEM_TRACE("SP_SLOT_FREELIST_LOCKFREE", arena_slot_start(chunk, word * 64 + from), length);
        }
        slots &= ~mask;
    }
    return done;
}

/* Of a word's slots that are about to be purged, the caller's all of them. */
typedef struct {
    uint64_t dirty, released, unused; /* by where they were */
} hakmem_purging_t;

/* Before slots of 2 MiB are purged: where these are in huge pages, what else of them is free may be resident with them, and is purged
 * as well. Unless that is all of them, and half of them were in use, the first touch of one of these slots would make its neighbours
 * resident again, purged as they are. All of them are in huge pages the next time if they were filled. */
static void take_unit(hakmem_chunk_t *chunk, uint32_t word, uint64_t unit, hakmem_purging_t *slots) {
    uint32_t first = word * 64 + (uint32_t)__builtin_ctzll(unit);
    if (!hakmem_arena_in_huge_pages(chunk, first, 1)) {
        if ((unit & ~slots->dirty) == 0) {
            hakmem_arena_prefer_huge_pages(chunk, first);
        }
        return;
    }
    slots->released |= claim_bits(&chunk->released[word], unit);
    slots->unused |= claim_bits(&chunk->unused[word], unit);
    bool whole = (unit & ~(slots->dirty | slots->released | slots->unused)) == 0;
    if (!whole || __builtin_popcountll(slots->dirty & unit) < HUGE_UNIT_SLOTS / 2) {
        hakmem_arena_prefer_small_pages(chunk, first);
    }
}

/* Slots that were claimed are free and resident again. */
static void give_dirty(hakmem_chunk_t *chunk, uint32_t word, uint64_t slots) {
    /* Counted before their bits are set, and seq_cst, both as in hakmem_purge_count_given. */
    atomic_fetch_add_explicit(&dirty_slots, __builtin_popcountll(slots), memory_order_seq_cst);
    give_bits(&chunk->empty[word], slots);
}

/* Purges dirty slots that were claimed and lists them as released, or as empty again. They count as dirty no more from the beginning:
 * whoever purges at the same time sees what is still too much. */
static void purge_claimed(hakmem_chunk_t *chunk, uint32_t word, uint64_t claimed) {
    atomic_fetch_sub_explicit(&dirty_slots, __builtin_popcountll(claimed), memory_order_relaxed);
    hakmem_purging_t slots = {claimed, 0, 0};
    for (uint64_t unit = HUGE_UNIT; unit != 0; unit <<= HUGE_UNIT_SLOTS) {
        if ((claimed & unit) != 0) {
            take_unit(chunk, word, unit, &slots);
        }
    }
    /* Relaxed, and after the claims, whose acquire brings it: who has a slot keeps the prefix from shrinking. */
    uint32_t committed = atomic_load_explicit(&chunk->committed, memory_order_relaxed);
    uint64_t can_be = committed > word * 64 ? word_mask(word, 0, committed) : 0;
    uint64_t done = purge_slots(chunk, word, claimed | slots.released | (slots.unused & can_be));
    uint64_t kept = claimed & ~done;
    if (kept != 0) {
        give_dirty(chunk, word, kept);
    }
    give_bits(&chunk->released[word], (claimed & done) | slots.released);
    give_bits(&chunk->unused[word], slots.unused);
}

/* Whether slots of 2 MiB are all free, and half of them resident. */
static bool may_lend(hakmem_chunk_t *chunk, uint32_t word, uint64_t unit) {
    /* Relaxed, both: the claims decide. */
    uint64_t empty = atomic_load_explicit(&chunk->empty[word], memory_order_relaxed) & unit;
    uint64_t released = atomic_load_explicit(&chunk->released[word], memory_order_relaxed) & unit;
    return (empty | released) == unit && __builtin_popcountll(empty) >= HUGE_UNIT_SLOTS / 2;
}

/* Claims them. False: they are not all free any more. */
static bool claim_unit(hakmem_chunk_t *chunk, uint32_t word, uint64_t unit) {
    uint64_t empty = claim_bits(&chunk->empty[word], unit);
    uint64_t released = claim_bits(&chunk->released[word], unit & ~empty);
    atomic_fetch_sub_explicit(&dirty_slots, __builtin_popcountll(empty), memory_order_relaxed);
    if ((empty | released) == unit) {
        atomic_fetch_and_explicit(&chunk->aged[word], ~unit, memory_order_relaxed); /* as a run's, see claim_run */
        return true;
    }
    give_dirty(chunk, word, empty);
    give_bits(&chunk->released[word], released);
    hakmem_set_available(chunk);
    return false;
}

/* Claims all of a chunk and gives it back, or leaves it. Under the arena's lock, so that no fork's child finds it claimed by nobody. */
static void retire(hakmem_chunk_t *chunk) {
    uint32_t length = chunk->slots - HEAD_SLOTS;
    hakmem_claim_t claim;
    uint32_t last = (chunk->slots - 1) / 64;
    int64_t were_dirty = 0;
    for (uint32_t w = 0; w <= last; w++) {
        uint64_t mask = word_mask(w, HEAD_SLOTS, length);
        claim.empty[w] = claim_bits(&chunk->empty[w], mask);
        claim.released[w] = claim_bits(&chunk->released[w], mask);
        claim.unused[w] = claim_bits(&chunk->unused[w], mask);
        if ((claim.empty[w] | claim.released[w] | claim.unused[w]) != mask) {
            hakmem_undo_claim(chunk, &claim, 0, w);
            return;
        }
        were_dirty += __builtin_popcountll(claim.empty[w]);
    }
    if (!hakmem_arena_retire_chunk(chunk)) {
        hakmem_undo_claim(chunk, &claim, 0, last);
        return;
    }
    atomic_fetch_sub_explicit(&dirty_slots, were_dirty, memory_order_relaxed);
    HAKMEM_TRACE("SP_SLOT_COMPLETELY_EMPTY", chunk, length);
}

/* Gives a chunk back that is free from end to end, unless it is the last one. */
static void retire_if_empty(hakmem_chunk_t *chunk) {
    uint64_t bits[CHUNK_WORDS];
    hakmem_snapshot(chunk, FROM_ANY, bits);
    if (hakmem_arena_active_chunks() > 1 && hakmem_next_bit(bits, HEAD_SLOTS, false) >= chunk->slots) {
        hakmem_lock(HAKMEM_LOCK_ARENA);
        retire(chunk);
        hakmem_unlock(HAKMEM_LOCK_ARENA);
    }
}

/* The highest `most` of the bits; none if that is less than one. */
static uint64_t highest_bits(uint64_t bits, int64_t most) {
    if (most <= 0) { /* by how much may be anything: what was in use a moment ago, less what waits */
        return 0;
    }
    for (int64_t less = __builtin_popcountll(bits) - most; less > 0; less--) {
        bits &= bits - 1;
    }
    return bits;
}

/* The same with the rest of every 2 MiB of which it has some and could have all: these can stay in huge pages. */
static uint64_t highest_units(uint64_t bits, int64_t most) {
    uint64_t highest = highest_bits(bits, most);
    for (uint64_t unit = HUGE_UNIT; unit != 0; unit <<= HUGE_UNIT_SLOTS) {
        highest |= (highest & unit) != 0 && (bits & unit) == unit ? unit : 0;
    }
    return highest;
}

/* By how much more slots are dirty than should be. */
static int64_t excess(int64_t until_dirty) {
    return atomic_load_explicit(&dirty_slots, memory_order_relaxed) - until_dirty;
}

/* Returns how many slots it purged, or tried to. */
static int64_t purge_chunk(hakmem_chunk_t *chunk, bool only_aged, int64_t until_dirty) {
    int64_t purged = 0;
    for (uint32_t w = CHUNK_WORDS; w-- > 0 && (only_aged || excess(until_dirty) > 0);) {
        uint64_t aged = atomic_load_explicit(&chunk->aged[w], memory_order_relaxed);
        uint64_t empty = atomic_load_explicit(&chunk->empty[w], memory_order_relaxed);
        uint64_t claimed =
            claim_bits(&chunk->empty[w], highest_units(only_aged ? aged & empty : empty, excess(until_dirty)));
        if (claimed != 0) {
            purged += __builtin_popcountll(claimed);
            purge_claimed(chunk, w, claimed);
        }
        /* Where the clock asks, what is still empty has been so since now at the latest. Relaxed, and a claim between the two
         * lines leaves a bit too many: a slot that is purged early, no more. */
        empty = atomic_load_explicit(&chunk->empty[w], memory_order_relaxed);
        atomic_store_explicit(&chunk->aged[w], only_aged ? empty : aged & empty, memory_order_relaxed);
    }
    if (purged != 0) {
        hakmem_set_available(chunk);
    }
    /* Where the excess is gone, the chunk may have more that waits and will be wanted. */
    if (excess(until_dirty) > 0) {
        retire_if_empty(chunk);
    }
    return purged;
}

/* All chunks -------------------------------------------------------------------------------------------------------- */

void hakmem_purge_begin(void) {
    atomic_fetch_add_explicit(&purges_begun, 1, memory_order_relaxed);
}

void hakmem_purge_end(void) {
    atomic_fetch_add_explicit(&purges_ended, 1, memory_order_release);
}

/* Purges until no more than about `until_dirty` slots are dirty, high addresses first: allocation prefers the low ones. `only_aged`, for the
 * clock: none that became empty since it asked last, but all that stay are a period older. Returns how many it purged. */
static int64_t purge_all(bool only_aged, int64_t until_dirty) {
    uint32_t count = hakmem_arena_chunk_count();
    int64_t purged = 0;
    hakmem_purge_begin();
    for (uint32_t i = count; i-- > 0 && (only_aged || excess(until_dirty) > 0);) {
        purged += purge_chunk(hakmem_arena_chunk(i), only_aged, until_dirty);
    }
    hakmem_purge_end();
    return purged;
}

void hakmem_pool_tick(uint64_t now_ms) {
    uint64_t at = atomic_load_explicit(&purge_at, memory_order_relaxed);
    /* The CAS elects one thread. It and the look at dirty_slots below are seq_cst, as are their partners in
     * hakmem_purge_count_given and set_purge: one of the two sides sees that a purge must be set. */
    if (at == 0 || now_ms < at ||
        !atomic_compare_exchange_strong_explicit(&purge_at, &at, 0, memory_order_seq_cst, memory_order_relaxed)) {
        return;
    }
    int64_t above = hakmem_recent_above(IN_SLOTS) >> SLOT_SHIFT;
    if (purge_all(true, above > 0 ? above : NONE_DIRTY) != 0) {
        hakmem_recent_unwanted();
    }
    if (atomic_load_explicit(&dirty_slots, memory_order_seq_cst) > 0) {
        atomic_store_explicit(&purge_at, now_ms + option_purge_ms(), memory_order_relaxed);
    }
}

void hakmem_waiting_tick(uint64_t now_ms) {
    hakmem_recent_tick(now_ms);
    hakmem_pool_tick(now_ms);
    hakmem_idle_tick(now_ms, false);
}

/* Sees to it that what is dirty waits for its period at most. */
static void set_purge(int64_t dirty) {
    /* Seq_cst: see hakmem_pool_tick. */
    if (dirty > 0 && atomic_load_explicit(&purge_at, memory_order_seq_cst) == 0) {
        atomic_store_explicit(&purge_at, hakmem_os_now_ms() + option_purge_ms(), memory_order_relaxed);
    }
}

/* The same where they were not counted just now. */
static void set_purge_for_rest(void) {
    set_purge(atomic_load_explicit(&dirty_slots, memory_order_seq_cst));
}

void hakmem_pool_purge(void) {
    purge_all(false, NONE_DIRTY);
    hakmem_recent_forget();
    set_purge_for_rest(); /* what the system kept */
}

void hakmem_purge_given(hakmem_slot_counts_t counts) {
    int64_t dirty = counts.dirty;
    int64_t most = option_purge_ms() == 0 ? 0 : may_wait(counts.live);
    if (dirty > most) {
        /* Not down to nothing: what is dirty is what the next run takes first. */
        bool too_much = hakmem_recent_too_much(IN_SLOTS); /* not by what the peak allows */
        int64_t purged = purge_all(false, most - most / 4);
        if (too_much) {
            hakmem_recent_gave_back(purged << SLOT_SHIFT);
        }
        dirty = atomic_load_explicit(&dirty_slots, memory_order_seq_cst); /* what is left waits as others do */
    }
    set_purge(dirty);
}

/* High addresses first, as those that are purged, but of a chunk the low ones: what is moved one behind the other stays one mapping for
 * the system. `units` null: only counts them. */
static uint32_t lend(uint32_t most, hakmem_mapping_t units[]) {
    uint32_t count = 0;
    for (uint32_t i = hakmem_arena_chunk_count(); i-- > 0 && count < most;) {
        hakmem_chunk_t *chunk = hakmem_arena_chunk(i);
        for (uint32_t slot = 0; slot < CHUNK_SLOTS && count < most; slot += HUGE_UNIT_SLOTS) {
            uint64_t unit = HUGE_UNIT << slot % 64;
            if (!may_lend(chunk, slot / 64, unit) || (units != NULL && !claim_unit(chunk, slot / 64, unit))) {
                continue;
            }
            if (units != NULL) {
                hakmem_arena_unite_unit(chunk, slot);
                units[count] = mapping_of(arena_slot_start(chunk, slot), HUGE_PAGE);
                units[count].in_slots = true;
            }
            count++;
        }
    }
    return count;
}

uint32_t hakmem_pool_lend_units(uint32_t least, uint32_t most, hakmem_mapping_t units[]) {
    if (lend(least, NULL) < least) {
        return 0;
    }
    hakmem_purge_begin();
    uint32_t count = lend(most, units);
    if (count == 0) {
        hakmem_purge_end();
        set_purge_for_rest();
    }
    return count;
}

void hakmem_pool_units_back(const hakmem_mapping_t units[], uint32_t count, bool moved) {
    for (uint32_t i = 0; i < count; i++) {
        hakmem_chunk_t *chunk = arena_chunk_of(units[i].start);
        uint32_t slot = arena_slot_of(units[i].start);
        uint64_t unit = HUGE_UNIT << slot % 64;
        if (moved || hakmem_os_purge(units[i].start, HUGE_PAGE)) {
            give_bits(&chunk->released[slot / 64], unit);
        } else {
            give_dirty(chunk, slot / 64, unit);
        }
        hakmem_set_available(chunk);
    }
    if (count != 0) {
        hakmem_purge_end();
        set_purge_for_rest();
    }
}

uint32_t hakmem_purges_ended(void) {
    return atomic_load_explicit(&purges_ended, memory_order_acquire);
}

bool hakmem_purges_since(uint32_t ended) {
    return atomic_load_explicit(&purges_begun, memory_order_relaxed) != ended;
}

void hakmem_pool_after_fork(void) {
    /* Relaxed: there is no other thread. A purge that one of them had begun is over, and what it held stays so. */
    atomic_store_explicit(&purges_ended, atomic_load_explicit(&purges_begun, memory_order_relaxed),
                          memory_order_relaxed);
    /* Nor will they set the bits that they had counted, or count those that they had claimed. */
    int64_t dirty = 0;
    for (uint32_t i = hakmem_arena_chunk_count(); i-- > 0;) {
        const hakmem_chunk_t *chunk = hakmem_arena_chunk(i);
        for (uint32_t w = 0; w < CHUNK_WORDS; w++) {
            dirty += __builtin_popcountll(atomic_load_explicit(&chunk->empty[w], memory_order_relaxed));
        }
    }
    atomic_store_explicit(&dirty_slots, dirty, memory_order_relaxed);
}
