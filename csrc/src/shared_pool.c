#include "shared_pool.h"

#include "idle.h"
#include "options.h"
#include "os.h"
#include "trace.h"

enum {
    /* What may wait for its period, added up: 1 MiB, half of what is in use, and what was in use within the last period,
     * because a program that frees and allocates in turn will want it again, and its peak is no higher for it. */
    DIRTY_LEAST_SLOTS = 16,
    DIRTY_LIVE_SHIFT = 1,
    DIRTY_AGAIN_SLOTS = 256, /* of the last, 16 MiB in any case: one large block, freed and allocated in turn */
};

/* Relaxed, both: figures that steer, nothing is read through them. */
static _Atomic int64_t dirty_slots; /* set bits of all `empty` */
static _Atomic int64_t live_slots;  /* claimed by heaps and large blocks */

static _Atomic int64_t recent_live; /* the most that live_slots was at since the last purge, about */

/* When the next purge is due, by the coarse clock; 0: nothing is waiting. */
static _Atomic uint64_t purge_at;

/* A bit per chunk: it may have free slots. Saves walking full chunks. Set after a slot's bit is set; cleared, then checked
 * again, by who found nothing. Both sides are seq_cst: each writes one word and then reads the other's, and one of the
 * two must see the other (anything weaker lets both miss, and the slots would stay hidden until the next release). */
static _Atomic uint64_t available[(MAX_CHUNKS + 63) / 64];

/* Purges, counted as they begin and as they end. Relaxed on the first: who finds a slot's bit cleared by a purge has acquired
 * that (see claim_bits), and the count with it. Release and acquire on the second: who sees that a purge has ended sees the
 * bits that it gave back. */
static _Atomic uint32_t purges_begun, purges_ended;

/* Bits of one word ------------------------------------------------------------------------------------------------ */

/* The bits of slots [slot, slot + length) that lie in word `word`. */
static uint64_t word_mask(uint32_t word, uint32_t slot, uint32_t length) {
    uint32_t from = slot > word * 64 ? slot - word * 64 : 0;
    uint32_t to = slot + length - word * 64;
    uint64_t below = to >= 64 ? UINT64_MAX : (UINT64_C(1) << to) - 1;
    return below & (UINT64_MAX << from);
}

/* Claims those of `mask` that are set; returns them. */
static uint64_t claim_bits(_Atomic uint64_t *word, uint64_t mask) {
    /* Relaxed: a stale zero only makes us look elsewhere. */
    if ((atomic_load_explicit(word, memory_order_relaxed) & mask) == 0) {
        return 0;
    }
    stat_atomic();
    /* Acquire: pairs with the release in give_bits; the last owner's writes to the slot and its head entries come before
     * ours. Release, for a purge's sake: who finds the bit cleared, by the loads in snapshot, sees purges_begun. Seq_cst
     * instead would add nothing: claims of different slots need no common order. */
    return atomic_fetch_and_explicit(word, ~mask, memory_order_acq_rel) & mask;
}

static void give_bits(_Atomic uint64_t *word, uint64_t mask) {
    if (mask != 0) {
        stat_atomic();
        /* Release for the next owner; seq_cst for `available`, see there. */
        atomic_fetch_or_explicit(word, mask, memory_order_seq_cst);
    }
}

/* Whoever gives bits calls this after. */
static void set_available(hakmem_chunk_t *chunk) {
    /* Seq_cst: the other side, in claim_from, stores the limit and then looks at the bits again. */
    if (atomic_load_explicit(&chunk->run_limit, memory_order_seq_cst) != UINT32_MAX) {
        atomic_store_explicit(&chunk->run_limit, UINT32_MAX, memory_order_seq_cst);
    }
    uint64_t bit = UINT64_C(1) << (chunk->index % 64);
    if ((atomic_load_explicit(&available[chunk->index / 64], memory_order_seq_cst) & bit) == 0) {
        atomic_fetch_or_explicit(&available[chunk->index / 64], bit, memory_order_seq_cst);
    }
}

static bool chunk_has_free(hakmem_chunk_t *chunk) {
    uint64_t any = 0;
    for (int w = 0; w < CHUNK_WORDS; w++) {
        any |= atomic_load_explicit(&chunk->empty[w], memory_order_seq_cst) |
               atomic_load_explicit(&chunk->released[w], memory_order_seq_cst) |
               atomic_load_explicit(&chunk->unused[w], memory_order_seq_cst);
    }
    return any != 0;
}

