/* Full pages: park, push, notice, the pending list, drain, and the owner's own free into a page that it parked. The heap stays open.
 *
 * Mirrors csrc/src/remote.h, park.c (hakmem_heap_park, hakmem_heap_unpark, hakmem_heap_take_notified, hakmem_heap_drain_pending) and
 * notice.c (hakmem_give_notice). Two pages of NB blocks, one owner, two threads that only free. Sequentially consistent; every access to
 * a shared word is a step. `count` stands for the list behind the word: a push that found another list is a failed CAS, which
 * changes nothing.
 *
 * Checked: a page is in the queue or parked or on the way to pending, never in two of these; the pending list is linked as it was
 * pushed; a parked page holds no block that came back; in the end every block is accounted for.
 *
 * site: csrc/src/remote.h remote_push load relaxed
 * site: csrc/src/remote.h remote_push compare_exchange_weak acq_rel/relaxed
 * site: csrc/src/remote.h remote_take load relaxed
 * site: csrc/src/remote.h remote_take fetch_and acquire
 * site: csrc/src/remote.h remote_try_state load relaxed
 * site: csrc/src/remote.h remote_try_state compare_exchange_weak acq_rel/relaxed
 * site: csrc/src/park.c hakmem_heap_park compare_exchange_strong release/relaxed
 * site: csrc/src/park.c hakmem_heap_drain_pending load relaxed
 * site: csrc/src/park.c hakmem_heap_drain_pending exchange acquire
 * site: csrc/src/notice.c hakmem_give_notice load relaxed
 * site: csrc/src/notice.c hakmem_give_notice load acquire
 * site: csrc/src/notice.c hakmem_give_notice compare_exchange_weak release/acquire
 * site: csrc/src/page.h page_gathered load relaxed
 *
 * short: -DOPS=4 -DFREES=3
 * full: -DOPS=5 -DFREES=4
 * twin: PARK_BY_STORE     park does not look whether blocks came back meanwhile
 * twin: PUSH_KEEPS_PARKED a push leaves PARKED as it is, so that two pushers give notice
 * twin: UNPARK_NOTIFIED   the owner takes a page back that somebody is about to link
 * twin: NEXT_READ_LATE    drain reads pending_next after it took the page up, and gave it up
 * twin: TAKE_IS_LOOK      a take looks, then empties the word
 * twin: NOTICE_BY_STORE   notice looks at pending's head, then stores
 */
#ifndef OPS
#define OPS 4
#define FREES 3
#endif
#define NB 2
#define PAGES 2
#define NONE 9

#define OWNED 0
#define PARKED 1
#define NOTIFIED 2

byte state[PAGES], count[PAGES]; /* thread_free */
byte used[PAGES];                /* the owner's line */
bool in_queue[PAGES];
byte next[PAGES];                /* pending_next */
byte pending = NONE;

byte held[PAGES];                /* blocks that the program may free */
bool linked[PAGES];              /* ghost: somebody gave notice and it is not popped yet */
byte done;

inline push(p) {
    d_step {
        old = state[p];
        count[p]++;
#ifndef PUSH_KEEPS_PARKED
        state[p] = (old == PARKED -> NOTIFIED : old)
#endif
    }
    if
    :: old == PARKED ->
        seen = pending;
        do
        :: true ->
            next[p] = seen;
#ifdef NOTICE_BY_STORE
            if
            :: pending == seen -> atomic { pending = p; assert(!linked[p]); linked[p] = true; break }
            :: else -> seen = pending
            fi
#else
            atomic {
                if
                :: pending == seen -> pending = p; assert(!linked[p]); linked[p] = true; break
                :: else -> seen = pending
                fi
            }
#endif
        od
    :: else
    fi
}

