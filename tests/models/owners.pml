/* A page changes hands: heap closing, resting and recycling, settle and adopt, abandon against late frees, claims by class and of
 * emptied pages, unparking by an old owner word, and the slot's reuse as a new page.
 *
 * Mirrors csrc/src/thread.c, heap.c, heap_slots.c, retire.c, park.c, adopt.c, abandoned.c, notice.c and frees.c. One page of NB
 * blocks, two heaps, three threads of a few operations each; a thread has a heap or none (a thread after its teardown).
 * Sequentially consistent; the orders are the affair of loom/. Every access to a shared word is a step of its own; the owner's line
 * is read and written within the step beside it, which hides nothing: whoever takes a page while another has it fails at the taking
 * (ghost `holder`).
 *
 * Checked: one holder at a time; only the holder touches the owner's line, and page->heap is its heap; no page is given back
 * while the program holds a block of it; no valid free is called invalid; nobody hangs; and once every block is back, the page is
 * given back.
 *
 * site: csrc/src/remote.h remote_try_state load relaxed
 * site: csrc/src/remote.h remote_try_state compare_exchange_weak acq_rel/relaxed
 * site: csrc/src/abandoned.c hakmem_abandon fetch_or relaxed
 * site: csrc/src/abandoned.c hakmem_claim fetch_and relaxed
 * site: csrc/src/abandoned.c claim_next load relaxed
 * site: csrc/src/page_arena.h slot_class load relaxed
 * site: csrc/src/abandoned.c looks_empty load relaxed
 * site: csrc/src/page_arena.h owner_load load relaxed
 * site: csrc/src/page_arena.h owner_store store release
 * site: csrc/src/thread.c heap_close exchange acq_rel
 * site: csrc/src/notice.c hakmem_give_notice load relaxed
 * site: csrc/src/notice.c hakmem_give_notice load acquire
 * site: csrc/src/notice.c hakmem_give_notice compare_exchange_weak release/acquire
 * site: csrc/src/heap.c hakmem_heap_wake store release
 * site: csrc/src/park.c hakmem_heap_drain_pending load relaxed
 * site: csrc/src/park.c hakmem_heap_drain_pending exchange acquire
 * site: csrc/src/park.c hakmem_heap_park compare_exchange_strong release/relaxed
 * site: csrc/src/park.c hakmem_heap_enqueue_woken store relaxed
 * site: csrc/src/retire.c page_heap load relaxed
 * site: csrc/src/page.c hakmem_page_init store relaxed
 * site: csrc/src/page.h page_used load relaxed
 * site: csrc/src/page.h page_set_used store relaxed
 *
 * short: -DOPS1=3 -DOPS2=3 -DOPS3=1
 * full: -DOPS1=4 -DOPS2=3 -DOPS3=1
 * twin: UNPARK_KEEPS_HEAP     unpark does not set page->heap
 * twin: NO_SECOND_LOOK        who claims back what it abandoned takes it for empty
 * twin: NO_LAST_LOOK          abandon does not see that every block was back already
 * twin: NOTICE_IGNORES_CLOSED notice goes on a closed list
 * twin: OWNER_KEPT            abandon leaves the owner word as it is
 * twin: OWNER_LATE            abandon stores the owner word after the state
 * twin: CLAIM_BY_STORE        the claim looks, then stores
 * twin: SETTLE_RELEASES       a thread without a heap gives a settled page up without a look
 * twin: CLOSE_FORGETS         closing drops what was pending
 * twin: RECYCLE_EARLY         the heap serves the next thread before its pages are given up
 * twin: REST_ENDED_UNTAKEN    who ends a heap's rest leaves it on the list, where the next thread finds it
 */
#ifndef OPS1
#define OPS1 3 /* operations of each thread */
#define OPS2 3
#define OPS3 1
#endif
#define MOST 8
#define NB 2

#define OWNED 0
#define PARKED 1
#define NOTIFIED 2
#define ABANDONED 3

#define OWNER_NONE 0 /* 1, 2: a heap; 3, 4: that heap | OWNER_PARKED_BIT */
#define OWNER_ABANDONED 8
#define PARKED_BY(heap) (heap + 2)

#define NOTHING 0 /* pending: empty, the page, or closed */
#define THE_PAGE 1
#define CLOSED 2

byte state, count;              /* thread_free */
byte owner;
byte page_heap;
byte used;                      /* the owner's line */
bool indexed;                   /* the bit in chunk->abandoned */
byte pending[3];
bool in_queue[3];
bool heap_taken[3];

bool made;                      /* the slot is a page; else its bit is set in the pool */
byte held;                      /* blocks that the program may free */
byte live;                      /* the same and those being freed */
byte holder;                    /* who may touch the owner's line */
byte done;

#define ME (_pid + 1)
#define WIN assert(holder == 0); holder = ME
#define MINE assert(holder == ME)

/* hakmem_heap_release_page and the pool */
inline release() {
    atomic { MINE; assert(live == 0); assert(count == used); owner = OWNER_NONE }
    atomic { MINE; holder = 0; made = false }
}

