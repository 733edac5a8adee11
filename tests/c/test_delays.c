/* A storm for builds with HAKMEM_DELAYS=1: more threads than processors allocate, hand blocks to each other, resize and
 * free them, make and destroy heaps, purge, and end while others hold blocks of theirs. HAKMEM_DELAY_SEED fixes what
 * they do and where they are delayed, though not how the system runs them. Every block carries its number in a pattern,
 * so that one that is lost, handed out twice or overlapped is noticed; between the gusts the pool's figures must be
 * right, and at the end nothing may be left. A storm that does not end is ended by an alarm. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <unistd.h>

#include "abandoned.h"
#include "check.h"
#include "frees.h"
#include "options.h"
#include "purge.h"
#include "shared_pool.h"
#include "thread.h"
#include "tiny.h"

enum {
    ROUNDS = 3,     /* in each new threads begin and end */
    GUSTS = 4,      /* of a round; between them everybody rests */
    THREADS = 5,    /* at most */
    STEPS = 24,     /* of a thread in a gust, about */
    LATE_STEPS = 4, /* of a thread whose heap has gone */
    CELLS = 192,    /* through which blocks change hands */
    LIMIT_S = 120,  /* a fifth of a second is usual; a machine may have much else to do, and a sanitizer be slow */
};

static uint64_t storm_seed;
static _Atomic uint64_t numbers; /* of the blocks */
static pthread_barrier_t gust_ends, gust_begins;
static pthread_key_t late_key;

/* Blocks ----------------------------------------------------------------------------------------------------------- */

/* What a block begins with. */
typedef struct {
    uint64_t number;
    size_t size;
    bool from_page; /* may be freed past the cache */
} head_t;

static _Atomic(head_t *) cells[CELLS];

/* Where the pattern stands: all over a small block, in a larger one on each page or slot that another could take. */
static size_t next_mark(size_t at, size_t size) {
    size_t step = size <= 1024 ? 8 : size <= HAKMEM_MEDIUM_MAX ? 1024 : size <= HAKMEM_LARGE_MAX ? SLOT_BYTES : 4 * MIB;
    return at + 8 < size && at + step + 8 > size ? size - 8 : at + step;
}

static uint64_t *mark(head_t *block, size_t at) {
    return (uint64_t *)(void *)((char *)block + at);
}

static uint64_t mark_of(uint64_t number, size_t at) {
    return number * UINT64_C(0x9e3779b97f4a7c15) + at;
}

static void sign(head_t *block, size_t size, bool from_page) {
    block->size = size;
    block->from_page = from_page;
    block->number = atomic_fetch_add_explicit(&numbers, 1, memory_order_relaxed);
    for (size_t at = sizeof *block; at + 8 <= size; at = next_mark(at, size)) {
        *mark(block, at) = mark_of(block->number, at);
    }
}

/* `kept` bytes of a block that was signed with `size`. */
static void check_signed(head_t *block, uint64_t number, size_t size, size_t kept) {
    CHECK_EQ(block->number, number);
    CHECK_EQ(block->size, size);
    for (size_t at = sizeof *block; at + 8 <= kept; at = next_mark(at, size)) {
        CHECK_EQ(*mark(block, at), mark_of(number, at));
    }
}

/* A multiple of 8. Pages of few blocks, so that they fill up, park and wake; runs that keep chunks full; mappings.
 * A seed has some of them or all: what is rare in a mixture is found where it is frequent. */
static size_t random_size(uint64_t r) {
    static const size_t sizes[] = {48, 1024, 4096, 8192, 8192, 20480, 65536};
    static const unsigned kinds[][2] = {{0, 64}, {0, 48}, {40, 64}, {3, 5}};
    const unsigned *range = kinds[storm_seed % COUNT_OF(kinds)];
    unsigned kind = range[0] + (unsigned)(r % 64) % (range[1] - range[0]);
    r /= 64;
    size_t size = kind < 40   ? sizes[kind % COUNT_OF(sizes)]
                  : kind < 48 ? sizeof(head_t) + r % 8000
                  : kind < 61 ? HAKMEM_MEDIUM_MAX + ((size_t)1 << (16 + r % 8)) + r % 4 * SLOT_BYTES
                              : HAKMEM_LARGE_MAX + r % 16 * MIB;
    return align_up(size, 8);
}

static void check_zero(head_t *block, size_t size) {
    for (size_t at = 0; at + 8 <= size; at = next_mark(at, size)) {
        CHECK_EQ(*mark(block, at), 0);
    }
}

