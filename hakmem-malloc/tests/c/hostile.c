/* Calls at the edges of what the standards allow, one after the other; exit status 0 if each does what it must. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#if !defined(__GLIBC__)
/* Functions of the GNU C library that others do not declare; hakmem has them everywhere. */
struct mallinfo2 {
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};
extern struct mallinfo2 mallinfo2(void);
extern int malloc_trim(size_t pad);
extern int mallopt(int parameter, int value);
extern void *pvalloc(size_t size);
#define M_MMAP_THRESHOLD (-3)
#endif

/* C23; weak, because the C library that this links with may be older. */
extern void free_sized(void *p, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *p, size_t align, size_t size) __attribute__((weak));

/* What must fail with this error, and leave nothing behind. */
#define REFUSES(call, error)                                                                                           \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK((call) == NULL);                                                                                         \
        CHECK(errno == (error));                                                                                       \
    } while (0)

/* Volatile, so that no compiler can judge the calls for itself. */
static volatile size_t huge_sizes[] = {
    (size_t)PTRDIFF_MAX + 1, (size_t)PTRDIFF_MAX, (size_t)PTRDIFF_MAX - 4096, SIZE_MAX,         SIZE_MAX - 1,
    SIZE_MAX - 16,           SIZE_MAX - 4096,     SIZE_MAX - 65536,           SIZE_MAX / 2 + 2,
};
enum { HUGE_SIZES = sizeof huge_sizes / sizeof *huge_sizes };

static void sizes_beyond_any_object(void) {
    for (int i = 0; i < HUGE_SIZES; i++) {
        size_t size = huge_sizes[i];
        REFUSES(malloc(size), ENOMEM);
        REFUSES(calloc(size, 1), ENOMEM);
        REFUSES(calloc(1, size), ENOMEM);
        REFUSES(valloc(size), ENOMEM);
        REFUSES(pvalloc(size), ENOMEM);
        for (size_t align = 8; align <= 1 << 20; align *= 2) {
            REFUSES(memalign(align, size), ENOMEM);
            REFUSES(aligned_alloc(align, size), ENOMEM);
            void *p = (void *)1;
            errno = 42;
            CHECK(posix_memalign(&p, align, size) == ENOMEM);
            CHECK(p == (void *)1 && errno == 42);
        }
        for (size_t small = 1; small <= 1 << 25; small = small * 3 + 1) {
            char *p = malloc(small);
            CHECK(p != NULL);
            memset(p, 7, small);
            REFUSES(realloc(p, size), ENOMEM);
            CHECK(p[0] == 7 && p[small - 1] == 7);
            free(p);
        }
    }
}

static void products_that_wrap(void) {
    volatile size_t half = SIZE_MAX / 2 + 1, root = (size_t)1 << 32, most = SIZE_MAX;
    REFUSES(calloc(half, 2), ENOMEM);
    REFUSES(calloc(2, half), ENOMEM);
    REFUSES(calloc(root, root), ENOMEM);
    REFUSES(calloc(most, most), ENOMEM);
    REFUSES(reallocarray(NULL, root, root), ENOMEM);
    char *p = malloc(10);
    strcpy(p, "unchanged");
    REFUSES(reallocarray(p, half, 2), ENOMEM);
    REFUSES(reallocarray(p, most, most), ENOMEM);
    CHECK(strcmp(p, "unchanged") == 0);
    p = reallocarray(p, 100, 10);
    CHECK(p != NULL && strcmp(p, "unchanged") == 0 && malloc_usable_size(p) >= 1000);
    free(p);
}

static void alignments_that_are_none(void) {
    static volatile size_t bad[] = {0, 3, 5, 6, 7, 9, 12, 24, 100, 4095, 4097, SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        REFUSES(aligned_alloc(bad[i], 64), EINVAL);
        void *p = (void *)1;
        errno = 42;
        CHECK(posix_memalign(&p, bad[i], 64) == EINVAL);
        CHECK(p == (void *)1 && errno == 42);
    }
    static volatile size_t small[] = {1, 2, 4}; /* powers of two, but no multiple of a pointer's size */
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        void *p = (void *)1;
        CHECK(posix_memalign(&p, small[i], 64) == EINVAL && p == (void *)1);
        void *q = aligned_alloc(small[i], 64);
        CHECK(q != NULL && ALIGNED(q, 16));
        free(q);
    }
    /* memalign rounds up, as far as there is a power of two to round to. */
    volatile size_t last = SIZE_MAX / 2 + 1, most = SIZE_MAX;
    REFUSES(memalign(most, 1), EINVAL);
    REFUSES(memalign(last + 1, 1), EINVAL);
    REFUSES(memalign(last, 1), ENOMEM);
    REFUSES(aligned_alloc(last, 1), ENOMEM);
    volatile size_t odd = 48;
    void *p = memalign(odd, 10);
    CHECK(p != NULL && ALIGNED(p, 64));
    free(p);
    p = memalign(0, 10);
    CHECK(p != NULL && ALIGNED(p, 16));
    free(p);
}

