#include "cache.h"

#include <string.h>

#include "meta.h"

void *const hakmem_no_block = NULL;
const hakmem_cache_t hakmem_closed_cache = HAKMEM_CLOSED_CACHE;

void hakmem_cache_close(hakmem_cache_t *cache, hakmem_cache_books_t *books) {
    books->opens_in = CACHE_OPEN_CALLS;
    for (uint32_t c = 0; c < HAKMEM_CACHE_CLASSES; c++) {
        bin_set_top(cache, c, hakmem_closed_cache.tops[c]);
        cache->limits[c] = hakmem_closed_cache.limits[c];
    }
}

static size_t most_for(uint32_t size_class) {
    return min_size(max_size(CACHE_CLASS_BYTES / size_class_bytes(size_class), 2), CACHE_MOST);
}

/* What a bin has room for that only gathers blocks for their way back to their pages. */
static size_t few_for(uint32_t size_class) {
    size_t few = CACHE_FEW_BYTES / size_class_bytes(size_class);
    return few < 2 ? 0 : min_size(few, CACHE_FIRST);
}

/* Relaxed: as for `top`. */
static void set_base(hakmem_cache_book_t *book, void **base) {
    atomic_store_explicit(&book->base, base, memory_order_relaxed);
}

static void set_limit(hakmem_cache_t *cache, const hakmem_cache_books_t *books, uint32_t size_class, size_t entries) {
    cache->limits[size_class] = book_base(&books->of[size_class]) + entries;
}

/* How many it has room for, of a bin that was opened. */
static size_t bin_entries(const hakmem_cache_t *cache, const hakmem_cache_books_t *books, uint32_t size_class) {
    return (size_t)(cache->limits[size_class] - book_base(&books->of[size_class]));
}

/* What is pushed on the `n` entries above `top` next is not fetched; see cache_push. */
static void clear_entries(void **top, size_t n) {
    memset(top + 1, 0, n * sizeof *top);
}

void hakmem_cache_open(hakmem_cache_t *cache, hakmem_cache_books_t *books) {
    books->opens_in = 0;
    books->bytes = 0; /* no bin has its former room */
    for (uint32_t c = 0; c < HAKMEM_CACHE_CLASSES; c++) {
        hakmem_cache_book_t *book = &books->of[c];
        if (book_base(book) == NULL) { /* else a former thread's, perhaps grown; it is empty */
            set_base(book, books->first_arrays[c]);
            book->room = CACHE_FIRST;
        }
        bin_set_top(cache, c, book_base(book));
        book->misses = 0;
        book->drains = 0;
        book->refills = 0;
        book->others = 0;
        book->gathers = false;
        set_limit(cache, books, c, 0);
    }
}

void hakmem_cache_missed(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class) {
    hakmem_cache_book_t *book = &books->of[size_class];
    if (book->misses < CACHE_MISSES) {
        book->misses++;
    }
    if (book->misses >= CACHE_REOPEN && (book->gathers || cache_bin_is_closed(cache, size_class))) {
        book->misses = 0;
        book->drains = 0;
        book->gathers = false;
        set_limit(cache, books, size_class, min_size(CACHE_FIRST, most_for(size_class)));
    }
}

size_t hakmem_cache_count(const hakmem_cache_t *cache, const hakmem_cache_books_t *books, uint32_t size_class) {
    void **top = bin_top(cache, size_class);
    void **base = book_base(&books->of[size_class]);
    /* As numbers: a closed bin's top, or one that is moving, is not in the array at `base`. */
    size_t count = ((uintptr_t)top - (uintptr_t)base) / sizeof *top;
    return base != NULL && count <= CACHE_MOST ? count : 0;
}

void **hakmem_cache_oldest(const hakmem_cache_books_t *books, uint32_t size_class) {
    return book_base(&books->of[size_class]) + 1;
}

/* Gives the bin room for `entries`. False: there is no memory for it, and it stays as it is. */
static bool make_room(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class, size_t entries) {
    hakmem_cache_book_t *book = &books->of[size_class];
    if (entries <= book->room) {
        return true;
    }
    size_t words = entries <= 63 ? 64 : entries <= 255 ? 256 : CACHE_MOST + 1;
    void **larger = hakmem_meta_alloc(words * sizeof(void *));
    if (larger == NULL) {
        return false;
    }
    /* The old array stays where it is, unused: a third of what is in use, at most. */
    size_t count = (size_t)(bin_top(cache, size_class) - book_base(book));
    memcpy(larger, book_base(book), (count + 1) * sizeof(void *));
    set_base(book, larger);
    bin_set_top(cache, size_class, larger + count);
    book->room = (uint16_t)(words - 1);
    return true;
}