static void clear_available_if_full(hakmem_chunk_t *chunk) {
    if (!chunk_has_free(chunk)) {
        uint64_t bit = UINT64_C(1) << (chunk->index % 64);
        atomic_fetch_and_explicit(&available[chunk->index / 64], ~bit, memory_order_seq_cst);
        if (chunk_has_free(chunk)) {
            set_available(chunk);
        }
    }
}

/* The next chunk from `index` on that may have free slots, or null. */
static hakmem_chunk_t *next_available(uint32_t index) {
    uint32_t count = hakmem_arena_chunk_count();
    while (index < count) {
        uint64_t bits = atomic_load_explicit(&available[index / 64], memory_order_seq_cst) >> (index % 64);
        if (bits != 0) {
            index += (uint32_t)__builtin_ctzll(bits);
            return index < count ? hakmem_arena_chunk(index) : NULL;
        }
        index = (index / 64 + 1) * 64;
    }
    return NULL;
}

/* Runs of bits of one chunk --------------------------------------------------------------------------------------- */

/* What a claim took, by where it was. */
typedef struct {
    uint64_t empty[CHUNK_WORDS], released[CHUNK_WORDS], unused[CHUNK_WORDS];
} claim_t;

static void undo_claim(hakmem_chunk_t *chunk, const claim_t *claim, uint32_t first_word, uint32_t last_word) {
    for (uint32_t w = first_word; w <= last_word; w++) {
        give_bits(&chunk->empty[w], claim->empty[w]);
        give_bits(&chunk->released[w], claim->released[w]);
        give_bits(&chunk->unused[w], claim->unused[w]);
    }
    set_available(chunk);
}

static void note_live(int64_t live) {
    /* Two threads may both store; the figure is then a little low for a while. */
    if (live > atomic_load_explicit(&recent_live, memory_order_relaxed)) {
        atomic_store_explicit(&recent_live, live, memory_order_relaxed);
    }
}

/* How many dirty slots may wait for their period, with `live` in use. About what is in use, or 17 MiB if that is less:
 * an idle process has no ticks, and is bounded all the same. */
static int64_t may_wait(int64_t live) {
    int64_t above = atomic_load_explicit(&recent_live, memory_order_relaxed) - live;
    int64_t most = live > DIRTY_AGAIN_SLOTS ? live : DIRTY_AGAIN_SLOTS;
    int64_t again = above < 0 ? 0 : above < most ? above : most;
    return DIRTY_LEAST_SLOTS + (live >> DIRTY_LIVE_SHIFT) + again;
}

typedef enum { CLAIM_DONE, CLAIM_LOST, CLAIM_REFUSED } claim_result_t;

/* Claims exactly the slots [slot, slot + length), or none: lost to another thread, or refused by the system. The bits of several words are claimed one word after the
 * other: in between, others see fewer free slots than there are, which is harmless. */
