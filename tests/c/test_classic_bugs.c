/* What other allocators got wrong, one case each where no other test has it: memory wanted while the first heap is
 * made, a sized free of an over-aligned block, a huge block whose thread has gone, and a thread that only frees. The broken
 * variants in tests/mutants show that these tests, and the others, see such a bug. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "os.h"
#include "purge.h"
#include "thread.h"
#include "tiny.h"

static bool in_main;
static void *had_at_start, *zeroed_at_start;

static void want_memory(void) {
    CHECK(had_at_start == NULL);
    had_at_start = hakmem_malloc(1000);
    zeroed_at_start = hakmem_calloc(100, 100);
    CHECK(had_at_start != NULL && zeroed_at_start != NULL && is_zero(zeroed_at_start, 10000));
    fill(had_at_start, 1000, 1);
}

/* Stands in front of the C library's, which hakmem calls while it sets up: as dlsym may, it wants memory. A sanitizer
 * calls it too, before it is there itself. */
#if defined(__clang__)
__attribute__((disable_sanitizer_instrumentation))
#endif
int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    (void)prepare, (void)parent, (void)child;
    if (in_main) {
        want_memory();
    }
    return 0;
}

static void test_start(void) {
    void *first = hakmem_malloc(1000);
    CHECK(first != NULL && had_at_start != NULL && first != had_at_start);
    fill(first, 1000, 2);
    CHECK(holds(had_at_start, 1000, 1000, 1));
    hakmem_free(had_at_start);
    hakmem_free(zeroed_at_start);
    hakmem_free(first);
}

/* The size that is passed back is not the block's: its class is that of the size rounded up to the alignment. */
static void test_sized_free(void) {
    for (size_t align = 8; align <= 4096; align *= 2) {
        for (size_t size = 1; size <= 200; size += 3) {
            char *p = hakmem_aligned_alloc(align, size), *q = hakmem_aligned_alloc(align, size);
            CHECK(p != NULL && q != NULL && p != q);
            hakmem_free_sized(p, size);
            hakmem_free_aligned_sized(q, align, size);
            /* Were they listed under a smaller class, or under a larger one, one of these would get them. */
            char *again[4];
            for (size_t i = 0; i < COUNT_OF(again); i++) {
                size_t wanted = i < 2 ? size : align_up(size, align) + 128;
                again[i] = hakmem_malloc(wanted);
                CHECK(hakmem_usable_size(again[i]) >= wanted);
                fill(again[i], wanted, i);
            }
            for (size_t i = 0; i < COUNT_OF(again); i++) {
                size_t wanted = i < 2 ? size : align_up(size, align) + 128;
                CHECK(holds(again[i], wanted, wanted, i));
                CHECK(hakmem_usable_size(again[i]) < 2 * wanted + 16); /* and not of a much larger one */
                hakmem_free(again[i]);
            }
        }
    }
}

enum { HUGE_BYTES = HAKMEM_LARGE_MAX * 3 };

static void *leave_huge(void *out) {
    hakmem_free(hakmem_malloc(1)); /* a heap, which ends with the thread */
    *(void **)out = hakmem_malloc(HUGE_BYTES);
    fill(*(void **)out, HUGE_BYTES, 3);
    return NULL;
}

static void *free_it(void *p) {
    hakmem_free(p); /* this thread's only call */
    return NULL;
}

static void test_huge_of_ended_thread(void) {
    void *p;
    hakmem_stats_t stats;
    in_thread(leave_huge, &p);
    CHECK(holds(p, HUGE_BYTES, HUGE_BYTES, 3));
    in_thread(free_it, p);
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.huge_blocks, 0);
    CHECK_EQ(stats.live_bytes, 0);
    hakmem_purge();
    unsigned char in_memory;
    CHECK(mincore(p, hakmem_os_page_size(), &in_memory) != 0 && errno == ENOMEM); /* unmapped */
}

enum { LIST = 40000, BLOCK = 3072 };
static void *list[LIST];

static void *only_free(void *unused) {
    for (size_t i = 0; i < LIST; i++) {
        hakmem_free(list[i]);
    }
    return unused;
}

/* Without a purge: the maker's next calls give back what has come back to it, but for what may wait. */
static void allocate_a_little(void) {
    for (size_t i = 0; i < 64; i++) {
        list[i] = hakmem_malloc(60000);
    }
    for (size_t i = 0; i < 64; i++) {
        hakmem_free(list[i]);
    }
}

static uint64_t committed(void) {
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    return stats.committed_bytes;
}

/* 120 MiB, made here and freed there, again and again: what waits meanwhile is bounded the first time, and never more than was in use. */
static void test_thread_that_only_frees(void) {
    uint64_t first = 0;
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < LIST; i++) {
            list[i] = hakmem_malloc(BLOCK);
            memset(list[i], 1, BLOCK);
        }
        first = round == 0 ? committed() : first;
        CHECK(committed() <= first + 2 * MIB);
        in_thread(only_free, NULL);
        hakmem_stats_t stats;
        hakmem_stats_get(&stats);
        CHECK_EQ(stats.live_blocks, 0);
        allocate_a_little();
        CHECK(hakmem_pool_dirty_bytes() <= (round == 0 ? 68 : 124) * MIB);
    }
}

int main(void) {
    in_main = true;
    alarm(120); /* a call that waits for itself */
    test_start();
    test_sized_free();
    test_huge_of_ended_thread();
    test_thread_that_only_frees();
    return 0;
}