/* More room, if the bounds of the class and of the heap allow it. */
static bool grow(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class) {
    size_t entries = bin_entries(cache, books, size_class);
    size_t wanted = min_size(entries * 4 + 3, most_for(size_class));
    if (wanted <= entries) {
        return false;
    }
    size_t more = (wanted - entries) * size_class_bytes(size_class);
    if (books->bytes + more > CACHE_HEAP_BYTES || !make_room(cache, books, size_class, wanted)) {
        return false;
    }
    books->bytes += more;
    set_limit(cache, books, size_class, wanted);
    return true;
}

/* Whether the class is one that this thread makes, and keeps or others free. */
static bool is_maker(const hakmem_cache_book_t *book) {
    return book->refills == CACHE_MAKER_REFILLS;
}

uint32_t hakmem_cache_refill_room(const hakmem_cache_t *cache, const hakmem_cache_books_t *books, uint32_t size_class) {
    const hakmem_cache_book_t *book = &books->of[size_class];
    if (bin_top(cache, size_class) != book_base(book)) {
        return 0;
    }
    size_t entries = bin_entries(cache, books, size_class);
    return (uint32_t)(is_maker(book) ? min_size(entries, CACHE_MAKER_REFILL_MOST)
                                     : min_size(entries / 2, CACHE_REFILL_MOST));
}

void hakmem_cache_refilled(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class, uint32_t room,
                           uint32_t n) {
    hakmem_cache_book_t *book = &books->of[size_class];
    void **base = book_base(book);
    if (n != room) { /* one by one, as they were written just now: a wider load would wait until the stores are done */
        for (uint32_t i = 1; i <= n; i++) {
            base[i] = base[i + room - n];
        }
    }
    bin_set_top(cache, size_class, base + n);
    if (!is_maker(book)) {
        book->refills++;
    } else if (bin_entries(cache, books, size_class) <= CACHE_FIRST) {
        grow(cache, books, size_class); /* or not: it serves as it is */
    }
    book->misses = (uint16_t)min_size(book->misses + n, CACHE_MISSES);
}

void hakmem_cache_note_remote(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class) {
    hakmem_cache_book_t *book = &books->of[size_class];
    if (cache_bin_is_closed(cache, size_class) && ++book->others >= CACHE_REOPEN && few_for(size_class) != 0) {
        book->others = 0;
        book->gathers = true;
        set_limit(cache, books, size_class, few_for(size_class));
        clear_entries(book_base(book), few_for(size_class));
    }
}

void hakmem_cache_flushed(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class,
                          hakmem_flushed_t flushed) {
    hakmem_cache_book_t *book = &books->of[size_class];
    if (BATCHES && flushed.chains * CACHE_GROUP <= flushed.blocks) {
        book->drains = 0;
    } else if (book->gathers && flushed.local > few_for(size_class) / 2) {
        book->gathers = false;
        set_limit(cache, books, size_class, 0);
    }
}

size_t hakmem_cache_overflow(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class) {
    hakmem_cache_book_t *book = &books->of[size_class];
    size_t entries = bin_entries(cache, books, size_class);
    book->refills = 0;
    if (book->gathers) { /* all of them: it may be closed now */
        return entries;
    }
    size_t older = (entries + 1) / 2;
    if (book->misses >= older) {
        book->misses -= (uint16_t)older;
        book->drains = 0;
        return grow(cache, books, size_class) ? 0 : older;
    }
    if (++book->drains < CACHE_DRAINS) {
        return older;
    }
    book->misses = 0;
    if (entries > CACHE_FIRST) {
        size_t grown = (entries - CACHE_FIRST) * size_class_bytes(size_class);
        books->bytes -= min_size(grown, books->bytes);
    }
    set_limit(cache, books, size_class, 0);
    return entries;
}

void hakmem_cache_drop_oldest(hakmem_cache_t *cache, hakmem_cache_books_t *books, uint32_t size_class, size_t n) {
    const hakmem_cache_book_t *book = &books->of[size_class];
    void **base = book_base(book), **top = bin_top(cache, size_class);
    size_t left = (size_t)(top - base) - n;
    memmove(base + 1, base + 1 + n, left * sizeof(void *));
    bin_set_top(cache, size_class, base + left);
    if (book->gathers) {
        clear_entries(base + left, n);
    }
}
