/* The shared pool: its lock-free list of free slots (bits) and how they are claimed, undone, released and purged; `available`,
 * `run_limit`; and a chunk that is given back and made anew.
 *
 * Mirrors csrc/src/slot_bits.h, slot_bits.c, purge.c (purge_chunk, retire_if_empty, retire; hakmem_pool_lend_units and
 * hakmem_pool_units_back), shared_pool.c and page_arena.c (hakmem_arena_add_chunk, hakmem_arena_retire_chunk). One chunk of three slots
 * in one word, two threads that acquire and release runs of one or two slots, and one that purges, or lends two slots to a mapping.
 * The system makes no other chunk, and may refuse to commit. Sequentially consistent, which the seq_cst accesses promise (loom/src/pool.rs has the orders); every operation on a shared word is a step.
 * Left out: searches of `empty` or `released` alone, which claim like the last one and change nothing else; and that a search goes
 * on at a higher slot after it lost one.
 *
 * Checked: a slot has one owner at a time; in the end every slot is free or owned, and a run that is free is one that an
 * acquisition finds (available, and below the limit).
 *
 * site: csrc/src/slot_bits.h claim_bits load relaxed
 * site: csrc/src/slot_bits.h claim_bits fetch_and acq_rel
 * site: csrc/src/slot_bits.h give_bits fetch_or seq_cst
 * site: csrc/src/slot_bits.c hakmem_set_available load seq_cst
 * site: csrc/src/slot_bits.c hakmem_set_available store seq_cst
 * site: csrc/src/slot_bits.c hakmem_set_available fetch_or seq_cst
 * site: csrc/src/slot_bits.c chunk_has_free load seq_cst
 * site: csrc/src/slot_bits.c hakmem_clear_available_if_full fetch_and seq_cst
 * site: csrc/src/slot_bits.c hakmem_next_available load seq_cst
 * site: csrc/src/slot_bits.c hakmem_snapshot load seq_cst
 * site: csrc/src/shared_pool.c claim_from load relaxed
 * site: csrc/src/shared_pool.c claim_from store seq_cst
 * site: csrc/src/page_arena.c hakmem_arena_add_chunk store relaxed
 * site: csrc/src/page_arena.c set_free_bits fetch_or seq_cst
 * site: csrc/src/purge.c may_lend load relaxed
 *
 * short: -DOPS1=2 -DOPS2=1
 * full: -DOPS1=2 -DOPS2=2
 * twin: NO_LAST_LOOK           `available` is cleared without another look
 * twin: AVAILABLE_READ_EARLY   a release reads `available` before its bits are set (what an order below seq_cst allows)
 * twin: LIMIT_READ_EARLY       a release reads the limit before its bits are set (the same)
 * twin: LIMIT_RESET_BY_RELEASE bits that are given back by a purge or an undone claim leave the limit as it is
 * twin: LIMIT_UNCHECKED        the limit is set without another look
 * twin: CLAIM_BY_STORE         a claim looks, then stores
 * twin: UNDO_SILENT            an undone claim leaves `available` as it is
 * twin: RETIRE_UNCHECKED       a chunk is given back although a claim fell short
 * twin: LEND_UNCHECKED         slots are lent although a claim fell short
 * twin: LEND_SILENT            slots that come back from being lent leave `available` as it is
 */
#ifndef OPS1
#define OPS1 2 /* operations of each worker */
#define OPS2 1
#endif
#define ALL 7
#define LENT 6 /* of them */
#define NO_LIMIT 9
#define HAS_RUN(bits, n) ((n == 1 && bits != 0) || (n == 2 && ((bits & 3) == 3 || (bits & 6) == 6)))

byte dirty, released, unused = ALL; /* dirty: the C calls it empty, a word of Promela */
bool available = true;
byte run_limit = NO_LIMIT;
bool in_use = true; /* chunk->active */
bool arena_lock;
byte owned; /* ghost: by whoever claimed them, purging included */
byte kept;  /* ghost: by the program in the end */
byte done;

#define FORGET mask = 0; bits = 0; e = 0; r = 0; n = 0; none = false

inline claim_bits(map, which, got) {
#ifdef CLAIM_BY_STORE
    got = map & which;
    if
    :: got != 0 -> atomic { map = map & ~which; assert((owned & got) == 0); owned = owned | got }
    :: else
    fi
#else
    d_step { got = map & which; map = map & ~which; assert((owned & got) == 0); owned = owned | got }
#endif
}

inline give_bits(map, which) {
    if
    :: (which) != 0 -> d_step { assert((owned & (which)) == (which)); owned = owned & ~(which); map = map | (which) }
    :: else
    fi
}

inline reset_limit() {
    if
    :: run_limit != NO_LIMIT -> run_limit = NO_LIMIT
    :: else
    fi
}

inline set_available() {
#ifndef LIMIT_RESET_BY_RELEASE
    reset_limit();
#endif
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
#ifndef NO_LAST_LOOK
        look();
        if
        :: bits != 0 -> set_available()
        :: else
        fi
#endif
    :: else
    fi
}

inline undo() {
    give_bits(dirty, e);
    give_bits(released, r);
    give_bits(unused, n);
#ifndef UNDO_SILENT
    set_available()
#endif
}

