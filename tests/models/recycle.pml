/* A heap's record serves the next thread while late frees and notices for the last one are under way: two pages on one pending
 * list, across its closing and its opening.
 *
 * Mirrors csrc/src/thread.c (heap_close, heap_end, heap_recycle, heap_new), notice.c, heap.c (hakmem_heap_wake), park.c
 * (hakmem_heap_drain_pending, hakmem_heap_take_notified, hakmem_heap_unpark, hakmem_heap_park) and frees.c. One record, which two
 * threads use one after the other; two full pages that the first one parked; two threads without a heap that only free. The second
 * user inherits what is parked, with the record's address. Sequentially consistent; every access to a shared word is a step.
 * owners.pml has the same words with two heaps, claims and new pages, and pages.pml the list of a heap that stays open.
 *
 * Checked: one holder of a page at a time; the pending list is linked as it was pushed, whoever opened it; no page is given back
 * while the program holds a block of it; and once every block is back, both pages are given back.
 *
 * site: csrc/src/remote.h remote_push compare_exchange_weak acq_rel/relaxed
 * site: csrc/src/remote.h remote_try_state compare_exchange_weak acq_rel/relaxed
 * site: csrc/src/thread.c heap_close exchange acq_rel
 * site: csrc/src/notice.c hakmem_give_notice load relaxed
 * site: csrc/src/notice.c hakmem_give_notice load acquire
 * site: csrc/src/notice.c hakmem_give_notice compare_exchange_weak release/acquire
 * site: csrc/src/heap.c hakmem_heap_wake store release
 * site: csrc/src/park.c hakmem_heap_drain_pending load relaxed
 * site: csrc/src/park.c hakmem_heap_drain_pending exchange acquire
 * site: csrc/src/park.c hakmem_heap_park compare_exchange_strong release/relaxed
 * site: csrc/src/page_arena.h owner_load load relaxed
 * site: csrc/src/page_arena.h owner_store store release
 *
 * short: -DOPS=1 -DFREES=2
 * full: -DOPS=2 -DFREES=2
 * twin: NEVER_CLOSED          a record goes to the next thread with its list open
 * twin: CLOSED_LATE           a record is closed after it may serve the next thread
 * twin: GIVEN_UP_LATE         its pages are given up after that
 * twin: CLOSE_FORGETS         closing drops what was pending
 * twin: NOTICE_IGNORES_CLOSED notice goes on a closed list
 * twin: NOTICE_BY_STORE       notice looks at the list's head, then stores
 * twin: NEXT_WRITTEN_ONCE     a notice that lost the head to another keeps its link
 * twin: UNPARK_NOTIFIED       the next thread takes a page back that somebody is about to link
 */
#ifndef OPS
#define OPS 1   /* operations of each user of the record */
#define FREES 2 /* of each of the others */
#endif
#define NB 2
#define PAGES 2

#define OWNED 0
#define PARKED 1
#define NOTIFIED 2
#define ABANDONED 3

#define OWNER_NONE 0
#define OWNER_HEAP 1
#define OWNER_PARKED 2 /* the heap | OWNER_PARKED_BIT */
#define OWNER_ABANDONED 8

#define NONE 9
#define CLOSED 8

byte state[PAGES], count[PAGES]; /* thread_free */
byte owner[PAGES];
byte used[PAGES];                /* the owner's line */
bool in_queue[PAGES];
byte next[PAGES];                /* pending_next */
byte pending = NONE;
bool record_free;

bool made[PAGES];
byte held[PAGES];                /* blocks that the program may free */
byte live[PAGES];                /* the same and those being freed */
byte holder[PAGES];              /* ghost: who may touch the owner's line */
byte done;

#define ME (_pid + 1)
#define WIN(p) assert(holder[p] == 0); holder[p] = ME
#define MINE(p) assert(holder[p] == ME)

inline release(p) {
    atomic { MINE(p); assert(live[p] == 0 && count[p] == used[p]); owner[p] = OWNER_NONE; holder[p] = 0; made[p] = false }
}

inline claim(p) {
    d_step {
        won = (state[p] == ABANDONED);
        if
        :: won -> WIN(p); state[p] = OWNED
        :: else
        fi
    }
}

/* hakmem_abandon, and giving back what turns out to be empty */
inline give_up(p) {
    do
    :: count[p] == used[p] -> release(p); break
    :: else ->
        atomic { MINE(p); u = used[p]; owner[p] = OWNER_ABANDONED }
        d_step { MINE(p); assert(state[p] == OWNED); state[p] = ABANDONED; w = count[p]; holder[p] = 0 }
        won = false;
        if
        :: w == u -> claim(p)
        :: else
        fi;
        if
        :: won
        :: else -> break
        fi
    od
}

inline enqueue(p) {
    atomic { MINE(p); assert(!in_queue[p]); owner[p] = OWNER_HEAP; in_queue[p] = true }
}

inline take_notified(p) {
    d_step { assert(state[p] == NOTIFIED); WIN(p); state[p] = OWNED }
    enqueue(p)
}

/* Takes the list, and leaves `instead`. */
inline take_list(instead) {
    d_step { q = pending; pending = instead }
#ifdef CLOSE_FORGETS
    if
    :: instead == CLOSED -> q = NONE
    :: else
    fi;
#endif
    do
    :: q < PAGES -> n = next[q]; take_notified(q); q = n
    :: else -> break
    od
}