/* hakmem_claim: `won` */
inline claim() {
#ifdef CLAIM_BY_STORE
    won = (state == ABANDONED);
    if
    :: won -> atomic { WIN; state = OWNED }
    :: else
    fi;
#else
    d_step {
        won = (state == ABANDONED);
        if
        :: won -> WIN; state = OWNED
        :: else
        fi
    }
#endif
    if
    :: won -> atomic { MINE; indexed = false }
    :: else
    fi
}

/* hakmem_abandon, from OWNED; `won`: it is ours again and empty */
inline abandon() {
    do
    :: true ->
        atomic {
            MINE; u = used;
#if !defined(OWNER_KEPT) && !defined(OWNER_LATE)
            owner = OWNER_ABANDONED
#endif
        }
        atomic { MINE; assert(state == OWNED); state = ABANDONED; w = count; holder = 0 }
#ifdef OWNER_LATE
        owner = OWNER_ABANDONED;
#endif
        indexed = true;
        won = false;
#ifndef NO_LAST_LOOK
        if
        :: w == u -> claim()
        :: else
        fi;
#endif
        if
        :: !won -> break
#ifdef NO_SECOND_LOOK
        :: won -> break
#else
        :: won && count == used -> break
        :: else -> skip /* it was another's meanwhile, and is in use */
#endif
        fi
    od
}

inline collect() {
    atomic { MINE; used = used - count; count = 0 }
}

/* enqueue_woken: page->heap (which nobody reads while somebody has the page), the owner word, the queue */
inline enqueue(heap) {
    atomic { MINE; page_heap = heap; owner = heap; assert(!in_queue[1] && !in_queue[2]); in_queue[heap] = true }
}

/* hakmem_tiny_page_retire: kept for a while, or given up */
inline retire(heap) {
    assert(page_heap == heap);
    if
    :: true -> skip
    :: true -> atomic { MINE; in_queue[heap] = false }; release()
    fi
}

inline adopt(heap) {
    enqueue(heap);
    collect();
    if
    :: count == used -> retire(heap)
    :: else
    fi
}

inline settle() {
    if
    :: my != 0 -> adopt(my)
    :: my == 0 ->
        if
#ifdef SETTLE_RELEASES
        :: true -> release()
#else
        :: count == used -> release()
        :: else ->
            abandon();
            if
            :: won -> release()
            :: else
            fi
#endif
        fi
    fi
}

inline take_notified(heap) {
    atomic { assert(state == NOTIFIED); WIN; state = OWNED }
    enqueue(heap);
    if
    :: count == used -> collect(); if :: count == used -> retire(heap) :: else fi
    :: else
    fi
}

inline drain(heap) {
    if
    :: pending[heap] == THE_PAGE ->
        atomic { assert(pending[heap] == THE_PAGE); pending[heap] = NOTHING }
        take_notified(heap)
    :: else
    fi
}

inline give_notice() {
    h = page_heap;
    seen = pending[h];
    do
#ifndef NOTICE_IGNORES_CLOSED
    :: seen == CLOSED ->
        atomic { assert(state == NOTIFIED); WIN; state = OWNED }
        settle();
        break
    :: seen != CLOSED ->
#else
    :: true ->
#endif
        atomic {
            if
            :: pending[h] == seen -> assert(seen != THE_PAGE); pending[h] = THE_PAGE; break
            :: else -> seen = pending[h]
            fi
        }
    od
}

inline free_local(heap) {
    atomic { MINE; assert(in_queue[heap]); assert(page_heap == heap); used--; live-- }
    if
    :: count == used -> retire(heap)
    :: else
    fi
}

/* hakmem_free of a block that is in hand */
inline free_block() {
    word = owner;
    if
    :: my != 0 && word == my -> free_local(my)
    :: else ->
        word = owner;
        assert(word != OWNER_NONE);
        won = false;
        if
        :: my != 0 && word == PARKED_BY(my) ->
            d_step {
                won = (state == PARKED);
                if
                :: won -> WIN; state = OWNED
                :: else
                fi
            }
        :: else
        fi;
        if
        :: won ->
#ifdef UNPARK_KEEPS_HEAP
            atomic { MINE; owner = my; assert(!in_queue[1] && !in_queue[2]); in_queue[my] = true }
#else
            enqueue(my);
#endif
            free_local(my)
        :: else ->
            d_step { old = state; count++; w = count; state = (state == PARKED -> NOTIFIED : state); live-- }
            if
            :: old == PARKED -> give_notice()
            :: old == ABANDONED ->
                u = used;
                if
                :: w == u -> claim(); if :: won -> settle() :: else fi
                :: else
                fi
            :: else
            fi
        fi
    fi
}