/* claim_in_chunk: `mask` is what was claimed, 0 for none; `none`: there was no such run */
inline claim_in_chunk(length) {
    look();
    none = !HAS_RUN(bits, length);
    mask = 0;
    if
    :: none
    :: else ->
        if
        :: length == 1 -> mask = (bits & 1 -> 1 : (bits & 2 -> 2 : 4))
        :: length == 2 -> mask = ((bits & 3) == 3 -> 3 : 6)
        fi;
        claim_bits(dirty, mask, e);
        claim_bits(released, (mask & ~e), r);
        claim_bits(unused, (mask & ~e & ~r), n);
        bits = 0;
        if
        :: (e | r | n) != mask -> undo(); mask = 0
        :: (e | r | n) == mask && n != 0 -> undo(); mask = 0 /* hakmem_arena_commit was refused */
        :: (e | r | n) == mask
        fi;
        atomic { e = 0; r = 0; n = 0 }
    fi
}

inline acquire(length) {
    mask = 0;
    if
    :: available ->
        if
        :: run_limit > length ->
            claim_in_chunk(length);
            if
            :: none ->
                run_limit = length;
#ifndef LIMIT_UNCHECKED
                claim_in_chunk(length);
#endif
                if
                :: none -> clear_available_if_full()
                :: else -> run_limit = NO_LIMIT
                fi
            :: else
            fi
        :: else
        fi
    :: else
    fi;
    if
    :: mask == 0 -> /* stage 3 */
        atomic { !arena_lock -> arena_lock = true }
        if
        :: !in_use ->
            in_use = true;
            run_limit = NO_LIMIT;
            unused = unused | ALL;
            arena_lock = false;
            set_available();
            claim_in_chunk(length)
        :: else -> arena_lock = false
        fi
    :: else
    fi
}

inline release() {
#if defined(AVAILABLE_READ_EARLY)
    none = available;
    give_bits(dirty, mask);
    reset_limit();
    if
    :: !none -> available = true
    :: else
    fi
#elif defined(LIMIT_READ_EARLY)
    none = (run_limit != NO_LIMIT);
    give_bits(dirty, mask);
    if
    :: none -> run_limit = NO_LIMIT
    :: else
    fi;
    if
    :: !available -> available = true
    :: else
    fi
#else
    give_bits(dirty, mask);
#ifdef LIMIT_RESET_BY_RELEASE
    reset_limit();
#endif
    set_available()
#endif
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
#ifndef RETIRE_UNCHECKED
        :: (e | r | n) != ALL -> undo()
#endif
        :: else ->
            if
            :: true -> /* `available` stays set: a search that finds nothing clears it */
                atomic { assert(in_use); assert((owned & ALL) == ALL); in_use = false; owned = 0 }
            :: true -> undo() /* the system refused */
            fi
        fi;
        arena_lock = false
    :: else
    fi
}

proctype worker(byte most) {
    byte ops, mask, bits, e, r, n, mine;
    bool none;
    do
    :: ops < most && mine == 0 -> ops++; acquire(1); atomic { mine = mask; FORGET }
    :: ops < most && mine == 0 -> ops++; acquire(2); atomic { mine = mask; FORGET }
    :: mine != 0 -> ops = (ops < most -> ops + 1 : ops); mask = mine; mine = 0; release(); atomic { FORGET }
    :: break
    od;
    atomic { kept = kept | mine; mine = 0; ops = 0; done++ }
}

/* purge_chunk */
inline purge() {
    claim_bits(dirty, ALL, mask);
    if
    :: mask != 0 -> if :: true -> give_bits(released, mask) :: true -> give_bits(dirty, mask) fi
    :: else
    fi;
    set_available()
}

/* hakmem_pool_lend_units and hakmem_pool_units_back; the system may refuse to move. That nothing else of the two is lent, nor
 * anything that is not resident, is a look before, which may be wrong by the time of the claims. */
inline lend() {
    claim_bits(dirty, LENT, e);
    claim_bits(released, (LENT & ~e), r);
    if
#ifndef LEND_UNCHECKED
    :: (e | r) != LENT -> give_bits(dirty, e); give_bits(released, r)
    :: (e | r) == LENT -> if :: true -> give_bits(released, LENT) :: true -> give_bits(dirty, LENT) fi
#else
    :: true -> give_bits(released, LENT)
#endif
    fi;
#ifndef LEND_SILENT
    set_available()
#endif
}

proctype purger() {
    byte mask, bits, e, r, n;
    bool none;
    if
    :: purge()
    :: lend()
    fi;
    atomic { FORGET }
    retire_if_empty();
    atomic { FORGET; done++ }
}

init {
    byte bits;
    if
    :: true
    :: atomic { unused = ALL - 1; owned = 1; kept = 1 } /* one slot is in use for good, so that the chunk can be full */
    :: atomic { unused = 0; dirty = ALL - 1; owned = 1; kept = 1 }
    fi;
    atomic { run worker(OPS1); run worker(OPS2); run purger() }
    done == 3;
    bits = dirty | released | unused;
    assert(owned == kept);
    assert((dirty & released) == 0 && (dirty & unused) == 0 && (released & unused) == 0);
    assert(!in_use || (bits | kept) == ALL);
    assert((bits & kept) == 0 && (in_use || (bits == 0 && kept == 0)));
    assert(bits == 0 || (available && run_limit > 1));
    assert(!HAS_RUN(bits, 2) || (available && run_limit > 2))
}
