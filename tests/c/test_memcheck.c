/* One use of memory that the program does not hold, named by the argument, for a build with AddressSanitizer or for
 * valgrind. The runner expects the tool's report. "clean" is a correct program that does a bit of everything on several
 * threads; there the tool must have nothing to say. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "thread.h"
#include "tiny.h"

static char *block(size_t size) {
    char *p = hakmem_malloc(size);
    CHECK(p != NULL);
    fill(p, size, 1);
    return p;
}

static char *freed(size_t size) {
    char *p = block(size);
    hakmem_free(p);
    return p;
}

static void *allocate_48(void *unused) {
    (void)unused;
    return block(48);
}

static void *free_it(void *p) {
    hakmem_free(p);
    return NULL;
}

/* A block on top of its bin. */
static char *cached(void) {
    if (!BLOCK_CACHE) {
        puts("not here");
        exit(0);
    }
    /* One stays: else the page is empty, and on a slow machine its slot may be the next blocks' by the time these are made, so that
     * valgrind tells of what was there before. */
    block(1);
    for (int i = 0; i <= CACHE_OPEN_FREES; i++) {
        hakmem_free(block(1));
    }
    char *blocks[2 * CACHE_REOPEN];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = block(48); /* misses, which open the bin */
    }
    hakmem_free(blocks[0]);
    CHECK_PTR(*bin_top(&hakmem_thread_heap->cache, size_class_of(48)), blocks[0]);
    return blocks[0];
}

/* A block that lies where a larger one was: what is behind it is nobody's. */
static char *reused(void) {
    const size_t large = 200000, small = 512;
    char *old = freed(large);
    for (int i = 0; i < 100000; i++) {
        char *p = block(small);
        if (p > old && p + 2 * small <= old + large) {
            return p + small;
        }
    }
    CHECK(false);
    return NULL;
}

static char *shrunk(void) {
    char *p = block(400000);
    CHECK_PTR(hakmem_realloc(p, 150000), p);
    return p + 300000;
}

static char *moved(size_t size, size_t to) {
    char *p = block(size);
    char *q = hakmem_realloc(p, to);
    CHECK(q != NULL && q != p);
    CHECK(holds(q, size, size < to ? size : to, 1));
    return p;
}

static char *purged(size_t size) {
    char *p = freed(size);
    hakmem_purge();
    return p;
}

static char *remotely_freed(void) {
    char *p = block(48);
    in_thread(free_it, p);
    return p;
}

/* Its thread has ended when it is freed. */
static char *left_behind(void) {
    char *p = in_thread(allocate_48, NULL);
    hakmem_free(p);
    return p;
}

/* "clean" ---------------------------------------------------------------------------------------------------------- */

enum { PLACES = 64, THREADS = 4 };

typedef struct {
    size_t size;
    uint64_t seed;
} head_t;

/* Blocks that any thread may take and free. */
static _Atomic(head_t *) places[PLACES];

static size_t random_size(uint64_t r) {
    size_t most = (size_t)32 << (r % 8 == 0 ? (r >> 8) % 20 : (r >> 8) % 10);
    return sizeof(head_t) + (r >> 16) % most;
}

static head_t *make(uint64_t r) {
    size_t size = random_size(r);
    size_t align = (size_t)16 << (r >> 40) % 9;
    void *p = NULL;
    switch ((r >> 50) % 4) {
    case 0:
        p = hakmem_malloc(size);
        break;
    case 1:
        p = hakmem_calloc(1, size);
        CHECK(p == NULL || is_zero(p, size));
        break;
    case 2:
        p = hakmem_aligned_alloc(align, size);
        CHECK((uintptr_t)p % align == 0);
        break;
    default:
        p = hakmem_alloc_aligned_zeroed(size, align);
        CHECK(p == NULL || is_zero(p, size));
    }
    CHECK(p != NULL);
    head_t *head = p;
    head->size = hakmem_usable_size(p); /* all of it may be used */
    head->seed = r;
    fill(head + 1, head->size - sizeof *head, r);
    return head;
}

static head_t *resize(head_t *head, uint64_t r) {
    size_t old = head->size - sizeof *head, size = random_size(r);
    head = hakmem_realloc(head, size);
    CHECK(head != NULL);
    CHECK(holds(head + 1, old, size - sizeof *head < old ? size - sizeof *head : old, head->seed));
    head->size = hakmem_usable_size(head);
    head->seed = r;
    fill(head + 1, head->size - sizeof *head, r);
    return head;
}

