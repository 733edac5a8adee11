/* Phase 2: which list a free goes to, when the lists are joined, and that they always add up. */
#include <pthread.h>

#include "check.h"
#include "shared_pool.h"
#include "thread.h"
#include "tiny.h"

static uint32_t length_of(const hakmem_block_t *list) {
    uint32_t n = 0;
    for (; list != NULL; list = block_next(list)) {
        n += 1 + block_others(list);
    }
    return n;
}

static bool is_on(const hakmem_block_t *list, const void *p) {
    while (list != NULL && list != p) {
        list = block_next(list);
    }
    return list != NULL;
}

/* The invariants of page.h, for a page of which the program holds `held` blocks. */
static void check_page(hakmem_tiny_page_t *page, uint32_t held) {
    uint64_t word = page->thread_free;
    CHECK_EQ(remote_has_mask(word), page_has_mask(page));
    if (!page_has_mask(page)) {
        CHECK_EQ(length_of(remote_head(word, page->start)), remote_count(word));
    }
    CHECK_EQ(page_used(page) - remote_count(word), held);
    if (DUAL_LISTS) {
        CHECK_EQ(page_used(page) + length_of(page->free) + length_of(page->local_free), page->capacity);
    } else {
        CHECK_EQ(page_used(page), page->capacity);
        CHECK(page->free == NULL && page->local_free == NULL);
    }
}

static void *free_all(void *list) {
    for (void **p = list; *p != NULL; p++) {
        hakmem_free(*p);
    }
    return NULL;
}

static void free_remotely(void **blocks) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, free_all, blocks), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void test_local(void) {
    enum { SIZE = 96 };
    void *blocks[200];
    blocks[0] = hakmem_malloc(SIZE);
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(blocks[0]);
    CHECK(hakmem_tiny_is_local_page(page));
    check_page(page, 1);
    uint32_t n = 1;
    while (page_has_free(page)) { /* all that are made */
        blocks[n++] = hakmem_malloc(SIZE);
        check_page(page, n);
    }
    CHECK_EQ(n, page->capacity);
    hakmem_free(blocks[0]);
    hakmem_free(blocks[1]);
    check_page(page, n - 2);
    if (!DUAL_LISTS) { /* one list: the last freed comes back first */
        CHECK_PTR(remote_head(page->thread_free, page->start), blocks[1]);
        CHECK_PTR(hakmem_malloc(SIZE), blocks[1]);
        CHECK_PTR(hakmem_malloc(SIZE), blocks[0]);
    } else {
        CHECK(page->free == NULL);
        CHECK_PTR(page->local_free, blocks[1]);
        CHECK_PTR(block_next(page->local_free), blocks[0]);
        CHECK_EQ(remote_count(page->thread_free), 0);
        /* The next allocation finds `free` empty and migrates all of local_free. */
        CHECK_PTR(hakmem_malloc(SIZE), blocks[1]);
        CHECK(page->local_free == NULL);
        CHECK_PTR(page->free, blocks[0]);
        /* While `free` has blocks, a free does not touch it and an allocation does not look at local_free. */
        hakmem_free(blocks[2]);
        CHECK(page->local_free == blocks[2] && page->free == blocks[0]);
        CHECK_PTR(hakmem_malloc(SIZE), blocks[0]);
        CHECK_PTR(page->local_free, blocks[2]);
        blocks[2] = hakmem_malloc(SIZE);
    }
    check_page(page, n);
    while (n > 1) {
        hakmem_free(blocks[--n]);
        check_page(page, n);
    }
    hakmem_free(blocks[0]);
}

