/* Several threads: remote frees, threads that leave blocks behind, pages without an owner, and the last destructors. */
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>

#include "abandoned.h"
#include "core.h"
#include "flush.h"
#include "frees.h"
#include "os.h"
#include "park.h"
#include "thread.h"
#include "tiny.h"

/* Nothing is live, no page is left without an owner, and a purge gives everything back. */
static void check_clean(void) {
    CHECK_EQ(stats().live_blocks, 0);
    CHECK_EQ(stats().live_bytes, 0);
    if (STATS) {
        CHECK_EQ(atomic_load(&hakmem_live_bytes), 0);
    }
    hakmem_purge();
    for (uint32_t i = 0; i < hakmem_arena_chunk_count(); i++) {
        for (uint32_t slot = 0; slot < CHUNK_SLOTS; slot++) {
            CHECK(owner_load(&hakmem_arena_chunk(i)->info[slot]) != OWNER_ABANDONED);
        }
    }
}

static void run_all(int count, void *(*work)(void *)) {
    pthread_t threads[16];
    for (uintptr_t i = 0; i < (uintptr_t)count; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    }
    for (int i = 0; i < count; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
}

/* Blocks pass through shared cells, so that a random thread frees each of them: every mix of owner and freer. */
enum { CELLS = 2048 };
static _Atomic(uint64_t *) cells[CELLS];

static size_t random_size(uint64_t r) {
    return 16 + (r % 64 == 0 ? r / 64 % 300000 : r % 8 == 0 ? r / 64 % 20000 : r / 64 % 1000);
}

static void *pass_on(void *seed) {
    uint64_t random = (uintptr_t)seed * 77;
    for (long i = 0; i < rounds(150000); i++) {
        uint64_t r = next_random(&random);
        uint64_t *p = NULL;
        if (r >> 60 != 0) {
            size_t size = random_size(r >> 16);
            CHECK((p = hakmem_malloc(size)) != NULL);
            p[0] = size;
            fill(p + 1, size < 200 ? size - 8 : 192, size);
        }
        uint64_t *old = atomic_exchange(&cells[r % CELLS], p);
        if (old != NULL) {
            CHECK(hakmem_usable_size(old) >= old[0]);
            size_t size = old[0] < 200 ? old[0] - 8 : 192;
            CHECK(holds(old + 1, size, size, old[0]));
            if (r >> 55 == 3) {
                old = hakmem_realloc(old, random_size(r >> 20));
                CHECK(old != NULL);
            }
            hakmem_free(old);
        }
    }
    return NULL;
}

static void test_random_owner(void) {
    for (int round = 0; round < 3; round++) { /* threads end and new ones take their pages over */
        run_all(4, pass_on);
    }
    for (int i = 0; i < CELLS; i++) {
        hakmem_free(atomic_exchange(&cells[i], NULL));
    }
    check_clean();
}

/* Two threads that free each other's blocks, both at once. */
static _Atomic(void *) both[2][64];

static void *exchange(void *number) {
    int mine = (int)(uintptr_t)number % 2;
    for (long i = 0; i < rounds(200000); i++) {
        hakmem_free(atomic_exchange(&both[mine][i % 64], hakmem_malloc(1 + (size_t)(i % 3) * 2000)));
        hakmem_free(atomic_exchange(&both[1 - mine][i * 7 % 64], NULL));
    }
    return NULL;
}

static void test_both_ways(void) {
    run_all(2, exchange);
    for (int i = 0; i < 64; i++) {
        hakmem_free(both[0][i]);
        hakmem_free(both[1][i]);
    }
    check_clean();
}

/* Notices: others free into an owner's parked pages while the owner takes the pages up again. */
enum { NOTICED = 4096 };
static void *noticed[NOTICED];
static atomic_int freers_left;

static void *free_noticed(void *number) {
    for (size_t i = (uintptr_t)number - 2; i < NOTICED; i += 3) {
        hakmem_free(noticed[i]);
    }
    atomic_fetch_sub_explicit(&freers_left, 1, memory_order_relaxed);
    return NULL;
}

static void *free_one(void *p) {
    hakmem_free(p);
    return NULL;
}

static void run_all_freers(void) {
    pthread_t threads[3];
    atomic_store(&freers_left, 3);
    for (uintptr_t i = 0; i < 3; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, free_noticed, (void *)(i + 2)), 0);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
}