static claim_result_t claim_run(hakmem_chunk_t *chunk, uint32_t slot, uint32_t length, hakmem_run_t *run) {
    claim_t claim;
    uint32_t first = slot / 64, last = (slot + length - 1) / 64;
    uint64_t any_empty = 0, any_released = 0, any_unused = 0;
    for (uint32_t w = first; w <= last; w++) {
        uint64_t mask = word_mask(w, slot, length);
        claim.empty[w] = claim_bits(&chunk->empty[w], mask);
        claim.released[w] = claim_bits(&chunk->released[w], mask & ~claim.empty[w]);
        claim.unused[w] = claim_bits(&chunk->unused[w], mask & ~claim.empty[w] & ~claim.released[w]);
        if ((claim.empty[w] | claim.released[w] | claim.unused[w]) != mask) {
            undo_claim(chunk, &claim, first, w);
            return CLAIM_LOST;
        }
        any_empty |= claim.empty[w];
        any_released |= claim.released[w];
        any_unused |= claim.unused[w];
    }
    if (any_unused != 0 && !hakmem_arena_commit(chunk, slot, length)) {
        undo_claim(chunk, &claim, first, last);
        return CLAIM_REFUSED;
    }
    int64_t were_dirty = 0;
    for (uint32_t w = first; any_empty != 0 && w <= last; w++) {
        were_dirty += __builtin_popcountll(claim.empty[w]);
        if ((atomic_load_explicit(&chunk->aged[w], memory_order_relaxed) & claim.empty[w]) != 0) {
            /* Relaxed: ages steer purging only. */
            atomic_fetch_and_explicit(&chunk->aged[w], ~claim.empty[w], memory_order_relaxed);
        }
    }
    atomic_fetch_sub_explicit(&dirty_slots, were_dirty, memory_order_relaxed);
    note_live(atomic_fetch_add_explicit(&live_slots, length, memory_order_relaxed) + length);
    *run = (hakmem_run_t){chunk, slot, length, any_empty == 0};
    if (any_unused != 0) {
        HAKMEM_TRACE("SP_ACQUIRE_STAGE2_LOCKFREE", run_start(run), length);
    } else if (any_released != 0) {
        HAKMEM_TRACE("SP_ACQUIRE_STAGE1_LOCKFREE", run_start(run), length);
    } else {
        HAKMEM_TRACE("SP_ACQUIRE_STAGE0.5_EMPTY", run_start(run), length);
    }
    return CLAIM_DONE;
}

/* The next set bit at or after `from` (of `bits`, or of its complement), or CHUNK_SLOTS. */
static uint32_t next_bit(const uint64_t bits[CHUNK_WORDS], uint32_t from, bool set) {
    while (from < CHUNK_SLOTS) {
        uint64_t word = (set ? bits[from / 64] : ~bits[from / 64]) >> (from % 64);
        if (word != 0) {
            return from + (uint32_t)__builtin_ctzll(word);
        }
        from = (from / 64 + 1) * 64;
    }
    return CHUNK_SLOTS;
}

/* Which of a chunk's free slots a search may take: resident ones; those and purged ones; or any. Mixed, because a run that needs
 * some fresh memory beside what is there anyway costs less, in time and in memory, than one that is all fresh. */
typedef enum { FROM_EMPTY, FROM_USED, FROM_ANY } from_t;

static void snapshot(hakmem_chunk_t *chunk, from_t from, uint64_t bits[CHUNK_WORDS]) {
    for (int w = 0; w < CHUNK_WORDS; w++) {
        /* A hint where to try; the claim decides. Seq_cst for the second look in claim_from, free on common processors. */
        bits[w] = atomic_load_explicit(&chunk->empty[w], memory_order_seq_cst);
        if (from != FROM_EMPTY) {
            bits[w] |= atomic_load_explicit(&chunk->released[w], memory_order_seq_cst);
        }
        if (from == FROM_ANY) {
            bits[w] |= atomic_load_explicit(&chunk->unused[w], memory_order_seq_cst);
        }
    }
}

typedef enum { SEARCH_FOUND, SEARCH_NONE, SEARCH_LOST, SEARCH_REFUSED } search_t;

/* First fit by address: what is packed low leaves whole chunks to give back. SEARCH_NONE: there is no such run;
 * SEARCH_LOST: there was one, which another thread took; SEARCH_REFUSED: there is, but the system gives no memory. */
static search_t claim_in_chunk(hakmem_chunk_t *chunk, from_t from, uint32_t length, uint32_t align, hakmem_run_t *run) {
    uint64_t bits[CHUNK_WORDS];
    snapshot(chunk, from, bits);
    search_t none = SEARCH_NONE;
    uint32_t slot = 0;
    for (;;) {
        slot = (uint32_t)align_up(next_bit(bits, slot, true), align);
        if (slot + length > CHUNK_SLOTS) {
            return none;
        }
        uint32_t end = next_bit(bits, slot, false);
        if (end < slot + length) {
            slot = end;
            continue;
        }
        switch (claim_run(chunk, slot, length, run)) {
        case CLAIM_DONE:
            return SEARCH_FOUND;
        case CLAIM_REFUSED: /* what lies higher would be refused as well */
            return SEARCH_REFUSED;
        case CLAIM_LOST:
            none = SEARCH_LOST;
            snapshot(chunk, from, bits);
            slot += align;
        }
    }
}

/* Acquire --------------------------------------------------------------------------------------------------------- */

