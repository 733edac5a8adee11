/* Phase 1: pages_direct mirrors the queues, after whatever happens to them. */
#include <pthread.h>

#include "check.h"
#include "park.h"
#include "thread.h"
#include "tiny.h"

static hakmem_tiny_page_t *const no_page = (hakmem_tiny_page_t *)&hakmem_empty_page;

/* What entry `i` must be by the queues: the first page of the class that serves 8 * i bytes. */
static hakmem_tiny_page_t *expected(const hakmem_tiny_heap_t *heap, size_t i) {
    hakmem_tiny_page_t *first = heap->size_classes[size_class_of(8 * i)].first;
    return DIRECT_CACHE && first != NULL ? first : no_page;
}

static void check_all(const hakmem_tiny_heap_t *heap) {
    for (size_t i = 0; i < DIRECT_PAGES; i++) {
        CHECK_PTR(heap->pages_direct[i], expected(heap, i));
    }
}

static void *free_all(void *list) {
    for (void **p = list; *p != NULL; p++) {
        hakmem_free(*p);
    }
    return NULL;
}

/* Frees a null-terminated list of blocks from another thread. */
static void free_remotely(void **blocks) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, free_all, blocks), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* 8, 16 and 32 B fill entries 1, 2 and 4; a free shows in the entry's page. */
static void test_entries(void) {
    hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
    CHECK(heap != NULL);
    check_all(heap);
    for (size_t i = 0; i < DIRECT_PAGES; i++) {
        CHECK_PTR(heap->pages_direct[i], no_page);
    }
    static const struct { size_t size, entry; } cases[] = {{8, 1}, {16, 2}, {32, 4}};
    void *blocks[COUNT_OF(cases)];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        void *p = blocks[i] = hakmem_tiny_heap_malloc(heap, cases[i].size);
        hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(p);
        CHECK_EQ(size_class_direct_index(cases[i].size), cases[i].entry);
        CHECK_EQ(page_block_size(page), cases[i].size);
        CHECK_PTR(heap->pages_direct[cases[i].entry], DIRECT_CACHE ? page : no_page);
        CHECK_PTR(tiny_page_for(heap, cases[i].size), page);
        check_all(heap);
    }
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        hakmem_free(blocks[i]);
    }
    hakmem_tiny_heap_destroy(heap);

    void *p = hakmem_malloc(16), *q = hakmem_malloc(16);
    hakmem_tiny_page_t *page = tiny_page_for(hakmem_thread_heap, 16);
    CHECK_PTR(page, hakmem_tiny_ptr_to_page(p));
    uint32_t free_before = remote_count(page->thread_free);
    hakmem_free(p);
    if (DUAL_LISTS) {
        CHECK_PTR(page->local_free, p);
    } else {
        CHECK_PTR(remote_head(page->thread_free, page->start), p);
        CHECK_EQ(remote_count(page->thread_free), free_before + 1);
    }
    hakmem_free(q);
}

/* A class that serves several entries sets each of them, and no others; the largest reaches beyond the array. */
static void test_ranges(void) {
    hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
    size_t covered = 0, count = 0;
    void *blocks[CLASS_COUNT];
    for (uint32_t c = 0; size_class_direct_first(c) < DIRECT_PAGES; c++) {
        CHECK_EQ(size_class_direct_first(c), covered);
        covered = size_class_direct_last(c) + 1;
        void *p = blocks[count++] = hakmem_tiny_heap_malloc(heap, size_class_bytes(c) < 16 ? 8 : size_class_bytes(c));
        CHECK(p != NULL);
        check_all(heap);
    }
    CHECK_EQ(covered, DIRECT_PAGES); /* both sizes of the array end with a class */
    CHECK((blocks[count++] = hakmem_tiny_heap_malloc(heap, DIRECT_MAX + 8)) != NULL);
    check_all(heap);
    /* Rebuilding heals every entry. */
    memset(heap->pages_direct, 0xff, sizeof heap->pages_direct);
    hakmem_tiny_rebuild_direct_cache(heap);
    check_all(heap);
    while (count != 0) {
        hakmem_free(blocks[--count]);
    }
    hakmem_tiny_heap_destroy(heap);
}

