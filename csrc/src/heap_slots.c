#include "heap_slots.h"

#include "shared_pool.h"
#include "trace.h"

/* How many the page has. */
static uint32_t page_slots(const hakmem_tiny_page_t *page) {
    /* Relaxed: constant while the page is in use. */
    return atomic_load_explicit(&arena_chunk_of(page)->info[arena_page_slot(page)].length, memory_order_relaxed);
}

size_t hakmem_heap_touched_bytes(const hakmem_tiny_page_t *page) {
    if (!page->slot_is_zero) { /* slots that were used before are resident as a whole */
        return (size_t)page_slots(page) << SLOT_SHIFT;
    }
    return (size_t)page->capacity * page_block_size(page);
}

void hakmem_heap_note_medium_gone(hakmem_tiny_heap_t *heap, const hakmem_tiny_page_t *page) {
    if (size_class_is_medium(page->size_class)) {
        uint8_t *doublings = &heap->medium_doublings[page->size_class - CLASS_SMALL_COUNT];
        *doublings -= *doublings != 0;
    }
}

static bool acquire_slots(hakmem_tiny_heap_t *heap, uint32_t size_class, hakmem_run_t *run) {
    if (size_class_is_medium(size_class)) {
        uint8_t *doublings = &heap->medium_doublings[size_class - CLASS_SMALL_COUNT];
        uint32_t slots = (uint32_t)MEDIUM_LEAST_SLOTS << *doublings;
        bool acquired = hakmem_pool_acquire(slots, slots, run);
        *doublings += acquired && slots < MEDIUM_SLOTS;
        /* Where memory is short, there may be room between larger pages. */
        while (!acquired && slots > MEDIUM_LEAST_SLOTS) {
            slots /= 2;
            acquired = hakmem_pool_acquire(slots, slots, run);
        }
        return acquired;
    }
    if (heap->l0_count != 0) {
        char *start = heap->l0_slots[--heap->l0_count];
        heap->l0_used_epoch = heap->epoch;
        *run = (hakmem_run_t){arena_chunk_of(start), arena_slot_of(start), 1, false};
        hakmem_lock_stats_acquired(HAKMEM_STAGE_L0, hakmem_lock_stats_taken());
        HAKMEM_TRACE("SP_ACQUIRE_STAGE0_L0", start, 1);
        return true;
    }
    return hakmem_pool_acquire(1, 1, run);
}

static void release_slot(hakmem_tiny_heap_t *heap, hakmem_chunk_t *chunk, uint32_t slot) {
    if (heap != NULL && heap->l0_count < L0_SLOTS) {
        heap->l0_used_epoch = heap->epoch;
        heap->l0_slots[heap->l0_count++] = arena_slot_start(chunk, slot);
    } else {
        hakmem_pool_release(chunk, slot, 1);
    }
}

void hakmem_heap_release_l0(hakmem_tiny_heap_t *heap) {
    while (heap->l0_count != 0) {
        char *start = heap->l0_slots[--heap->l0_count];
        hakmem_pool_release(arena_chunk_of(start), arena_slot_of(start), 1);
    }
}

hakmem_tiny_page_t *hakmem_heap_make_page(hakmem_tiny_heap_t *heap, uint32_t size_class) {
    hakmem_run_t run;
    if (!acquire_slots(heap, size_class, &run)) {
        return NULL;
    }
    hakmem_tiny_page_t *page = &run.chunk->pages[run.slot];
    size_t had = page_block_size(page);
    if (had != 0 && had != size_class_bytes(size_class)) {
        HAKMEM_TRACE("SP_FIX_GEOMETRY", run_start(&run), size_class_bytes(size_class));
    }
    hakmem_page_init(page, size_class, run_start(&run), (size_t)run.length << SLOT_SHIFT, run.zero, heap);
    for (uint32_t i = 0; i < run.length; i++) {
        hakmem_slot_info_t *info = &run.chunk->info[run.slot + i];
        /* Relaxed: published by the owner word below. */
        atomic_store_explicit(&info->first, (uint16_t)run.slot, memory_order_relaxed);
        atomic_store_explicit(&info->length, (uint16_t)run.length, memory_order_relaxed);
        slot_set_class(info, size_class + 1);
        owner_store(info, (uintptr_t)heap);
    }
    stat_add(HAKMEM_COUNT_PAGES_MADE, 1);
    return page;
}

void hakmem_heap_release_page(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page) {
    HAKMEM_ASSERT(page_is_empty(page));
    hakmem_chunk_t *chunk = arena_chunk_of(page);
    uint32_t slot = arena_page_slot(page);
    uint32_t length = page_slots(page);
    owner_store_all(&chunk->info[slot], OWNER_NONE);
    for (uint32_t i = 0; i < length; i++) {
        slot_set_class(&chunk->info[slot + i], 0);
    }
    stat_add(HAKMEM_COUNT_PAGES_RETIRED, 1);
    if (length == 1) {
        release_slot(heap, chunk, slot);
    } else {
        if (heap != NULL) {
            hakmem_heap_note_medium_gone(heap, page);
        }
        hakmem_pool_release(chunk, slot, length);
    }
}