static void every_alignment(void) {
    for (size_t align = 16; align <= (size_t)1 << 26; align *= 2) {
        for (size_t size = 0; size < 300000; size = size * 5 + 1) {
            char *p = aligned_alloc(align, size), *q = memalign(align, size);
            void *r = NULL;
            CHECK(p != NULL && q != NULL && p != q && posix_memalign(&r, align, size) == 0);
            CHECK(ALIGNED(p, align) && ALIGNED(q, align) && ALIGNED(r, align));
            CHECK(malloc_usable_size(p) >= size);
            memset(p, 1, size);
            memset(q, 2, size);
            memset(r, 3, size);
            CHECK(size == 0 || (p[0] == 1 && p[size - 1] == 1));
            p = realloc(p, size + 100); /* its alignment may go, its contents not */
            CHECK(p != NULL && (size == 0 || (p[0] == 1 && p[size - 1] == 1)));
            free(p);
            free_aligned_sized(q, align, size);
            free(r);
        }
    }
}

static void nothing(void) {
    void *p = malloc(0), *q = malloc(0);
    CHECK(p != NULL && q != NULL && p != q && ALIGNED(p, 16));
    errno = 42;
    CHECK(realloc(p, 0) == NULL); /* frees, as the GNU C library does */
    CHECK(errno == 42);
    free(q);
    p = realloc(NULL, 0);
    CHECK(p != NULL);
    free(p);
    p = calloc(0, 100);
    q = calloc(100, 0);
    CHECK(p != NULL && q != NULL && p != q);
    free(p);
    free(q);
    free(NULL);
    free_sized(NULL, 0);
    free_aligned_sized(NULL, 16, 0);
    CHECK(malloc_usable_size(NULL) == 0);
}

static void every_size_is_aligned(void) {
    for (size_t size = 0; size < 5000; size++) {
        char *p = malloc(size), *q = calloc(1, size), *r = realloc(NULL, size);
        CHECK(ALIGNED(p, 16) && ALIGNED(q, 16) && ALIGNED(r, 16));
        CHECK(malloc_usable_size(p) >= size);
        for (size_t i = 0; i < size; i++) {
            CHECK(q[i] == 0);
        }
        memset(p, 1, malloc_usable_size(p)); /* all of it may be used */
        memset(q, 1, size);
        q = realloc(q, size / 2 + 1);
        CHECK(ALIGNED(q, 16));
        free_sized(p, size);
        free(q);
        free(r);
    }
}

static void errno_is_kept(void) {
    errno = 42;
    for (size_t size = 1; size < (size_t)1 << 26; size *= 3) {
        void *p = malloc(size);
        free(p);
    }
    CHECK(errno == 42);
}

static void whole_pages(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *p = valloc(1), *q = pvalloc(1), *r = pvalloc(page + 1), *s = pvalloc(0);
    CHECK(ALIGNED(p, page) && ALIGNED(q, page) && ALIGNED(r, page) && ALIGNED(s, page));
    CHECK(malloc_usable_size(q) >= page && malloc_usable_size(r) >= 2 * page && malloc_usable_size(s) >= page);
    free(p);
    free(q);
    free(r);
    free(s);
}

static void orders_and_figures(void) {
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1 && mallopt(-12345, 0) == 1);
    void *small = malloc(1000), *large = malloc(1 << 20), *own = malloc(40 << 20);
    struct mallinfo2 info = mallinfo2();
    CHECK(info.hblks == 1 && info.hblkhd >= 40 << 20);
    CHECK(info.uordblks >= (1 << 20) + 1000 && info.arena >= info.uordblks && info.uordblks < 40 << 20);
    CHECK(info.fordblks == info.arena - info.uordblks);
    memset(large, 1, 1 << 20);
    free(small);
    free(large);
    free(own);
    CHECK(mallinfo2().hblks == 0);
    CHECK(malloc_trim(0) == 1);
    CHECK(malloc_trim(0) == 0);
}

int main(void) {
    orders_and_figures();
    sizes_beyond_any_object();
    products_that_wrap();
    alignments_that_are_none();
    every_alignment();
    nothing();
    every_size_is_aligned();
    errno_is_kept();
    whole_pages();
    puts("all as it must be");
    return 0;
}