static head_t *allocate(uint64_t r) {
    size_t size = random_size(r >> 8);
    bool page = size <= HAKMEM_MEDIUM_MAX, past_cache = page && r % 2 != 0, zeroed = size <= MIB && r % 8 == 2;
    head_t *block = past_cache ? hakmem_tiny_malloc_direct(hakmem_thread_heap, size)
                    : zeroed   ? hakmem_calloc(size, 1)
                               : hakmem_malloc(size);
    CHECK(block != NULL);
    if (zeroed) {
        check_zero(block, size);
    }
    sign(block, size, page);
    return block;
}

static head_t *resize(head_t *block, uint64_t r) {
    uint64_t number = block->number;
    size_t had = block->size;
    size_t size = r % 2 == 0 ? random_size(r >> 1) : align_up(had / 2 + sizeof(head_t) + (r >> 1) % had, 8);
    block = hakmem_realloc(block, size);
    CHECK(block != NULL);
    check_signed(block, number, had, size < had ? size : had);
    sign(block, size, size <= HAKMEM_MEDIUM_MAX);
    return block;
}

static void release(head_t *block, bool past_cache) {
    if (block == NULL) {
        return;
    }
    check_signed(block, block->number, block->size, block->size);
    CHECK(hakmem_usable_size(block) >= block->size);
    if (past_cache && block->from_page) {
        hakmem_tiny_free(block);
    } else {
        hakmem_free(block);
    }
}

/* Threads ---------------------------------------------------------------------------------------------------------- */

static void hand_over(head_t *block, uint64_t r) {
    release(atomic_exchange(&cells[r % CELLS], block), r >> 20 & 1);
}

/* Blocks of one size in a row: they fill a page. */
static void burst(uint64_t r) {
    size_t cell = r >> 32;
    for (uint64_t i = 0; i < 6 + r % 12; i++) {
        hand_over(allocate(r >> 2), cell + i);
    }
}

static void sweep(uint64_t r) {
    size_t cell = r >> 32;
    for (uint64_t i = 0; i < r % 24; i++) {
        hand_over(NULL, (cell + i) | (r << 20));
    }
}

/* So that whole chunks are given back. */
static void sweep_all(void) {
    for (size_t cell = 0; cell < CELLS; cell++) {
        hand_over(NULL, cell);
    }
    hakmem_purge();
}

static void use_heap(uint64_t r) {
    hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
    CHECK(heap != NULL);
    for (uint64_t i = 0; i < 12; i++) {
        head_t *block = hakmem_tiny_heap_malloc(heap, 8192);
        CHECK(block != NULL);
        sign(block, 8192, true);
        hand_over(block, r + i * 5);
    }
    hakmem_tiny_heap_destroy(heap);
}

static void step(uint64_t r) {
    uint64_t what = r >> 56;
    if (what < 120) {
        hand_over(allocate(r), r >> 30);
    } else if (what < 180) {
        hand_over(NULL, r);
    } else if (what < 206) {
        head_t *block = atomic_exchange(&cells[r % CELLS], NULL);
        hand_over(block == NULL ? NULL : resize(block, r >> 8), r >> 20);
    } else if (what < 224) {
        burst(r);
    } else if (what < 242) {
        sweep(r);
    } else if (what < 253) {
        use_heap(r);
    } else if (what < 255) {
        hakmem_purge();
    } else {
        sweep_all();
    }
}

static void *live(void *argument) {
    uint64_t random = storm_seed * 1000 + (uintptr_t)argument;
    next_random(&random);
    uint64_t character = next_random(&random);
    if (character % 3 == 0) {
        CHECK_EQ(pthread_setspecific(late_key, argument), 0);
    }
    for (int gust = 0; gust < GUSTS; gust++) {
        if (gust != 0) {
            pthread_barrier_wait(&gust_ends);
            pthread_barrier_wait(&gust_begins);
        }
        /* Of different length, so that some of the threads end while others still work. */
        for (uint64_t steps = STEPS / 4 + next_random(&random) % STEPS; steps != 0; steps--) {
            step(next_random(&random));
        }
    }
    return NULL;
}

/* Runs after hakmem's own destructor, whose key is older. */
static void live_late(void *argument) {
    CHECK(hakmem_thread_is_late());
    uint64_t random = storm_seed * 2000 + (uintptr_t)argument;
    for (int i = 0; i < LATE_STEPS; i++) {
        uint64_t r = next_random(&random);
        hand_over(allocate(r & ~(uint64_t)1),
                  r >> 30); /* through the entry points: there is no heap to go to directly */
    }
}

/* At rest ---------------------------------------------------------------------------------------------------------- */

/* Looks are without delays here: those of the core, by the operations' short names, are not. */

static bool bit(hakmem_slot_bits_t *bits, uint32_t slot) {
    return (atomic_load(&(*bits)[slot / 64]) >> (slot % 64) & 1) != 0;
}

