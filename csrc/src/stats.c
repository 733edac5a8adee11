/* Figures summed when asked, and giving memory back when asked. */
#include "stats.h"

#include <string.h>

#include "adopt.h"
#include "flush.h"
#include "frees.h"
#include "huge.h"
#include "idle.h"
#include "meta.h"
#include "purge.h"
#include "thread.h"

_Atomic uint64_t hakmem_counts[HAKMEM_COUNT_COUNT];
_Atomic int64_t hakmem_live_bytes;
_Atomic int64_t hakmem_peak_bytes;

static void add_page(hakmem_stats_t *out, hakmem_tiny_page_t *page, uint32_t size_class) {
    /* Relaxed: while others run, the two need not fit together. */
    uint32_t used = page_used(page);
    uint32_t back = remote_count(atomic_load_explicit(&page->thread_free, memory_order_relaxed));
    uint64_t blocks = used > back ? used - back : 0;
    if (size_class < CLASS_COUNT) {
        out->class_blocks[size_class] += blocks;
        out->live_blocks += blocks;
        out->live_bytes += blocks * size_class_bytes(size_class);
    }
}

static void add_chunk(hakmem_stats_t *out, hakmem_chunk_t *chunk) {
    for (uint32_t slot = HEAD_SLOTS; slot < chunk->slots; slot++) {
        hakmem_slot_info_t *info = &chunk->info[slot];
        /* Acquire: pairs with owner_store; the page behind a heap's address is set up. */
        uintptr_t owner = atomic_load_explicit(&info->owner, memory_order_acquire);
        if (owner == OWNER_NONE || owner == OWNER_LARGE_FREED) {
            continue;
        }
        if (owner == OWNER_LARGE) {
            out->large_blocks++;
            out->live_blocks++;
            out->live_bytes += (uint64_t)atomic_load_explicit(&info->length, memory_order_relaxed) << SLOT_SHIFT;
        } else if (atomic_load_explicit(&info->first, memory_order_relaxed) == slot) {
            add_page(out, &chunk->pages[slot], slot_class(info));
        }
    }
}

/* Slots that are neither purged nor unused, and the head. */
static uint64_t chunk_committed(hakmem_chunk_t *chunk) {
    uint64_t slots = 0;
    for (uint32_t w = 0; w < CHUNK_WORDS; w++) {
        uint64_t idle = atomic_load_explicit(&chunk->released[w], memory_order_relaxed) |
                        atomic_load_explicit(&chunk->unused[w], memory_order_relaxed);
        slots += 64 - (uint64_t)__builtin_popcountll(idle);
    }
    /* Beyond the prefix nothing is committed; in a chunk that was given back no bit is set at all. */
    uint64_t prefix = atomic_load_explicit(&chunk->committed, memory_order_relaxed);
    uint64_t beyond = CHUNK_SLOTS - chunk->slots;
    return (slots - beyond < prefix ? slots - beyond : prefix) << SLOT_SHIFT;
}

/* Blocks in caches are in use for their pages, but not for the program. */
static void subtract_cached(hakmem_stats_t *out) {
    for (hakmem_tiny_heap_t *heap = hakmem_all_heaps(); heap != NULL; heap = heap->next_of_all) {
        for (uint32_t c = 0; c < HAKMEM_CACHE_CLASSES; c++) {
            uint64_t blocks = hakmem_cache_count(&heap->cache, &heap->books, c);
            blocks = blocks < out->class_blocks[c] ? blocks : out->class_blocks[c];
            out->class_blocks[c] -= blocks;
            out->live_blocks -= blocks;
            out->live_bytes -= blocks * size_class_bytes(c);
        }
    }
}

static uint64_t counted(hakmem_count_t which) {
    return STATS ? atomic_load_explicit(&hakmem_counts[which], memory_order_relaxed) : HAKMEM_NOT_COUNTED;
}

void hakmem_stats_get(hakmem_stats_t *out) {
    memset(out, 0, sizeof *out);
    uint32_t count = hakmem_arena_chunk_count();
    for (uint32_t i = 0; i < count; i++) {
        add_chunk(out, hakmem_arena_chunk(i));
        out->committed_bytes += chunk_committed(hakmem_arena_chunk(i));
    }
    subtract_cached(out);
    size_t meta = hakmem_meta_committed_bytes(), huge = hakmem_huge_bytes(), idle = hakmem_idle_bytes();
    out->huge_blocks = hakmem_huge_blocks();
    out->live_blocks += out->huge_blocks;
    out->live_bytes += huge;
    out->committed_bytes += meta + huge + idle;
    out->reserved_bytes = hakmem_arena_reserved_bytes() + meta + huge + idle;

    int64_t peak = atomic_load_explicit(&hakmem_peak_bytes, memory_order_relaxed);
    out->peak_bytes = STATS ? (uint64_t)peak : HAKMEM_NOT_COUNTED;
    out->direct_hits = counted(HAKMEM_COUNT_DIRECT_HITS);
    out->direct_misses = counted(HAKMEM_COUNT_DIRECT_MISSES);
    out->local_frees = counted(HAKMEM_COUNT_LOCAL_FREES);
    out->remote_frees = counted(HAKMEM_COUNT_REMOTE_FREES);
    out->atomic_operations = counted(HAKMEM_COUNT_ATOMICS);
    out->pages_made = counted(HAKMEM_COUNT_PAGES_MADE);
    out->pages_retired = counted(HAKMEM_COUNT_PAGES_RETIRED);
    out->pages_abandoned = counted(HAKMEM_COUNT_PAGES_ABANDONED);
    out->pages_reclaimed = counted(HAKMEM_COUNT_PAGES_RECLAIMED);
}

size_t hakmem_class_bytes(uint32_t size_class) {
    return size_class < CLASS_COUNT ? size_class_bytes(size_class) : 0;
}

uint32_t hakmem_class_of(size_t size) {
    return size <= HAKMEM_MEDIUM_MAX ? size_class_of(size) : CLASS_COUNT;
}

_Static_assert(HAKMEM_CLASS_COUNT == CLASS_COUNT, "the header and the size classes agree");
_Static_assert(HAKMEM_TINY_MAX == CLASS_SMALL_MAX && HAKMEM_MEDIUM_MAX == CLASS_MEDIUM_MAX, "likewise");
_Static_assert(sizeof(hakmem_stats_t) == (6 + CLASS_COUNT + 10) * sizeof(uint64_t), "bindgen asserts the same in Rust");

static void *release_late(hakmem_tiny_heap_t *heap, size_t size) {
    (void)size;
    hakmem_heap_release_empty(heap);
    return NULL;
}

void hakmem_purge(void) {
    hakmem_tiny_heap_t *heap = hakmem_thread_heap_get();
    if (heap != NULL) {
        hakmem_flush_all(heap);
        hakmem_heap_release_empty(heap);
    }
    hakmem_threads_end_rest(UINT64_MAX);
    hakmem_late_heap_with(release_late, 0);
    hakmem_pool_purge();
    hakmem_idle_tick(0, true);
}
