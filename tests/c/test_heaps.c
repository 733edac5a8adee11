/* Heaps made by hand: they serve, their blocks are freed from anywhere, and destroying one frees all of its own blocks and
 * nobody else's. */
#include <pthread.h>

#include "core.h"
#include "flush.h"
#include "frees.h"
#include "park.h"
#include "thread.h"
#include "tiny.h"

static void *free_all(void *list) {
    for (void **p = list; *p != NULL; p++) {
        hakmem_free(*p);
    }
    return NULL;
}

static void test_life(void) {
    hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
    CHECK(heap != NULL);
    CHECK_EQ((uintptr_t)heap % CACHE_LINE, 0);
    void *blocks[2000];
    uint64_t bytes = 0;
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        size_t size = i * 37 % HAKMEM_MEDIUM_MAX;
        CHECK((blocks[i] = hakmem_tiny_heap_malloc(heap, size)) != NULL);
        CHECK_EQ((uintptr_t)blocks[i] % (size <= 8 ? 8 : 16), 0);
        hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(blocks[i]);
        CHECK_PTR(atomic_load(&page->heap), heap);
        CHECK(!hakmem_tiny_is_local_page(page));
        fill(blocks[i], size, i);
        bytes += hakmem_usable_size(blocks[i]);
    }
    CHECK_EQ(stats().live_blocks, COUNT_OF(blocks));
    CHECK_EQ(stats().live_bytes, bytes);
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        CHECK(holds(blocks[i], i * 37 % HAKMEM_MEDIUM_MAX, i * 37 % HAKMEM_MEDIUM_MAX, i));
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i += 2) {
        hakmem_free(blocks[i]);
    }
    CHECK_EQ(stats().live_blocks, COUNT_OF(blocks) / 2);
    hakmem_tiny_heap_destroy(heap); /* with the other half live: in its queues, parked, and waiting in pending */
    CHECK_EQ(stats().live_blocks, COUNT_OF(blocks) / 2);
    for (size_t i = 1; i < COUNT_OF(blocks); i += 2) { /* valid as before, and freed as ever */
        CHECK(holds(blocks[i], i * 37 % HAKMEM_MEDIUM_MAX, i * 37 % HAKMEM_MEDIUM_MAX, i));
        hakmem_free(blocks[i]);
    }
    CHECK_EQ(stats().live_blocks, 0);
    CHECK_EQ(stats().live_bytes, 0);
    hakmem_purge();
    for (uint32_t i = 0; i < hakmem_arena_chunk_count(); i++) { /* no slot names the heap any more */
        for (uint32_t slot = 0; slot < CHUNK_SLOTS; slot++) {
            CHECK_EQ(owner_load(&hakmem_arena_chunk(i)->info[slot]), OWNER_NONE);
        }
    }
    if (STATS) {
        CHECK_EQ(atomic_load(&hakmem_live_bytes), 0); /* what the peak is taken from */
    }
}

/* All states that a page can be in when its heap goes. */
static void test_states(void) {
    enum { SIZE = 8192, FIT = 65536 / SIZE }; /* no bin gathers blocks of that size */
    hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
    void *blocks[4][FIT];
    for (int page = 0; page < 4; page++) {
        for (int i = 0; i < FIT; i++) {
            blocks[page][i] = hakmem_tiny_heap_malloc(heap, SIZE);
        }
    }
    hakmem_tiny_page_t *pages[4];
    for (int page = 0; page < 4; page++) {
        pages[page] = hakmem_tiny_ptr_to_page(blocks[page][0]);
        CHECK_PTR(pages[page], hakmem_tiny_ptr_to_page(blocks[page][FIT - 1]));
        CHECK_EQ(remote_state(pages[page]->thread_free), page < 3 ? PAGE_PARKED : PAGE_OWNED);
    }
    void *some[] = {blocks[1][3], blocks[1][4], NULL};
    in_thread(free_all, some); /* waits in pending, some blocks back */
    CHECK_EQ(remote_state(pages[1]->thread_free), PAGE_NOTIFIED);
    for (int i = 0; i < FIT; i++) { /* waits there, empty */
        hakmem_free(blocks[2][i]);
    }
    hakmem_free(blocks[3][0]); /* remote for this heap: it is not the thread's own */
    CHECK_EQ(remote_count(pages[3]->thread_free), 1);
    CHECK_EQ(stats().live_blocks, 2 * FIT - 2 + FIT - 1);
    hakmem_tiny_heap_destroy(heap);
    CHECK_EQ(stats().live_blocks, 2 * FIT - 2 + FIT - 1);
    for (int i = 0; i < FIT; i++) {
        hakmem_free(blocks[0][i]);
        hakmem_free(i == 3 || i == 4 ? NULL : blocks[1][i]);
        hakmem_free(i == 0 ? NULL : blocks[3][i]);
    }
    CHECK_EQ(stats().live_blocks, 0);
    hakmem_purge();
}