static void test_remote(void) {
    enum { SIZE = 160 };
    void *blocks[8];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = hakmem_malloc(SIZE);
    }
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(blocks[0]);
    uint32_t had = remote_count(page->thread_free), left = length_of(page->free);
    CHECK(left != 0 || !DUAL_LISTS);
    void *leaving[] = {blocks[0], blocks[1], blocks[2], NULL};
    free_remotely(leaving);
    CHECK_EQ(remote_count(page->thread_free), had + 3);
    CHECK_EQ(remote_state(page->thread_free), PAGE_OWNED);
    CHECK_PTR(remote_head(page->thread_free, page->start), blocks[2]);
    CHECK(page->local_free == NULL);
    check_page(page, 5);
    hakmem_free(blocks[3]);
    hakmem_free(blocks[4]);
    check_page(page, 3);

    uint64_t atomics = atomic_load(&hakmem_counts[HAKMEM_COUNT_ATOMICS]);
    hakmem_tiny_collect_frees(page);
    atomics = atomic_load(&hakmem_counts[HAKMEM_COUNT_ATOMICS]) - atomics;
    if (DUAL_LISTS) {
        CHECK_EQ(atomics, STATS ? 1 : 0); /* one exchange takes them all */
        CHECK_EQ(page->thread_free, PAGE_OWNED);
        CHECK_EQ(length_of(page->free), left); /* was not empty: not touched */
        CHECK_EQ(length_of(page->local_free), 5);
        CHECK(is_on(page->local_free, blocks[0]) && is_on(page->local_free, blocks[4]));
        check_page(page, 3);
        /* The same with an empty `free`: the lists become it. */
        void *taken[64];
        for (uint32_t i = 0; i < left; i++) {
            taken[i] = hakmem_malloc(SIZE);
        }
        CHECK(page->free == NULL);
        hakmem_tiny_collect_frees(page);
        CHECK(page->local_free == NULL);
        CHECK_EQ(length_of(page->free), 5);
        CHECK(!page->free_is_zero);
        /* Nothing to take: no exchange. */
        atomics = atomic_load(&hakmem_counts[HAKMEM_COUNT_ATOMICS]);
        hakmem_tiny_collect_frees(page);
        CHECK_EQ(atomic_load(&hakmem_counts[HAKMEM_COUNT_ATOMICS]), atomics);
        for (uint32_t i = 0; i < left; i++) {
            hakmem_free(taken[i]);
        }
    } else {
        CHECK_EQ(atomics, 0);
        CHECK_EQ(remote_count(page->thread_free), had + 5);
    }
    check_page(page, 3);
    for (int i = 5; i < 8; i++) {
        hakmem_free(blocks[i]);
    }
}

/* A page of few blocks has a bit for each instead of a list: pushed without a look at the blocks, and taken lowest first. */
static void test_mask(size_t size) {
    enum { MOST = REMOTE_MASK_BITS };
    void *blocks[MOST];
    blocks[0] = hakmem_malloc(size);
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(blocks[0]);
    CHECK(page_has_mask(page) && page->reserved <= MOST);
    uint32_t n = 1;
    while (n < page->reserved) {
        blocks[n++] = hakmem_malloc(size);
    }
    for (uint32_t i = 0; i < n; i++) {
        CHECK_PTR(hakmem_tiny_ptr_to_page(blocks[i]), page);
        fill(blocks[i], size, 7);
    }
    void *leaving[] = {blocks[n - 1], blocks[2], blocks[0], NULL};
    free_remotely(leaving);
    uint64_t expected = 0;
    for (int i = 0; i < 3; i++) {
        expected |= UINT64_C(1) << (size_t)((char *)leaving[i] - page->start) / size;
        CHECK(MEMCHECK || holds(leaving[i], size, size, 7)); /* not even a link; a checker forbids the look */
    }
    CHECK_EQ(remote_mask(page->thread_free), expected);
    CHECK_EQ(remote_count(page->thread_free), 3);
    check_page(page, n - 3);
    hakmem_tiny_collect_frees(page);
    CHECK_EQ(page->thread_free, remote_nothing(true, PAGE_OWNED));
    check_page(page, n - 3);
    void *again[3];
    for (int i = 0; i < 3; i++) {
        again[i] = hakmem_tiny_malloc_direct(hakmem_thread_heap, size);
        CHECK(again[i] == leaving[0] || again[i] == leaving[1] || again[i] == leaving[2]);
        CHECK(i == 0 || again[i] > again[i - 1]);
    }
    check_page(page, n);
    for (uint32_t i = 0; i < n; i++) {
        hakmem_free(blocks[i]);
    }
    hakmem_purge();
}

/* The allocation path collects what others freed, before it extends or takes another page. */
static void test_remote_is_found(void) {
    enum { SIZE = 2048, FIT = 65536 / SIZE };
    void *blocks[FIT + 1] = {0};
    for (int i = 0; i < FIT; i++) {
        blocks[i] = hakmem_malloc(SIZE);
    }
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(blocks[FIT - 1]);
    CHECK_EQ(page->capacity, page->reserved);
    check_page(page, FIT);
    void *leaving[] = {blocks[7], NULL};
    free_remotely(leaving);
    CHECK_PTR(hakmem_malloc(SIZE), blocks[7]);
    check_page(page, FIT);
    free_remotely(blocks);
    CHECK(page_is_empty(page));
    check_page(page, 0);
    hakmem_purge(); /* collects them, and gives the page up */
    CHECK(hakmem_thread_heap->size_classes[size_class_of(SIZE)].first == NULL);
}

enum { TURN_SIZE = 1024, TURN_FIT = SLOT_BYTES / TURN_SIZE };

/* Fills a page of its own. */
static hakmem_tiny_page_t *fill_page(void **blocks) {
    for (int i = 0; i < TURN_FIT; i++) {
        blocks[i] = hakmem_malloc(TURN_SIZE);
        CHECK_PTR(hakmem_tiny_ptr_to_page(blocks[i]), hakmem_tiny_ptr_to_page(blocks[0]));
    }
    return hakmem_tiny_ptr_to_page(blocks[0]);
}