static void test_notices(void) {
    for (int round = 0; round < rounds(20); round++) {
        hakmem_tiny_heap_t *heap = hakmem_thread_heap_get();
        for (size_t i = 0; i < NOTICED; i++) {
            noticed[i] = hakmem_malloc(round % 2 ? 1024 : 8192);
        }
        atomic_store(&freers_left, 3);
        pthread_t threads[3];
        for (uintptr_t i = 0; i < 3; i++) {
            CHECK_EQ(pthread_create(&threads[i], NULL, free_noticed, (void *)(i + 2)), 0);
        }
        /* Relaxed: nothing but the notices themselves may order what is read. */
        while (atomic_load_explicit(&freers_left, memory_order_relaxed) != 0) {
            hakmem_heap_drain_pending(heap);
        }
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        }
        check_clean();
        for (uint32_t c = 0; c < HAKMEM_CLASS_COUNT; c++) {
            CHECK(heap->size_classes[c].first == NULL); /* none was forgotten */
        }
    }
}

/* An owner that goes on in other classes, and needs no page there, notices with time that others freed its parked ones. */
static void test_notices_with_time(void) {
    hakmem_tiny_heap_t *heap = hakmem_thread_heap_get();
    for (size_t i = 0; i < NOTICED; i++) {
        noticed[i] = hakmem_malloc(8192);
    }
    hakmem_free(hakmem_malloc(100)); /* from here on this class needs no page */
    in_thread(free_one, noticed[0]); /* of a page that stays in use: nobody else gives it back */
    noticed[0] = NULL;
    CHECK(atomic_load(&heap->pending) != NULL);
    for (int i = 0; i < 100 && atomic_load(&heap->pending) != NULL; i++) {
        for (int k = 0; k < 2000; k++) {
            hakmem_free(hakmem_malloc(100));
        }
        usleep(10000);
    }
    CHECK(atomic_load(&heap->pending) == NULL);
    run_all_freers();
    check_clean();
}

/* Threads that end and leave live blocks, in full pages and others. */
enum { LEFT = 300 };
static void *left[8][LEFT + 1];

static void *leave(void *number) {
    void **list = left[(uintptr_t)number - 1];
    for (int i = 0; i < LEFT; i++) {
        list[i] = hakmem_malloc(512);
        fill(list[i], 512, i);
    }
    return NULL;
}

static void *free_left(void *number) {
    for (int i = 0; i < LEFT; i++) {
        void *p = left[((uintptr_t)number + i) % 8][i]; /* of every leaver's some */
        CHECK(holds(p, 512, 512, i));
        hakmem_free(p);
    }
    return NULL;
}

static void test_leavers(void) {
    for (int round = 0; round < 20; round++) {
        run_all(8, leave);
        CHECK_EQ(stats().live_blocks, 8 * LEFT);
        if (round % 2 == 0) {
            run_all(8, free_left);
        } else {
            for (uintptr_t i = 0; i < 8; i++) {
                free_left((void *)i);
            }
        }
        check_clean();
    }
}

static void *leave_one(void *out) {
    *(void **)out = hakmem_malloc(2222);
    return NULL;
}

/* Ends the rest of the heap of a thread that has ended, so that its pages are abandoned. */
static void end_rest(void) {
    CHECK(hakmem_threads_rest());
    CHECK(hakmem_threads_end_rest(UINT64_MAX));
    CHECK(!hakmem_threads_rest());
}

static void *take_one(void *out) {
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(*(void **)out);
    hakmem_free(hakmem_malloc(1));
    CHECK(hakmem_tiny_is_local_page(page)); /* its heap, with the page that was left */
    CHECK_PTR(hakmem_thread_heap->size_classes[page->size_class].first, page);
    void *p = hakmem_malloc(2222);
    CHECK_PTR(hakmem_tiny_ptr_to_page(p), page);
    hakmem_free(p);
    hakmem_free(*(void **)out);
    CHECK(page_is_empty(page));
    return NULL;
}

static uint64_t resting_bytes(void) {
    uint64_t sum = 0;
    for (hakmem_tiny_heap_t *heap = hakmem_all_heaps(); heap != NULL; heap = heap->next_of_all) {
        bool rests = atomic_load(&heap->pending) == HEAP_CLOSED;
        sum += rests ? heap->resting_bytes : 0;
    }
    return sum;
}

enum { LEAVERS = 8 };
static void *leavers_left[LEAVERS][CLASS_SMALL_COUNT];
static pthread_barrier_t all_made;
static atomic_uint turn;

/* A page of each class, touched as a whole, with one block in use. Ends when it is its turn. */
static void *leave_much(void *number) {
    uintptr_t me = (uintptr_t)number - 1;
    for (uint32_t c = 0; c < CLASS_SMALL_COUNT; c++) {
        size_t size = size_class_bytes(c);
        void *chain = NULL;
        for (size_t bytes = 0; bytes + size <= SLOT_BYTES; bytes += size) {
            void **p = hakmem_alloc_page_block(size);
            *p = chain;
            chain = p;
        }
        leavers_left[me][c] = chain;
        for (void *p = *(void **)chain; p != NULL;) {
            void *next = *(void **)p;
            hakmem_free(p);
            p = next;
        }
    }
    pthread_barrier_wait(&all_made); /* so that none of them gets another's heap */
    while (atomic_load(&turn) < me) {
        usleep(100);
    }
    return NULL;
}

