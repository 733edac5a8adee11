#include "cache.h"

#include <string.h>

#include "meta.h"

void *const hakmem_no_block = NULL;
const hakmem_cache_t hakmem_closed_cache = {HAKMEM_CLOSED_BINS};

void hakmem_cache_close(hakmem_cache_t *cache) {
    for (uint32_t c = 0; c < HAKMEM_CACHE_CLASSES; c++) {
        bin_set_top(&cache->bins[c], hakmem_closed_cache.bins[c].top);
        cache->bins[c].limit = hakmem_closed_cache.bins[c].limit;
    }
}

static size_t most_for(uint32_t size_class) {
    return min_size(max_size(CACHE_CLASS_BYTES / size_class_bytes(size_class), 2), CACHE_MOST);
}

/* Relaxed: as for `top`. */
static void set_base(hakmem_cache_book_t *book, void **base) {
    __atomic_store_n(&book->base, base, __ATOMIC_RELAXED);
}

static void set_limit(hakmem_cache_bin_t *bin, const hakmem_cache_book_t *book, size_t entries) {
    bin->limit = book->base + entries;
}

void hakmem_cache_open(hakmem_cache_t *cache, hakmem_cache_books_t *books) {
    for (uint32_t c = 0; c < HAKMEM_CACHE_CLASSES; c++) {
        hakmem_cache_book_t *book = &books->of[c];
        if (book->base == NULL) { /* else a former thread's, perhaps grown; it is empty */
            set_base(book, books->first_arrays[c]);
            book->room = CACHE_FIRST;
        }
        book->misses = book->drains = 0;
        book->seen = book->base;
        bin_set_top(&cache->bins[c], book->base);
        set_limit(&cache->bins[c], book, min_size(CACHE_FIRST, most_for(c)));
    }
}

size_t hakmem_cache_count(const hakmem_cache_t *cache, const hakmem_cache_books_t *books, uint32_t size_class) {
    void **top = bin_top(&cache->bins[size_class]);
    void **base = __atomic_load_n(&books->of[size_class].base, __ATOMIC_RELAXED);
    return top >= base && top <= base + CACHE_MOST ? (size_t)(top - base) : 0; /* closed, or moving */
}

/* Gives the bin room for `entries`. False: there is no memory for it, and it stays as it is. */
static bool make_room(hakmem_cache_bin_t *bin, hakmem_cache_book_t *book, size_t entries) {
    if (entries <= book->room) {
        return true;
    }
    size_t words = entries <= 63 ? 64 : 256;
    void **larger = hakmem_meta_alloc(words * sizeof(void *));
    if (larger == NULL) {
        return false;
    }
    /* The old array stays where it is, unused: a third of what is in use, at most. */
    size_t count = (size_t)(bin_top(bin) - book->base);
    memcpy(larger, book->base, (count + 1) * sizeof(void *));
    set_base(book, larger);
    bin_set_top(bin, larger + count);
    book->seen = NULL;
    book->room = (uint16_t)(words - 1);
    return true;
}

size_t hakmem_cache_overflow(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class) {
    hakmem_cache_bin_t *bin = &cache->bins[size_class];
    hakmem_cache_book_t *book = &books->of[size_class];
    size_t entries = (size_t)(bin->limit - book->base);
    size_t size = size_class_bytes(size_class);
    if (book->misses != 0) {
        book->misses = book->drains = 0;
        size_t wanted = min_size(entries * 4 + 3, most_for(size_class));
        size_t more = wanted > entries ? (wanted - entries) * size : 0;
        if (more != 0 && books->bytes + more <= CACHE_HEAP_BYTES && make_room(bin, book, wanted)) {
            books->bytes += more;
            set_limit(bin, book, wanted);
            return 0;
        }
    } else if (book->drains < 2) {
        book->drains++;
    } else if (entries > CACHE_LEAST) {
        size_t less = max_size(entries / 4, CACHE_LEAST);
        size_t grown = entries > CACHE_FIRST ? (entries - max_size(less, CACHE_FIRST)) * size : 0;
        books->bytes -= min_size(grown, books->bytes);
        set_limit(bin, book, less);
        return entries - less / 2;
    }
    return (entries + 1) / 2;
}

void hakmem_cache_drop_oldest(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class, size_t n) {
    hakmem_cache_bin_t *bin = &cache->bins[size_class];
    void **base = books->of[size_class].base;
    void **top = bin_top(bin);
    size_t left = (size_t)(top - base) - n;
    memmove(base + 1, base + 1 + n, left * sizeof(void *));
    bin_set_top(bin, base + left);
}
