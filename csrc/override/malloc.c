/* malloc and its kin, as the C library names them. */
#include "override.h"

#include <errno.h>

#include "../src/failure.h"
#include "../src/os.h"

HAKMEM_EXPORT void *malloc(size_t size) {
    return hakmem_malloc_16(size);
}

HAKMEM_EXPORT void *calloc(size_t count, size_t size) {
    size_t total;
    if (hakmem_unlikely(__builtin_mul_overflow(count, size, &total))) {
        return hakmem_calloc(count, size); /* which fails, and says so */
    }
    return hakmem_calloc(1, malloc_size(total));
}

HAKMEM_EXPORT void free(void *p) {
    hakmem_free(p);
}

HAKMEM_EXPORT void free_sized(void *p, size_t size) {
    hakmem_free_sized(p, size);
}

HAKMEM_EXPORT void free_aligned_sized(void *p, size_t align, size_t size) {
    hakmem_free_aligned_sized(p, align, size);
}

/* Of a block, and of null, as the standard says. A size of 0 frees, as in the GNU C library and as programs rely on. */
HAKMEM_EXPORT void *realloc(void *p, size_t size) {
    if (hakmem_unlikely(p == NULL)) {
        return hakmem_malloc_16(size);
    }
    if (hakmem_unlikely(size == 0)) {
        hakmem_free(p);
        return NULL;
    }
    return hakmem_realloc(p, malloc_size(size));
}

HAKMEM_EXPORT void *reallocarray(void *p, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return hakmem_out_of_memory(SIZE_MAX, 1);
    }
    return realloc(p, total);
}

/* Aligned ---------------------------------------------------------------------------------------------------------- */

static void *aligned_block(size_t align, size_t size) {
    return hakmem_aligned_alloc(max_size(align, MALLOC_ALIGN), max_size(size, 1));
}

/* An alignment that is no power of two is refused (C17); the size need not be a multiple of it. */
HAKMEM_EXPORT void *aligned_alloc(size_t align, size_t size) {
    if (!is_power_of_two(align)) {
        errno = EINVAL;
        return NULL;
    }
    return aligned_block(align, size);
}

/* Keeps errno, and on failure `*out`, as POSIX says. */
HAKMEM_EXPORT int posix_memalign(void **out, size_t align, size_t size) {
    if (!is_power_of_two(align) || align % sizeof(void *) != 0) {
        return EINVAL;
    }
    return hakmem_posix_memalign(out, max_size(align, MALLOC_ALIGN), max_size(size, 1));
}

/* The GNU C library rounds an alignment up to a power of two here, and refuses one that has none above it. */
HAKMEM_EXPORT void *memalign(size_t align, size_t size) {
    size_t rounded = MALLOC_ALIGN;
    while (rounded < align) {
        if (rounded > SIZE_MAX / 2) {
            errno = EINVAL;
            return NULL;
        }
        rounded *= 2;
    }
    return aligned_block(rounded, size);
}

HAKMEM_EXPORT void *valloc(size_t size) {
    return aligned_block(hakmem_os_page_size(), size);
}

/* As valloc, with the size rounded up to whole pages, one at least. */
HAKMEM_EXPORT void *pvalloc(size_t size) {
    size_t page = hakmem_os_page_size();
    if (size > (size_t)PTRDIFF_MAX - page) {
        return hakmem_out_of_memory(size, page);
    }
    return aligned_block(page, align_up(max_size(size, 1), page));
}