/* However the threads end, one after the other or all at once. */
static void test_resting_bound(bool at_once) {
    pthread_t threads[LEAVERS];
    atomic_store(&turn, at_once ? LEAVERS : 0);
    CHECK_EQ(pthread_barrier_init(&all_made, NULL, LEAVERS), 0);
    for (uintptr_t i = 0; i < LEAVERS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, leave_much, (void *)(i + 1)), 0);
    }
    for (int i = 0; i < LEAVERS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK(at_once || resting_bytes() <= 16 * MIB); /* the others wait for their turn, or are still at it */
        atomic_fetch_add(&turn, 1);
    }
    CHECK(resting_bytes() <= 16 * MIB);
    CHECK(at_once || resting_bytes() >= 8 * MIB);
    CHECK_EQ(pthread_barrier_destroy(&all_made), 0);
    for (int i = 0; i < LEAVERS; i++) {
        for (uint32_t c = 0; c < CLASS_SMALL_COUNT; c++) {
            hakmem_free(leavers_left[i][c]);
        }
    }
    check_clean();
}

/* An ended thread's heap rests with its pages, which the next thread finds as they are; or they are given up: by a purge,
 * and after a while. */
static void test_resting(void) {
    void *p;
    hakmem_purge();
    CHECK(!hakmem_threads_rest());
    in_thread(leave_one, &p);
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(p);
    CHECK_EQ(remote_state(page->thread_free), PAGE_OWNED);
    in_thread(take_one, &p);
    CHECK(hakmem_threads_rest()); /* its page too, empty as it is */
    hakmem_purge();
    CHECK(!hakmem_threads_rest());
    CHECK_EQ(owner_load(arena_page_info(page)), OWNER_NONE);
    in_thread(leave_one, &p);
    page = hakmem_tiny_ptr_to_page(p);
    CHECK_EQ(remote_state(page->thread_free), PAGE_OWNED);
    for (int ms = 0; hakmem_threads_rest() && ms < 10000; ms++) {
        usleep(1000);
        hakmem_cache_tick(&ms); /* this thread notices time passing */
    }
    CHECK(!hakmem_threads_rest());
    CHECK_EQ(owner_load(arena_page_info(page)), OWNER_ABANDONED);
    hakmem_free(p);
    check_clean();
}

/* Before an allocation is refused, what rests serves it. */
static void test_resting_serves(void) {
    static void *taken[CHUNK_BYTES / 2222];
    void *p;
    if (!DEBUG_BUILD) {
        return; /* no faults can be injected */
    }
    in_thread(leave_one, &p);
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(p);
    hakmem_os_inject_failures(0, 1000000);
    size_t n = 0;
    while (n < COUNT_OF(taken) && (taken[n] = hakmem_malloc(2222)) != NULL) {
        n++;
    }
    CHECK(n < COUNT_OF(taken));
    hakmem_os_inject_failures(0, 0);
    CHECK(!hakmem_threads_rest());
    CHECK(hakmem_tiny_is_local_page(page) || owner_load(arena_page_info(page)) == ((uintptr_t)hakmem_thread_heap | 1));
    while (n != 0) {
        hakmem_free(taken[--n]);
    }
    hakmem_free(p);
    in_thread(leave_one, &p);
    hakmem_os_inject_failures(0, 1000000);
    while (n < COUNT_OF(taken) && (taken[n] = hakmem_malloc(HAKMEM_LARGE_MAX)) != NULL) {
        n++;
    }
    hakmem_os_inject_failures(0, 0);
    CHECK(!hakmem_threads_rest());
    while (n != 0) {
        hakmem_free(taken[--n]);
    }
    hakmem_free(p);
    check_clean();
}

