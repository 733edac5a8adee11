/* An acquisition is not refused for a purge's sake: a purge holds the slots that it works on, and they may be all there is.
 *
 * Mirrors csrc/src/shared_pool.c (hakmem_pool_acquire, acquire_once, claim_from), purge.c (purge_all, purge_chunk, retire_if_empty, retire,
 * hakmem_purges_ended, hakmem_purges_since), slot_bits.c and page_arena.c (hakmem_arena_add_chunk, hakmem_arena_retire_chunk). One
 * chunk of SLOTS slots, one thread that acquires a slot, PURGES threads that purge once each; the system makes no other chunk.
 * Sequentially consistent (loom/src/pool.rs has the orders).
 *
 * Checked: the acquisition succeeds, since nobody but purges has any slot.
 *
 * site: csrc/src/purge.c hakmem_purges_ended load acquire
 * site: csrc/src/purge.c hakmem_purges_since load relaxed
 * site: csrc/src/purge.c hakmem_purge_begin fetch_add relaxed
 * site: csrc/src/purge.c hakmem_purge_end fetch_add release
 * site: csrc/src/slot_bits.h claim_bits load relaxed
 * site: csrc/src/slot_bits.h claim_bits fetch_and acq_rel
 * site: csrc/src/slot_bits.h give_bits fetch_or seq_cst
 * site: csrc/src/slot_bits.c hakmem_set_available load seq_cst
 * site: csrc/src/slot_bits.c hakmem_set_available store seq_cst
 * site: csrc/src/slot_bits.c hakmem_set_available fetch_or seq_cst
 * site: csrc/src/slot_bits.c hakmem_clear_available_if_full fetch_and seq_cst
 * site: csrc/src/slot_bits.c hakmem_next_available load seq_cst
 * site: csrc/src/slot_bits.c hakmem_snapshot load seq_cst
 * site: csrc/src/shared_pool.c claim_from load relaxed
 * site: csrc/src/shared_pool.c claim_from store seq_cst
 *
 * short: -DPURGES=2 -DSLOTS=1
 * full: -DPURGES=3 -DSLOTS=1
 * twin: NO_RETRY           a search is not repeated
 * twin: RETRY_MISSES_END   nor after a purge that was under way when the search began and was over when it ended
 * twin: RETRY_MISSES_BEGIN nor after one that began during the search and is not over yet
 * twin: COUNTED_LATE       a purge is counted after it took its slots
 * twin: ENDED_EARLY        a purge is counted as over before it gave its slots back
 */
#ifndef PURGES
#define PURGES 2
#define SLOTS 1
#endif
#define ALL ((1 << SLOTS) - 1)

byte dirty = ALL, released, unused; /* dirty: the C calls it empty, a word of Promela */
bool available = true, limited; /* limited: run_limit is 1 */
bool in_use = true;
bool arena_lock;
byte begun, ended;
bool found;

inline claim_bits(map, which, got) {
    d_step { got = map & which; map = map & ~which }
}

inline give_bits(map, which) {
    if
    :: (which) != 0 -> map = map | (which)
    :: else
    fi
}

inline set_available() {
    if
    :: limited -> limited = false
    :: else
    fi;
    if
    :: !available -> available = true
    :: else
    fi
}

inline look() {
    bits = dirty;
    bits = bits | released;
    bits = bits | unused
}

inline clear_available_if_full() {
    look();
    if
    :: bits == 0 ->
        available = false;
        look();
        if
        :: bits != 0 -> set_available()
        :: else
        fi
    :: else
    fi
}

inline undo() {
    give_bits(dirty, e);
    give_bits(released, r);
    give_bits(unused, n);
    set_available()
}

inline claim_in_chunk() {
    look();
    none = (bits == 0);
    if
    :: none
    :: else ->
        mask = bits & (-bits);
        claim_bits(dirty, mask, e);
        claim_bits(released, (mask & ~e), r);
        claim_bits(unused, (mask & ~e & ~r), n);
        if
        :: (e | r | n) != mask -> undo()
        :: else -> found = true
        fi
    fi
}

inline acquire_once() {
    if
    :: available ->
        if
        :: !limited ->
            claim_in_chunk();
            if
            :: none ->
                limited = true;
                claim_in_chunk();
                if
                :: none -> clear_available_if_full()
                :: else -> limited = false
                fi
            :: else
            fi
        :: else
        fi
    :: else
    fi;
    if
    :: !found -> /* stage 3 */
        atomic { !arena_lock -> arena_lock = true }
        if
        :: !in_use ->
            in_use = true;
            limited = false;
            unused = ALL;
            arena_lock = false;
            set_available();
            claim_in_chunk()
        :: else -> arena_lock = false
        fi
    :: else
    fi
}

inline retire_if_empty() {
    look();
    if
    :: bits == ALL ->
        atomic { !arena_lock -> arena_lock = true }
        claim_bits(dirty, ALL, e);
        claim_bits(released, ALL, r);
        claim_bits(unused, ALL, n);
        if
        :: (e | r | n) != ALL -> undo()
        :: else -> if :: true -> in_use = false :: true -> undo() /* the system refused */ fi
        fi;
        arena_lock = false
    :: else
    fi
}

#define FORGET mask = 0; bits = 0; e = 0; r = 0; n = 0; none = false

active proctype acquirer() {
    byte seen, mask, bits, e, r, n;
    bool none;
    do
    :: !found ->
#ifdef RETRY_MISSES_END
        seen = begun;
#else
        seen = ended;
#endif
        acquire_once();
        atomic { FORGET }
        if
        :: found -> break
        :: else ->
            /* the C stops after a hundred rounds: so many purges are not here */
#if defined(NO_RETRY)
            assert(false)
#elif defined(RETRY_MISSES_END)
            if
            :: ended != seen
            :: else -> assert(begun != seen)
            fi
#elif defined(RETRY_MISSES_BEGIN)
            assert(ended != seen)
#else
            assert(begun != seen)
#endif
        fi
    od
}

/* purge_all of one chunk */
active [PURGES] proctype purger() {
    byte mask, bits, e, r, n;
    bool none;
#ifndef COUNTED_LATE
    begun++;
#endif
    claim_bits(dirty, ALL, mask);
#ifdef COUNTED_LATE
    begun++;
#endif
#ifdef ENDED_EARLY
    ended++;
#endif
    if
    :: mask != 0 -> if :: true -> give_bits(released, mask) :: true -> give_bits(dirty, mask) fi
    :: else
    fi;
    set_available();
    atomic { FORGET }
    retire_if_empty();
#ifndef ENDED_EARLY
    ended++;
#endif
    atomic { FORGET }
}
