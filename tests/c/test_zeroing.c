/* calloc's memory is zero wherever it comes from, and memory that is fresh from the system is not touched for it. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <sys/mman.h>

#include "check.h"
#include "os.h"
#include "tiny.h"

static const size_t above_pages[] = {
    65537, 100000, 1 << 20, HAKMEM_LARGE_MAX, HAKMEM_LARGE_MAX + 1, HAKMEM_LARGE_MAX * 2};

static void *dirty(size_t size) {
    unsigned char *p = hakmem_malloc(size);
    CHECK(p != NULL);
    memset(p, 0xff, hakmem_usable_size(p));
    return p;
}

static void check_zeroed(size_t size) {
    void *p = hakmem_calloc(1, size), *q = hakmem_alloc_aligned_zeroed(size, 64);
    CHECK(p != NULL && q != NULL && is_zero(p, size) && is_zero(q, size));
    memset(p, 0xff, hakmem_usable_size(p));
    memset(q, 0xff, hakmem_usable_size(q));
    void *r = size <= HAKMEM_MEDIUM_MAX ? hakmem_alloc_page_block_zeroed(size) : hakmem_calloc(size, 1);
    CHECK(r != NULL && is_zero(r, size));
    memset(r, 0xff, hakmem_usable_size(r));
    hakmem_free(q);
    hakmem_free(r);
    hakmem_free(p);
}

/* Every class and kind: fresh, after a dirty block was freed, and after that memory went back to the system. */
static void test_every_size(void) {
    for (int round = 0; round < 3; round++) {
        for (uint32_t c = 0; c < HAKMEM_CLASS_COUNT; c++) {
            size_t size = hakmem_class_bytes(c);
            void *blocks[20];
            if (round != 0) {
                for (size_t i = 0; i < COUNT_OF(blocks); i++) {
                    blocks[i] = dirty(size);
                }
                for (size_t i = 0; i < COUNT_OF(blocks); i++) {
                    hakmem_free(blocks[i]);
                }
            }
            if (round == 2) {
                hakmem_purge();
            }
            for (int i = 0; i < 12; i++) {
                check_zeroed(size);
            }
        }
        for (size_t i = 0; i < COUNT_OF(above_pages); i++) {
            if (round != 0) {
                hakmem_free(dirty(above_pages[i]));
            }
            if (round == 2) {
                hakmem_purge();
            }
            check_zeroed(above_pages[i]);
            check_zeroed(above_pages[i]);
        }
    }
}

static void *free_all(void *list) {
    for (void **p = list; *p != NULL; p++) {
        hakmem_free(*p);
    }
    return NULL;
}

/* A random mix on one page's worth of blocks, freed by the owner and by others: fresh and used blocks follow each other. */
static void test_mixed(void) {
    enum { SLOTS = 300 };
    static void *blocks[SLOTS + 1], *leaving[33];
    uint64_t random = 5;
    size_t n = 0;
    for (long i = 0; i < rounds(40000); i++) {
        uint64_t r = next_random(&random);
        size_t size = 16 + (r >> 32) % 3 * 200;
        void **slot = &blocks[r % SLOTS];
        if (*slot == NULL) {
            *slot = (r >> 40) % 2 ? dirty(size) : hakmem_calloc(size / 8, 8);
            CHECK(*slot != NULL && ((r >> 40) % 2 || is_zero(*slot, size)));
            memset(*slot, 0xee, size);
        } else if ((r >> 41) % 4 == 0) {
            leaving[n++] = *slot;
            *slot = NULL;
        } else {
            hakmem_free(*slot);
            *slot = NULL;
        }
        if (n == 32) {
            pthread_t thread;
            leaving[n] = NULL;
            CHECK_EQ(pthread_create(&thread, NULL, free_all, leaving), 0);
            CHECK_EQ(pthread_join(thread, NULL), 0);
            n = 0;
        }
        if ((r >> 44) % 5000 == 0) {
            hakmem_purge();
        }
    }
    leaving[n] = NULL;
    free_all(leaving);
    for (size_t i = 0; i < SLOTS; i++) {
        hakmem_free(blocks[i]);
    }
}

static size_t resident_pages(void *p, size_t size) {
    static unsigned char in_memory[1 << 16];
    size_t page = hakmem_os_page_size(), pages = size / page, resident = 0;
    CHECK(pages <= sizeof in_memory);
    CHECK_EQ(mincore((void *)align_up((uintptr_t)p, page), size, in_memory), 0);
    for (size_t i = 0; i < pages; i++) {
        resident += in_memory[i] & 1;
    }
    return resident;
}

static void test_untouched(void) {
    /* A table stays in small pages, though the block before it was filled (huge.c asks such blocks about others). */
    char *filled = hakmem_malloc(2 * MIB), *table = (memset(filled, 1, 2 * MIB), hakmem_calloc(5, MIB));
    CHECK_EQ(hakmem_usable_size(table), 5 * MIB);
    table[3 * MIB] = 1;
    CHECK(resident_pages(table, 5 * MIB) <= 1);
    hakmem_free(table);
    hakmem_free(filled);
    hakmem_purge();
    char *huge = hakmem_calloc(64, MIB);
    CHECK(huge != NULL);
    CHECK_EQ(resident_pages(huge, 64 * MIB), 0);
    CHECK_EQ(huge[5 * MIB] + huge[64 * MIB - 1], 0);
    hakmem_free(huge);
    hakmem_purge();
    char *run = hakmem_calloc(8, MIB); /* purged slots, or unused ones */
    CHECK(run != NULL);
    CHECK_EQ(resident_pages(run, 8 * MIB), 0);
    memset(run, 1, 8 * MIB);
    CHECK_EQ(resident_pages(run, 8 * MIB), 8 * MIB / hakmem_os_page_size());
    hakmem_free(run);
    hakmem_purge();
    run = hakmem_calloc(8, MIB);
    CHECK(resident_pages(run, 8 * MIB) <= 1); /* the first purge reads a byte, to see that it worked */
    hakmem_free(run);
    hakmem_purge();
    if (DUAL_LISTS) { /* a fresh page's block: its link is all that was written */
        char *block = hakmem_calloc(1, HAKMEM_MEDIUM_MAX);
        CHECK(resident_pages(block, HAKMEM_MEDIUM_MAX) <= 1);
        hakmem_free(block);
    }
}

int main(void) {
    if (!skipped_under("valgrind", "test_untouched", "the tool touches memory")) {
        test_untouched();
    }
    test_every_size();
    test_mixed();
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
    return 0;
}