/* A page that its owner left is taken over by who next needs its class, or given up by who frees its last block. */
static void test_abandoned(void) {
    void *p;
    in_thread(leave_one, &p);
    end_rest();
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(p);
    CHECK_EQ(remote_state(page->thread_free), PAGE_ABANDONED);
    CHECK_EQ(owner_load(arena_page_info(page)), OWNER_ABANDONED);
    void *q = hakmem_malloc(2222);
    CHECK_PTR(hakmem_tiny_ptr_to_page(q), page);
    CHECK_EQ(remote_state(page->thread_free), PAGE_OWNED);
    CHECK(hakmem_tiny_is_local_page(page));
    CHECK_PTR(atomic_load(&page->heap), hakmem_thread_heap);
    hakmem_free(p);
    hakmem_free(q);
    check_clean();
    in_thread(leave_one, &p);
    end_rest();
    page = hakmem_tiny_ptr_to_page(p);
    in_thread(free_one, p); /* its last block, by a thread with no heap of its own */
    CHECK(owner_load(arena_page_info(page)) != OWNER_ABANDONED);
    uint32_t cursor = 0;
    CHECK(hakmem_claim_emptied(&cursor) == NULL);
    check_clean();
    /* The last block came back just before its owner let the page go: nobody else would notice. */
    hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
    p = hakmem_tiny_heap_malloc(heap, 3333);
    page = hakmem_tiny_ptr_to_page(p);
    hakmem_free(p);
    hakmem_flush_all(hakmem_thread_heap);
    CHECK(page_is_empty(page));
    heap->size_classes[page->size_class] = (hakmem_page_queue_t){NULL, NULL}; /* in no queue */
    hakmem_tiny_update_direct_cache(heap, page->size_class);
    CHECK(!hakmem_abandon(page, PAGE_OWNED));
    CHECK_EQ(remote_state(page->thread_free), PAGE_OWNED);
    hakmem_heap_release_page(NULL, page);
    hakmem_tiny_heap_destroy(heap);
    check_clean();
}

/* Thread-specific data whose destructors run after hakmem's own, round after round. */
static pthread_key_t late_key;

typedef struct {
    int rounds_left;
    void *kept[4];
} late_t;

static void late_destructor(void *value) {
    late_t *late = value;
    CHECK(hakmem_thread_is_late());
    for (int i = 0; i < 4; i++) {
        hakmem_free(late->kept[i]);
        late->kept[i] = i % 2 ? hakmem_malloc(100 + 3000 * (size_t)i) : hakmem_calloc(1, 100 + 40000 * (size_t)i);
        CHECK(late->kept[i] != NULL && (i % 2 || is_zero(late->kept[i], 100)));
        memset(late->kept[i], 0xff, 100);
    }
    late->kept[0] = hakmem_realloc(late->kept[0], 5000);
    if (--late->rounds_left > 0) {
        CHECK_EQ(pthread_setspecific(late_key, late), 0);
        return;
    }
    hakmem_purge();
    for (int i = 0; i < 4; i++) {
        hakmem_free(late->kept[i]);
    }
    hakmem_free(late);
}

static void *end_late(void *unused) {
    late_t *late =
        hakmem_calloc(1, sizeof *late); /* the heap's key is made before ours, so its destructor runs first */
    late->rounds_left = 3;
    late->kept[1] = hakmem_malloc(64);
    CHECK_EQ(pthread_setspecific(late_key, late), 0);
    return unused;
}

static void test_late(void) {
    hakmem_free(hakmem_malloc(1));
    CHECK_EQ(pthread_key_create(&late_key, late_destructor), 0);
    for (int round = 0; round < 30; round++) {
        run_all(8, end_late);
        CHECK_EQ(stats().live_blocks, 0);
    }
    check_clean();
}

/* Threads one after the other: heaps and pages are recycled, so that memory does not grow. */
static void *short_life(void *unused) {
    void *list[20];
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        list[i] = hakmem_malloc(i * 300);
    }
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        hakmem_free(list[i]);
    }
    return unused;
}

static void test_no_growth(void) {
    in_thread(short_life, NULL);
    uint64_t committed = stats().committed_bytes;
    for (long i = 0; i < rounds(1000); i++) {
        in_thread(short_life, NULL);
    }
    CHECK(stats().committed_bytes <= committed + MIB);
    CHECK_EQ(hakmem_arena_active_chunks(), 1);
    check_clean();
}

/* free(NULL), and frees that race with the first reservation. */
static void *null_frees(void *unused) {
    for (int i = 0; i < 10000; i++) {
        hakmem_free(NULL);
    }
    return unused;
}

int main(void) {
    pthread_t early;
    CHECK_EQ(pthread_create(&early, NULL, null_frees, NULL), 0);
    hakmem_free(hakmem_malloc(8));
    CHECK_EQ(pthread_join(early, NULL), 0);
    test_resting();
    test_resting_bound(false);
    for (int i = 0; i < rounds(10); i++) {
        test_resting_bound(true);
    }
    test_resting_serves();
    test_abandoned();
    test_both_ways();
    test_notices();
    if (BLOCK_CACHE) { /* without it, a program that misses no page notices no time */
        test_notices_with_time();
    }
    test_random_owner();
    test_leavers();
    test_late();
    test_no_growth();
    return 0;
}
