/* What of a chunk can be touched: growing the committed prefix against giving the chunk back and making it anew.
 *
 * Mirrors csrc/src/page_arena.c (hakmem_arena_commit, hakmem_arena_retire_chunk, hakmem_arena_add_chunk) with the claims of
 * shared_pool.c and purge.c around them. One chunk of four slots, its head at one of them committed for good; two threads that claim a
 * slot, commit, touch and give back; one that gives the chunk back when all of it is free, and makes it anew. Sequentially consistent.
 *
 * Checked: a slot is touched only where it was committed, and nobody's slot is taken back; in the end the prefix says what is so.
 *
 * site: csrc/src/page_arena.c hakmem_arena_commit load acquire
 * site: csrc/src/page_arena.c hakmem_arena_commit compare_exchange_weak release/acquire
 * site: csrc/src/page_arena.c hakmem_arena_retire_chunk load relaxed
 * site: csrc/src/page_arena.c hakmem_arena_retire_chunk store relaxed
 * site: csrc/src/page_arena.c hakmem_arena_add_chunk store relaxed
 * site: csrc/src/page_arena.c set_free_bits fetch_or seq_cst
 *
 * short: -DOPS=2
 * full: -DOPS=4
 * twin: COMMIT_BY_STORE  the prefix is stored, not raised by CAS
 * twin: RETIRE_UNCLAIMED a chunk is given back that looked free
 * twin: UNDO_FIRST       a claim is given back before its commit has ended
 */
#ifndef OPS
#define OPS 2
#endif
#define SLOTS 4

bool is_free[SLOTS];
bool touchable[SLOTS];
byte committed = 1;
bool arena_lock;
bool in_use = true;
byte done;

/* hakmem_arena_commit; `won`: not refused */
inline commit(slot) {
    have = committed;
    if
    :: have > slot
    :: have <= slot -> won = false /* the system refuses */
    :: have <= slot ->
        /* as much again, as the system allows; or just what is needed */
        if
        :: want = slot + 1
        :: want = SLOTS
        fi;
        i = have;
        do
        :: i < want -> touchable[i] = true; i++
        :: else -> break
        od;
#ifdef COMMIT_BY_STORE
        committed = want
#else
        do
        :: have < want ->
            atomic {
                if
                :: committed == have -> committed = want; break
                :: else -> have = committed
                fi
            }
        :: else -> break
        od
#endif
    fi
}

#define FORGET have = 0; want = 0; i = 0; slot = 0; won = false

proctype worker() {
    byte ops, slot, have, want, i;
    bool won;
    do
    :: ops < OPS ->
        ops++;
        if
        :: slot = 1
        :: slot = 2
        :: slot = 3
        fi;
        d_step { won = is_free[slot]; is_free[slot] = false }
        if
        :: won ->
            if
#ifdef UNDO_FIRST
            :: true -> is_free[slot] = true; commit(slot) /* the system refused, it thought */
#endif
            :: true ->
                commit(slot);
                if
                :: won ->
                    assert(touchable[slot]);
                    assert(touchable[slot]) /* and still, when the program uses it */
                :: else
                fi;
                is_free[slot] = true /* released, or undone */
            fi
        :: else
        fi;
        atomic { FORGET }
    :: break
    od;
    atomic { ops = 0; done++ }
}

proctype retirer() {
    byte ops, i, have;
    bool all;
    do
    :: ops < OPS ->
        ops++;
        /* claims word by word; here slot by slot */
        all = true;
        i = 1;
        do
        :: i < SLOTS && all -> d_step { all = is_free[i]; 
#ifndef RETIRE_UNCLAIMED
            is_free[i] = false;
#endif
            i = (all -> i + 1 : i) }
        :: else -> break
        od;
        if
        :: !all ->
#ifndef RETIRE_UNCLAIMED
            do
            :: i > 1 -> i--; is_free[i] = true
            :: else -> break
            od
#else
            skip
#endif
        :: else ->
            atomic { !arena_lock -> arena_lock = true }
            have = committed;
            i = 1;
            do
            :: i < SLOTS -> touchable[i] = (i < have -> false : touchable[i]); i++
            :: else -> break
            od;
            committed = 1;
            in_use = false;
            arena_lock = false;
            /* made anew, by whoever needs one */
            atomic { !arena_lock -> arena_lock = true }
            in_use = true;
            d_step { is_free[1] = true; is_free[2] = true; is_free[3] = true }
            arena_lock = false
        fi;
        atomic { i = 0; have = 0; all = false }
    :: break
    od;
    atomic { ops = 0; done++ }
}

init {
    byte i;
    atomic {
        touchable[0] = true;
        is_free[1] = true; is_free[2] = true; is_free[3] = true;
        run worker(); run worker(); run retirer()
    }
    done == 3;
    for (i : 0 .. 3) {
        assert((i < committed) == touchable[i]) /* beyond the prefix nothing is left that the next user took for zero */
    }
}