/* SEARCH_FOUND, SEARCH_REFUSED if a chunk had such a run without memory, or SEARCH_NONE. */
static search_t claim_from(from_t from, uint32_t length, uint32_t align, hakmem_run_t *run) {
    search_t found = SEARCH_NONE;
    for (hakmem_chunk_t *chunk = next_available(0); chunk != NULL; chunk = next_available(chunk->index + 1)) {
        if (atomic_load_explicit(&chunk->run_limit, memory_order_relaxed) <= length) {
            continue;
        }
        search_t result = claim_in_chunk(chunk, from, length, align, run);
        if (from == FROM_ANY && align == 1 && result == SEARCH_NONE) {
            /* Store, then look again: either this look sees what was given meanwhile, or the giver sees the limit and resets
             * it. Both sides are seq_cst, since each writes one word and reads the other's. */
            atomic_store_explicit(&chunk->run_limit, length, memory_order_seq_cst);
            result = claim_in_chunk(chunk, from, length, align, run);
            if (result != SEARCH_NONE) {
                atomic_store_explicit(&chunk->run_limit, UINT32_MAX, memory_order_seq_cst);
            } else {
                clear_available_if_full(chunk);
            }
        }
        if (result == SEARCH_FOUND) {
            return result;
        }
        if (result == SEARCH_REFUSED) {
            found = result;
        }
    }
    return found;
}

static bool acquire_once(uint32_t length, uint32_t align, hakmem_run_t *run) {
    unsigned long locks = hakmem_lock_stats_taken();
    if (atomic_load_explicit(&dirty_slots, memory_order_relaxed) >= (int64_t)length &&
        claim_from(FROM_EMPTY, length, align, run) == SEARCH_FOUND) {
        hakmem_lock_stats_acquired(HAKMEM_STAGE_EMPTY, locks);
        return true;
    }
    if (claim_from(FROM_USED, length, align, run) == SEARCH_FOUND) {
        hakmem_lock_stats_acquired(HAKMEM_STAGE_RELEASED, locks);
        return true;
    }
    search_t found = claim_from(FROM_ANY, length, align, run);
    if (found == SEARCH_FOUND) {
        hakmem_lock_stats_acquired(HAKMEM_STAGE_UNUSED, locks);
        return true;
    }
    /* A new chunk may be emptied by others before we get to it; more than a few rounds of that means something else.
     * Where the system refused memory for a run, it would for a new chunk's, whose head makes it worse. */
    for (int tries = 0; found != SEARCH_REFUSED && tries < 8; tries++) {
        /* With an alignment, slots up to the first multiple are lost to the head. */
        uint32_t least = length + (align > HEAD_SLOTS ? align - HEAD_SLOTS : 0);
        hakmem_chunk_t *chunk = hakmem_arena_add_chunk(least);
        if (chunk == NULL) {
            return false;
        }
        set_available(chunk);
        HAKMEM_TRACE("SP_ACQUIRE_STAGE3", chunk, chunk->slots);
        found = claim_in_chunk(chunk, FROM_ANY, length, align, run);
        if (found == SEARCH_FOUND) {
            hakmem_lock_stats_acquired(HAKMEM_STAGE_CHUNK, locks);
            return true;
        }
    }
    return false;
}

static bool acquire(uint32_t length, uint32_t align, hakmem_run_t *run) {
    for (int tries = 0;; tries++) {
        uint32_t ended = atomic_load_explicit(&purges_ended, memory_order_acquire);
        if (acquire_once(length, align, run)) {
            return true;
        }
        /* A purge holds the slots that it works on. Unless every one that has begun by now had ended before the search, what one
         * held may have been all there is: look again. Bounded, since others may go on purging for ever. */
        if (atomic_load_explicit(&purges_begun, memory_order_relaxed) == ended || tries == 100) {
            return false;
        }
        hakmem_os_yield();
    }
}

bool hakmem_pool_acquire(uint32_t length, uint32_t align, hakmem_run_t *run) {
    if (hakmem_likely(acquire(length, align, run))) {
        return true;
    }
    if (hakmem_idle_bytes() == 0) {
        return false;
    }
    hakmem_idle_tick(0, true); /* what waits for large blocks may be what the system lacks */
    return acquire(length, align, run);
}

