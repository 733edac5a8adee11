/* The system refuses memory at each call in turn, once or from there on; and a small RLIMIT_AS. What cannot be had is null
 * with ENOMEM, everything else stays as it was, and allocation works again once memory is there. */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "os.h"
#include "tiny.h"

enum { MOST = 4000, NO_FAILURE = 77 };

static struct {
    void *p;
    size_t size;
} blocks[MOST];
static size_t count, failures;

static size_t keep(void *p, size_t size) {
    CHECK(count < MOST);
    if (p == NULL) {
        CHECK_EQ(errno, ENOMEM);
        failures++;
        return 0;
    }
    CHECK(hakmem_usable_size(p) >= size);
    fill(p, size, count);
    blocks[count].p = p;
    blocks[count].size = size;
    return ++count;
}

/* Resizes the block that `keep` called `which`; 0: it could not be had. */
static void resize(size_t which, size_t size) {
    if (which == 0) {
        return;
    }
    size_t i = which - 1, old = blocks[i].size;
    errno = 0;
    void *p = hakmem_realloc(blocks[i].p, size);
    if (p == NULL) {
        CHECK_EQ(errno, ENOMEM);
        failures++;
        CHECK(holds(blocks[i].p, old, old, i));
        return;
    }
    CHECK(holds(p, old, size < old ? size : old, i));
    fill(p, size, i);
    blocks[i].p = p;
    blocks[i].size = size;
}

static void *a_thread_allocates(void *unused) {
    errno = 0;
    keep(hakmem_malloc(40), 40);
    errno = 0;
    keep(hakmem_malloc(5000), 5000);
    void *shrunk = hakmem_malloc(40000);
    errno = shrunk == NULL ? errno : 0;
    hakmem_free(shrunk);
    return unused;
}

static void allocate(void) {
    static const size_t sizes[] = {
        8, 100, 3000, 8192, 20000, 65536, 70000, 1000000, HAKMEM_LARGE_MAX, HAKMEM_LARGE_MAX * 2};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        errno = 0;
        keep(hakmem_malloc(sizes[i]), sizes[i]);
        errno = 0;
        void *zeroed = hakmem_calloc(1, sizes[i]);
        CHECK(zeroed == NULL || is_zero(zeroed, sizes[i] < 100000 ? sizes[i] : 100000));
        keep(zeroed, sizes[i]);
        errno = 0;
        keep(hakmem_aligned_alloc(1 << 18, sizes[i]), sizes[i]);
    }
    for (int i = 0; i < 300; i++) { /* a chunk and more of pages */
        errno = 0;
        keep(hakmem_malloc(8192 + 4096 * (size_t)(i % 12)), 8192 + 4096 * (size_t)(i % 12));
    }
    errno = 0;
    size_t grows = keep(hakmem_malloc(100), 100);
    static const size_t steps[] = {5000,      60000,    100000,  2000000, 17 << 20, 50 << 20,
                                   200 << 20, 60 << 20, 9000000, 80000,   10};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        resize(grows, steps[i]);
    }
    void *waiting[3];
    for (size_t i = 0; i < COUNT_OF(waiting); i++) {
        errno = 0;
        waiting[i] = hakmem_malloc(6 << 20);
        CHECK(waiting[i] != NULL || errno == ENOMEM);
        failures += waiting[i] == NULL;
    }
    for (size_t i = 0; i < COUNT_OF(waiting); i++) {
        hakmem_free(waiting[i]);
    }
    errno = 0;
    size_t joined = keep(hakmem_malloc(17 << 20), 17 << 20); /* of the three */
    resize(joined, 40 << 20);
    resize(joined, 9 << 20);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, a_thread_allocates, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
    if (heap != NULL) {
        errno = 0;
        void *p = hakmem_tiny_heap_malloc(heap, 700);
        CHECK(p != NULL || errno == ENOMEM);
        hakmem_free(p);
        hakmem_tiny_heap_destroy(heap);
    }
    failures += heap == NULL;
}

/* The figures fit what the program holds, and all contents are whole. */
static void check_all(void) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        CHECK(holds(blocks[i].p, blocks[i].size, blocks[i].size, i));
        bytes += hakmem_usable_size(blocks[i].p);
    }
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, count);
    CHECK_EQ(stats.live_bytes, bytes);
}

/* With nothing live and everything purged, every slot of a chunk in use is free: a refusal has lost none. */
static void check_slots(void) {
    for (uint32_t i = 0; i < hakmem_arena_chunk_count(); i++) {
        hakmem_chunk_t *chunk = hakmem_arena_chunk(i);
        uint32_t free_slots = 0;
        for (int w = 0; w < CHUNK_WORDS; w++) {
            free_slots += (uint32_t)__builtin_popcountll(chunk->empty[w] | chunk->released[w] | chunk->unused[w]);
        }
        CHECK_EQ(free_slots, chunk->active ? chunk->slots - HEAD_SLOTS : 0);
    }
}

