/* Phase 3: the packed flags, each set and cleared by what it stands for, and the one comparison over them. */
#include <pthread.h>

#include "check.h"
#include "frees.h"
#include "park.h"
#include "thread.h"
#include "tiny.h"

static void *free_one(void *p) {
    hakmem_free(p);
    return NULL;
}

static void free_remotely(void *p) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, free_one, p), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void test_pairs(void) {
    uint64_t random = 1;
    for (int i = 0; i < 10000; i++) {
        size_t size = next_random(&random) % 2048;
        void *p = hakmem_malloc(size);
        CHECK(p != NULL);
        fill(p, size, i);
        CHECK(holds(p, size, size, i));
        hakmem_free(p);
    }
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
}

/* `combined` is zero exactly if no flag is set, and either form of the test asks for attention then, however many blocks are
 * left. */
static void test_combined(void) {
    enum { MOST_LEFT = SLOT_BYTES / CLASS_STEP };
    hakmem_tiny_page_t page = hakmem_empty_page;
    CHECK_EQ(page.flags.combined, 0);
    CHECK(!tiny_wants_attention(&page, 1));
    CHECK(!tiny_wants_attention(&page, MOST_LEFT));
    CHECK(tiny_wants_attention(&page, 0)); /* the last block, whatever the flags */
    uint32_t seen = 0;
    for (int flag = 0; flag < 3; flag++) {
        page.flags.combined = 0;
        page.flags.is_full = flag == 0;
        page.flags.has_remote_frees = flag == 1;
        page.flags.is_retired = flag == 2;
        CHECK(page.flags.combined != 0);
        CHECK((page.flags.combined & seen) == 0);
        seen |= page.flags.combined;
        CHECK(tiny_wants_attention(&page, 0));
        CHECK(tiny_wants_attention(&page, 1));
        CHECK(tiny_wants_attention(&page, MOST_LEFT));
    }
}

static void test_is_full(void) {
    enum { SIZE = 1024, FIT = 65536 / SIZE };
    void *blocks[FIT + 1];
    for (int i = 0; i < FIT; i++) {
        blocks[i] = hakmem_malloc(SIZE);
    }
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(blocks[0]);
    CHECK(!page->flags.is_full); /* nobody has looked for a block in vain yet */
    blocks[FIT] = hakmem_malloc(SIZE);
    CHECK(hakmem_tiny_ptr_to_page(blocks[FIT]) != page);
    CHECK(page->flags.is_full);
    CHECK_EQ(remote_state(page->thread_free), PAGE_PARKED);
    CHECK(!hakmem_tiny_is_local_page(page));
    hakmem_free(blocks[0]); /* the owner's free wakes it */
    CHECK(!page->flags.is_full);
    CHECK_EQ(remote_state(page->thread_free), PAGE_OWNED);
    CHECK(hakmem_tiny_is_local_page(page));
    CHECK_EQ(page->flags.combined, 0);
    for (int i = 1; i <= FIT; i++) {
        hakmem_free(blocks[i]);
    }
}

static void test_has_remote_frees(void) {
    enum { SIZE = 2048, FIT = 65536 / SIZE };
    void *blocks[FIT + 1];
    hakmem_tiny_heap_t *heap = hakmem_thread_heap_get();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i <= FIT; i++) {
            blocks[i] = hakmem_malloc(SIZE);
        }
        hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(blocks[0]);
        CHECK(page->flags.is_full);
        free_remotely(blocks[0]);
        CHECK_EQ(remote_state(page->thread_free), PAGE_NOTIFIED);
        CHECK_EQ(remote_count(page->thread_free), 1);
        CHECK_PTR(atomic_load(&heap->pending), page);
        CHECK(!page->flags.has_remote_frees); /* the flags are the owner's: it has not looked yet */
        hakmem_heap_drain_pending(heap);
        CHECK(page->flags.has_remote_frees && !page->flags.is_full);
        CHECK_EQ(remote_state(page->thread_free), PAGE_OWNED);
        CHECK(atomic_load(&heap->pending) == NULL);
        if (round == 0) { /* cleared by the owner's next free into the page, which collects */
            hakmem_free(blocks[1]);
            CHECK(!page->flags.has_remote_frees);
            CHECK_EQ(remote_count(page->thread_free), DUAL_LISTS ? 0 : 2);
            CHECK_EQ(page_used(page), DUAL_LISTS ? FIT - 2 : FIT);
        } else { /* cleared by an allocation that looks at it */
            while (hakmem_tiny_ptr_to_page(blocks[1] = hakmem_malloc(SIZE)) != page) {
                CHECK(page->flags.has_remote_frees);
                hakmem_tiny_page_t *other = hakmem_tiny_ptr_to_page(blocks[1]);
                CHECK(!other->flags.is_full);
            }
            CHECK(!page->flags.has_remote_frees || !DIRECT_CACHE);
        }
        for (int i = 2; i <= FIT; i++) {
            hakmem_free(blocks[i]);
        }
        /* What this round could not name: the blocks of the search above. */
        hakmem_stats_t stats;
        hakmem_stats_get(&stats);
        CHECK(round == 1 || stats.live_blocks == 0);
    }
}

static void test_is_retired(void) {
    void *p = hakmem_malloc(300);
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(p);
    CHECK(!page->flags.is_retired);
    hakmem_free(p); /* the only page of its class: kept for a while */
    CHECK(page->flags.is_retired);
    CHECK(page_is_empty(page));
    CHECK_PTR(hakmem_thread_heap->size_classes[size_class_of(300)].first, page);
    size_t kept = hakmem_thread_heap->retired_bytes;
    CHECK(kept >= page->capacity * page_block_size(page));
    p = hakmem_malloc(300);
    void *q = hakmem_malloc(300);
    CHECK_PTR(hakmem_tiny_ptr_to_page(p), page);
    hakmem_free(q); /* in use again: struck off by the first free that sees it */
    CHECK(!page->flags.is_retired);
    CHECK(hakmem_thread_heap->retired_bytes < kept);
    hakmem_free(p);
    CHECK(page->flags.is_retired);
    CHECK_EQ(hakmem_thread_heap->retired_bytes, kept);
    hakmem_purge();
    CHECK(hakmem_thread_heap->size_classes[size_class_of(300)].first == NULL);
    CHECK_EQ(hakmem_thread_heap->retired_bytes, 0);
}

int main(void) {
    test_combined();
    test_pairs();
    hakmem_purge(); /* here and below: pages of its own for each test */
    test_is_full();
    hakmem_purge();
    test_is_retired();
    test_has_remote_frees(); /* last: it leaves blocks behind */
    return 0;
}