static void *work(void *seed) {
    uint64_t random = (uintptr_t)seed;
    for (long i = 0; i < rounds(4000); i++) {
        uint64_t r = next_random(&random);
        /* Acquire and release: the block's contents go with it. */
        head_t *head = atomic_exchange_explicit(&places[r % PLACES], NULL, memory_order_acq_rel);
        if (head == NULL) {
            head = make(r);
        } else if ((r >> 60) % 2 == 0) {
            head = resize(head, r);
        } else {
            CHECK(holds(head + 1, head->size - sizeof *head, head->size - sizeof *head, head->seed));
            hakmem_free(head);
            head = NULL;
        }
        head = atomic_exchange_explicit(&places[r % PLACES], head, memory_order_acq_rel);
        hakmem_free(head);
        if ((r >> 32) % 256 == 0) {
            hakmem_purge();
        }
    }
    return NULL;
}

static void free_places(void) {
    for (int i = 0; i < PLACES; i++) {
        hakmem_free(atomic_exchange(&places[i], NULL));
    }
}

static void clean(void) {
    for (int round = 0; round < 2; round++) {
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++) {
            CHECK_EQ(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
        }
        pid_t child = fork();
        if (child == 0) {
            for (uintptr_t i = 0; i < 100; i++) {
                hakmem_free(make((i + 1) * UINT64_C(0x9e3779b97f4a7c15)));
            }
            _exit(0);
        }
        for (int i = 0; i < THREADS; i++) {
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        }
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(status, 0);
        free_places();
    }
    /* A mapping that grows and shrinks, and the one after it, which takes what is left of it. */
    for (int i = 0; i < 3; i++) {
        char *p = block(20 * MIB);
        p = hakmem_realloc(p, 48 * MIB);
        CHECK(p != NULL && holds(p, 20 * MIB, 20 * MIB - 64, 1));
        fill(p, 48 * MIB, 2);
        p = hakmem_realloc(p, 18 * MIB);
        CHECK(p != NULL && holds(p, 48 * MIB, 18 * MIB, 2));
        hakmem_free(p);
        p = hakmem_calloc(3, 8 * MIB);
        CHECK(p != NULL && is_zero(p, 24 * MIB));
        hakmem_free(p);
    }
    /* What went back to the system is anyone's. */
    char *gone = block(17 * MIB);
    hakmem_free(gone);
    hakmem_purge();
    void *others = mmap(gone, 17 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(others != MAP_FAILED);
    fill(others, 17 * MIB, 4);
    munmap(others, 17 * MIB);

    hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
    char *p = hakmem_tiny_heap_malloc(heap, 100);
    fill(p, 100, 3);
    hakmem_tiny_heap_destroy(heap);
    CHECK(holds(p, 100, 100, 3));
    hakmem_free(p);
}

/* An address in memory that the program does not hold. */
static char *misused(const char *mode) {
    if (strcmp(mode, "tiny-first") == 0) {
        return freed(48);
    } else if (strcmp(mode, "tiny-middle") == 0) {
        return freed(48) + 24;
    } else if (strcmp(mode, "medium") == 0) {
        return freed(40000) + 20000;
    } else if (strcmp(mode, "cached-first") == 0) {
        return cached();
    } else if (strcmp(mode, "cached-middle") == 0) {
        return cached() + 24;
    } else if (strcmp(mode, "remotely-freed") == 0) {
        return remotely_freed();
    } else if (strcmp(mode, "left-behind") == 0) {
        return left_behind();
    } else if (strcmp(mode, "run") == 0) {
        return freed(200000) + 100000;
    } else if (strcmp(mode, "run-purged") == 0) {
        return purged(200000);
    } else if (strcmp(mode, "run-shrunk") == 0) {
        return shrunk();
    } else if (strcmp(mode, "huge") == 0) {
        return freed(17 * MIB) + MIB;
    } else if (strcmp(mode, "moved") == 0) {
        return moved(100, 5000);
    } else if (strcmp(mode, "run-moved") == 0) {
        return moved(200000, 1000) + 64;
    } else if (strcmp(mode, "huge-moved") == 0) {
        return moved(17 * MIB, 1000);
    } else if (strcmp(mode, "reused") == 0) {
        return reused();
    } else if (strcmp(mode, "never-given") == 0) {
        return block(48) + 48;
    }
    CHECK(false);
    return NULL;
}

static volatile uint64_t sink; /* valgrind drops a load that nobody looks at */

int main(int count, char **arguments) {
    CHECK(count == 2 || count == 3);
    if (strcmp(arguments[1], "clean") == 0) {
        clean();
        return 0;
    }
    volatile uint64_t *word = (volatile uint64_t *)(void *)misused(arguments[1]);
    printf("%p\n", (void *)(uintptr_t)word);
    fflush(stdout);
    if (count == 3) {
        *word = 1; /* "write" */
    } else {
        sink = *word;
    }
    return 0;
}
