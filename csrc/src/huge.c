#include "huge.h"

#include "early.h"
#include "fatal.h"
#include "idle.h"
#include "lock.h"
#include "memcheck.h"
#include "meta.h"
#include "os.h"
#include "purge.h"
#include "recent.h"
#include "stats.h"
#include "trace.h"

/* A mapping, in its bucket's chain or in the list of unused nodes. Everything below is under the huge lock. */
typedef struct node_s {
    struct node_s *next;
    hakmem_mapping_t mapping;
    size_t probe; /* if it is fresh and in small pages, so that its touched ones can be told: bytes asked for; else 0 */
} node_t;

enum {
    BUCKETS =
        1024, /* a program has few such blocks; with 100,000 of them a chain of 100 is still less than a system call */
    NODES_AT_ONCE = 64,
    FREED_KEPT = 16,   /* addresses by which a second free is told from a wild pointer */
    MOST_SEAMS = 4096, /* each is one of the 65,530 mappings that Linux gives a process */
    PROBED_PAGES = 16,
    PROBE_EVERY =
        8, /* fresh mappings, when the others ask for huge pages: so that a change of the program is noticed */
};

static node_t *buckets[BUCKETS];
static node_t *unused_nodes;
static uint32_t nodes_made;
static const void *freed[FREED_KEPT];
static uint32_t freed_next;
static uint32_t seams; /* of all blocks in the table */

/* Relaxed: a figure. */
static _Atomic uint64_t live_blocks;

/* Whether the last mapping that could tell had been used all over, and how many asked since. Huge pages make the first touches of such
 * a block several times cheaper; of a block that is hardly used, say a large table, they would make two megabytes resident
 * for a byte. So they are asked for where blocks were seen to be filled. Under the lock. */
static size_t dense_bytes; /* the size of that mapping; 0: it was not, or there was none */
static uint32_t huge_page_turn;
static node_t *newest; /* the last block that could tell, while it is in the table: by the next one it may be filled */
#define HUGE_PAGES_FROM (4 * MIB)

/* The last run of that size or more that was fresh, by which the first mapping is judged: a table that doubles is one before it
 * is the other. Relaxed, both: hints, and whether an address is resident may be asked of any. Once there is a mapping that can
 * tell, runs are asked no more. */
#define RUN_TELLS_FROM (1 * MIB)
static _Atomic uintptr_t fresh_run;
static _Atomic size_t fresh_run_bytes;
static bool mapping_told; /* under the lock */

static node_t **bucket_of(const void *p) {
    uint64_t mixed = ((uint64_t)(uintptr_t)p >> 12) * UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing */
    return &buckets[mixed >> 54];
}
_Static_assert(BUCKETS == 1 << 10, "the hash keeps ten bits");

static node_t *take_node(void) {
    if (unused_nodes == NULL) {
        node_t *fresh = nodes_made + NODES_AT_ONCE > MAX_HUGE ? NULL : hakmem_meta_alloc(NODES_AT_ONCE * sizeof *fresh);
        if (fresh == NULL) {
            HAKMEM_TRACE("SP_NODES_EXHAUSTED warning: no list node for another mapping", buckets, nodes_made);
            return NULL;
        }
        nodes_made += NODES_AT_ONCE;
        for (int i = 0; i < NODES_AT_ONCE; i++) {
            fresh[i].next = unused_nodes;
            unused_nodes = &fresh[i];
        }
    }
    node_t *node = unused_nodes;
    unused_nodes = node->next;
    return node;
}

static void put_node(node_t *node) {
    node->next = unused_nodes;
    unused_nodes = node;
}

static void insert(node_t *node) {
    seams += (uint32_t)__builtin_popcountll(node->mapping.seams);
    node_t **bucket = bucket_of(node->mapping.start);
    node->next = *bucket;
    *bucket = node;
}

/* Takes the block out of the table; null if it is not there. */
static node_t *remove_node(const void *p) {
    for (node_t **link = bucket_of(p); *link != NULL; link = &(*link)->next) {
        node_t *node = *link;
        if (node->mapping.start == p) {
            *link = node->next;
            seams -= (uint32_t)__builtin_popcountll(node->mapping.seams);
            newest = newest == node ? NULL : newest;
            return node;
        }
    }
    return NULL;
}

