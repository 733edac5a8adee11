/* Entry points that resize. */
#include <errno.h>
#include <string.h>

#include "early.h"
#include "failure.h"
#include "fatal.h"
#include "huge.h"
#include "large.h"
#include "os.h"
#include "tiny.h"

/* From here on moving a block's pages costs less than copying it. Not lower, because each mapping is one of the 65,530 that Linux
 * gives a process. */
#define MOVE_OUT_LEAST MIB

typedef enum { KIND_PAGE, KIND_RUN, KIND_HUGE } kind_t;

static kind_t kind_of(const void *p) {
    if (!arena_contains(p)) {
        return KIND_HUGE;
    }
    return owner_load(arena_info_of(p)) == OWNER_LARGE ? KIND_RUN : KIND_PAGE;
}

/* Resizes a block that is no page's, where it is or by moving its mapping. Null: copy it. `align` is the block's. */
static void *resize_large(void *p, size_t size, size_t align) {
    if (size <= HAKMEM_MEDIUM_MAX) {
        return NULL; /* a page's block costs less memory, and a sized free will look for one */
    }
    if (kind_of(p) == KIND_RUN) {
        if (size <= RUN_MAX && hakmem_large_resize(p, size)) {
            return p;
        }
        return size >= MOVE_OUT_LEAST && align <= hakmem_os_page_size() ? hakmem_large_move_out(p, size) : NULL;
    }
    if (size < MOVE_OUT_LEAST / 2) {
        return NULL; /* well below what is worth a mapping */
    }
    /* A mapping that moves is aligned to the system's page only. */
    return hakmem_huge_resize(p, size, align <= hakmem_os_page_size());
}

/* `p` is no block of ours. Memory from before hakmem was there is copied and left alone; how much of it was asked for
 * nobody knows, so all that can be read is copied as far as it fits. */
static HAKMEM_COLD void *realloc_foreign(void *p, size_t size) {
    size_t readable = hakmem_early_bytes(p);
    if (readable == 0) {
        hakmem_invalid_free(p);
    }
    void *moved = hakmem_malloc(size);
    if (moved != NULL) {
        memcpy(moved, p, min_size(size, readable));
    }
    return moved;
}

void *hakmem_realloc(void *p, size_t size) {
    if (p == NULL) {
        return hakmem_malloc(size);
    }
    if (size > (size_t)PTRDIFF_MAX) {
        return hakmem_out_of_memory(size, 1);
    }
    size_t usable = arena_block_bytes_fast(p);
    if (hakmem_unlikely(usable == 0)) {
        usable = hakmem_usable_size(p);
        if (hakmem_unlikely(usable == 0)) {
            return realloc_foreign(p, size);
        }
        void *resized = kind_of(p) != KIND_PAGE ? resize_large(p, size, 1) : NULL;
        if (resized != NULL) {
            return resized;
        }
    }
    if (size <= usable && size >= usable / 2 && usable <= HAKMEM_MEDIUM_MAX) {
        return p; /* at most half is wasted, less than a copy costs */
    }
    void *moved = hakmem_malloc(size);
    if (moved != NULL) {
        memcpy(moved, p, min_size(size, usable));
        hakmem_free(p);
    }
    return moved;
}

void *hakmem_realloc_aligned(void *p, size_t old_size, size_t align, size_t new_size) {
    if (new_size > (size_t)PTRDIFF_MAX) {
        return hakmem_out_of_memory(new_size, align);
    }
    size_t old_rounded = align_up(old_size, align);
    size_t new_rounded = align_up(new_size, align);
    if (old_rounded <= HAKMEM_MEDIUM_MAX) {
        if (new_rounded <= HAKMEM_MEDIUM_MAX && size_class_of(old_rounded) == size_class_of(new_rounded)) {
            return p;
        }
    } else if (new_rounded > HAKMEM_MEDIUM_MAX) {
        void *resized = resize_large(p, new_size, align);
        if (resized != NULL) {
            return resized;
        }
    }
    void *moved = hakmem_alloc_aligned(new_size, align);
    if (moved != NULL) {
        memcpy(moved, p, min_size(old_size, new_size));
        hakmem_free(p);
    }
    return moved;
}
