/* Large blocks: of two frees at once one wins, and the other is told.
 *
 * Mirrors csrc/src/large.c. One run; it is freed twice by mistake, from two threads, while a third acquires slots. The first free wins by a
 * CAS on the owner word; the slot's reuse comes after its bit is set in the pool. Sequentially consistent.
 *
 * Checked: the slots are given back once; whoever gets them next keeps them. (A second free that comes after the reuse finds a block
 * in use and frees that: no allocator can tell. Here the reuse waits until both frees have looked.)
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
 * twin: FREE_BY_STORE the owner word is looked at, then stored
 */
#define LARGE 2
#define FREED 4

byte owner = LARGE;
bool is_free;
byte given; /* ghost */
byte told;
byte looked;
byte holder = 9;

active [2] proctype freer() {
    bool won;
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
    :: won -> atomic { assert(!is_free); given++; is_free = true }
    :: else -> told++
    fi;
    assert(given <= 1)
}

active proctype taker() {
    looked == 2;
    atomic { is_free -> is_free = false; holder = _pid }
    owner = LARGE;
    assert(!is_free);
    (told == 1);
    assert(!is_free && given == 1 && owner == LARGE)
}
