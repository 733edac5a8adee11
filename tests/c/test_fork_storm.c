/* Four threads fork while eight allocate: every child allocates, frees, starts a thread and ends; the parent loses
 * nothing. And a library's own fork handlers may allocate, whatever the order in which they run. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "tiny.h"

enum { FORKING = 4, ALLOCATING = 8, HELD = 400 };

typedef struct {
    void *p;
    size_t size;
    uint64_t seed;
} held_t;

static atomic_bool stop;
static atomic_long children;
static long forks_each;

static size_t random_size(uint64_t r) {
    return r % 512 == 0  ? HAKMEM_LARGE_MAX + r / 512 % 100000
           : r % 64 == 0 ? r / 64 % 1000000
           : r % 8 == 0  ? r / 8 % 40000
                         : 1 + r / 8 % 1500;
}

static void drop(held_t *held) {
    if (held->p != NULL) {
        CHECK(holds(held->p, held->size, held->size, held->seed));
        hakmem_free(held->p);
        held->p = NULL;
    }
}

static void replace(held_t *held, uint64_t r) {
    drop(held);
    *held = (held_t){hakmem_malloc(random_size(r)), random_size(r), r};
    CHECK(held->p != NULL);
    fill(held->p, held->size, r);
}

static void *allocate(void *number) {
    uint64_t random = (uintptr_t)number * 1000 + 1;
    held_t held[HELD] = {{0}};
    while (!atomic_load(&stop)) {
        uint64_t r = next_random(&random);
        replace(&held[r % HELD], r >> 16);
        if (r >> 52 == 7) {
            hakmem_purge();
        }
    }
    for (int i = 0; i < HELD; i++) {
        drop(&held[i]);
    }
    return NULL;
}

static void *in_child_thread(void *p) {
    hakmem_free(p);
    uint64_t random = 99;
    held_t held[20] = {{0}};
    for (int i = 0; i < 200; i++) {
        replace(&held[i % 20], next_random(&random) >> 16);
    }
    for (int i = 0; i < 20; i++) {
        drop(&held[i]);
    }
    return hakmem_malloc(100);
}

static void child(held_t *inherited) {
    alarm(10); /* what hangs must not outlive the test */
    for (int i = 0; i < HELD; i++) {
        drop(&inherited[i]);
    }
    pthread_t thread;
    void *last;
    CHECK_EQ(pthread_create(&thread, NULL, in_child_thread, hakmem_malloc(5000)), 0);
    CHECK_EQ(pthread_join(thread, &last), 0);
    hakmem_free(last);
    hakmem_purge();
    _exit(0);
}

static void *fork_often(void *number) {
    uint64_t random = (uintptr_t)number * 7777 + 5;
    held_t held[HELD] = {{0}};
    for (long i = 0; i < forks_each; i++) {
        for (int k = 0; k < 50; k++) {
            uint64_t r = next_random(&random);
            replace(&held[r % HELD], r >> 16);
        }
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            child(held);
        }
        int status;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        if (status != 0) {
            fprintf(stderr, "child %ld of forking thread %lu ended with status 0x%x\n", i,
                    (unsigned long)(uintptr_t)number, (unsigned)status);
            _Exit(1);
        }
        atomic_fetch_add(&children, 1);
    }
    for (int i = 0; i < HELD; i++) {
        drop(&held[i]);
    }
    return NULL;
}

/* Registered before hakmem's own handlers, so that `prepare` runs after theirs, when they have every lock. */
static atomic_long prepared;

static void allocate_in_handler(void) {
    void *huge = hakmem_malloc(HAKMEM_LARGE_MAX * 2), *small = hakmem_malloc(77);
    CHECK(huge != NULL && small != NULL);
    hakmem_free(huge);
    hakmem_free(small);
    hakmem_tiny_heap_destroy(hakmem_tiny_heap_create());
    atomic_fetch_add(&prepared, 1);
}

int main(void) {
    if (skipped_under("address thread", "test_fork_storm",
                      "the tool's own locks may be held in a forked child that starts threads")) {
        return 0;
    }
    alarm(280);
    CHECK_EQ(pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler), 0);
    forks_each = lengthened(rounds(20));
    pthread_t allocating[ALLOCATING], forking[FORKING];
    for (uintptr_t i = 0; i < ALLOCATING; i++) {
        CHECK_EQ(pthread_create(&allocating[i], NULL, allocate, (void *)(i + 1)), 0);
    }
    for (uintptr_t i = 0; i < FORKING; i++) {
        CHECK_EQ(pthread_create(&forking[i], NULL, fork_often, (void *)(i + 1)), 0);
    }
    for (int i = 0; i < FORKING; i++) {
        CHECK_EQ(pthread_join(forking[i], NULL), 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < ALLOCATING; i++) {
        CHECK_EQ(pthread_join(allocating[i], NULL), 0);
    }
    CHECK_EQ(atomic_load(&children), FORKING * forks_each);
    CHECK(atomic_load(&prepared) >= 2 * atomic_load(&children));
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
    printf("%ld children\n", atomic_load(&children));
    return 0;
}