/* Each place where a page joins, leaves or moves in its queue. */
static void test_moves(void) {
    enum { SIZE = 512, MANY = 3 * 65536 / SIZE };
    static void *blocks[MANY + 1];
    hakmem_tiny_heap_t *heap = hakmem_thread_heap_get();
    const hakmem_page_queue_t *queue = &heap->size_classes[size_class_of(SIZE)];
    for (int i = 0; i < MANY; i++) { /* joins; parks full ones */
        blocks[i] = hakmem_malloc(SIZE);
        CHECK_PTR(queue->first, hakmem_tiny_ptr_to_page(blocks[i]));
        check_all(heap);
    }
    hakmem_tiny_page_t *a = hakmem_tiny_ptr_to_page(blocks[0]);
    hakmem_tiny_page_t *c = hakmem_tiny_ptr_to_page(blocks[MANY - 1]);
    CHECK(a != c && a->flags.is_full);
    hakmem_free(blocks[0]); /* unparked: to the queue's end */
    CHECK_PTR(queue->first, c);
    CHECK_PTR(queue->last, a);
    check_all(heap);
    blocks[0] = hakmem_malloc(SIZE); /* c has nothing and gives way: a is first */
    CHECK_PTR(queue->first, DIRECT_CACHE ? a : queue->first);
    check_all(heap);
    void *from_b[] = {blocks[65536 / SIZE], NULL};
    free_remotely(from_b); /* notified */
    hakmem_heap_drain_pending(heap);
    CHECK_PTR(queue->last, hakmem_tiny_ptr_to_page(from_b[0]));
    check_all(heap);
    blocks[65536 / SIZE] = hakmem_malloc(SIZE);
    for (int i = 0; i < MANY; i++) { /* leaves: all but the last page are given up as they empty */
        hakmem_free(blocks[i]);
        check_all(heap);
    }
    CHECK(queue->first != NULL && queue->first == queue->last);
    hakmem_purge();
    CHECK(queue->first == NULL);
    CHECK_PTR(heap->pages_direct[SIZE / 8], no_page);
    check_all(heap);
}

static void test_random(void) {
    enum { SLOTS = 4096 };
    static void *blocks[SLOTS];
    static void *leaving[65];
    uint64_t random = 3;
    size_t n = 0;
    hakmem_tiny_heap_t *heap = hakmem_thread_heap_get();
    for (long i = 0; i < rounds(100000); i++) {
        uint64_t r = next_random(&random);
        void **slot = &blocks[r % SLOTS];
        if (*slot == NULL) {
            *slot = hakmem_malloc((r >> 32) % 4 == 0 ? 64 : (r >> 34) % 1200);
            CHECK(*slot != NULL);
        } else if ((r >> 32) % 8 == 0) {
            leaving[n++] = *slot;
            *slot = NULL;
        } else {
            hakmem_free(*slot);
            *slot = NULL;
        }
        if (n == COUNT_OF(leaving) - 1) {
            leaving[n] = NULL;
            free_remotely(leaving);
            n = 0;
        }
        if ((r >> 40) % 10000 == 0) {
            hakmem_purge();
        }
        check_all(heap);
    }
    leaving[n] = NULL;
    free_all(leaving);
    for (size_t i = 0; i < SLOTS; i++) {
        hakmem_free(blocks[i]);
        check_all(heap);
    }
    hakmem_purge();
    for (size_t i = 0; i < DIRECT_PAGES; i++) {
        CHECK_PTR(heap->pages_direct[i], no_page);
    }
}

int main(void) {
    _Static_assert(sizeof(((hakmem_tiny_heap_t *)0)->pages_direct) == (DIRECT_PAGES == 129 ? 1032 : 520), "bytes");
    for (size_t i = 0; i < DIRECT_PAGES; i++) { /* before a thread has a heap */
        CHECK_PTR(hakmem_thread_heap->pages_direct[i], no_page);
    }
    test_entries();
    test_ranges();
    test_moves();
    test_random();
    return 0;
}