static void free_all(size_t from) {
    while (count > from) {
        hakmem_free(blocks[--count].p);
    }
}

/* Call number `skip` and `many` from there on are refused. The child's exit status says how it went. */
static void sweep_one(long skip, long many) {
    long began = hakmem_os_calls();
    hakmem_os_inject_failures(skip, many);
    allocate();
    check_all();
    if (hakmem_os_calls() - began <= skip) {
        CHECK_EQ(failures, 0);
        _exit(NO_FAILURE);
    }
    CHECK(many == 1 || skip > 0 || count == 0); /* where nothing is to be had, nothing was */
    size_t half = count / 2;
    free_all(half); /* giving back needs nothing */
    check_all();
    hakmem_purge();
    hakmem_os_inject_failures(0, 0);
    failures = 0;
    allocate();
    CHECK_EQ(failures, 0);
    check_all();
    free_all(0);
    hakmem_purge();
    check_all();
    check_slots();
    _exit(0);
}

static int in_child(void (*work)(long, long), long a, long b) {
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        work(a, b);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != NO_FAILURE)) {
        fprintf(stderr, "the child with %ld, %ld ended with status 0x%x\n", a, b, (unsigned)status);
        _Exit(1);
    }
    return WEXITSTATUS(status);
}

static void test_sweep(long many) {
    long skip = 0, step = 1;
    while (in_child(sweep_one, skip, many) != NO_FAILURE) {
        CHECK(DEBUG_BUILD); /* a release build ignores the request, and the first run sees no failure */
        skip += skip < 60 ? 1 : rounds(step);
        step += skip > 100;
    }
    CHECK(!DEBUG_BUILD || skip > 15); /* and the runs before it each met a refusal */
}

/* Bytes of address space that the process has already. */
static size_t address_space(void) {
    return statm_bytes("%lu");
}

/* Small or large blocks until there are no more, half of them freed, and as many again. */
static void under_limit(long mib, long size) {
    struct rlimit limit = {(rlim_t)mib << 20, (rlim_t)mib << 20};
    size_t left = limit.rlim_cur - address_space();
    if (left > limit.rlim_cur || left < 8 * MIB) {
        return; /* a sanitizer's run time takes most of it */
    }
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    size_t most = 3 * ((size_t)mib << 20) / 4 / (size_t)size, n = 0;
    void **list = NULL, **p; /* the blocks are linked: a table would need memory of its own */
    while (n < most && (p = hakmem_malloc((size_t)size)) != NULL) {
        *p = list;
        list = p;
        n++;
    }
    CHECK(n == most || errno == ENOMEM);
    CHECK(n * (size_t)size >= left / 3);
    for (size_t i = 0; i < n / 2; i++) {
        p = list;
        list = *p;
        hakmem_free(p);
    }
    for (size_t i = 0; i < n / 2; i++) {
        p = hakmem_malloc((size_t)size);
        CHECK(p != NULL);
        *p = list;
        list = p;
    }
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, n);
    while (list != NULL) {
        p = list;
        list = *p;
        hakmem_free(p);
    }
    hakmem_purge();
    p = hakmem_malloc((size_t)size);
    CHECK(p != NULL);
    hakmem_free(p);
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
}

/* Bytes that count for RLIMIT_DATA. */
static size_t data_bytes(void) {
    return statm_bytes("%*u %*u %*u %*u %*u %lu");
}

/* A run that is refused takes nothing from what is left for others, however often it is asked for. */
static void refused_runs(long mib, long times) {
    hakmem_free(hakmem_malloc(100));
    size_t most = data_bytes() + ((size_t)mib << 20);
    struct rlimit limit = {most, most};
    CHECK_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
    for (long i = 0; i < times; i++) {
        errno = 0;
        void *p = hakmem_malloc(14 * MIB);
        if (i == 0 && p != NULL) {
            return; /* Linux before 4.7, and other systems, count no mappings for this limit */
        }
        CHECK(p == NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    void *p = hakmem_malloc(8 * MIB);
    CHECK(p != NULL);
    fill(p, 8 * MIB, 1);
    hakmem_free(p);
}

int main(void) {
    test_sweep(1);
    test_sweep(1000000);
    if (skipped_under("address thread valgrind", "RLIMIT_AS", "the tool itself needs more address space")) {
        return 0;
    }
    static const long limits[] = {16, 24, 64, 1024};
    static const long sizes[] = {16, 1000, 30000, 65536, 100000, 1 << 20};
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        for (size_t k = limits[i] == 1024 ? 3 : 0; k < COUNT_OF(sizes); k++) {
            in_child(under_limit, limits[i], sizes[k]);
        }
    }
    in_child(refused_runs, 12, 1);
    in_child(refused_runs, 12, 20);
    return 0;
}
