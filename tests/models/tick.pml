/* Who purges, and when: purge_at and dirty_slots between those who release slots, those who claim them and those who notice time
 * passing.
 *
 * Mirrors csrc/src/purge.c (hakmem_pool_tick, hakmem_purge_count_given and hakmem_purge_given with set_purge, between which
 * hakmem_pool_release sets the bits, hakmem_purge_count_claimed, purge_all, excess, purge_chunk, purge_claimed; claim_unit and
 * hakmem_pool_units_back count as these two do, and set the time as a release does). One chunk; two threads that release, one or
 * three slots at a time, of which two may wait; one that claims; two that tick. The clock is always late enough, and the system may
 * keep what is purged, which is then given back as it was. Sequentially consistent, which the seq_cst accesses of purge_at and
 * dirty_slots promise (loom/src/pool.rs has the orders).
 *
 * Checked: one thread purges at a time for each time that was set; slots that wait have a time at which they are purged, and are
 * counted.
 *
 * site: csrc/src/purge.c hakmem_pool_tick load relaxed
 * site: csrc/src/purge.c hakmem_pool_tick load seq_cst
 * site: csrc/src/purge.c hakmem_pool_tick store relaxed
 * site: csrc/src/purge.c hakmem_pool_tick compare_exchange_strong seq_cst/relaxed
 * site: csrc/src/purge.c hakmem_purge_count_given fetch_add seq_cst
 * site: csrc/src/purge.c hakmem_purge_given load seq_cst
 * site: csrc/src/purge.c set_purge_for_rest load seq_cst
 * site: csrc/src/purge.c set_purge load seq_cst
 * site: csrc/src/purge.c set_purge store relaxed
 * site: csrc/src/purge.c hakmem_purge_count_claimed fetch_sub relaxed
 * site: csrc/src/purge.c excess load relaxed
 * site: csrc/src/purge.c purge_claimed fetch_sub relaxed
 * site: csrc/src/purge.c claim_unit fetch_sub relaxed
 * site: csrc/src/purge.c give_dirty fetch_add seq_cst
 * site: csrc/src/purge.c purge_chunk load relaxed
 * site: csrc/src/purge.c purge_chunk store relaxed
 *
 * short: -DRELEASES=1 -DCLAIMS=1 -DTICKS=1
 * full: -DRELEASES=1 -DCLAIMS=2 -DTICKS=1
 * twin: NO_NEXT_TIME     who purged does not set the next time
 * twin: NO_TIME_FOR_REST nor does who purged because too much was waiting, and left some
 * twin: ELECT_BY_STORE   the time is looked at, then cleared
 * twin: TIME_READ_EARLY  a release reads purge_at before it counts its slots (what an order below seq_cst allows)
 * twin: DIRTY_READ_EARLY a tick reads dirty_slots before it clears purge_at (the same)
 * twin: COUNTED_LATE     a release counts its slots after it set their bits
 * twin: KEPT_COUNTED_LATE and so does a purge with those that the system kept
 */
#ifndef RELEASES
#define RELEASES 1
#define CLAIMS 2
#define TICKS 1
#endif
#define MOST 2

short dirty;         /* dirty_slots */
byte waiting, aged;  /* `empty` bits; those of them that were there at the last purge */
bool purge_at;
byte elected, times; /* ghosts: elections, and times that were set */
byte done;

inline set_time() {
    d_step { times = (purge_at -> times : times + 1); purge_at = true }
}

/* purge_chunk: `some` of what waits; what is left is old next time if the clock asked */
inline purge(some, by_clock) {
    d_step { n = (some < waiting -> some : waiting); waiting = waiting - n }
    if
    :: n > 0 ->
        dirty = dirty - n;
        if
        :: true ->
#ifdef KEPT_COUNTED_LATE
            d_step { waiting = waiting + n; assert(dirty >= waiting) }
            d_step { dirty = dirty + n; n = 0 }
#else
            dirty = dirty + n; /* the system kept it */
            d_step { waiting = waiting + n; assert(dirty >= waiting); n = 0 }
#endif
        :: true -> n = 0
        fi
    :: n == 0
    fi;
    aged = (by_clock || aged > waiting -> waiting : aged)
}

inline release(length) {
#ifdef TIME_READ_EARLY
    seen = purge_at;
#endif
#ifdef COUNTED_LATE
    d_step { waiting = waiting + length; assert(dirty >= waiting) }
    d_step { dirty = dirty + length; have = dirty }
#else
    d_step { dirty = dirty + length; have = dirty }
    d_step { waiting = waiting + length; assert(dirty >= waiting) }
#endif
    if
    :: have > MOST ->
        if
        :: d_step { dirty > MOST / 2 -> have = dirty - MOST / 2 } purge(have, false)
        :: else
        fi;
#ifdef NO_TIME_FOR_REST
        have = 0
#else
        have = dirty
#endif
    :: else
    fi;
#ifndef TIME_READ_EARLY
    seen = purge_at;
#endif
    if
    :: have > 0 && !seen -> set_time()
    :: else
    fi
}

proctype releaser() {
    byte ops, n;
    short have;
    bool seen;
    do
    :: ops < RELEASES -> ops++; release(1); atomic { have = 0; seen = false }
    :: ops < RELEASES -> ops++; release(3); atomic { have = 0; seen = false }
    :: ops == RELEASES -> break
    od;
    atomic { ops = 0; done++ }
}

proctype claimer() {
    byte ops;
    do
    :: atomic { ops < CLAIMS && waiting > 0 -> ops++; waiting-- }; dirty--
    :: break
    od;
    atomic { ops = 0; done++ }
}

proctype ticker() {
    byte ops, n;
    short have;
    bool won;
    do
    :: ops < TICKS ->
        ops++;
        if
        :: purge_at ->
#ifdef DIRTY_READ_EARLY
            have = dirty;
#endif
#ifdef ELECT_BY_STORE
            atomic { purge_at = false; won = true; elected++ }
#else
            d_step { won = purge_at; purge_at = false; elected = (won -> elected + 1 : elected) }
#endif
            if
            :: won ->
                assert(elected <= times);
                n = aged;
                purge(n, true);
#ifndef DIRTY_READ_EARLY
                have = dirty;
#endif
#ifndef NO_NEXT_TIME
                if
                :: have > 0 -> set_time()
                :: else
                fi
#endif
            :: else
            fi;
            atomic { won = false; n = 0; have = 0 }
        :: else
        fi
    :: break
    od;
    atomic { ops = 0; done++ }
}

init {
    atomic { run releaser(); run releaser(); run claimer(); run ticker(); run ticker() }
    done == 5;
    assert(dirty == waiting);
    assert(waiting == 0 || purge_at)
}