/* hakmem_tiny_malloc_direct, then the generic path; without a block in the end where the page is another's */
inline malloc() {
    drain_first = false;
    do
    :: in_queue[my] && used < NB -> atomic { MINE; assert(owner == my); assert(page_heap == my); used++; held++; live++; break }
    :: !(in_queue[my] && used < NB) && !drain_first -> drain_first = true; drain(my)
    :: in_queue[my] && used == NB && drain_first ->
        collect();
        if
        :: used == NB -> /* park */
            atomic { MINE; owner = PARKED_BY(my); in_queue[my] = false }
            d_step {
                MINE;
                won = (state == OWNED && count == 0);
                if
                :: won -> state = PARKED; holder = 0
                :: else
                fi
            }
            if
            :: won
            :: else -> enqueue(my)
            fi
        :: else
        fi
    :: !in_queue[my] && drain_first ->
        h = indexed;
        if
        :: h && owner == OWNER_ABANDONED -> h = 0; claim(); if :: won -> adopt(my) :: else -> break fi
        :: else ->
            h = 0;
            d_step {
                won = !made;
                if
                :: won -> made = true; WIN; used = 0
                :: else
                fi
            }
            if
            :: won -> page_heap = my; atomic { state = OWNED; count = 0 }; enqueue(my)
            :: else -> break
            fi
        fi
    od
}

/* What of a heap's page is neither kept nor wanted; for a heap that rests, by who took it from the list under the lock. */
inline part_with(heap) {
    collect();
    atomic { MINE; in_queue[heap] = false }
    if
    :: count == used -> release()
    :: else ->
        abandon();
        if
        :: won -> release()
        :: else
        fi
    fi
}

/* heap_recycled: with what is in its queue */
inline wake(heap) {
    heap_taken[heap] = true;
    if
    :: in_queue[heap] -> WIN
    :: else
    fi
}

/* hakmem_threads_end_rest: off the list, under the lock; the pages after it */
inline take_resting(heap) {
#ifndef REST_ENDED_UNTAKEN
    heap_taken[heap] = true;
#endif
    WIN
}

inline end_rest(heap) {
    part_with(heap);
    heap_taken[heap] = false
}

/* thread_exit */
inline leave() {
    h = my;
    my = 0;
    d_step { seen = pending[h]; pending[h] = CLOSED }
    if
#ifndef CLOSE_FORGETS
    :: seen == THE_PAGE -> take_notified(h)
#endif
    :: else
    fi;
#ifdef RECYCLE_EARLY
    heap_taken[h] = false;
#endif
    if
    :: indexed -> /* claim_next, for one that looks empty */
        d_step { old = state; w = count }
        u = used;
        if
        :: old == ABANDONED && w == u -> claim(); if :: won -> adopt(h) :: else fi
        :: else
        fi;
        atomic { old = 0; w = 0; u = 0 }
    :: else
    fi;
    if
    :: in_queue[h] -> part_with(h)
    :: in_queue[h] -> atomic { MINE; holder = 0 } /* the page rests with the heap */
    :: else
    fi;
#ifndef RECYCLE_EARLY
    heap_taken[h] = false
#endif
}

/* What an operation leaves in its locals is no part of the state. */
#define FORGET word = 0; old = 0; w = 0; u = 0; h = 0; seen = 0; won = false

proctype worker(byte role) {
    byte my, ops, word, old, w, u, h, seen;
    bool won, drain_first;
    /* The first thread has a heap from the start; the others get one when they begin, which may be the first one's. The
     * last may have none. Any other cast is one of these with the names changed. */
    if
    :: atomic { role == 1 -> my = 1; pending[1] = NOTHING; heap_taken[1] = true; ops = MOST - (OPS1) }
    :: atomic { role != 1 && !heap_taken[1] -> wake(1); my = 1; ops = MOST - (role == 2 -> OPS2 : OPS3) }; pending[1] = NOTHING
    :: atomic { role != 1 && heap_taken[1] && !heap_taken[2] -> wake(2); my = 2; ops = MOST - (role == 2 -> OPS2 : OPS3) }; pending[2] = NOTHING
    :: role == 3 -> ops = MOST - (OPS3)
    fi;
    do
    :: ops < MOST && my != 0 -> ops++; malloc(); atomic { drain_first = false; FORGET }
    :: atomic { ops < MOST && held > 0 -> ops++; held-- }; free_block(); atomic { FORGET }
    :: atomic { ops < MOST && !heap_taken[1] && in_queue[1] -> ops++; take_resting(1) }; end_rest(1); atomic { FORGET }
    :: atomic { ops < MOST && !heap_taken[2] && in_queue[2] -> ops++; take_resting(2) }; end_rest(2); atomic { FORGET }
    :: break
    od;
    if
    :: my != 0 -> leave()
    :: else
    fi;
    atomic { done++; my = 0; ops = 0; FORGET }
}

init {
    byte my, word, old, w, u, h, seen;
    bool won;
    atomic {
        heap_taken[1] = true;
        run worker(1);
        run worker(2);
        run worker(3);
        my = 0
    }
    done == 3;
    do
    ::  held > 0 -> held--; free_block(); atomic { FORGET }
    :: held == 0 -> break
    od;
    if
    :: in_queue[1] -> take_resting(1); end_rest(1)
    :: in_queue[2] -> take_resting(2); end_rest(2)
    :: else
    fi;
    assert(live == 0 && !made && holder == 0)
}
