/* The block cache: last in first out, the capacities as they adapt, what is flushed and when, and the figures meanwhile. */
#include <pthread.h>

#include "check.h"
#include "flush.h"
#include "frees.h"
#include "thread.h"
#include "tiny.h"

enum {
    SIZE = 64,
    CLASS = 7,
    MANY = 10000,
    REFILLED = DUAL_LISTS && !MEMCHECK ? CACHE_FIRST / 2 : 0, /* what an allocation leaves in an empty bin */
};

static void *blocks[MANY];

static void **top(void) {
    return bin_top(&hakmem_thread_heap->cache, CLASS);
}

static size_t room(void) {
    return (size_t)(hakmem_thread_heap->cache.limits[CLASS] + 1 - hakmem_cache_oldest(&hakmem_thread_heap->books, CLASS));
}

static size_t held(void) {
    return hakmem_cache_count(&hakmem_thread_heap->cache, &hakmem_thread_heap->books, CLASS);
}

static uint64_t live(void) {
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    return stats.class_blocks[CLASS];
}

static void allocate(size_t n) {
    for (size_t i = 0; i < n; i++) {
        CHECK((blocks[i] = hakmem_malloc(SIZE)) != NULL);
        fill(blocks[i], SIZE, i);
    }
}

static void release(size_t n) {
    for (size_t i = 0; i < n; i++) {
        CHECK(holds(blocks[i], SIZE, SIZE, i));
        hakmem_free(blocks[i]);
    }
}

/* Neighbours in this order are of different pages, or nearly all. */
static void release_scattered(void) {
    enum { APART = MANY / 5 };
    for (size_t i = 0; i < MANY; i++) {
        size_t at = i % 5 * APART + i / 5;
        CHECK(holds(blocks[at], SIZE, SIZE, at));
        hakmem_free(blocks[at]);
    }
}

/* Frees and an allocation, as many as it takes. */
static void open_cache(void) {
    for (int i = 0; i <= CACHE_OPEN_FREES; i++) {
        hakmem_free(hakmem_malloc(1));
    }
    CHECK(heap_caches(hakmem_thread_heap));
}

static bool is_open(void) {
    return heap_caches(hakmem_thread_heap);
}

static void *builds_and_ends(void *unused) {
    allocate(CACHE_OPEN_CALLS); /* the first makes the heap, and does not count */
    CHECK(!is_open());
    release(CACHE_OPEN_CALLS);
    CHECK(!is_open());
    CHECK_EQ(hakmem_thread_heap->books.of[CLASS].misses, 0); /* no book was kept */
    return unused;
}

static void *builds_much(void *unused) {
    allocate(CACHE_OPEN_CALLS);
    CHECK(!is_open());
    blocks[CACHE_OPEN_CALLS] = hakmem_malloc(SIZE);
    CHECK(is_open());
    fill(blocks[CACHE_OPEN_CALLS], SIZE, CACHE_OPEN_CALLS);
    release(CACHE_OPEN_CALLS + 1);
    return unused;
}

static void *takes_and_gives(void *unused) {
    for (int i = 0; i < CACHE_OPEN_FREES; i++) {
        hakmem_free(hakmem_malloc(SIZE));
        CHECK(!is_open());
    }
    hakmem_free(hakmem_malloc(SIZE));
    CHECK(is_open());
    return unused;
}

static void *frees_others(void *unused) {
    hakmem_free(hakmem_malloc(1));
    for (int i = 1; i < CACHE_OPEN_FREES; i++) {
        CHECK(!is_open());
        hakmem_free(blocks[i]);
    }
    CHECK(is_open()); /* it gathers them from here on */
    return unused;
}

