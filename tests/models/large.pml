/* Large blocks: of two frees at once one wins, and the other is told; what a resize gave back is not given back again.
 *
 * Mirrors csrc/src/large.c (hakmem_large_resize, hakmem_large_free). A run of two slots; its user may shrink it, and then it is
 * freed twice by mistake, from two threads, while two others acquire a slot each. The first free wins by a CAS on the owner
 * word; the slots' reuse comes after their bits are set in the pool. Sequentially consistent.
 *
 * Checked: each slot is given back once; whoever gets it next keeps it. (A second free that comes after the reuse finds a block
 * in use and frees that: no allocator can tell. Here the reuse of the first slot waits until both frees have looked.)
 *
 * site: csrc/src/large.c hakmem_large_free load relaxed
 * site: csrc/src/large.c hakmem_large_free compare_exchange_strong relaxed/relaxed
 * site: csrc/src/large.c hakmem_large_malloc store relaxed
 * site: csrc/src/large.c hakmem_large_usable load relaxed
 * site: csrc/src/large.c hakmem_large_resize load relaxed
 * site: csrc/src/large.c hakmem_large_resize store relaxed
 *
 * short:
 * full:
 * twin: FREE_BY_STORE     the owner word is looked at, then stored
 * twin: LENGTH_KEPT       a block that shrinks keeps its length
 * twin: GIVEN_BEFORE_CAS  the slots are given back before the owner word says so
 */
#define LARGE 2
#define FREED 4

byte owner = LARGE;
byte length = 2;
bool is_free[2];
bool resized;
byte given[2]; /* ghosts */
byte told;
byte looked;

inline give(slot) {
    atomic { assert(!is_free[slot] && given[slot] == 0); given[slot]++; is_free[slot] = true }
}

active proctype program() {
    if
    :: true ->
#ifndef LENGTH_KEPT
        length = 1;
#endif
        give(1)
    :: true
    fi;
    resized = true
}

active [2] proctype freer() {
    byte slots;
    bool won;
    resized;
    slots = length;
#ifdef GIVEN_BEFORE_CAS
    give(0);
#endif
#ifdef FREE_BY_STORE
    won = (owner == LARGE);
    if
    :: won -> owner = FREED
    :: else
    fi;
    looked++;
#else
    d_step { won = (owner == LARGE); owner = (won -> FREED : owner); looked++ }
#endif
    if
    :: won ->
#ifndef GIVEN_BEFORE_CAS
        give(0);
#endif
        if
        :: slots == 2 -> give(1)
        :: else
        fi
    :: else -> told++
    fi
}

active proctype taker() {
    looked == 2;
    atomic { is_free[0] -> is_free[0] = false }
    owner = LARGE;
    told == 1;
    assert(!is_free[0] && owner == LARGE)
}

active proctype other_taker() {
    atomic { is_free[1] -> is_free[1] = false }
    told == 1;
    assert(!is_free[1] && given[1] == 1)
}