static void *lost[65];

static void *leave_blocks(void *size) {
    for (size_t i = 0; i < COUNT_OF(lost) - 1; i++) {
        lost[i] = hakmem_malloc((uintptr_t)size);
        fill(lost[i], (uintptr_t)size, i);
    }
    return NULL;
}

/* A thread leaves a full page and a page in use; heaps made by hand come and go, and must not take its blocks along. */
static void test_others_blocks(void) {
    for (int round = 0; round < 8; round++) {
        uintptr_t size = round % 2 ? 1024 : 1500; /* all full; the last one not */
        in_thread(leave_blocks, (void *)size);
        hakmem_tiny_heap_t *heaps[3];
        void *theirs[3][2] = {{NULL}};
        for (int i = 0; i < 3; i++) {
            heaps[i] = hakmem_tiny_heap_create();
            if (round / 2 % 2) {
                CHECK((theirs[i][0] = hakmem_tiny_heap_malloc(heaps[i], size)) != NULL);
                CHECK((theirs[i][1] = hakmem_tiny_heap_malloc(heaps[i], 8)) != NULL);
            }
        }
        for (int i = 0; i < 3; i++) {
            hakmem_tiny_heap_destroy(heaps[i]);
            hakmem_free(theirs[i][0]);
            hakmem_free(theirs[i][1]);
        }
        CHECK_EQ(stats().live_blocks, COUNT_OF(lost) - 1);
        for (size_t i = 0; i < COUNT_OF(lost) - 1; i++) {
            CHECK(holds(lost[i], size, size, i));
        }
        if (round < 4) {
            in_thread(free_all, lost);
        } else {
            free_all(lost);
        }
        CHECK_EQ(stats().live_blocks, 0);
        hakmem_purge();
    }
}

/* One heap handed from thread to thread while others free its blocks. */
static hakmem_tiny_heap_t *shared;
static void *handed[501];

static void *use_shared(void *seed) {
    for (size_t i = 0; i < 500; i++) {
        size_t size = (i * 131 + (uintptr_t)seed * 17) % 3000;
        CHECK((handed[i] = hakmem_tiny_heap_malloc(shared, size)) != NULL);
        fill(handed[i], size, i);
    }
    return NULL;
}

static void test_handed_on(void) {
    shared = hakmem_tiny_heap_create();
    for (uintptr_t round = 0; round < 20; round++) {
        in_thread(use_shared, (void *)round);
        for (size_t i = 0; i < 500; i++) {
            size_t size = (i * 131 + round * 17) % 3000;
            CHECK(holds(handed[i], size, size, i));
        }
        in_thread(free_all, handed);
        CHECK_EQ(stats().live_blocks, 0);
    }
    /* It found what came back: 20 rounds took no more memory than a few. */
    size_t owned = 0;
    for (uint32_t i = 0; i < hakmem_arena_chunk_count(); i++) {
        for (uint32_t slot = 0; slot < CHUNK_SLOTS; slot++) {
            owned += (owner_load(&hakmem_arena_chunk(i)->info[slot]) & ~(uintptr_t)1) == (uintptr_t)shared;
        }
    }
    CHECK(owned <= 3 * 50);
    hakmem_tiny_heap_destroy(shared);
}

