/* Who purges, and when: purge_at between those who release slots and those who notice time passing.
 *
 * Mirrors csrc/src/shared_pool.c (hakmem_pool_tick, hakmem_pool_release, purge_chunk). Two threads that release, two that tick; the
 * clock is always late enough. Sequentially consistent; with relaxed accesses a tick may be missed until the next release, which
 * the bound on dirty slots in hakmem_pool_release allows for.
 *
 * Checked: one thread purges at a time for each time that was set; slots that wait have a time at which they are purged.
 *
 * site: csrc/src/shared_pool.c hakmem_pool_tick load relaxed
 * site: csrc/src/shared_pool.c hakmem_pool_tick store relaxed
 * site: csrc/src/shared_pool.c hakmem_pool_tick compare_exchange_strong seq_cst/relaxed
 * site: csrc/src/shared_pool.c hakmem_pool_release fetch_add seq_cst
 * site: csrc/src/shared_pool.c hakmem_pool_release load seq_cst
 * site: csrc/src/shared_pool.c hakmem_pool_release store relaxed
 * site: csrc/src/shared_pool.c purge_claimed fetch_sub relaxed
 * site: csrc/src/shared_pool.c purge_chunk load relaxed
 * site: csrc/src/shared_pool.c purge_chunk store relaxed
 *
 * short: -DOPS=2
 * full: -DOPS=3
 * twin: NO_NEXT_TIME    who purged does not set the next time
 * twin: ELECT_BY_STORE  the time is looked at, then cleared
 */
#ifndef OPS
#define OPS 2
#endif

byte dirty, waiting, aged; /* dirty_slots; `empty` bits; those of them that were there at the last purge */
bool purge_at;
byte purging;
byte elected, times;       /* ghosts: elections, and times that were set */
byte done;

proctype releaser() {
    byte ops;
    do
    :: ops < OPS ->
        ops++;
        dirty++;
        waiting++;
        if
        :: !purge_at -> atomic { times = (purge_at -> times : times + 1); purge_at = true }
        :: else
        fi
    :: break
    od;
    atomic { ops = 0; done++ }
}

proctype ticker() {
    byte ops, n;
    bool won;
    do
    :: ops < OPS ->
        ops++;
        if
        :: purge_at ->
#ifdef ELECT_BY_STORE
            atomic { purge_at = false; won = true; elected++ }
#else
            d_step { won = purge_at; purge_at = false; elected = (won -> elected + 1 : elected) }
#endif
            if
            :: won ->
                assert(elected <= times);
                d_step { n = (aged < waiting -> aged : waiting); waiting = waiting - n }
                dirty = dirty - n;
                aged = waiting;
#ifndef NO_NEXT_TIME
                if
                :: dirty > 0 -> atomic { times = (purge_at -> times : times + 1); purge_at = true }
                :: else
                fi
#endif
            :: else
            fi;
            atomic { won = false; n = 0 }
        :: else
        fi
    :: break
    od;
    atomic { ops = 0; done++ }
}

init {
    atomic { run releaser(); run releaser(); run ticker(); run ticker() }
    done == 4;
    assert(waiting == 0 || purge_at)
}