static void *only_frees(void *unused) {
    int i = 0;
    for (; i < HEAP_AFTER_FREES - 1; i++) {
        hakmem_free(blocks[i]);
        CHECK(!heap_is_real(hakmem_thread_heap));
    }
    hakmem_free(blocks[i++]);
    CHECK(heap_is_real(hakmem_thread_heap));
    for (; i < HEAP_AFTER_FREES + CACHE_OPEN_FREES + CACHE_REOPEN; i++) {
        hakmem_free(blocks[i]);
    }
    CHECK(is_open());
    CHECK(hakmem_thread_heap->books.of[CLASS].gathers);
    return unused;
}

/* A thread that never allocates gathers what it frees for others, too. */
static void test_heap_for_frees(void) {
    allocate(HEAP_AFTER_FREES + CACHE_OPEN_FREES + CACHE_REOPEN);
    in_thread(only_frees, NULL);
    CHECK_EQ(live(), 0);
}

/* The cache as a whole opens for a thread that takes after it gave, gives what is others', or takes much; at its end it is closed
 * again. */
static void test_opening(void) {
    for (int round = 0; round < 2; round++) { /* the second time on heaps that served before */
        in_thread(builds_and_ends, NULL);
        in_thread(builds_much, NULL);
        in_thread(takes_and_gives, NULL);
    }
    CHECK_EQ(live(), 0);
    allocate(CACHE_OPEN_FREES);
    in_thread(frees_others, NULL);
    hakmem_free(blocks[0]);
    CHECK_EQ(live(), 0);
    hakmem_free(hakmem_malloc(1));
    CHECK(!is_open());
    open_cache();
}

static void test_order(void) {
    CHECK_EQ(size_class_of(SIZE), CLASS);
    hakmem_free(hakmem_malloc(SIZE));
    CHECK_EQ(held(), 0); /* no room before the class has seen some allocations */
    allocate(CACHE_REOPEN - 1);
    release(CACHE_REOPEN - 1);
    CHECK_EQ(held(), CACHE_REOPEN - 1 + REFILLED);
    CHECK_EQ(room(), CACHE_FIRST);
    hakmem_purge();
    CHECK_EQ(held(), 0);
    hakmem_free(hakmem_malloc(SIZE));
    CHECK_EQ(held(), 1 + REFILLED);
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(*top());
    allocate(5);
    uint32_t used = page_used(page);
    release(5);
    CHECK_EQ(held(), REFILLED != 0 ? 1 + REFILLED : 5);
    CHECK_EQ(live(), 0);             /* the program holds none, */
    CHECK_EQ(page_used(page), used); /* though for the page they are in use */
    for (int i = 4; i >= 0; i--) {
        CHECK_PTR(hakmem_malloc(SIZE), blocks[i]);
    }
    CHECK_EQ(live(), 5);
    for (int i = 0; i < 5; i++) {
        hakmem_free(blocks[i]);
    }
    char *cleared = hakmem_calloc(1, SIZE); /* out of the cache: dirty */
    CHECK(cleared == blocks[4] && is_zero(cleared, SIZE));
    hakmem_free(cleared);
    hakmem_purge();
    CHECK_EQ(held(), 0);
    CHECK_EQ(live(), 0);
}

/* A class that runs dry and overflows in turn gets more room; one that only overflows is closed, unless what leaves it goes in
 * groups, and opens again. */
static void test_capacity(void) {
    size_t before = room();
    for (int round = 0; round < 4; round++) {
        allocate(300);
        release(300);
    }
    CHECK(room() > before);
    CHECK(room() <= CACHE_MOST && room() * SIZE <= CACHE_CLASS_BYTES);
    CHECK(hakmem_thread_heap->books.bytes != 0 && hakmem_thread_heap->books.bytes <= CACHE_HEAP_BYTES);
    size_t most = room();
    allocate(MANY);
    release(MANY);
    CHECK_EQ(room(), BATCHES ? most : 0);
    CHECK(held() <= room());
    allocate(MANY);
    release_scattered();
    CHECK_EQ(room(), 0);
    CHECK_EQ(held(), 0); /* nothing keeps a page that could go */
    CHECK_EQ(hakmem_thread_heap->books.bytes, 0);
    CHECK_EQ(live(), 0);
    allocate(CACHE_REOPEN - 1);
    CHECK_EQ(room(), 0);
    blocks[CACHE_REOPEN - 1] = hakmem_malloc(SIZE);
    fill(blocks[CACHE_REOPEN - 1], SIZE, CACHE_REOPEN - 1);
    CHECK_EQ(room(), CACHE_FIRST);
    release(CACHE_REOPEN);
    CHECK_EQ(held(), CACHE_REOPEN + REFILLED);
    hakmem_purge();
}