/* Made and destroyed by many threads, next to ordinary allocation. */
static void *churn(void *seed) {
    uint64_t random = (uintptr_t)seed;
    void *kept[64] = {0};
    for (long i = 0; i < rounds(1000); i++) {
        hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
        CHECK(heap != NULL);
        struct {
            void *p;
            size_t size;
        } left[50];
        for (int k = 0; k < 50; k++) {
            size_t size = next_random(&random) % 6000;
            void *p = hakmem_tiny_heap_malloc(heap, size);
            CHECK(p != NULL);
            fill(p, size, k);
            CHECK(holds(p, size, size, k));
            left[k].p = p;
            left[k].size = size;
            if (k % 3 == 0) {
                hakmem_free(p);
                left[k].p = NULL;
            }
            void **slot = &kept[next_random(&random) % COUNT_OF(kept)];
            if (*slot != NULL) {
                CHECK(holds(*slot, 200, 200, (uintptr_t)*slot));
                hakmem_free(*slot);
            }
            *slot = hakmem_malloc(200);
            fill(*slot, 200, (uintptr_t)*slot);
        }
        hakmem_tiny_heap_destroy(heap);
        for (int k = 0; k < 50; k++) {
            CHECK(left[k].p == NULL || holds(left[k].p, left[k].size, left[k].size, k));
            hakmem_free(left[k].p);
        }
    }
    for (size_t k = 0; k < COUNT_OF(kept); k++) {
        hakmem_free(kept[k]);
    }
    return NULL;
}

static void test_many(void) {
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(stats().live_blocks, 0);
}

static uint32_t queued(const hakmem_tiny_heap_t *heap) {
    uint32_t n = 0;
    for (uint32_t c = 0; c < CLASS_COUNT; c++) {
        for (const hakmem_tiny_page_t *page = heap->size_classes[c].first; page != NULL; page = page->next) {
            n++;
        }
    }
    return n;
}

/* Pages that others emptied without notice are found a few at a time, wherever the heap's queues change meanwhile. */
static void test_sweep(void) {
    enum { PAGES = 10, BLOCKS = PAGES * 16, MOST = 3 };
    static const size_t sizes[] = {4096, 8192};
    void *blocks[COUNT_OF(sizes)][BLOCKS];
    hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        for (int i = 0; i < BLOCKS; i++) {
            CHECK((blocks[s][i] = hakmem_tiny_heap_malloc(heap, sizes[s])) != NULL);
        }
    }
    for (int turn = 0; turn < 2; turn++) { /* one of each page, so that they are in the queues again; then the rest */
        for (size_t s = 0; s < COUNT_OF(sizes); s++) {
            hakmem_tiny_page_t *last = NULL;
            for (int i = 0; i < BLOCKS; i++) {
                hakmem_tiny_page_t *page = blocks[s][i] == NULL ? NULL : hakmem_tiny_ptr_to_page(blocks[s][i]);
                if (turn == 1 || page != last) {
                    hakmem_free(blocks[s][i]);
                    blocks[s][i] = NULL;
                }
                last = page;
            }
        }
        hakmem_flush_all(hakmem_thread_heap_get());
        hakmem_heap_drain_pending(heap);
    }
    uint32_t left = queued(heap);
    CHECK(left >= 2 * PAGES);
    hakmem_heap_sweep(heap, MOST);
    CHECK(queued(heap) >= left - MOST && queued(heap) < left);
    hakmem_tiny_page_t *next = heap->sweep_next;
    CHECK(next != NULL && page_is_empty(next));
    hakmem_tiny_collect_frees(next);
    hakmem_tiny_page_retire(next); /* it leaves by another way */
    CHECK(heap->sweep_next != next);
    for (int turn = 0; queued(heap) > COUNT_OF(sizes); turn++) {
        CHECK(turn < 2 * PAGES);
        left = queued(heap);
        hakmem_heap_sweep(heap, MOST);
        CHECK(queued(heap) >= left - MOST);
    }
    heap->epoch += 2; /* the last of each class is kept so long */
    hakmem_heap_sweep(heap, UINT32_MAX);
    CHECK_EQ(queued(heap), 0);
    hakmem_tiny_heap_destroy(heap);
    CHECK_EQ(stats().live_blocks, 0);
}

int main(void) {
    test_life();
    test_states();
    test_handed_on();
    test_many();
    test_others_blocks();
    test_sweep();
    CHECK_EQ(stats().live_bytes, 0);
    return 0;
}
