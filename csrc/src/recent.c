#include "recent.h"

#include "options.h"

enum { PERIODS = 3 }; /* the one that goes on, and those before it */

/* How much may wait of what was in use just before, whatever is in use: 64 MiB, since a process that falls silent keeps it (time is
 * noticed by allocations only). Where that proves too little, because all that was given back as too much is wanted again before it is
 * forgotten, it doubles, up to 1 GiB: a program that builds and frees more than that in turn would pay for every page each time. It
 * halves when something waited for nobody. */
#define AGAIN_LEAST ((int64_t)64 * 1024 * 1024)
#define AGAIN_MOST ((int64_t)1024 * 1024 * 1024)

/* Relaxed, all of these: figures that steer, nothing is read through them. Two threads may both store; it is then another figure for a
 * while than it would have been. In bytes. */
static _Atomic int64_t in_use[IN_COUNT];
static _Atomic int64_t most_in_use[PERIODS][IN_COUNT]; /* at once, in each; the one that goes on first */
static _Atomic uint64_t period_began_ms;
static _Atomic int64_t again_most = AGAIN_LEAST;
static _Atomic int64_t
    too_much; /* what was given back as such and not wanted again yet; half is forgotten with each period */

static int64_t figure(_Atomic int64_t *of) {
    return atomic_load_explicit(of, memory_order_relaxed);
}

static void set_figure(_Atomic int64_t *of, int64_t to) {
    atomic_store_explicit(of, to, memory_order_relaxed);
}

int64_t hakmem_in_use(hakmem_in_t in) {
    return figure(&in_use[in]);
}

int64_t hakmem_in_use_add(hakmem_in_t in, int64_t bytes) {
    int64_t now = atomic_fetch_add_explicit(&in_use[in], bytes, memory_order_relaxed) + bytes;
    if (now > figure(&most_in_use[0][in])) {
        set_figure(&most_in_use[0][in], now);
    }
    return now;
}

/* The most in use at once within the last periods. */
static int64_t recent_most(hakmem_in_t in) {
    int64_t most = 0;
    for (int i = 0; i < PERIODS; i++) {
        int64_t then = figure(&most_in_use[i][in]);
        most = then > most ? then : most;
    }
    return most;
}

int64_t hakmem_recent_above(hakmem_in_t in) {
    int64_t above = recent_most(in) - hakmem_in_use(in);
    return above > 0 ? above : 0;
}

/* What may wait in any case, and beside what is in use as much as that: of mappings both together, of slots, half of which may wait
 * anyway (purge.c), the larger of the two. */
static int64_t most_again(hakmem_in_t in) {
    int64_t most = figure(&again_most), now = hakmem_in_use(in);
    if (in == IN_MAPPINGS) {
        return most + now;
    }
    return now > most ? now : most;
}

int64_t hakmem_recent_may_wait(hakmem_in_t in) {
    int64_t above = hakmem_recent_above(in), most = most_again(in);
    return above < most ? above : most;
}

bool hakmem_recent_too_much(hakmem_in_t in) {
    return hakmem_recent_above(in) > most_again(in);
}

void hakmem_recent_gave_back(int64_t bytes) {
    atomic_fetch_add_explicit(&too_much, bytes, memory_order_relaxed);
}

void hakmem_recent_wanted(int64_t bytes) {
    int64_t given = figure(&too_much);
    if (hakmem_likely(given == 0)) {
        return;
    }
    set_figure(&too_much, given > bytes ? given - bytes : 0);
    int64_t most = figure(&again_most);
    if (given <= bytes && most < AGAIN_MOST) {
        set_figure(&again_most, most * 2);
    }
}

void hakmem_recent_unwanted(void) {
    int64_t most = figure(&again_most);
    for (hakmem_in_t in = IN_SLOTS; in < IN_COUNT; in++) {
        if (recent_most(in) > most / 2) {
            return; /* half would be too little: what was unwanted is only what lay in places where nobody looks first */
        }
    }
    if (most > AGAIN_LEAST) {
        set_figure(&again_most, most / 2);
    }
}

/* Time has passed since the last period began: that many of them. */
static void shift_most(hakmem_in_t in, uint64_t periods) {
    for (uint64_t i = PERIODS; --i > 0;) {
        set_figure(&most_in_use[i][in], i >= periods ? figure(&most_in_use[i - periods][in]) : 0);
    }
    set_figure(&most_in_use[0][in], hakmem_in_use(in));
}

void hakmem_recent_tick(uint64_t now_ms) {
    uint64_t began = atomic_load_explicit(&period_began_ms, memory_order_relaxed), period = option_purge_ms();
    /* Relaxed: elects one thread. `now_ms` may have been read before others ended a period. */
    if (now_ms < began + period || !atomic_compare_exchange_strong_explicit(
                                       &period_began_ms, &began, now_ms, memory_order_relaxed, memory_order_relaxed)) {
        return;
    }
    int64_t half = figure(&too_much) / 2;
    /* A little that is wanted says nothing about the much that was forgotten. */
    set_figure(&too_much, half < AGAIN_LEAST / 64 ? 0 : half);
    for (hakmem_in_t in = IN_SLOTS; in < IN_COUNT; in++) {
        shift_most(in, period != 0 ? (now_ms - began) / period : PERIODS);
    }
}

void hakmem_recent_forget(void) {
    set_figure(&again_most, AGAIN_LEAST);
    set_figure(&too_much, 0);
}
