/* Entry points that take memory back, and that ask about it. */
#include "huge.h"
#include "large.h"
#include "tiny.h"

/* Null, a block in a region after the first, a mapping of its own, or nothing of ours. */
static HAKMEM_NOINLINE void free_elsewhere(void *p) {
    if (p == NULL) {
        return;
    }
    if (hakmem_arena_contains_slow(p)) {
        hakmem_tiny_free(p);
    } else {
        hakmem_huge_free(p);
    }
}

void hakmem_free(void *p) {
    if (hakmem_unlikely(!arena_contains_fast(p))) {
        free_elsewhere(p);
        return;
    }
    hakmem_tiny_free(p);
}

void hakmem_free_tiny(void *p) {
    if (hakmem_unlikely(!arena_contains_fast(p))) {
        free_elsewhere(p);
        return;
    }
    tiny_free_one_slot(p);
}

void hakmem_free_sized(void *p, size_t size) {
    (void)size; /* C's sizes are rounded up to 16 where Rust's are not, so the page's class decides, not this */
    hakmem_free(p);
}

void hakmem_free_aligned_sized(void *p, size_t align, size_t size) {
    (void)align, (void)size;
    hakmem_free(p);
}

size_t hakmem_usable_size(const void *p) {
    if (p == NULL) {
        return 0;
    }
    if (!arena_contains_fast(p) && !hakmem_arena_contains_slow(p)) {
        return hakmem_huge_usable(p);
    }
    uintptr_t owner = owner_load(&arena_chunk_of(p)->info[arena_slot_of(p)]);
    switch (owner) {
    case OWNER_NONE:
    case OWNER_LARGE_FREED:
        return 0;
    case OWNER_LARGE:
        return hakmem_large_usable(p);
    default:
        return page_block_size(hakmem_tiny_ptr_to_page(p));
    }
}
