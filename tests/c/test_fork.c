/* A process forks while its other threads allocate: the child allocates, frees what it inherited, starts threads, ends. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "lock.h"
#include "purge.h"
#include "tiny.h"

static atomic_bool stop;

static void *allocate_all_kinds(void *seed) {
    static const size_t sizes[] = {16, 300, 5000, 50000, 100000, 1 << 20, HAKMEM_LARGE_MAX * 2};
    uint64_t random = (uintptr_t)seed;
    void *blocks[64] = {0};
    while (!atomic_load(&stop)) {
        uint64_t r = next_random(&random);
        void **slot = &blocks[r % COUNT_OF(blocks)];
        hakmem_free(*slot);
        *slot = hakmem_malloc(sizes[(r >> 32) % COUNT_OF(sizes)]);
        CHECK(*slot != NULL);
        if ((r >> 40) % 256 == 0) {
            hakmem_purge();
        }
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        hakmem_free(blocks[i]);
    }
    return NULL;
}

/* Only what needs no heap: such a thread's process must be safe to fork as well. */
static void *allocate_huge(void *unused) {
    while (!atomic_load(&stop)) {
        hakmem_free(hakmem_malloc(HAKMEM_LARGE_MAX * 2));
    }
    return unused;
}

static void *in_child_thread(void *p) {
    hakmem_free(p);
    for (size_t size = 1; size < 3000000; size = size * 3 / 2 + 1) {
        void *q = hakmem_calloc(1, size);
        CHECK(q != NULL && is_zero(q, size));
        hakmem_free(q);
    }
    return hakmem_malloc(77);
}

static void child(void **inherited, bool threads) {
    alarm(20); /* a lock that nobody will release */
    for (int i = 0; i < 50; i++) {
        CHECK(holds(inherited[i], 700, 700, i));
        hakmem_free(inherited[i]);
        hakmem_free(hakmem_malloc((size_t)i * 5000));
    }
    void *huge = hakmem_malloc(HAKMEM_LARGE_MAX * 2);
    CHECK(huge != NULL);
    hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
    CHECK(hakmem_tiny_heap_malloc(heap, 100) != NULL);
    hakmem_tiny_heap_destroy(heap);
    if (threads) {
        pthread_t thread;
        void *last;
        CHECK_EQ(pthread_create(&thread, NULL, in_child_thread, hakmem_malloc(5)), 0);
        CHECK_EQ(pthread_join(thread, &last), 0);
        hakmem_free(last);
    }
    hakmem_purge();
    hakmem_free(huge);
    _exit(0);
}

static void wait_for(pid_t child, const char *which, int number) {
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (status != 0) {
        fprintf(stderr, "%s %d ended with status 0x%x\n", which, number, (unsigned)status);
        _Exit(1);
    }
}

static void fork_often(int times, bool heap_first) {
    void *blocks[50];
    for (int i = 0; i < times; i++) {
        if (heap_first || i > 0) {
            for (int k = 0; k < 50; k++) {
                blocks[k] = hakmem_malloc(700);
                fill(blocks[k], 700, k);
            }
        }
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            child(blocks, i % 2 == 0);
        }
        wait_for(pid, "child", i);
        for (int k = 0; k < 50; k++) {
            CHECK(holds(blocks[k], 700, 700, k));
            hakmem_free(blocks[k]);
        }
    }
}

/* No heap was ever made when the process forks; a lock is held at times all the same. */
static void test_without_heap(void) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, allocate_huge, NULL), 0);
    for (int i = 0; i < rounds(500); i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            alarm(10);
            hakmem_free(hakmem_malloc(HAKMEM_LARGE_MAX * 2));
            _exit(0);
        }
        wait_for(pid, "without a heap, child", i);
    }
    atomic_store(&stop, true);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    atomic_store(&stop, false);
}

static void *take_late_then_huge(void *has_late) {
    hakmem_lock(HAKMEM_LOCK_LATE);
    atomic_store((atomic_bool *)has_late, true);
    hakmem_lock(HAKMEM_LOCK_HUGE);
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    hakmem_unlock(HAKMEM_LOCK_LATE);
    return NULL;
}

/* A handler forks that interrupted whoever has a lock, while another thread has an outer one and waits for that. */
static void test_from_a_handler(void) {
    atomic_bool has_late = false;
    pthread_t thread;
    hakmem_lock(HAKMEM_LOCK_HUGE);
    CHECK_EQ(pthread_create(&thread, NULL, take_late_then_huge, &has_late), 0);
    while (!atomic_load(&has_late)) {
        sched_yield();
    }
    alarm(60);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(0);
    }
    wait_for(pid, "a handler's child", 0);
    alarm(0);
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* A thread that the child lacks was between counting slots and setting their bits. */
static void test_dirty_slots_are_counted_anew(void) {
    enum { SLOTS = 200 };
    hakmem_free(hakmem_malloc(100000));
    size_t before = hakmem_pool_dirty_bytes();
    hakmem_purge_count_claimed(SLOTS, 0);
    hakmem_purge_count_given(SLOTS);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(hakmem_pool_dirty_bytes(), before);
        _exit(0);
    }
    wait_for(pid, "a counting child", 0);
    CHECK_EQ(hakmem_pool_dirty_bytes(), before + SLOTS * SLOT_BYTES);
    hakmem_purge_count_claimed(0, SLOTS);
}

int main(void) {
    if (skipped_under("thread", "test_fork", "starting threads in a forked child is not supported") ||
        skipped_under("address", "test_fork", "a forked child inherits the tool's own locks as they are")) {
        return 0;
    }
    test_without_heap();
    test_from_a_handler();
    test_dirty_slots_are_counted_anew();
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, allocate_all_kinds, (void *)(i + 1)), 0);
    }
    fork_often((int)rounds(100), true);
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
    return 0;
}