static bool freed_lately(const void *p) {
    for (int i = 0; i < FREED_KEPT; i++) {
        if (freed[i] == p) {
            return true;
        }
    }
    return false;
}

static void remember_freed(const void *p) {
    freed[freed_next++ % FREED_KEPT] = p;
}

static void forget_freed(const void *p) {
    for (int i = 0; i < FREED_KEPT; i++) {
        if (freed[i] == p) {
            freed[i] = NULL;
        }
    }
}

/* `p` is in no table. Returns where it was handed out before hakmem was there: whoever did so cannot take it back any
 * more, and it stays. The lock is released first: a handler of SIGABRT may want it, and so may the loader. */
static void not_ours(const void *p) {
    bool twice = freed_lately(p);
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    if (twice) {
        hakmem_double_free(p);
    }
    if (hakmem_early_bytes(p) == 0) {
        hakmem_invalid_free(p);
    }
}

static void count(int64_t blocks, int64_t bytes) {
    atomic_fetch_add_explicit(&live_blocks, (uint64_t)blocks, memory_order_relaxed);
    hakmem_in_use_add(IN_MAPPINGS, bytes);
    stat_live(bytes);
}

HAKMEM_INLINE void checker_given(void *p, size_t bytes) {
    memcheck_given(p, bytes);
    memcheck_roots(p, bytes);
}

HAKMEM_INLINE void checker_freed(void *p, size_t bytes) {
    memcheck_no_roots(p, bytes);
    memcheck_freed(p, bytes);
}

/* Rounded up to whole system pages; 0 if that is more than an object may have. */
static size_t mapping_bytes(size_t size) {
    size_t page = hakmem_os_page_size();
    return size > (size_t)PTRDIFF_MAX - page ? 0 : align_up(max_size(size, 1), page);
}

