#define _GNU_SOURCE
#include "lock.h"

#include <stdlib.h>

#include "fatal.h"
#include "options.h"
#include "os.h"

enum { FORK_TRIES = 1000 };

static pthread_mutex_t mutexes[HAKMEM_LOCK_COUNT] = {
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
};

atomic_int g_lock_stats_enabled;

/* Relaxed throughout: counters that are read when the program ends. */
static atomic_ulong taken[HAKMEM_LOCK_COUNT];
static atomic_ulong acquired[HAKMEM_STAGE_COUNT];
static atomic_ulong locks_in_stage[HAKMEM_STAGE_COUNT];
static HAKMEM_TLS unsigned long taken_here;

/* A bit per lock that this thread holds or is about to take: set before, cleared after. A signal handler that forks may have
 * interrupted us anywhere, and must not wait for what its own thread holds. Volatile, and the fences below: for the
 * handler, which is the only other reader. */
static HAKMEM_TLS volatile uint32_t held_here;
/* How deep this thread is in forks, and the locks that the outermost one took. */
static HAKMEM_TLS volatile uint32_t forks_here;
static HAKMEM_TLS volatile uint32_t taken_to_fork;

HAKMEM_INLINE bool counting(void) {
    return hakmem_unlikely(atomic_load_explicit(&g_lock_stats_enabled, memory_order_relaxed) != 0);
}

static void acquire(int which) {
    held_here |= 1U << which;
    atomic_signal_fence(memory_order_seq_cst);
    pthread_mutex_lock(&mutexes[which]);
}

static bool try_to_acquire(int which) {
    held_here |= 1U << which;
    atomic_signal_fence(memory_order_seq_cst);
    for (int tries = 0; tries < FORK_TRIES; tries++) {
        if (pthread_mutex_trylock(&mutexes[which]) == 0) {
            return true;
        }
        hakmem_os_yield();
    }
    atomic_signal_fence(memory_order_seq_cst);
    held_here &= ~(1U << which);
    return false;
}

static void release(int which) {
    pthread_mutex_unlock(&mutexes[which]);
    atomic_signal_fence(memory_order_seq_cst);
    held_here &= ~(1U << which);
}

/* Whether this thread is in fork and has the lock: a handler of fork that was registered before ours, and allocates,
 * comes after ours before the fork, and before ours after it. What the lock guards is whole then. */
HAKMEM_INLINE bool forks_with(hakmem_lock_t which) {
    return hakmem_unlikely((taken_to_fork & (1U << which)) != 0);
}

void hakmem_lock(hakmem_lock_t which) {
    if (forks_with(which)) {
        return;
    }
    acquire((int)which);
    if (counting()) {
        taken_here++;
        atomic_fetch_add_explicit(&taken[which], 1, memory_order_relaxed);
    }
}

void hakmem_unlock(hakmem_lock_t which) {
    if (!forks_with(which)) {
        release((int)which);
    }
}

void hakmem_lock_all(void) {
    if (forks_here++ != 0) {
        return; /* a handler forks in the middle of a fork, which has them all */
    }
    uint32_t held = held_here;
    /* Outermost first, as everyone else nests them. What an interrupted call of this thread holds stays as it is: the child
     * has that call too, and it goes on there when the handler returns. A lock outside of those is not waited for, since who has it may
     * be waiting for us: it is then missing in the child, which may only end or call exec. */
    for (int i = HAKMEM_LOCK_COUNT - 1; i >= 0; i--) {
        if ((held & (1U << i)) != 0) {
            continue;
        }
        bool in_order = (held & ((1U << i) - 1)) == 0;
        if (in_order) {
            acquire(i);
        }
        if (in_order || try_to_acquire(i)) {
            taken_to_fork |= 1U << i;
        }
    }
}

void hakmem_unlock_all(void) {
    if (forks_here != 1) {
        forks_here--;
        return;
    }
    for (int i = 0; i < HAKMEM_LOCK_COUNT; i++) {
        if ((taken_to_fork & (1U << i)) != 0) {
            taken_to_fork &= ~(1U << i);
            release(i);
        }
    }
    forks_here--;
}

unsigned long hakmem_lock_stats_taken(void) {
    return counting() ? taken_here : 0;
}

void hakmem_lock_stats_acquired(hakmem_stage_t stage, unsigned long locks_before) {
    if (counting()) {
        atomic_fetch_add_explicit(&acquired[stage], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&locks_in_stage[stage], taken_here - locks_before, memory_order_relaxed);
    }
}

static void print_counts(const char *head, const char *name, unsigned long count, const char *tail,
                         unsigned long locks) {
    hakmem_line_t line = {0};
    hakmem_line_text(&line, head);
    hakmem_line_text(&line, name);
    hakmem_line_text(&line, ": ");
    hakmem_line_number(&line, count);
    hakmem_line_text(&line, tail);
    if (*tail != '\0') {
        hakmem_line_number(&line, locks);
    }
    hakmem_line_write(&line);
}

static void print_at_exit(void) {
    static const char *const stages[HAKMEM_STAGE_COUNT] = {"0", "0.5", "1", "2", "3"};
    static const char *const locks[HAKMEM_LOCK_COUNT] = {"meta", "arena", "huge", "heaps", "late"};
    for (int i = 0; i < HAKMEM_STAGE_COUNT; i++) {
        print_counts("hakmem: lock stats: stage ", stages[i], atomic_load_explicit(&acquired[i], memory_order_relaxed),
                     " acquired, locks taken: ", atomic_load_explicit(&locks_in_stage[i], memory_order_relaxed));
    }
    for (int i = 0; i < HAKMEM_LOCK_COUNT; i++) {
        print_counts("hakmem: lock stats: lock ", locks[i], atomic_load_explicit(&taken[i], memory_order_relaxed), "",
                     0);
    }
}

void lock_stats_init(void) {
    static atomic_flag done = ATOMIC_FLAG_INIT;
    const char *value = hakmem_option_text("HAKMEM_LOCK_STATS");
    /* Relaxed: the flag publishes nothing but itself. Not set without a value: there may be no environment yet. */
    if (value == NULL || atomic_flag_test_and_set_explicit(&done, memory_order_relaxed)) {
        return;
    }
    if (value[0] == '1' && value[1] == '\0') {
        atomic_store_explicit(&g_lock_stats_enabled, 1, memory_order_relaxed);
        hakmem_line_keep_stderr();
        atexit(print_at_exit);
    }
}