static void *take_from(hakmem_tiny_page_t *page) {
    void *p = hakmem_malloc(TURN_SIZE);
    CHECK_PTR(hakmem_tiny_ptr_to_page(p), page);
    return p;
}

/* A page that is used up lets the next one have its turn, which has gathered three blocks, unless it has about as many. */
static void test_turns(uint32_t had) {
    void *of_a[TURN_FIT], *of_b[TURN_FIT];
    hakmem_tiny_page_t *a = fill_page(of_a), *b = fill_page(of_b);
    CHECK(a != b && a->flags.is_full);
    for (int i = 0; i < 3; i++) {
        hakmem_free(of_a[i]); /* taken back, behind b */
    }
    for (uint32_t i = 0; i < had; i++) {
        hakmem_free(of_b[i]);
    }
    bool stays = DUAL_LISTS ? had * 2 >= 3 : had > 0; /* one list: not used up yet */
    for (uint32_t i = 0; stays && i < had; i++) {
        of_b[i] = take_from(b);
    }
    for (int i = 0; i < 3; i++) {
        of_a[i] = take_from(a);
        CHECK(!b->flags.is_full);
    }
    for (uint32_t i = 0; !stays && i < had; i++) {
        of_b[i] = take_from(b);
        CHECK(!a->flags.is_full);
    }
    void *of_c = hakmem_malloc(TURN_SIZE);
    CHECK(hakmem_tiny_ptr_to_page(of_c) != a && hakmem_tiny_ptr_to_page(of_c) != b);
    CHECK(a->flags.is_full && b->flags.is_full); /* neither had anything left */
    hakmem_free(of_c);
    for (int i = 0; i < TURN_FIT; i++) {
        hakmem_free(of_a[i]);
        hakmem_free(of_b[i]);
    }
    hakmem_purge();
}

/* A page to which nothing comes back gives way once, and is parked when its turn comes again. */
static void test_turn_without_frees(void) {
    void *of_a[TURN_FIT], *of_b[TURN_FIT], *of_c[TURN_FIT];
    hakmem_tiny_page_t *a = fill_page(of_a), *b = fill_page(of_b), *c = fill_page(of_c);
    hakmem_free(of_a[0]);
    hakmem_free(of_b[0]);
    of_a[0] = take_from(a); /* c gives way: the queue is a, b, c */
    CHECK(!c->flags.is_full);
    of_b[0] = take_from(b); /* a gives way: b, c, a */
    CHECK(!a->flags.is_full);
    hakmem_free(of_a[0]);
    of_a[0] = take_from(a); /* b has nothing, and c no more to take over with; c has nothing for the second time */
    CHECK(b->flags.is_full && c->flags.is_full && !a->flags.is_full);
    for (int i = 0; i < TURN_FIT; i++) {
        hakmem_free(of_a[i]);
        hakmem_free(of_b[i]);
        hakmem_free(of_c[i]);
    }
    hakmem_purge();
}

static void test_random(void) {
    enum { SIZE = 400, SLOTS = 100 };
    void *blocks[SLOTS] = {0}, *leaving[17];
    size_t held = 0, n = 0;
    uint64_t random = 9;
    for (long i = 0; i < rounds(30000); i++) {
        uint64_t r = next_random(&random);
        void **slot = &blocks[r % SLOTS];
        if (*slot == NULL) {
            CHECK((*slot = hakmem_malloc(SIZE)) != NULL);
            held++;
        } else {
            if ((r >> 32) % 8 == 0) {
                leaving[n++] = *slot;
            } else {
                hakmem_free(*slot);
                held--;
            }
            *slot = NULL;
        }
        if (n == 16) {
            leaving[n] = NULL;
            free_remotely(leaving);
            held -= n, n = 0;
        }
        for (size_t k = 0; k < SLOTS; k++) {
            if (blocks[k] != NULL) { /* 100 of 163 blocks: all in one page */
                check_page(hakmem_tiny_ptr_to_page(blocks[k]), (uint32_t)held);
                break;
            }
        }
    }
    leaving[n] = NULL;
    free_all(leaving);
    for (size_t k = 0; k < SLOTS; k++) {
        hakmem_free(blocks[k]);
    }
}

int main(void) {
    test_local();
    test_remote();
    test_remote_is_found();
    if (REMOTE_MASKS) {
        test_mask(CLASS_FEW_BYTES);
        test_mask(8 * KIB);
        test_mask(9 * KIB);
        test_mask(32 * KIB);
    }
    for (uint32_t had = 0; had < 3; had++) {
        test_turns(had);
    }
    if (DIRECT_CACHE || DUAL_LISTS) { /* else a search moves the pages */
        test_turn_without_frees();
    }
    test_random();
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
    CHECK_EQ(stats.live_bytes, 0);
    return 0;
}