/* The older half goes back at each epoch: what is not used is gone in a few. */
static void test_idle(void) {
    allocate(CACHE_REOPEN);
    release(CACHE_REOPEN);
    size_t left = held();
    CHECK(left >= CACHE_REOPEN);
    for (int i = 0; i < 5; i++) {
        hakmem_flush_half(hakmem_thread_heap);
        left /= 2;
        CHECK_EQ(held(), left);
        CHECK(left == 0 || *top() == blocks[CACHE_REOPEN - 1]); /* the youngest stay */
    }
    CHECK_EQ(left, 0);
}

static void *free_them(void *n) {
    open_cache();
    for (uintptr_t i = 0; i < (uintptr_t)n; i++) {
        hakmem_free(blocks[i]);
    }
    return NULL;
}

static void *take_one(void *unused) {
    (void)unused;
    void *own[CACHE_REOPEN + 1];
    open_cache();
    for (size_t i = 0; i < COUNT_OF(own); i++) { /* so that there is room */
        own[i] = hakmem_malloc(SIZE);
    }
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        hakmem_free(own[i]);
    }
    hakmem_free(blocks[0]);
    void *again = hakmem_malloc(SIZE);
    CHECK_PTR(again, blocks[0]); /* another thread's block, at once */
    hakmem_free(again);
    return NULL;
}

/* Blocks of other threads' pages: kept, used again, and given back in one piece at the thread's end at the latest. */
static void test_remote(void) {
    allocate(1);
    in_thread(take_one, NULL);
    CHECK_EQ(live(), 0);
    allocate(MANY);
    in_thread(free_them, (void *)(uintptr_t)MANY);
    CHECK_EQ(live(), 0);
    hakmem_purge();
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
}

static size_t gathered_room, gathered_most;

static void *free_and_watch(void *n) {
    open_cache();
    for (uintptr_t i = 0; i < (uintptr_t)n; i++) {
        hakmem_free(blocks[i]);
        gathered_most = held() > gathered_most ? held() : gathered_most;
        bool has_next = hakmem_thread_heap->books.of[CLASS].gathers && held() != room();
        CHECK(!has_next ||
              hakmem_cache_oldest(&hakmem_thread_heap->books, CLASS)[held()] == NULL); /* so it is not fetched */
    }
    gathered_room = room();
    /* A refill counts as misses, which must not make the bin give up only a part of what it gathered. */
    size_t bytes = hakmem_thread_heap->books.bytes;
    hakmem_thread_heap->books.bytes = CACHE_HEAP_BYTES; /* as if other bins had grown */
    size_t taken = held() + 1;
    allocate(taken);
    static void *more[2 * CACHE_FIRST];
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        CHECK((more[i] = hakmem_tiny_malloc_direct(hakmem_thread_heap, SIZE)) != NULL);
    }
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        CHECK(held() <= room());
        hakmem_free(more[i]);
    }
    release(taken);
    CHECK(held() <= room());
    hakmem_thread_heap->books.bytes = bytes;
    allocate(CACHE_REOPEN - 1); /* its own, not enough to open the bin */
    release(CACHE_REOPEN - 1);
    static void *own[4 * CACHE_FIRST];
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        CHECK((own[i] = hakmem_tiny_malloc_direct(hakmem_thread_heap, SIZE)) != NULL); /* no miss of the bin */
    }
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        hakmem_free(own[i]);
    }
    CHECK_EQ(room() == 0, !BATCHES); /* own blocks have a shorter way where they do not go in groups */
    return NULL;
}

