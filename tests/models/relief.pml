/* A sleeping owner's pending list is relieved of its empty pages by whoever freed their last blocks, while others give notice,
 * and the owner wakes, drains the list, and ends.
 *
 * Mirrors csrc/src/notice.c (relieve, hakmem_give_notice, hakmem_settle), and of heap.c, park.c and thread.c the owner's side. NP
 * full pages of two blocks, parked; two threads without a heap free one block of each page, in opposite order, and look at the pending list
 * after any push that empties a page: the thresholds in hakmem_note_emptied only make that rarer. Sequentially consistent; the
 * orders are those of the same list in loom/notice.rs.
 *
 * Checked: a page is given back once, and with no block in use; a closed list stays closed; nobody finds a page in a state that he
 * did not leave it in; and when all blocks are back and the owner has ended, every page has been given back.
 *
 * site: csrc/src/notice.c relieve load relaxed
 * site: csrc/src/notice.c relieve compare_exchange_weak acquire/relaxed
 *
 * short: -DNP=2
 * full: -DNP=3
 * twin: RELIEF_REOPENS       the list is taken by an exchange, closed or not
 * twin: RELIEF_NEXT_LATE     the link is read after notice was given again
 * twin: RELIEF_NO_LOOK       pages are given back whether or not they are empty
 * twin: RELIEF_DROPS         pages that are not empty are left on no list
 * twin: RELIEF_PEEKS         pages are given back off the list without taking the list
 */
#ifndef NP
#define NP 2
#endif
#define NB 2

#define OWNED 0
#define PARKED 1
#define NOTIFIED 2
#define ABANDONED 3

#define NOTHING 0 /* pending: empty, page + 1, or closed */
#define CLOSED 9

typedef page_t {
    byte state, count; /* thread_free */
    byte used;         /* the owner's line */
    byte next;         /* pending_next */
    bool queued;       /* in the owner's queue */
    bool released;
};
page_t pages[NP];
byte pending;
byte ended;

inline release(p) {
    assert(!pages[p].released && pages[p].count == pages[p].used);
    pages[p].released = true
}

/* The page is the caller's, OWNED and in no queue. */
inline abandon(p, u) {
    u = pages[p].used;
    atomic { assert(pages[p].state == OWNED); pages[p].state = ABANDONED; emptied = (pages[p].count == u) };
    if
    :: emptied ->
        atomic { emptied = (pages[p].state == ABANDONED); if :: emptied -> pages[p].state = OWNED :: else fi };
        if
        :: emptied -> release(p)
        :: else
        fi
    :: else
    fi
}

inline give_notice(p) {
    head = pending;
    do
    :: head == CLOSED ->
        atomic { assert(pages[p].state == NOTIFIED); pages[p].state = OWNED };
        if
        :: pages[p].count == pages[p].used -> release(p)
        :: else -> abandon(p, u)
        fi;
        break
    :: else ->
        pages[p].next = head;
        atomic {
            if
            :: pending == head -> pending = p + 1; break
            :: else -> head = pending
            fi
        }
    od
}

inline relieve() {
    taken = pending;
    do
    :: taken == NOTHING -> break
#ifndef RELIEF_REOPENS
    :: taken == CLOSED -> taken = NOTHING; break
#endif
    :: else ->
        atomic {
#if defined(RELIEF_REOPENS)
            taken = pending; pending = NOTHING;
            if :: taken == CLOSED -> taken = NOTHING :: else fi;
            break
#elif defined(RELIEF_PEEKS)
            break
#else
            if
            :: pending == taken -> pending = NOTHING; break
            :: else -> taken = pending
            fi
#endif
        }
    od;
    do
    :: taken == NOTHING -> break
    :: else ->
        q = taken - 1;
        after = pages[q].next;
#ifdef RELIEF_NO_LOOK
        emptied = true;
#else
        emptied = (pages[q].count == pages[q].used);
#endif
        if
        :: emptied ->
            atomic { assert(pages[q].state == NOTIFIED); pages[q].state = OWNED };
            release(q)
        :: else ->
#ifndef RELIEF_DROPS
            give_notice(q);
#else
            skip;
#endif
#ifdef RELIEF_NEXT_LATE
            after = pages[q].next
#endif
        fi;
        taken = after
    od
}

proctype pusher(byte from; bool up) {
    byte p = from, n, head, taken, after, q, left, old, u;
    bool emptied, last;
    do
    :: n == NP -> break
    :: else ->
        atomic {
            old = pages[p].state;
            pages[p].count++;
            left = pages[p].count;
            if :: old == PARKED -> pages[p].state = NOTIFIED :: else fi
        };
        last = (left == pages[p].used);
        if
        :: old == PARKED -> give_notice(p)
        :: old == ABANDONED && last ->
            atomic { emptied = (pages[p].state == ABANDONED); if :: emptied -> pages[p].state = OWNED :: else fi };
            if
            :: emptied ->
                if
                :: pages[p].count == pages[p].used -> release(p)
                :: else -> abandon(p, u)
                fi
            :: else
            fi
        :: else
        fi;
        if
        :: last && (old == PARKED || old == NOTIFIED) -> relieve()
        :: else
        fi;
        n++;
        if :: up -> p++ :: else -> p-- fi
    od;
    ended++
}

inline take_up() {
    do
    :: taken == NOTHING || taken == CLOSED -> break
    :: else ->
        q = taken - 1;
        after = pages[q].next;
        atomic { assert(pages[q].state == NOTIFIED && !pages[q].released); pages[q].state = OWNED };
        if
        :: pages[q].count == pages[q].used -> release(q)
        :: else -> pages[q].queued = true
        fi;
        taken = after
    od
}

proctype owner() {
    byte taken, after, q, p, u, got;
    bool emptied;
    if
    :: taken = pending;
       if
       :: taken != NOTHING -> atomic { taken = pending; pending = NOTHING }; take_up()
       :: else
       fi
    :: skip
    fi;
    p = 0;
    do /* collects what came back */
    :: p == NP -> break
    :: else ->
        if
        :: pages[p].queued ->
            atomic { got = pages[p].count; pages[p].count = 0; pages[p].used = pages[p].used - got };
            if
            :: pages[p].used == 0 -> pages[p].queued = false; release(p)
            :: else
            fi
        :: else
        fi;
        p++
    od;
    atomic { taken = pending; pending = CLOSED };
    take_up();
    p = 0;
    do
    :: p == NP -> break
    :: else ->
        if
        :: pages[p].queued -> pages[p].queued = false; abandon(p, u)
        :: else
        fi;
        p++
    od;
    ended++
}

init {
    byte p = 0;
    atomic {
        do
        :: p == NP -> break
        :: else -> pages[p].state = PARKED; pages[p].used = NB; p++
        od;
        run pusher(0, true);
        run pusher(NP - 1, false);
        run owner()
    };
    ended == 3;
    assert(pending == CLOSED);
    p = 0;
    do
    :: p == NP -> break
    :: else -> assert(pages[p].released); p++
    od
}
