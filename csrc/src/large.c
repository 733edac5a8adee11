#include "large.h"

#include <string.h>

#include "fatal.h"
#include "huge.h"
#include "os.h"
#include "purge.h"

static uint32_t slots_for(size_t size) {
    return (uint32_t)((size + SLOT_BYTES - 1) >> SLOT_SHIFT);
}

/* Blocks this large pass no heap, so that they notice time passing themselves. */
static void tick(void) {
    hakmem_waiting_tick(hakmem_os_now_ms());
}

void *hakmem_large_malloc(size_t size, size_t align, bool *zero) {
    hakmem_run_t run;
    tick();
    uint32_t align_slots = (uint32_t)max_size(align >> SLOT_SHIFT, 1);
    if (!large_is_run(size, align) || !hakmem_pool_acquire(slots_for(size), align_slots, &run)) {
        /* Also where the arena finds no run, say under a small RLIMIT_AS: a mapping needs no chunk. */
        return hakmem_huge_malloc(size, align, zero);
    }
    hakmem_slot_info_t *info = &run.chunk->info[run.slot];
    /* Relaxed: published by the owner word. Slots inside the run stay OWNER_NONE, so that no pointer into it is taken. */
    atomic_store_explicit(&info->first, (uint16_t)run.slot, memory_order_relaxed);
    atomic_store_explicit(&info->length, (uint16_t)run.length, memory_order_relaxed);
    owner_store(info, OWNER_LARGE);
    stat_live((int64_t)run.length << SLOT_SHIFT);
    *zero = run.zero;
    if (run.zero &&
        !hakmem_arena_in_huge_pages(run.chunk, run.slot, run.length)) { /* else it is resident after a touch */
        hakmem_huge_note_fresh_run(run_start(&run), (size_t)run.length << SLOT_SHIFT);
    }
    memcheck_given(run_start(&run), (size_t)run.length << SLOT_SHIFT);
    return run_start(&run);
}

static hakmem_slot_info_t *large_info(const void *p) {
    return arena_info_of(p);
}

void hakmem_large_free(void *p) {
    if (((uintptr_t)p & (SLOT_BYTES - 1)) != 0) {
        hakmem_invalid_free(p);
    }
    hakmem_slot_info_t *info = large_info(p);
    uint32_t length = atomic_load_explicit(&info->length, memory_order_relaxed);
    uintptr_t expected = OWNER_LARGE;
    stat_atomic();
    /* One of two frees at once wins. Relaxed: the bits of the pool order the slots' reuse. */
    if (!atomic_compare_exchange_strong_explicit(&info->owner, &expected, OWNER_LARGE_FREED, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        hakmem_double_free(p);
    }
    stat_live(-((int64_t)length << SLOT_SHIFT));
    memcheck_freed(p, (size_t)length << SLOT_SHIFT);
    hakmem_pool_release(arena_chunk_of(p), arena_slot_of(p), length);
    tick();
}

void *hakmem_large_move_out(void *p, size_t size) {
    uint32_t length = atomic_load_explicit(&large_info(p)->length, memory_order_relaxed);
    size_t bytes = (size_t)length << SLOT_SHIFT;
    void *moved = hakmem_huge_adopt(p, bytes);
    if (moved == NULL && hakmem_arena_unite(arena_chunk_of(p), arena_slot_of(p), length)) {
        moved = hakmem_huge_adopt(p, bytes);
    }
    if (moved == NULL) {
        return NULL;
    }
    void *resized = hakmem_huge_resize(moved, size, true);
    if (resized == NULL) { /* the slots are still ours, and empty: back to where it was */
        memcpy(p, moved, bytes);
        hakmem_huge_free(moved);
        return NULL;
    }
    hakmem_large_free(p); /* they count as dirty though they are clean: a purge that finds nothing */
    return resized;
}

size_t hakmem_large_usable(const void *p) {
    hakmem_slot_info_t *info = large_info(p);
    if (owner_load(info) != OWNER_LARGE) {
        return 0;
    }
    return (size_t)atomic_load_explicit(&info->length, memory_order_relaxed) << SLOT_SHIFT;
}

bool hakmem_large_resize(void *p, size_t size) {
    hakmem_slot_info_t *info = large_info(p);
    uint32_t have = atomic_load_explicit(&info->length, memory_order_relaxed);
    uint32_t want = slots_for(size);
    hakmem_run_t run = {arena_chunk_of(p), arena_slot_of(p), have, false};
    if (want > have && !hakmem_pool_grow(&run, want)) {
        return false;
    }
    /* Relaxed: whoever frees the block has it from this thread. */
    atomic_store_explicit(&info->length, (uint16_t)want, memory_order_relaxed);
    if (want != have) {
        memcheck_resized(p, (size_t)have << SLOT_SHIFT, (size_t)want << SLOT_SHIFT);
    }
    if (want < have) {
        hakmem_pool_release(run.chunk, run.slot + want, have - want);
    }
    stat_live(((int64_t)want - (int64_t)have) * SLOT_BYTES);
    return true;
}