/* A thread that only frees others' blocks gathers a few of them, and stops when they are its own. */
static void test_gathering(void) {
    allocate(MANY);
    in_thread(free_and_watch, (void *)(uintptr_t)MANY);
    CHECK(gathered_room != 0 && gathered_room * SIZE <= CACHE_FEW_BYTES);
    CHECK_EQ(gathered_most, gathered_room);
    CHECK_EQ(live(), 0);
    hakmem_purge();
}

/* Allocates until the bin is empty, and once more: how many blocks that left in it. */
static size_t refilled(size_t *n) {
    do {
        CHECK((blocks[(*n)++] = hakmem_malloc(SIZE)) != NULL);
    } while (held() != 0);
    CHECK((blocks[(*n)++] = hakmem_malloc(SIZE)) != NULL);
    return held();
}

static void *only_allocates(void *unused) {
    open_cache();
    size_t n = 0, most = 0;
    for (int refills = 0; refills < CACHE_MAKER_REFILLS; refills++) {
        CHECK(refilled(&n) <= REFILLED);
        CHECK(room() <= CACHE_FIRST);
    }
    for (int refills = 0; refills < 8; refills++) { /* of fewer blocks, where a page has no more at hand */
        most = max_size(most, refilled(&n));
    }
    CHECK_EQ(most, CACHE_MAKER_REFILL_MOST);
    CHECK_EQ(room(), CACHE_MAKER_REFILL_MOST);
    size_t kept = n - room() - 1;
    while (n != kept) { /* it overflows */
        hakmem_free(blocks[--n]);
    }
    for (int refills = 0; refills < 8; refills++) {
        CHECK(refilled(&n) <= CACHE_REFILL_MOST);
    }
    while (n != 0) {
        hakmem_free(blocks[--n]);
    }
    return unused;
}

/* A bin that is filled again and again and never overflows is that of a thread that makes blocks for others: it gets more of them at
 * a time, until it overflows. */
static void test_making(void) {
    if (REFILLED == 0) {
        return;
    }
    in_thread(only_allocates, NULL);
    in_thread(only_allocates, NULL); /* on a heap that served before */
    CHECK_EQ(live(), 0);
}

static void *free_first(void *n) {
    for (size_t i = 0; i < (size_t)(uintptr_t)n; i++) {
        hakmem_free(blocks[i]);
    }
    return NULL;
}

/* The next blocks come from nowhere but memory that was never used, the lowest first; a page's last ones as well. */
static void *makes_blocks(void *unused) {
    enum { BLOCKS_OF_PAGE = SLOT_BYTES / SIZE };
    open_cache();
    size_t n = 0, next = 0;
    hakmem_tiny_page_t *page;
    do {
        blocks[n] = hakmem_malloc(SIZE);
        fill(blocks[n], SIZE, n);
        page = hakmem_thread_heap->size_classes[CLASS].first;
        CHECK(page->capacity <= page->reserved);
        if (page->free == NULL && page->local_free == NULL) {
            CHECK_EQ(page_used(page), page->capacity);
        }
        next += n != 0 && (char *)blocks[n] == (char *)blocks[n - 1] + SIZE;
        n++;
    } while (n < 3 * BLOCKS_OF_PAGE || page->capacity < page->reserved / 2 || !page_makes_next(page));
    CHECK(next > n / 10 * 9);
    /* What came back meanwhile goes before that. */
    size_t first = n;
    while (hakmem_tiny_ptr_to_page(blocks[first - 1]) == page) {
        first--;
    }
    memmove(blocks, blocks + first, (n - first) * sizeof *blocks); /* the others stay in use */
    n -= first;
    for (size_t i = 0; i < n; i++) {
        CHECK(holds(blocks[i], SIZE, SIZE, first + i));
    }
    in_thread(free_first, (void *)(uintptr_t)n);
    uint32_t capacity = page->capacity;
    for (size_t i = held() + n; i != 0; i--) {
        CHECK(hakmem_malloc(SIZE) != NULL);
    }
    CHECK_EQ(page->capacity, capacity);
    return unused;
}

