/* Sizes that cannot be: null, ENOMEM, the failure hook told, nothing changed. And free keeps errno. */
#include "check.h"
#include "os.h"
#include "tiny.h"

static size_t hook_size, hook_align;
static int hook_calls;

static void hook(size_t size, size_t align) {
    hook_size = size;
    hook_align = align;
    hook_calls++;
    errno = 99; /* a hook may spoil it */
}

static void other_hook(size_t size, size_t align) {
    (void)size, (void)align;
}

/* Where a page would have served it, the hook hears of what a page is asked for: the size rounded up to the alignment. */
static bool is_told(size_t size, size_t align) {
    if (size <= HAKMEM_MEDIUM_MAX) {
        return hook_size >= size && hook_size < size + max_size(align, 16) && hook_align <= align;
    }
    return hook_size == size && hook_align == align;
}

/* One allocation that must fail, having asked for `size` bytes aligned to `align`. */
#define CHECK_FAILS(call, size, align)                                                                                 \
    do {                                                                                                               \
        int calls_before_ = hook_calls;                                                                                \
        errno = 0;                                                                                                     \
        CHECK((call) == NULL);                                                                                         \
        CHECK_EQ(errno, ENOMEM);                                                                                       \
        CHECK_EQ(hook_calls, calls_before_ + 1);                                                                       \
        CHECK(is_told(size, align));                                                                                   \
    } while (0)

static void test_sizes(void) {
    static const size_t sizes[] = {
        PTRDIFF_MAX - 4095, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 65536, SIZE_MAX - 4096,
        SIZE_MAX - 15,      SIZE_MAX};
    void *kept = hakmem_malloc(100);
    fill(kept, 100, 1);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t size = sizes[i];
        CHECK_FAILS(hakmem_malloc(size), size, 1);
        CHECK_FAILS(hakmem_calloc(1, size), size, 1);
        CHECK_FAILS(hakmem_calloc(size, 1), size, 1);
        CHECK_FAILS(hakmem_realloc(NULL, size), size, 1);
        CHECK_FAILS(hakmem_realloc(kept, size), size, 1);
        CHECK_FAILS(hakmem_aligned_alloc(64, size), size, 64);
        CHECK_FAILS(hakmem_aligned_alloc((size_t)32 << 20, size), size, (size_t)32 << 20);
        CHECK_FAILS(hakmem_alloc_aligned(size, 1), size, 1);
        CHECK_FAILS(hakmem_alloc_aligned_zeroed(size, 4096), size, 4096);
        void *out = &out;
        errno = 7;
        CHECK_EQ(hakmem_posix_memalign(&out, 64, size), ENOMEM);
        CHECK_EQ(errno, 7);
        CHECK_PTR(out, &out);
    }
    CHECK(holds(kept, 100, 100, 1));
    hakmem_free(kept);
}

static void test_calloc(void) {
    static const size_t factors[][2] = {{SIZE_MAX, 2},         {2, SIZE_MAX},        {(size_t)1 << 32, (size_t)1 << 32},
                                        {SIZE_MAX / 2 + 1, 2}, {SIZE_MAX, SIZE_MAX}, {SIZE_MAX / 3 + 1, 3}};
    for (size_t i = 0; i < COUNT_OF(factors); i++) {
        int calls = hook_calls;
        errno = 0;
        CHECK(hakmem_calloc(factors[i][0], factors[i][1]) == NULL);
        CHECK_EQ(errno, ENOMEM);
        CHECK_EQ(hook_calls, calls + 1);
    }
    void *p = hakmem_calloc(0, SIZE_MAX), *q = hakmem_calloc(SIZE_MAX, 0);
    CHECK(p != NULL && q != NULL && p != q);
    hakmem_free(p);
    hakmem_free(q);
}

/* What a heap made by hand serves. */
static void test_heap(void) {
    hakmem_tiny_heap_t *heap = hakmem_tiny_heap_create();
    int calls = hook_calls;
    errno = 0;
    CHECK(hakmem_tiny_heap_malloc(heap, HAKMEM_MEDIUM_MAX + 1) == NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK(hakmem_tiny_heap_malloc(heap, SIZE_MAX) == NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(hook_calls, calls);
    void *largest = hakmem_tiny_heap_malloc(heap, HAKMEM_MEDIUM_MAX);
    CHECK(largest != NULL);
    hakmem_free(largest);
    hakmem_tiny_heap_destroy(heap);
}

static void test_errno(void) {
    static const size_t sizes[] = {0, 8, 5000, 60000, 100000, HAKMEM_LARGE_MAX, HAKMEM_LARGE_MAX * 2};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        errno = 12345;
        void *p = hakmem_malloc(sizes[i]); /* success leaves it alone as well */
        CHECK(p != NULL);
        CHECK_EQ(errno, 12345);
        hakmem_free(p);
        CHECK_EQ(errno, 12345);
        hakmem_purge();
        CHECK_EQ(errno, 12345);
    }
    hakmem_free(NULL);
    CHECK_EQ(errno, 12345);
    CHECK_EQ(hakmem_usable_size(NULL), 0);
}

/* Where the arena cannot begin, allocation returns null and nothing is printed; later it works. */
static void test_no_arena(void) {
    hakmem_os_inject_failures(0, 1000000);
    if (DEBUG_BUILD) {
        CHECK_FAILS(hakmem_malloc(100), 100, 1);
        CHECK_FAILS(hakmem_calloc(3, 50), 150, 1);
        CHECK_FAILS(hakmem_alloc_aligned(100, 32), 100, 32);
        CHECK_FAILS(hakmem_malloc(100000), 100000, 1);
        CHECK_FAILS(hakmem_malloc(HAKMEM_LARGE_MAX * 2), HAKMEM_LARGE_MAX * 2, 1);
        errno = 0;
        CHECK(hakmem_tiny_heap_create() == NULL);
        CHECK_EQ(errno, ENOMEM);
        hakmem_purge();
    }
    hakmem_os_inject_failures(0, 0);
    void *p = hakmem_malloc(100);
    CHECK(p != NULL);
    hakmem_free(p);
}

int main(void) {
    CHECK(hakmem_set_failure_hook(other_hook) == NULL);
    CHECK(hakmem_set_failure_hook(hook) == other_hook);
    test_no_arena();
    test_sizes();
    test_calloc();
    test_heap();
    test_errno();
    CHECK(hakmem_set_failure_hook(NULL) == hook);
    errno = 0;
    CHECK(hakmem_malloc(SIZE_MAX) == NULL);
    CHECK_EQ(errno, ENOMEM);
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
    return 0;
}
