/* What free blocks carry (block.h): blocks that come back together come out again, each once, whichever way they are taken. */
#include "check.h"
#include "frees.h"
#include "thread.h"
#include "tiny.h"

enum { MOST = 600 };

static void *blocks[MOST], *again[MOST];

static hakmem_tiny_page_t *page;
static uint32_t count; /* of `blocks`, all of `page` */

static int by_address(const void *a, const void *b) {
    uintptr_t x = (uintptr_t) * (void *const *)a, y = (uintptr_t) * (void *const *)b;
    return (x > y) - (x < y);
}

/* Blocks of one page, all that are made so far, in a random order. */
static void take_all(size_t size) {
    uint64_t state = size;
    blocks[0] = hakmem_tiny_malloc_direct(hakmem_thread_heap, size);
    page = hakmem_tiny_ptr_to_page(blocks[0]);
    count = 1;
    while (count < MOST && page_has_free(page)) {
        blocks[count++] = hakmem_tiny_malloc_direct(hakmem_thread_heap, size);
    }
    for (uint32_t i = count; i-- > 1;) {
        uint32_t j = (uint32_t)(next_random(&state) % (i + 1));
        void *kept = blocks[i];
        blocks[i] = blocks[j];
        blocks[j] = kept;
    }
}

/* `again` has the blocks that came back, and nothing else. */
static void check_same(void) {
    qsort(blocks, count, sizeof *blocks, by_address);
    qsort(again, count, sizeof *again, by_address);
    CHECK_EQ(memcmp(blocks, again, count * sizeof *blocks), 0);
    memcpy(blocks, again, count * sizeof *blocks);
}

static uint32_t length_of(const hakmem_block_t *list, uint32_t *touched) {
    uint32_t n = 0;
    for (; list != NULL; list = block_next(list)) {
        n += 1 + block_others(list);
        ++*touched;
    }
    return n;
}

static void put_all(void) {
    for (uint32_t i = 0; i < count; i++) {
        fill(blocks[i], page_block_size(page), i); /* what a program leaves there is no link */
    }
    for (uint32_t i = 0; i < count; i++) {
        hakmem_tiny_free(blocks[i]);
    }
}

/* One by one, both ways. */
static void test_singly(size_t size) {
    take_all(size);
    put_all();
    if (DUAL_LISTS) {
        uint32_t touched = 0, most = size > CLASS_SMALL_MAX ? 0 : block_others_most(page_block_size(page));
        CHECK_EQ(length_of(page->free, &touched) + length_of(page->local_free, &touched), count);
        CHECK_EQ(touched, (count + most) / (most + 1));
    }
    for (uint32_t i = 0; i < count; i++) {
        again[i] = hakmem_tiny_malloc_direct(hakmem_thread_heap, size);
    }
    check_same();
}

/* Several at a time, as the cache takes them, so that some carriers are left with a part. */
static void test_together(void) {
    uint32_t used = page_used(page);
    put_all();
    hakmem_tiny_collect_frees(page);
    uint32_t n = 0;
    for (uint32_t most = 1; n < count; most = most % 7 + 1) {
        uint32_t room = most < count - n ? most : count - n;
        uint32_t got = page_pop_many(page, again + n, room);
        memmove(again + n, again + n + room - got, got * sizeof again[0]);
        CHECK(got != 0);
        n += got;
    }
    CHECK_EQ(page_used(page), used);
    CHECK(page->free == NULL);
    check_same();
}

/* Blocks on their way back to the page: linked, or a bit each. */
static hakmem_chain_t chain_of(void *const *some, uint32_t n) {
    if (page_has_mask(page)) {
        hakmem_chain_t chain = {some[0], some[0], n, 0, 0};
        for (uint32_t i = 0; i < n; i++) {
            chain.mask |= UINT64_C(1) << (size_t)((char *)some[i] - page->start) / page_block_size(page);
        }
        return chain;
    }
    hakmem_batch_t batch = batch_on(NULL, page->others_most);
    for (uint32_t i = n; i-- > 0;) {
        batch_add(&batch, some[i]);
    }
    return batch_end_chain(&batch, some[n - 1], n);
}

/* Pushed as others do, in chains of several lengths, onto what is there. */
static void test_chains(void) {
    uint32_t used = page_used(page), done = 0;
    for (uint32_t length = 3; done < count; length = length * 2 % 47 + 1) {
        uint32_t n = length < count - done ? length : count - done;
        hakmem_chain_t chain = chain_of(&blocks[done], n);
        uint64_t left;
        remote_push(&page->thread_free, page->start, &chain, &left);
        done += n;
        CHECK_EQ(remote_count(left), done);
    }
    hakmem_tiny_collect_frees(page);
    CHECK_EQ(page_used(page), used - count);
    for (uint32_t i = 0; i < count; i++) {
        again[i] = page_pop(page);
    }
    CHECK_EQ(page_used(page), used);
    check_same();
}

/* In front of what the owner freed before, so that a carrier goes on with what it has room for. */
static void test_in_front(void) {
    uint32_t used = page_used(page), done = 0;
    for (uint32_t length = 1; done < count; length = length * 2 % 29 + 1) {
        uint32_t end = done + (length < count - done ? length : count - done);
        hakmem_batch_t batch = batch_on(page->local_free, page->others_most);
        while (done < end) {
            batch_add(&batch, blocks[done++]);
        }
        page->local_free = batch_end(&batch);
    }
    uint32_t touched = 0;
    CHECK_EQ(length_of(page->local_free, &touched), count);
    CHECK_EQ(touched, (count + page->others_most) / (page->others_most + 1));
    page_set_used(page, used - count);
    hakmem_tiny_collect_frees(page);
    for (uint32_t i = 0; i < count; i++) {
        again[i] = page_pop(page);
    }
    CHECK_EQ(page_used(page), used);
    check_same();
}

int main(void) {
    hakmem_free(hakmem_malloc(200)); /* a heap; no size of those below */
    static const size_t sizes[] = {8, 16, 24, 32, 64, 80, 128, 1024, 8 * KIB, 9 * KIB, 64 * KIB};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        test_singly(sizes[i]);
        if (DUAL_LISTS) {
            test_together();
            test_chains();
            test_in_front();
        }
        for (uint32_t b = 0; b < count; b++) {
            hakmem_tiny_free(blocks[b]);
        }
    }
    return 0;
}