inline give_notice(p) {
    seen = pending;
#ifdef NEXT_WRITTEN_ONCE
    next[p] = seen;
#endif
    do
#ifndef NOTICE_IGNORES_CLOSED
    :: seen == CLOSED -> /* settle, without a heap */
        d_step { assert(state[p] == NOTIFIED); WIN(p); state[p] = OWNED }
        give_up(p);
        break
    :: seen != CLOSED ->
#else
    :: true ->
#endif
#ifndef NEXT_WRITTEN_ONCE
        next[p] = seen;
#endif
#ifdef NOTICE_BY_STORE
        if
        :: pending == seen -> pending = p; break
        :: else -> seen = pending
        fi
#else
        atomic {
            if
            :: pending == seen -> pending = p; break
            :: else -> seen = pending
            fi
        }
#endif
    od
}

inline push(p) {
    d_step { old = state[p]; count[p]++; w = count[p]; state[p] = (old == PARKED -> NOTIFIED : old); live[p]-- }
    if
    :: old == PARKED -> give_notice(p)
    :: old == ABANDONED ->
        u = used[p];
        if
        :: w == u -> claim(p); if :: won -> give_up(p) :: else fi
        :: else
        fi
    :: else
    fi
}

/* The record's user frees a block in hand. */
inline free_own(p) {
    old = owner[p];
    won = false;
    if
    :: old == OWNER_PARKED ->
        d_step {
#ifdef UNPARK_NOTIFIED
            won = (state[p] == PARKED || state[p] == NOTIFIED);
#else
            won = (state[p] == PARKED);
#endif
            if
            :: won -> WIN(p); state[p] = OWNED
            :: else
            fi
        }
        if
        :: won -> enqueue(p)
        :: else
        fi
    :: else
    fi;
    if
    :: old == OWNER_HEAP || won -> atomic { MINE(p); assert(in_queue[p]); used[p]--; live[p]-- }
    :: else -> push(p)
    fi
}

/* Allocates of a page in the queue; parks it where it has nothing left. */
inline use(p) {
    if
    :: pending < PAGES -> take_list(NONE)
    :: else
    fi;
    if
    :: in_queue[p] ->
        d_step { MINE(p); used[p] = used[p] - count[p]; count[p] = 0 }
        if
        :: used[p] < NB -> atomic { MINE(p); used[p]++; held[p]++; live[p]++ }
        :: else ->
            atomic { MINE(p); owner[p] = OWNER_PARKED; in_queue[p] = false }
            d_step {
                MINE(p);
                won = (state[p] == OWNED && count[p] == 0);
                if
                :: won -> state[p] = PARKED; holder[p] = 0
                :: else
                fi
            }
            if
            :: won
            :: else -> enqueue(p)
            fi
        fi
    :: else
    fi
}

inline give_up_queue() {
    n = 0;
    do
    :: n < PAGES ->
        if
        :: in_queue[n] -> atomic { MINE(n); in_queue[n] = false }; give_up(n)
        :: else
        fi;
        n++
    :: else -> break
    od
}

#define FORGET old = 0; seen = 0; q = 0; n = 0; w = 0; u = 0; won = false

proctype user(bool first) {
    byte ops, old, seen, q, n, w, u;
    bool won;
    if
    :: first
    :: atomic { !first && record_free -> record_free = false }; pending = NONE
    :: !first && !record_free -> ops = OPS + 1 /* it gets another record, and does nothing here */
    fi;
    do
    :: ops < OPS -> ops++; use(0); atomic { FORGET }
    :: ops < OPS -> ops++; use(1); atomic { FORGET }
    :: atomic { ops < OPS && held[0] > 0 -> ops++; held[0]-- }; free_own(0); atomic { FORGET }
    :: atomic { ops < OPS && held[1] > 0 -> ops++; held[1]-- }; free_own(1); atomic { FORGET }
    :: ops <= OPS ->
#ifdef CLOSED_LATE
        give_up_queue();
        record_free = true;
        take_list(CLOSED);
        give_up_queue();
#else
#ifndef NEVER_CLOSED
        take_list(CLOSED);
#endif
#ifdef GIVEN_UP_LATE
        record_free = true;
#endif
        give_up_queue();
#ifndef GIVEN_UP_LATE
        record_free = true;
#endif
#endif
        break
    :: ops > OPS -> break
    od;
    atomic { ops = 0; FORGET; done++ }
}

proctype freer() {
    byte frees, old, seen, w, u;
    bool won;
    do
    :: atomic { frees < FREES && held[0] > 0 -> frees++; held[0]-- }; push(0); atomic { old = 0; seen = 0; w = 0; u = 0; won = false }
    :: atomic { frees < FREES && held[1] > 0 -> frees++; held[1]-- }; push(1); atomic { old = 0; seen = 0; w = 0; u = 0; won = false }
    :: break
    od;
    atomic { frees = 0; done++ }
}

init {
    byte old, seen, w, u, p;
    bool won;
    atomic {
        for (p : 0 .. 1) {
            made[p] = true; used[p] = NB; held[p] = NB; live[p] = NB; state[p] = PARKED; owner[p] = OWNER_PARKED
        }
        p = 0;
        run user(true); run user(false); run freer(); run freer()
    }
    done == 4;
    do
    :: p < PAGES && held[p] > 0 -> held[p]--; push(p); atomic { old = 0; seen = 0; w = 0; u = 0; won = false }
    :: p < PAGES && held[p] == 0 -> p++
    :: p == PAGES -> break
    od;
    assert(!made[0] && !made[1] && holder[0] == 0 && holder[1] == 0)
}