static bool is_free(hakmem_chunk_t *chunk, uint32_t slot) {
    int lists = bit(&chunk->empty, slot) + bit(&chunk->released, slot) + bit(&chunk->unused, slot);
    CHECK(lists <= 1);
    return lists == 1;
}

/* The longest run of free slots anywhere. No chunk may hide one that it has (run_limit). */
static uint32_t longest_run(void) {
    uint32_t longest = 0;
    for (uint32_t i = 0; i < hakmem_arena_chunk_count(); i++) {
        hakmem_chunk_t *chunk = hakmem_arena_chunk(i);
        uint32_t length = 0, longest_here = 0;
        for (uint32_t slot = HEAD_SLOTS; slot < chunk->slots; slot++) {
            bool is_idle = is_free(chunk, slot);
            uintptr_t owner = atomic_load(&chunk->info[slot].owner);
            CHECK(!is_idle || owner == OWNER_NONE || owner == OWNER_LARGE_FREED);
            length = is_idle ? length + 1 : 0;
            longest_here = length > longest_here ? length : longest_here;
        }
        CHECK(atomic_load(&chunk->run_limit) > longest_here);
        longest = longest_here > longest ? longest_here : longest;
    }
    return longest;
}

/* What is free can be had, to the last slot, and no chunk is made for it. */
static void check_pool(void) {
    enum { MOST_RUNS = 4096 };
    static hakmem_run_t runs[MOST_RUNS];
    uint32_t chunks = hakmem_arena_active_chunks(), length;
    int n = 0;
    while ((length = longest_run()) > 2 ||
           (length != 0 && n < 24)) { /* single slots by the hundred teach nothing more */
        CHECK(n < MOST_RUNS && hakmem_pool_acquire(length, 1, &runs[n++]));
        CHECK_EQ(hakmem_arena_active_chunks(), chunks);
    }
    while (n-- != 0) {
        hakmem_pool_release(runs[n].chunk, runs[n].slot, runs[n].length);
    }
}

/* Nothing is live and no slot is anybody's. */
static void check_clean(void) {
    hakmem_purge();
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
    CHECK_EQ(stats.live_bytes, 0);
    CHECK_EQ(hakmem_pool_dirty_bytes(), 0);
    CHECK(hakmem_arena_active_chunks() <= 1);
    for (uint32_t i = 0; i < hakmem_arena_chunk_count(); i++) {
        hakmem_chunk_t *chunk = hakmem_arena_chunk(i);
        for (uint32_t slot = HEAD_SLOTS; chunk->active && slot < chunk->slots; slot++) {
            CHECK(is_free(chunk, slot));
        }
    }
}

/* ------------------------------------------------------------------------------------------------------------------ */

static void round_of(int number) {
    pthread_t threads[THREADS];
    uintptr_t count = 3 + (storm_seed + (uint64_t)number) % (THREADS - 2);
    CHECK_EQ(pthread_barrier_init(&gust_ends, NULL, (unsigned)count + 1), 0);
    CHECK_EQ(pthread_barrier_init(&gust_begins, NULL, (unsigned)count + 1), 0);
    for (uintptr_t i = 0; i < count; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, live, (void *)((uintptr_t)number * THREADS + i + 1)), 0);
    }
    for (int gust = 1; gust < GUSTS; gust++) {
        pthread_barrier_wait(&gust_ends);
        check_pool();
        pthread_barrier_wait(&gust_begins);
    }
    for (uintptr_t i = 0; i < count; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(pthread_barrier_destroy(&gust_ends), 0);
    CHECK_EQ(pthread_barrier_destroy(&gust_begins), 0);
    check_pool();
}

static void give_up(int signal) {
    static const char text[] = "the storm did not end: a thread waits, or runs, for ever\n";
    (void)signal;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _Exit(1);
}

int main(void) {
    const char *text = getenv("HAKMEM_DELAY_SEED");
    storm_seed = text == NULL ? 1 : strtoull(text, NULL, 10);
    signal(SIGALRM, give_up);
    alarm(LIMIT_S);
    static const uint32_t periods[] = {0, 1, 10, 100};
    atomic_store(&hakmem_options.purge_ms, periods[storm_seed / 4 % COUNT_OF(periods)]);
#ifdef __linux__
    prctl(PR_SET_TIMERSLACK, 1); /* threads inherit it: a sleep of 10 us takes no 60 */
#endif
    hakmem_free(hakmem_malloc(1)); /* hakmem's key comes before ours */
    CHECK_EQ(pthread_key_create(&late_key, live_late), 0);
    for (int round = 0; round < ROUNDS; round++) {
        round_of(round);
    }
    for (int i = 0; i < CELLS; i++) {
        release(atomic_exchange(&cells[i], NULL), i % 2);
    }
    check_clean();
    return 0;
}
