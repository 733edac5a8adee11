#define _GNU_SOURCE
#include "base.h"

#if HAKMEM_DELAYS

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

/* How often a thread is delayed differs by thread and seed: once in 32 to once in 4,096 calls. Few delays find what
 * needs one thread to stand still while others go far; many find what needs several to stand. */
enum { RAREST = 12, COMMONEST = 5 };
enum { SLEEP_MOST_NS = 50000, SPINS_MOST = 256 };

/* Written before main. Until it is read nobody waits: there may be neither an environment nor thread-locals yet. */
static uint64_t seed;

static atomic_uint threads; /* that were delayed so far */
static HAKMEM_TLS uint64_t random_state;
static HAKMEM_TLS uint64_t mask;
static HAKMEM_TLS bool
    inside; /* what hakmem_delay does is not delayed itself, nor is a signal handler that interrupts it */

/* Steele, Lea, Flood: the mixer of SplitMix64. Neighbouring seeds give sequences that have nothing in common. */
static uint64_t mixed(uint64_t x) {
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

__attribute__((constructor)) static void read_seed(void) {
    const char *text = getenv("HAKMEM_DELAY_SEED");
    seed = mixed(text == NULL ? 0 : strtoull(text, NULL, 10)) | 1;
}

/* Marsaglia's xorshift64*. */
static uint64_t next_random(void) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static void begin_thread(void) {
    /* Relaxed: numbers that differ are all that is wanted. */
    uint64_t number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed);
    random_state = mixed(seed + number) | 1;
    mask = (UINT64_C(1) << (COMMONEST + next_random() % (RAREST - COMMONEST + 1))) - 1;
}

static void wait_somehow(uint64_t r) {
    uint64_t how = r % 32;
    r /= 32;
    if (how == 0) {
        struct timespec time = {0, (long)(r % SLEEP_MOST_NS)};
        nanosleep(&time, NULL);
    } else if (how < 12) {
        sched_yield();
    } else {
        for (volatile uint64_t spins = r % SPINS_MOST; spins != 0; spins--) {
        }
    }
}

void hakmem_delay(void) {
    if (seed == 0 || inside) {
        return;
    }
    inside = true;
    if (random_state == 0) {
        begin_thread();
    }
    uint64_t r = next_random() >> 16; /* the upper bits are the better ones */
    if ((r & mask) == 0) {
        int kept = errno;
        wait_somehow(r >> RAREST);
        errno = kept;
    }
    inside = false;
}

#endif