void hakmem_pool_after_fork(void) {
    /* Relaxed: there is no other thread. A purge that one of them had begun is over, and what it held stays so. */
    atomic_store_explicit(&purges_ended, atomic_load_explicit(&purges_begun, memory_order_relaxed),
                          memory_order_relaxed);
}

bool hakmem_pool_grow(hakmem_run_t *run, uint32_t length) {
    uint32_t end = run->slot + run->length;
    uint32_t more = length - run->length;
    hakmem_run_t tail;
    if (end + more > run->chunk->slots || claim_run(run->chunk, end, more, &tail) != CLAIM_DONE) {
        return false;
    }
    run->length = length;
    run->zero = tail.zero;
    return true;
}

/* Purge ----------------------------------------------------------------------------------------------------------- */

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

/* Purges claimed slots and lists them as released, or as empty again. */
static void purge_claimed(hakmem_chunk_t *chunk, uint32_t word, uint64_t claimed) {
    uint64_t done = purge_slots(chunk, word, claimed);
    give_bits(&chunk->empty[word], claimed & ~done);
    give_bits(&chunk->released[word], done);
    atomic_fetch_sub_explicit(&dirty_slots, __builtin_popcountll(done), memory_order_relaxed);
}

/* The slots that were never used, but may be resident as their neighbours' huge page is. */
static void purge_unused(hakmem_chunk_t *chunk) {
    for (uint32_t w = 0; w < CHUNK_WORDS; w++) {
        uint64_t claimed = claim_bits(&chunk->unused[w], UINT64_MAX);
        /* Relaxed, and after the claim, whose acquire brings it: who has a slot keeps the prefix from shrinking. */
        uint32_t committed = atomic_load_explicit(&chunk->committed, memory_order_relaxed);
        if (committed > w * 64) {
            purge_slots(chunk, w, claimed & word_mask(w, 0, committed));
        }
        give_bits(&chunk->unused[w], claimed);
    }
}

/* Gives a chunk back that is free from end to end, unless it is the last one. */
static void retire_if_empty(hakmem_chunk_t *chunk) {
    uint32_t length = chunk->slots - HEAD_SLOTS;
    uint64_t bits[CHUNK_WORDS];
    snapshot(chunk, FROM_ANY, bits);
    if (hakmem_arena_active_chunks() <= 1 || next_bit(bits, HEAD_SLOTS, false) < chunk->slots) {
        return;
    }
    claim_t claim;
    uint32_t last = (chunk->slots - 1) / 64;
    int64_t were_dirty = 0;
    for (uint32_t w = 0; w <= last; w++) {
        uint64_t mask = word_mask(w, HEAD_SLOTS, length);
        claim.empty[w] = claim_bits(&chunk->empty[w], mask);
        claim.released[w] = claim_bits(&chunk->released[w], mask);
        claim.unused[w] = claim_bits(&chunk->unused[w], mask);
        if ((claim.empty[w] | claim.released[w] | claim.unused[w]) != mask) {
            undo_claim(chunk, &claim, 0, w);
            return;
        }
        were_dirty += __builtin_popcountll(claim.empty[w]);
    }
    if (!hakmem_arena_retire_chunk(chunk)) {
        undo_claim(chunk, &claim, 0, last);
        return;
    }
    atomic_fetch_sub_explicit(&dirty_slots, were_dirty, memory_order_relaxed);
    HAKMEM_TRACE("SP_SLOT_COMPLETELY_EMPTY", chunk, length);
}

/* The highest `most` of the bits; none if that is less than one. */
static uint64_t highest_bits(uint64_t bits, int64_t most) {
    for (int64_t less = __builtin_popcountll(bits) - most; less > 0; less--) {
        bits &= bits - 1;
    }
    return bits;
}

/* By how much more slots are dirty than should be. */
static int64_t excess(int64_t until_dirty) {
    return atomic_load_explicit(&dirty_slots, memory_order_relaxed) - until_dirty;
}

