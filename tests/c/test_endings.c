/* How a process may end, and what may interrupt it. Its argument says which:
 *   main-first  the main thread leaves by pthread_exit, the others go on; the last one ends the process
 *   exit        exit while the others allocate, with a handler that allocates
 *   signals     signals hit threads anywhere in the allocator; their handler does not allocate */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"
#include "tiny.h"

enum { THREADS = 4, BLOCKS = 300 };

static atomic_bool stop;

static void churn(uint64_t *random, void **blocks, size_t *sizes, int count) {
    for (int i = 0; i < count; i++) {
        uint64_t r = next_random(random);
        size_t k = r % BLOCKS;
        CHECK(blocks[k] == NULL || holds(blocks[k], sizes[k], sizes[k], k));
        hakmem_free(blocks[k]);
        sizes[k] = r >> 54 == 0 ? HAKMEM_LARGE_MAX + 1 : r >> 58 == 0 ? 100000 : 1 + (r >> 20) % 2000;
        CHECK((blocks[k] = hakmem_malloc(sizes[k])) != NULL);
        fill(blocks[k], sizes[k], k);
    }
}

static void free_all(void **blocks) {
    for (int k = 0; k < BLOCKS; k++) {
        hakmem_free(blocks[k]);
        blocks[k] = NULL;
    }
}

static void *work(void *seed) {
    uint64_t random = (uintptr_t)seed * 31;
    void *blocks[BLOCKS] = {0};
    size_t sizes[BLOCKS];
    while (!atomic_load(&stop)) {
        churn(&random, blocks, sizes, 500);
    }
    free_all(blocks);
    return NULL;
}

static void start(pthread_t *threads, void *(*body)(void *)) {
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, body, (void *)(i + 1)), 0);
    }
}

static pthread_t main_thread;
static pthread_t outliving[THREADS];
static void *from_main[BLOCKS];

/* The first of them sees the main thread off and frees what that one left, and the others off at the end: a thread has gone when it is
 * joined, not when its function is done, since its heap is given up in between. */
static void *outlive(void *seed) {
    bool is_first = (uintptr_t)seed == 1;
    if (is_first) {
        CHECK_EQ(pthread_join(main_thread, NULL), 0);
        free_all(from_main);
        atomic_store(&stop, true);
    }
    uint64_t random = (uintptr_t)seed * 31;
    void *blocks[BLOCKS] = {0};
    size_t sizes[BLOCKS];
    do {
        churn(&random, blocks, sizes, 500);
    } while (!atomic_load(&stop));
    churn(&random, blocks, sizes, (int)rounds(20000));
    free_all(blocks);
    if (is_first) {
        for (int i = 1; i < THREADS; i++) {
            CHECK_EQ(pthread_join(outliving[i], NULL), 0);
        }
        hakmem_stats_t stats;
        hakmem_stats_get(&stats);
        CHECK_EQ(stats.live_blocks, 0);
        puts("the last thread is done");
    }
    return NULL;
}

static void main_first(void) {
    main_thread = pthread_self();
    for (int k = 0; k < BLOCKS; k++) {
        from_main[k] = hakmem_malloc(k % 100 == 0 ? HAKMEM_LARGE_MAX + 1 : 1 + (size_t)k * 50);
    }
    start(outliving, outlive);
    CHECK_EQ(pthread_detach(outliving[0]), 0);
    pthread_exit(NULL);
}

static void at_exit(void) {
    uint64_t random = 5;
    void *blocks[BLOCKS] = {0};
    size_t sizes[BLOCKS];
    churn(&random, blocks, sizes, 2000);
    free_all(blocks);
    hakmem_purge();
}

static void exit_in_the_middle(void) {
    pthread_t threads[THREADS];
    CHECK_EQ(atexit(at_exit), 0);
    start(threads, work);
    usleep(20000);
    exit(0);
}

static HAKMEM_TLS volatile sig_atomic_t handled;
static atomic_long handled_in_all;

static void on_signal(int number) {
    int kept = errno;
    (void)number;
    handled = handled + 1;
    errno = kept;
}

static void *work_under_signals(void *seed) {
    work(seed);
    atomic_fetch_add(&handled_in_all, handled);
    return NULL;
}

static void signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK_EQ(sigaction(SIGPROF, &action, NULL), 0);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    pthread_t threads[THREADS];
    start(threads, work_under_signals);
    CHECK_EQ(setitimer(ITIMER_PROF, &often, NULL), 0);
    for (long i = 0; i < lengthened(rounds(20000)); i++) {
        CHECK_EQ(pthread_kill(threads[i % THREADS], SIGUSR1), 0);
        if (i % 16 == 0) {
            usleep(50);
        }
    }
    CHECK_EQ(setitimer(ITIMER_PROF, &never, NULL), 0);
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK(atomic_load(&handled_in_all) > THREADS);
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    const char *mode = arguments[1];
    alarm(120); /* what hangs must not outlive the test */
    if (strcmp(mode, "main-first") == 0) {
        if (skipped_under("thread", mode, "the tool loses a main thread that leaves")) {
            return 0;
        }
        main_first();
    } else if (strcmp(mode, "exit") == 0) {
        exit_in_the_middle();
    } else {
        CHECK(strcmp(mode, "signals") == 0);
        signals();
    }
    return 0;
}
