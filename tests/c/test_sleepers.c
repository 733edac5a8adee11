/* Threads that fill memory in turn and sleep while another frees it: their pages are given back all the same, since no owner
 * is there to do it. */
#define _GNU_SOURCE
#include <pthread.h>

#include "check.h"
#include "thread.h"

enum { SLEEPERS = 8, BLOCKS = 40000, SIZE = 200 }; /* 8 MB a turn */

static unsigned char *blocks[BLOCKS];
static pthread_barrier_t turn_begins, turn_ends;
static int turn;

static void *sleeper(void *index) {
    for (int round = 0; round < 2 * SLEEPERS; round++) {
        pthread_barrier_wait(&turn_begins);
        if (turn % SLEEPERS == (int)(uintptr_t)index) {
            for (size_t i = 0; i < BLOCKS; i++) {
                CHECK((blocks[i] = hakmem_malloc(SIZE)) != NULL);
                fill(blocks[i], SIZE, i);
            }
        }
        pthread_barrier_wait(&turn_ends);
    }
    return NULL;
}

static uint64_t committed(void) {
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    return stats.committed_bytes;
}

int main(void) {
    pthread_t threads[SLEEPERS];
    CHECK_EQ(pthread_barrier_init(&turn_begins, NULL, SLEEPERS + 1), 0);
    CHECK_EQ(pthread_barrier_init(&turn_ends, NULL, SLEEPERS + 1), 0);
    for (uintptr_t i = 0; i < SLEEPERS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, sleeper, (void *)i), 0);
    }
    uint64_t most = 0;
    for (turn = 0; turn < 2 * SLEEPERS; turn++) {
        pthread_barrier_wait(&turn_begins);
        pthread_barrier_wait(&turn_ends);
        most = committed() > most ? committed() : most;
        for (size_t i = 0; i < BLOCKS; i++) {
            CHECK(holds(blocks[i], SIZE, SIZE, i));
            hakmem_free(blocks[i]);
        }
    }
    for (int i = 0; i < SLEEPERS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    /* One turn's blocks and what may wait, not eight turns'. */
    printf("%llu KiB at most\n", (unsigned long long)most / 1024);
    CHECK(most < 3 * (uint64_t)BLOCKS * SIZE);
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
    return 0;
}