static void test_making_for_bins(void) {
    if (REFILLED != 0) {
        in_thread(makes_blocks, NULL);
    }
}

/* Whatever a program frees and then does, one thread's cache pins no more than this. */
static void test_bounds(void) {
    for (int round = 0; round < 50; round++) {
        for (uint32_t c = 0; c < HAKMEM_CACHE_CLASSES; c++) {
            size_t size = size_class_bytes(c);
            static void *some[200];
            for (size_t i = 0; i < COUNT_OF(some); i++) {
                CHECK((some[i] = hakmem_alloc_page_block(size)) != NULL);
            }
            for (size_t i = 0; i < COUNT_OF(some); i++) {
                hakmem_free(some[i]);
            }
        }
        CHECK(hakmem_thread_heap->books.bytes <= CACHE_HEAP_BYTES);
    }
    size_t total = 0;
    for (uint32_t c = 0; c < HAKMEM_CACHE_CLASSES; c++) {
        size_t bytes =
            hakmem_cache_count(&hakmem_thread_heap->cache, &hakmem_thread_heap->books, c) * size_class_bytes(c);
        CHECK(bytes <= CACHE_CLASS_BYTES);
        total += bytes;
    }
    CHECK(total <= CACHE_HEAP_BYTES + HAKMEM_CACHE_CLASSES * (size_t)CACHE_CLASS_BYTES);
    hakmem_purge();
}

/* Frees a block through the interface of callers that inline the cache, where they call. */
static void free_from_elsewhere(void) {
    void *p = hakmem_alloc_page_block(SIZE);
    CHECK(!cache_bin_is_closed(&hakmem_thread_heap->cache, CLASS));
    hakmem_free_tiny(p, CLASS);
    hakmem_range_t range = hakmem_thread_heap->cache.range;
    CHECK((uintptr_t)p - range.base < range.bytes);
}

/* What callers may push without a call: nothing before a thread's first free, and in a new chunk nothing before the first free
 * there. */
static void test_range(void) {
    CHECK_EQ(hakmem_closed_cache.range.bytes, 0);
    allocate(CACHE_REOPEN);
    release(CACHE_REOPEN);
    hakmem_thread_heap->cache.range = (hakmem_range_t){0, 0};
    free_from_elsewhere();
    size_t before = hakmem_thread_heap->cache.range.bytes;
    static void *large[CHUNK_BYTES / HAKMEM_LARGE_MAX + 1];
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        CHECK((large[i] = hakmem_malloc(HAKMEM_LARGE_MAX)) != NULL);
    }
    CHECK(arena_first_range().bytes > before);
    CHECK_EQ(hakmem_thread_heap->cache.range.bytes, before);
    free_from_elsewhere(); /* from before it */
    CHECK_EQ(hakmem_thread_heap->cache.range.bytes, before);
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        hakmem_free(large[i]);
    }
    CHECK_EQ(hakmem_thread_heap->cache.range.bytes, arena_first_range().bytes);
    hakmem_purge();
}

int main(void) {
    if (!BLOCK_CACHE) {
        puts("not here: HAKMEM_USE_BLOCK_CACHE=0");
        return 0;
    }
    test_heap_for_frees();
    test_opening();
    test_order();
    test_capacity();
    test_idle();
    test_remote();
    test_gathering();
    test_making();
    test_bounds();
    test_range();
    test_making_for_bins(); /* the last: it leaves blocks behind */
    return 0;
}
