#include "abandoned.h"

/* How many there are, by class and in all. Relaxed: they only save searches; a page that a search misses is found by the
 * next one, or by who frees its last block. */
static _Atomic uint32_t counts[CLASS_COUNT];
static _Atomic uint32_t total;

static _Atomic uint64_t *index_word(hakmem_tiny_page_t *page) {
    return &arena_chunk_of(page)->abandoned[arena_page_slot(page) / 64];
}

static uint64_t index_bit(const hakmem_tiny_page_t *page) {
    return UINT64_C(1) << (arena_page_slot(page) % 64);
}

bool hakmem_abandon(hakmem_tiny_page_t *page, hakmem_page_state_t from) {
    for (;;) {
        uint32_t used = page_used(page);
        page->flags.combined = 0;
        atomic_fetch_add_explicit(&counts[page->size_class], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
        stat_add(HAKMEM_COUNT_PAGES_ABANDONED, 1);
        /* The owner word before the state: afterwards a claimer may store its own, and the heap, whose address it holds,
         * may serve another thread as soon as this one has let it go. */
        owner_store_all(arena_page_info(page), OWNER_ABANDONED);
        uint64_t word = 0;
        bool done = remote_try_state(&page->thread_free, from, PAGE_ABANDONED, &word);
        HAKMEM_ASSERT(done);
        (void)done;
        /* Relaxed: the bit is an index. It may be set after the page was claimed again; who follows it then finds out. */
        atomic_fetch_or_explicit(index_word(page), index_bit(page), memory_order_relaxed);
        /* If every block was back before the CAS, no later push will notice. */
        if (remote_count(word) != used || !hakmem_claim(page)) {
            return true;
        }
        /* Claimed, but not always what was abandoned: another thread may have had the page in between, and used it. */
        if (page_is_empty(page)) {
            return false;
        }
        from = PAGE_OWNED;
    }
}

bool hakmem_claim(hakmem_tiny_page_t *page) {
    uint64_t word;
    if (!remote_try_state(&page->thread_free, PAGE_ABANDONED, PAGE_OWNED, &word)) {
        return false;
    }
    /* Only this thread can abandon it again, so the bit cannot be one that is still needed. */
    atomic_fetch_and_explicit(index_word(page), ~index_bit(page), memory_order_relaxed);
    atomic_fetch_sub_explicit(&counts[page->size_class], 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&total, 1, memory_order_relaxed);
    return true;
}

static bool is_of_class(hakmem_tiny_page_t *page, uint32_t size_class) {
    hakmem_slot_info_t *info = arena_page_info(page);
    return owner_load(info) == OWNER_ABANDONED && slot_class(info) == size_class;
}

static bool looks_empty(hakmem_tiny_page_t *page) {
    /* Relaxed: a hint; the claimer looks again when the page is its own. */
    uint64_t word = atomic_load_explicit(&page->thread_free, memory_order_relaxed);
    return remote_state(word) == PAGE_ABANDONED && remote_count(word) == page_used(page);
}

/* Whether a page behind an index bit is wanted: of the class, or for CLASS_COUNT one that looks empty. */
static bool is_wanted(hakmem_tiny_page_t *page, uint32_t size_class) {
    return size_class == CLASS_COUNT ? looks_empty(page) : is_of_class(page, size_class);
}

static hakmem_tiny_page_t *claim_next(uint32_t size_class, uint32_t *cursor) {
    uint32_t end = hakmem_arena_chunk_count() * CHUNK_WORDS;
    for (; *cursor < end; ++*cursor) {
        hakmem_chunk_t *chunk = hakmem_arena_chunk(*cursor / CHUNK_WORDS);
        uint32_t word = *cursor % CHUNK_WORDS;
        uint64_t bits = atomic_load_explicit(&chunk->abandoned[word], memory_order_relaxed);
        for (; bits != 0; bits &= bits - 1) {
            hakmem_tiny_page_t *page = &chunk->pages[word * 64 + (uint32_t)__builtin_ctzll(bits)];
            if (is_wanted(page, size_class) && hakmem_claim(page)) {
                return page;
            }
        }
    }
    return NULL;
}

hakmem_tiny_page_t *hakmem_claim_abandoned(uint32_t size_class) {
    uint32_t cursor = 0;
    bool any = atomic_load_explicit(&counts[size_class], memory_order_relaxed) != 0;
    return any ? claim_next(size_class, &cursor) : NULL;
}

hakmem_tiny_page_t *hakmem_claim_emptied(uint32_t *cursor) {
    bool any = atomic_load_explicit(&total, memory_order_relaxed) != 0;
    return any ? claim_next(CLASS_COUNT, cursor) : NULL;
}
