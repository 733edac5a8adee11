#include "shared_pool.h"

#include "idle.h"
#include "os.h"
#include "purge.h"
#include "recent.h"
#include "trace.h"

/* Runs of one chunk ------------------------------------------------------------------------------------------------ */

typedef enum { CLAIM_DONE, CLAIM_LOST, CLAIM_REFUSED } claim_result_t;

/* Claims exactly the slots [slot, slot + length), or none: lost to another thread, or refused by the system. The bits of several
 * words are claimed one word after the other: in between, others see fewer free slots than there are, which is harmless.
 * `elsewhere`: what of them is not resident waits in another place. */
static claim_result_t claim_run(hakmem_chunk_t *chunk, uint32_t slot, uint32_t length, bool elsewhere,
                                hakmem_run_t *run) {
    hakmem_claim_t claim;
    uint32_t first = slot / 64, last = (slot + length - 1) / 64;
    uint64_t any_empty = 0, any_released = 0, any_unused = 0;
    for (uint32_t w = first; w <= last; w++) {
        uint64_t mask = word_mask(w, slot, length);
        claim.empty[w] = claim_bits(&chunk->empty[w], mask);
        claim.released[w] = claim_bits(&chunk->released[w], mask & ~claim.empty[w]);
        claim.unused[w] = claim_bits(&chunk->unused[w], mask & ~claim.empty[w] & ~claim.released[w]);
        if ((claim.empty[w] | claim.released[w] | claim.unused[w]) != mask) {
            hakmem_undo_claim(chunk, &claim, first, w);
            return CLAIM_LOST;
        }
        any_empty |= claim.empty[w];
        any_released |= claim.released[w];
        any_unused |= claim.unused[w];
    }
    if (any_unused != 0 && !hakmem_arena_commit(chunk, slot, length)) {
        hakmem_undo_claim(chunk, &claim, first, last);
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
    hakmem_purge_count_claimed(length, were_dirty);
    if (were_dirty < length && !elsewhere) {
        hakmem_recent_wanted((length - were_dirty) << SLOT_SHIFT);
    }
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

typedef enum { SEARCH_FOUND, SEARCH_NONE, SEARCH_LOST, SEARCH_REFUSED } search_t;

/* First fit by address: what is packed low leaves whole chunks to give back. SEARCH_NONE: there is no such run;
 * SEARCH_LOST: there was one, which another thread took; SEARCH_REFUSED: there is, but the system gives no memory. */
static search_t claim_in_chunk(hakmem_chunk_t *chunk, hakmem_from_t from, uint32_t length, uint32_t align,
                               hakmem_run_t *run) {
    uint64_t bits[CHUNK_WORDS];
    hakmem_snapshot(chunk, from, bits);
    search_t none = SEARCH_NONE;
    uint32_t slot = 0;
    for (;;) {
        slot = (uint32_t)align_up(hakmem_next_bit(bits, slot, true), align);
        if (slot + length > CHUNK_SLOTS) {
            return none;
        }
        uint32_t end = hakmem_next_bit(bits, slot, false);
        if (end < slot + length) {
            slot = end;
            continue;
        }
        switch (claim_run(chunk, slot, length, false, run)) {
        case CLAIM_DONE:
            return SEARCH_FOUND;
        case CLAIM_REFUSED: /* what lies higher would be refused as well */
            return SEARCH_REFUSED;
        case CLAIM_LOST:
            none = SEARCH_LOST;
            hakmem_snapshot(chunk, from, bits);
            slot += align;
        }
    }
}

/* Acquire --------------------------------------------------------------------------------------------------------- */

/* SEARCH_FOUND, SEARCH_REFUSED if a chunk had such a run without memory, or SEARCH_NONE. */
static search_t claim_from(hakmem_from_t from, uint32_t length, uint32_t align, hakmem_run_t *run) {
    search_t found = SEARCH_NONE;
    for (hakmem_chunk_t *chunk = hakmem_next_available(0); chunk != NULL;
         chunk = hakmem_next_available(chunk->index + 1)) {
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
                hakmem_clear_available_if_full(chunk);
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

/* Looks for free 2 MiB of which nothing is resident: `run` says where. */
static bool find_clean_unit(hakmem_run_t *run) {
    for (hakmem_chunk_t *chunk = hakmem_next_available(0); chunk != NULL;
         chunk = hakmem_next_available(chunk->index + 1)) {
        uint64_t any[CHUNK_WORDS], empty[CHUNK_WORDS];
        hakmem_snapshot(chunk, FROM_ANY, any);
        hakmem_snapshot(chunk, FROM_EMPTY, empty);
        for (uint32_t slot = 0; slot < CHUNK_SLOTS; slot += HUGE_UNIT_SLOTS) {
            uint64_t unit = word_mask(slot / 64, slot, HUGE_UNIT_SLOTS);
            if ((any[slot / 64] & ~empty[slot / 64] & unit) == unit) {
                *run = (hakmem_run_t){chunk, slot, HUGE_UNIT_SLOTS, true};
                return true;
            }
        }
    }
    return false;
}

/* Moves 2 MiB that wait for a large block to where slots were claimed. MOVE_REFUSED: also if another thread was faster. */
static hakmem_move_t move_in(const hakmem_run_t *run) {
    hakmem_mapping_t unit;
    hakmem_lock(HAKMEM_LOCK_HUGE);
    bool waited = hakmem_idle_take_unit(&unit);
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    if (!waited) {
        return MOVE_REFUSED;
    }
    hakmem_move_t result = hakmem_os_move(unit.start, unit.bytes, run_start(run), LEAVE_NOTHING);
    if (result != MOVE_DONE) {
        hakmem_os_unmap(unit.start, unit.bytes);
    }
    return result;
}

/* Makes slots of memory that waits for a large block: nothing of it is touched anew. False: nothing of the kind waits, or there is no
 * place for it. */
static bool claim_idle(uint32_t length, uint32_t align, hakmem_run_t *run) {
    /* A checker's word about a mapping is about its address. */
    if (MEMCHECK || !hakmem_idle_has_unit() || length > HUGE_UNIT_SLOTS || align > HUGE_UNIT_SLOTS ||
        !hakmem_os_can_move(LEAVE_NOTHING) || !hakmem_purge_has_room(HUGE_UNIT_SLOTS) || !find_clean_unit(run)) {
        return false;
    }
    hakmem_purge_begin(); /* others may want one of these slots */
    bool claimed = claim_run(run->chunk, run->slot, run->length, true, run) == CLAIM_DONE;
    hakmem_move_t moved = claimed ? move_in(run) : MOVE_REFUSED;
    if (moved == MOVE_DONE) {
        hakmem_arena_moved_in(run->chunk, run->slot);
        run->zero = false;
    } else if (moved == MOVE_LOST) { /* the slots are nobody's for good */
        hakmem_in_use_add(IN_SLOTS, -(int64_t)HUGE_PAGE);
        claimed = false;
    }
    if (claimed) { /* where nothing was moved they are slots as any other, the rest of them resident by the figures only */
        run->length = length;
        if (length < HUGE_UNIT_SLOTS) {
            hakmem_pool_release(run->chunk, run->slot + length, HUGE_UNIT_SLOTS - length);
        }
    }
    hakmem_purge_end();
    return claimed;
}

static bool acquire_once(uint32_t length, uint32_t align, hakmem_run_t *run) {
    unsigned long locks = hakmem_lock_stats_taken();
    if (hakmem_pool_dirty_bytes() >= (size_t)length << SLOT_SHIFT &&
        claim_from(FROM_EMPTY, length, align, run) == SEARCH_FOUND) {
        hakmem_lock_stats_acquired(HAKMEM_STAGE_EMPTY, locks);
        return true;
    }
    if (claim_idle(length, align, run)) {
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
        hakmem_set_available(chunk);
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
        uint32_t ended = hakmem_purges_ended();
        if (acquire_once(length, align, run)) {
            return true;
        }
        /* A purge holds the slots that it works on. Unless every one that has begun by now had ended before the search, what one
         * held may have been all there is: look again. Bounded, since others may go on purging for ever. */
        if (!hakmem_purges_since(ended) || tries == 100) {
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

bool hakmem_pool_grow(hakmem_run_t *run, uint32_t length) {
    uint32_t end = run->slot + run->length;
    uint32_t more = length - run->length;
    hakmem_run_t tail;
    if (end + more > run->chunk->slots || claim_run(run->chunk, end, more, false, &tail) != CLAIM_DONE) {
        return false;
    }
    run->length = length;
    run->zero = tail.zero;
    return true;
}

/* Release --------------------------------------------------------------------------------------------------------- */

void hakmem_pool_release(hakmem_chunk_t *chunk, uint32_t slot, uint32_t length) {
    HAKMEM_TRACE("SP_SLOT_RELEASE", arena_slot_start(chunk, slot), length);
    hakmem_slot_counts_t counts = hakmem_purge_count_given(length);
    for (uint32_t w = slot / 64; w <= (slot + length - 1) / 64; w++) {
        give_bits(&chunk->empty[w], word_mask(w, slot, length));
    }
    hakmem_set_available(chunk);
    hakmem_purge_given(counts);
}