/* hakmem_tiny_collect_frees */
inline collect(p) {
    if
    :: count[p] != 0 ->
#ifdef TAKE_IS_LOOK
        w = count[p];
        atomic { count[p] = 0; assert(used[p] >= w); used[p] = used[p] - w; w = 0 }
#else
        d_step { assert(used[p] >= count[p]); used[p] = used[p] - count[p]; count[p] = 0 }
#endif
    :: else
    fi
}

inline enqueue(p) {
    atomic { assert(!in_queue[p]); in_queue[p] = true }
}

inline take_notified(p) {
    d_step { assert(linked[p]); linked[p] = false; assert(state[p] == NOTIFIED); state[p] = OWNED }
    enqueue(p);
    if
    :: count[p] == used[p] -> next[p] = NONE /* given up, and made anew by somebody, who wrote this */
    :: else
    fi
}

inline drain() {
    if
    :: pending != NONE ->
        d_step { q = pending; pending = NONE }
        do
        :: q != NONE ->
#ifdef NEXT_READ_LATE
            take_notified(q);
            n = next[q];
#else
            n = next[q];
            take_notified(q);
#endif
            q = n
        :: else -> break
        od
    :: else
    fi
}

inline park(p) {
    assert(in_queue[p]);
    in_queue[p] = false;
    d_step {
#ifdef PARK_BY_STORE
        won = true;
#else
        won = (state[p] == OWNED && count[p] == 0);
#endif
        if
        :: won -> assert(state[p] == OWNED); state[p] = PARKED
        :: else
        fi
    }
    if
    :: won
    :: else -> enqueue(p)
    fi
}

inline malloc(p) {
    drain();
    if
    :: in_queue[p] ->
        collect(p);
        if
        :: used[p] < NB -> used[p]++; held[p]++
        :: else -> park(p)
        fi
    :: else
    fi
}

/* The owner's free of a block in hand */
inline free_own(p) {
    if
    :: in_queue[p] -> used[p]--
    :: else ->
        d_step {
#ifdef UNPARK_NOTIFIED
            won = (state[p] == PARKED || state[p] == NOTIFIED);
#else
            won = (state[p] == PARKED);
#endif
            if
            :: won -> state[p] = OWNED
            :: else
            fi
        }
        if
        :: won -> enqueue(p); used[p]--
        :: else -> push(p)
        fi
    fi
}

#define FORGET old = 0; seen = 0; won = false; q = 0; n = 0; w = 0

proctype owner() {
    byte ops, old, seen, q, n, w;
    bool won;
    do
    :: ops < OPS -> ops++; malloc(0); atomic { FORGET }
    :: ops < OPS -> ops++; malloc(1); atomic { FORGET }
    :: atomic { ops < OPS && held[0] > 0 -> ops++; held[0]-- }; free_own(0); atomic { FORGET }
    :: atomic { ops < OPS && held[1] > 0 -> ops++; held[1]-- }; free_own(1); atomic { FORGET }
    :: ops == OPS -> break
    od;
    done == 2;
    drain();
    do
    :: held[0] > 0 -> held[0]--; free_own(0)
    :: held[1] > 0 -> held[1]--; free_own(1)
    :: held[0] == 0 && held[1] == 0 -> break
    od;
    drain();
    assert(in_queue[0] && in_queue[1] && pending == NONE);
    collect(0);
    collect(1);
    assert(used[0] == 0 && used[1] == 0)
}

proctype freer() {
    byte frees, old, seen;
    do
    :: atomic { frees < FREES && held[0] > 0 -> frees++; held[0]-- }; push(0); atomic { old = 0; seen = 0 }
    :: atomic { frees < FREES && held[1] > 0 -> frees++; held[1]-- }; push(1); atomic { old = 0; seen = 0 }
    :: break
    od;
    atomic { done++; frees = 0 }
}


/* Both pages begin full and in the queue. */
init {
    atomic {
        used[0] = NB; used[1] = NB; held[0] = NB; held[1] = NB;
        in_queue[0] = true; in_queue[1] = true;
        run owner(); run freer(); run freer()
    }
}