static void purge_chunk(hakmem_chunk_t *chunk, bool only_aged, int64_t until_dirty) {
    bool any = false;
    for (uint32_t w = CHUNK_WORDS; w-- > 0 && excess(until_dirty) > 0;) {
        uint64_t aged = atomic_load_explicit(&chunk->aged[w], memory_order_relaxed);
        uint64_t empty = atomic_load_explicit(&chunk->empty[w], memory_order_relaxed);
        uint64_t claimed =
            claim_bits(&chunk->empty[w], highest_bits(only_aged ? aged & empty : empty, excess(until_dirty)));
        if (claimed != 0) {
            any = true;
            /* Or the first touch of one of these slots would make its neighbours resident again, purged as they are. */
            bool huge_pages = hakmem_arena_prefer_small_pages(chunk);
            purge_claimed(chunk, w, claimed);
            if (huge_pages) {
                purge_unused(chunk);
            }
        }
        /* Where the clock asks, what is still empty has been so since now at the latest. Relaxed, and a claim between the two
         * lines leaves a bit too many: a slot that is purged early, no more. */
        empty = atomic_load_explicit(&chunk->empty[w], memory_order_relaxed);
        atomic_store_explicit(&chunk->aged[w], only_aged ? empty : aged & empty, memory_order_relaxed);
    }
    if (any) {
        set_available(chunk);
    }
    /* Where the excess is gone, the chunk may have more that waits and will be wanted. */
    if (excess(until_dirty) > 0) {
        retire_if_empty(chunk);
    }
}

/* Purges until no more than `until_dirty` slots are dirty, high addresses first: allocation prefers the low ones. */
static void purge_all(bool only_aged, int64_t until_dirty) {
    uint32_t count = hakmem_arena_chunk_count();
    atomic_fetch_add_explicit(&purges_begun, 1, memory_order_relaxed);
    for (uint32_t i = count; i-- > 0 && excess(until_dirty) > 0;) {
        purge_chunk(hakmem_arena_chunk(i), only_aged, until_dirty);
    }
    atomic_fetch_add_explicit(&purges_ended, 1, memory_order_release);
}

void hakmem_pool_tick(uint64_t now_ms) {
    uint64_t at = atomic_load_explicit(&purge_at, memory_order_relaxed);
    /* The CAS elects one thread. It and the look at dirty_slots below are seq_cst, as are their partners in
     * hakmem_pool_release: one of the two sides sees that a purge must be set. */
    if (at == 0 || now_ms < at ||
        !atomic_compare_exchange_strong_explicit(&purge_at, &at, 0, memory_order_seq_cst, memory_order_relaxed)) {
        return;
    }
    purge_all(true, -1);
    atomic_store_explicit(&recent_live, atomic_load_explicit(&live_slots, memory_order_relaxed), memory_order_relaxed);
    if (atomic_load_explicit(&dirty_slots, memory_order_seq_cst) > 0) {
        atomic_store_explicit(&purge_at, now_ms + option_purge_ms(), memory_order_relaxed);
    }
}

void hakmem_pool_purge(void) {
    purge_all(false, -1);
}

void hakmem_pool_release(hakmem_chunk_t *chunk, uint32_t slot, uint32_t length) {
    HAKMEM_TRACE("SP_SLOT_RELEASE", arena_slot_start(chunk, slot), length);
    /* Counted before the bits are set: whoever claims them subtracts after. */
    int64_t dirty = atomic_fetch_add_explicit(&dirty_slots, length, memory_order_seq_cst) + length;
    int64_t live = atomic_fetch_sub_explicit(&live_slots, length, memory_order_relaxed) - length;
    for (uint32_t w = slot / 64; w <= (slot + length - 1) / 64; w++) {
        give_bits(&chunk->empty[w], word_mask(w, slot, length));
    }
    set_available(chunk);
    int64_t most = option_purge_ms() == 0 ? 0 : may_wait(live);
    if (dirty > most) {
        /* Not down to nothing: what is dirty is what the next run takes first. */
        purge_all(false, most - most / 4);
        dirty = atomic_load_explicit(&dirty_slots, memory_order_seq_cst); /* what is left waits as others do */
    }
    if (dirty > 0 && atomic_load_explicit(&purge_at, memory_order_seq_cst) == 0) {
        atomic_store_explicit(&purge_at, hakmem_os_now_ms() + option_purge_ms(), memory_order_relaxed);
    }
}

size_t hakmem_pool_dirty_bytes(void) {
    int64_t slots = atomic_load_explicit(&dirty_slots, memory_order_relaxed);
    return slots > 0 ? (size_t)slots << SLOT_SHIFT : 0;
}