/* Whether all pages of a sample are resident. */
static bool is_dense(const char *start, size_t bytes) {
    for (size_t i = 0; i < PROBED_PAGES; i++) {
        const char *probe = start + align_down(bytes / PROBED_PAGES * i, hakmem_os_page_size());
        if (hakmem_os_resident_bytes(probe, hakmem_os_page_size()) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_dense_mapping(const hakmem_mapping_t *mapping, size_t asked) {
    return is_dense(mapping->start, min_size(asked, mapping->bytes)); /* it may have shrunk */
}

void hakmem_huge_note_fresh_run(const void *run, size_t bytes) {
    if (bytes >= RUN_TELLS_FROM) {
        atomic_store_explicit(&fresh_run, (uintptr_t)run, memory_order_relaxed);
        atomic_store_explicit(&fresh_run_bytes, bytes, memory_order_relaxed);
    }
}

/* Whether blocks of about that size are filled: much larger ones may well be of another kind, and one that must be zero may be a
 * table of which little is ever used, whatever was done with a run. Under the lock. */
static bool is_filled(size_t bytes, bool zero) {
    if (bytes / 4 > dense_bytes && newest != NULL && is_dense_mapping(&newest->mapping, newest->probe)) {
        dense_bytes = newest->mapping.bytes;
        mapping_told = true;
    }
    if (bytes / 4 > dense_bytes && newest == NULL && !mapping_told && !zero) {
        size_t run_bytes = atomic_load_explicit(&fresh_run_bytes, memory_order_relaxed);
        const char *run = (const char *)atomic_load_explicit(&fresh_run, memory_order_relaxed);
        dense_bytes = bytes / 4 <= run_bytes && is_dense(run, run_bytes) ? run_bytes : dense_bytes;
    }
    return bytes / 4 <= dense_bytes;
}

static void *map_in_huge_pages(size_t bytes, size_t align) {
    void *p = hakmem_os_map(bytes, max_size(align, HUGE_PAGE));
    if (p != NULL) {
        hakmem_os_prefer_huge_pages(p, bytes);
    }
    return p;
}

/* Makes one mapping of pieces that have waited; what they lack is fresh. */
static bool join(hakmem_mapping_t pieces[], uint32_t pieces_count, size_t have, size_t bytes, bool huge_pages,
                 hakmem_mapping_t *joined) {
    size_t all = max_size(bytes, have);
    char *start = hakmem_os_map(all, HUGE_PAGE);
    if (start == NULL) {
        hakmem_mapping_drop(pieces, pieces_count);
        return false;
    }
    if (huge_pages && have < all) {
        hakmem_os_prefer_huge_pages(start + have, all - have);
    }
    return hakmem_mapping_join(pieces, pieces_count, start, all, joined);
}

/* A mapping of at least `bytes` from what waits, as far as that goes; false: nothing does, or the system refused. Where freed mappings
 * are too few, free slots lend their pages: what waits for the one kind of block need not wait beside it for the other. */
static bool map_again(size_t bytes, bool filled, hakmem_mapping_t *mapping) {
    hakmem_mapping_t pieces[IDLE_PIECES + MAPPING_JOINED_MAX / MAPPING_UNIT];
    hakmem_lock(HAKMEM_LOCK_HUGE);
    bool may_join = hakmem_os_can_move(LEAVE_NOTHING) && bytes <= MAPPING_JOINED_MAX && seams < MOST_SEAMS;
    /* A checker's word about slots is about their addresses. */
    bool may_lend = may_join && !MEMCHECK && hakmem_os_can_move(LEAVE_ZEROES);
    uint32_t count = hakmem_idle_take(bytes, may_join ? bytes / 4 : SIZE_MAX, pieces);
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    size_t have = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcheck_open(pieces[i].start, pieces[i].bytes);
        have += pieces[i].bytes;
    }
    if (count == 1 && have >= bytes) {
        *mapping = pieces[0];
        return true;
    }
    uint32_t lent = 0;
    if (may_lend && have < bytes && hakmem_pool_dirty_bytes() >= MAPPING_UNIT) {
        /* A quarter, as of what waits in mappings: less is not worth the seams. */
        uint32_t least = have != 0 ? 1 : (uint32_t)(bytes / 4 / MAPPING_UNIT + 1);
        lent = hakmem_pool_lend_units(least, (uint32_t)((bytes - have) / MAPPING_UNIT), pieces + count);
        have += lent * MAPPING_UNIT;
    }
    if (have < bytes) {
        hakmem_recent_wanted((int64_t)(bytes - have));
    }
    bool joined = have != 0 && join(pieces, count + lent, have, bytes, filled, mapping);
    hakmem_pool_units_back(pieces + count, lent, joined);
    return joined;
}

static void map_fresh(size_t bytes, size_t asked, size_t align, bool filled, node_t *node) {
    hakmem_lock(HAKMEM_LOCK_HUGE);
    bool huge_pages = filled && ++huge_page_turn % PROBE_EVERY != 0;
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    void *fresh = huge_pages ? map_in_huge_pages(bytes, align) : hakmem_os_map(bytes, align);
    if (fresh == NULL) {
        hakmem_idle_tick(0, true);
        huge_pages = false;
        fresh = hakmem_os_map(bytes, align);
    }
    node->mapping = mapping_of(fresh, bytes);
    node->probe = bytes >= HUGE_PAGES_FROM && !huge_pages ? asked : 0;
}

void *hakmem_huge_malloc(size_t size, size_t align, bool *zero) {
    size_t bytes = mapping_bytes(size);
    if (bytes == 0 || align > (size_t)PTRDIFF_MAX / 2) {
        return NULL;
    }
    hakmem_lock(HAKMEM_LOCK_HUGE);
    node_t *node = take_node();
    bool filled = bytes >= HUGE_PAGES_FROM && is_filled(bytes, *zero);
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    if (node == NULL) {
        return NULL;
    }
    node->probe = 0;
    size_t asked = bytes;
    if (filled) { /* so that it, and what is cut from it or put together with it, is of huge pages from end to end */
        bytes = align_up(bytes, HUGE_PAGE);
    }
    /* To clear a block would make all of it resident, and what is fresh costs nothing before it is touched. */
    bool again = !*zero && align <= hakmem_os_page_size() && map_again(bytes, filled, &node->mapping);
    if (!again) {
        map_fresh(bytes, asked, align, filled, node);
    }
    void *p = node->mapping.start;
    if (MEMCHECK && p != NULL) {
        checker_given(p, node->mapping.bytes);
    }
    hakmem_lock(HAKMEM_LOCK_HUGE);
    if (p == NULL) {
        put_node(node);
    } else {
        forget_freed(p);
        count(1, (int64_t)node->mapping.bytes);
        insert(node);
        newest = node->probe != 0 ? node : newest;
    }
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    hakmem_idle_bound(false);
    *zero = !again;
    return p;
}

void hakmem_huge_free(void *p) {
    hakmem_lock(HAKMEM_LOCK_HUGE);
    node_t *node = remove_node(p);
    if (node == NULL) {
        not_ours(p);
        return;
    }
    hakmem_mapping_t mapping = node->mapping;
    size_t probe = node->probe;
    put_node(node);
    remember_freed(p);
    hakmem_recent_tick(hakmem_os_now_ms()); /* a program may do nothing but free them */
    count(-1, -(int64_t)mapping.bytes);
    if (probe != 0) { /* nobody else knows the mapping now */
        hakmem_unlock(HAKMEM_LOCK_HUGE);
        bool touched = is_dense_mapping(&mapping, probe);
        hakmem_lock(HAKMEM_LOCK_HUGE);
        dense_bytes = touched ? mapping.bytes : 0;
        mapping_told = true;
    }
    checker_freed(p, mapping.bytes);
    hakmem_mapping_t rest = hakmem_idle_keep(mapping);
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    hakmem_os_unmap(rest.start, rest.bytes);
    hakmem_idle_bound(false);
}

size_t hakmem_huge_usable(const void *p) {
    size_t bytes = 0;
    hakmem_lock(HAKMEM_LOCK_HUGE);
    for (const node_t *node = *bucket_of(p); node != NULL; node = node->next) {
        if (node->mapping.start == p) {
            bytes = node->mapping.bytes;
        }
    }
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    return bytes;
}

/* Resizes a block that is in no table meanwhile. For a memory checker it ends, and another begins with its contents:
 * once it has moved, the old place may be anyone's. */
static bool resize(hakmem_mapping_t *mapping, size_t bytes, bool may_move) {
    if (bytes == mapping->bytes) {
        return true;
    }
    checker_freed(mapping->start, mapping->bytes);
    memcheck_open(mapping->start, mapping->bytes);
    bool resized = hakmem_mapping_resize(mapping, bytes, may_move);
    if (MEMCHECK) {
        checker_given(mapping->start, mapping->bytes);
        memcheck_defined(mapping->start, mapping->bytes);
    }
    return resized;
}

void *hakmem_huge_resize(void *p, size_t size, bool may_move) {
    size_t bytes = mapping_bytes(size);
    if (bytes == 0) {
        return NULL;
    }
    /* Out of the table before the move and into it after: in between another thread's new mapping may get the old
     * address. The node stays in hand, so that nothing is allocated. */
    hakmem_lock(HAKMEM_LOCK_HUGE);
    node_t *node = remove_node(p);
    if (node == NULL) {
        not_ours(p);
        return NULL;
    }
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    hakmem_mapping_t *mapping = &node->mapping;
    size_t before = mapping->bytes;
    bool done = resize(mapping, bytes, may_move);
    if (!done && may_move && hakmem_idle_bytes() != 0) {
        hakmem_idle_tick(0, true); /* what waits may be what the system lacks */
        done = resize(mapping, bytes, may_move);
    }
    void *resized = done ? mapping->start : NULL;
    hakmem_lock(HAKMEM_LOCK_HUGE);
    if (done) {
        count(0, (int64_t)bytes - (int64_t)before);
        forget_freed(resized);
    }
    insert(node);
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    hakmem_idle_bound(true);
    return resized;
}

void *hakmem_huge_adopt(void *range, size_t bytes) {
    hakmem_lock(HAKMEM_LOCK_HUGE);
    node_t *node = take_node();
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    if (node == NULL) {
        return NULL;
    }
    void *moved = hakmem_os_move_out(range, bytes);
    hakmem_lock(HAKMEM_LOCK_HUGE);
    if (moved == NULL) {
        put_node(node);
    } else {
        *node = (node_t){NULL, mapping_of(moved, bytes), 0};
        checker_given(moved, bytes);
        memcheck_defined(moved, bytes);
        forget_freed(moved);
        insert(node);
        count(1, (int64_t)bytes);
    }
    hakmem_unlock(HAKMEM_LOCK_HUGE);
    hakmem_idle_bound(true);
    return moved;
}

uint64_t hakmem_huge_blocks(void) {
    return atomic_load_explicit(&live_blocks, memory_order_relaxed);
}

size_t hakmem_huge_bytes(void) {
    return (size_t)hakmem_in_use(IN_MAPPINGS);
}
