/* The thread_free protocol: one 64-bit word per page through which other threads hand blocks back. Nothing else.
 *
 *     63        48 47            32 31                       2 1       0
 *    +------------+----------------+--------------------------+---------+
 *    |     0      |  count         |  head / 8 + 1, 0: none   |  state  |
 *    +------------+----------------+--------------------------+---------+
 *
 * `head` is the block pushed last, as an offset from the page's start, so that tagged and wide addresses do not matter.
 * `count` makes `used -= count` one subtraction. A whole list is taken at once and only the owner takes single blocks
 * (without dual lists), so the usual ABA trouble of a stack does not arise: a word that compares equal has the same
 * head, and linking to that head is right whatever happened in between.
 *
 * Pages of few blocks (REMOTE_MASKS) have no list but a bit for each block. Neither who pushes nor who takes looks at a block then,
 * whose first line is in the other's cache, and a block that is pushed twice is found at once:
 *
 *      63   62                                        2 1       0
 *    +----+--------------------------------------------+---------+
 *    | 1  |  mask: bit n + 2 is the page's n-th block  |  state  |
 *    +----+--------------------------------------------+---------+
 *
 * States. Everybody may push in every one of them; what differs is what else the push does.
 *
 *    OWNED      in a queue of its owner                 nothing else
 *    PARKED     full, in no queue                       -> NOTIFIED; this pusher alone puts it on heap->pending
 *    NOTIFIED   on pending, or about to be              nothing else
 *    ABANDONED  without an owner, in its chunk's bitmap  the pusher may claim it
 *
 *    OWNED -> PARKED, ABANDONED   the owner, by CAS
 *    PARKED -> OWNED              who frees and finds its own heap, parked, in the owner word; by CAS
 *    NOTIFIED -> OWNED            only who popped the page from pending, or met a closed pending list
 *    ABANDONED -> OWNED           whoever wins the CAS
 *
 * A NOTIFIED page is never parked, released or abandoned before it is popped: the pusher may stall between its CAS and
 * the link into pending. Modelled in tests/models. */
#ifndef HAKMEM_REMOTE_H
#define HAKMEM_REMOTE_H

#include "block.h"
#include "stats.h"

typedef enum {
    PAGE_OWNED = 0,
    PAGE_PARKED = 1,
    PAGE_NOTIFIED = 2,
    PAGE_ABANDONED = 3,
} hakmem_page_state_t;

#define REMOTE_STATE_MASK ((uint64_t)3)
#define REMOTE_HEAD_MASK ((uint64_t)0xfffffffc)
#define REMOTE_COUNT_SHIFT 32
#define REMOTE_IS_MASK (UINT64_C(1) << 63)

enum {
    REMOTE_STATE_BITS = 2,
    REMOTE_MASK_BITS = 63 - REMOTE_STATE_BITS, /* blocks that a page may have */
    /* Without dual lists allocation pops the list, and wants what was pushed last. */
    REMOTE_MASKS = DUAL_LISTS,
};

typedef _Atomic uint64_t hakmem_thread_free_t;

HAKMEM_INLINE hakmem_page_state_t remote_state(uint64_t word) {
    return (hakmem_page_state_t)(word & REMOTE_STATE_MASK);
}

/* The word of a page that nothing came back to. */
HAKMEM_INLINE uint64_t remote_nothing(bool has_mask, hakmem_page_state_t state) {
    return (has_mask ? REMOTE_IS_MASK : 0) | (uint64_t)state;
}

HAKMEM_INLINE bool remote_has_mask(uint64_t word) {
    return REMOTE_MASKS && (word & REMOTE_IS_MASK) != 0;
}

/* Bit n: the page's n-th block came back. */
HAKMEM_INLINE uint64_t remote_mask(uint64_t word) {
    return (word & ~REMOTE_IS_MASK) >> REMOTE_STATE_BITS;
}

HAKMEM_INLINE uint32_t remote_count(uint64_t word) {
    if (remote_has_mask(word)) {
        uint64_t mask = remote_mask(word);
        return mask == 0 ? 0 : (uint32_t)__builtin_popcountll(mask); /* a call, on many processors */
    }
    return (uint32_t)(word >> REMOTE_COUNT_SHIFT);
}

/* `start` is the page's first byte. Null for an empty list. */
HAKMEM_INLINE hakmem_block_t *remote_head(uint64_t word, char *start) {
    size_t head = (size_t)((word & REMOTE_HEAD_MASK) >> 2);
    return head == 0 ? NULL : (hakmem_block_t *)(void *)(start + (head - 1) * 8);
}

HAKMEM_INLINE uint64_t remote_pack(uint32_t count, hakmem_block_t *head, const char *start, hakmem_page_state_t state) {
    uint64_t offset = head == NULL ? 0 : (uint64_t)((const char *)head - start) / 8 + 1;
    return ((uint64_t)count << REMOTE_COUNT_SHIFT) | (offset << 2) | (uint64_t)state;
}

/* The word after a push of what is linked, and that of a mask. */
HAKMEM_INLINE uint64_t remote_with_list(uint64_t old, char *start, const hakmem_chain_t *chain,
                                        hakmem_page_state_t state) {
    block_link(chain->last, remote_head(old, start), chain->last_others);
    return remote_pack(remote_count(old) + chain->n, chain->first, start, state);
}

HAKMEM_INLINE uint64_t remote_with_mask(uint64_t old, const hakmem_chain_t *chain, hakmem_page_state_t state) {
    return (old & ~REMOTE_STATE_MASK) | chain->mask << REMOTE_STATE_BITS | (uint64_t)state;
}

/* Pushes a chain, of the kind that the page has. Returns the word that this push replaced, and stores the one it left. */
HAKMEM_INLINE uint64_t remote_push(hakmem_thread_free_t *thread_free, char *start, const hakmem_chain_t *chain,
                                   uint64_t *left) {
    /* Relaxed: the CAS below confirms the value, and nothing is read through the head. */
    uint64_t old = atomic_load_explicit(thread_free, memory_order_relaxed);
    uint64_t word;
    do {
        hakmem_page_state_t state = remote_state(old) == PAGE_PARKED ? PAGE_NOTIFIED : remote_state(old);
        word = REMOTE_MASKS && chain->mask != 0 ? remote_with_mask(old, chain, state)
                                                : remote_with_list(old, start, chain, state);
        stat_atomic();
        /* Release: pairs with the acquire in remote_take and remote_pop; they read the links and the program's last
         * writes to the blocks. Acquire on success: a pusher that moves PARKED to NOTIFIED reads page->heap and the
         * page's own line next, which the release in remote_try_state published. Not stronger: one word is all there
         * is to agree on. Relaxed on failure: the value is only tried again. */
    } while (
        !atomic_compare_exchange_weak_explicit(thread_free, &old, word, memory_order_acq_rel, memory_order_relaxed));
    *left = word;
    return old;
}

/* Owner only: takes the whole list, or mask, and keeps the state. Returns the word that was there. */
HAKMEM_INLINE uint64_t remote_take(hakmem_thread_free_t *thread_free) {
    /* Relaxed: an empty answer may be stale, which costs nothing: the next look finds the list. Most calls end here. */
    uint64_t seen = atomic_load_explicit(thread_free, memory_order_relaxed);
    if ((seen & ~(REMOTE_STATE_MASK | REMOTE_IS_MASK)) == 0) {
        return seen;
    }
    stat_atomic();
    /* One exchange of the list bits. Acquire: pairs with the release of every push in the list (the pushes are
     * read-modify-writes, so they continue each other's release sequence). No release: what is left holds no list. */
    return atomic_fetch_and_explicit(thread_free, REMOTE_STATE_MASK | REMOTE_IS_MASK, memory_order_acquire);
}

/* Owner only, without dual lists: pops one block, or returns null. */
HAKMEM_INLINE hakmem_block_t *remote_pop(hakmem_thread_free_t *thread_free, char *start) {
    /* Acquire: pairs with the release of the push that made the head; head->next is read before the CAS. */
    uint64_t old = atomic_load_explicit(thread_free, memory_order_acquire);
    for (;;) {
        hakmem_block_t *head = remote_head(old, start);
        if (head == NULL) {
            return NULL;
        }
        /* Nobody else takes, so `head` cannot leave the list between this read and the CAS. */
        hakmem_block_t *next = block_next(head);
        uint64_t word = remote_pack(remote_count(old) - 1, next, start, remote_state(old));
        prefetch(next); /* which the next call reads, perhaps long after */
        stat_atomic();
        /* Acquire on failure as on the first load. No release: a pop writes no block that others read. It continues
         * the release sequence of the pushes below it, being a read-modify-write. */
        if (atomic_compare_exchange_weak_explicit(thread_free, &old, word, memory_order_acquire,
                                                  memory_order_acquire)) {
            return head;
        }
    }
}

/* Moves from one state to another and leaves the list alone. False if the page is in another state. On success `*word`
 * is what was left. */
HAKMEM_INLINE bool remote_try_state(hakmem_thread_free_t *thread_free, hakmem_page_state_t from, hakmem_page_state_t to,
                                    uint64_t *word) {
    /* Relaxed: confirmed by the CAS. */
    uint64_t old = atomic_load_explicit(thread_free, memory_order_relaxed);
    while (remote_state(old) == from) {
        uint64_t next = (old & ~REMOTE_STATE_MASK) | (uint64_t)to;
        stat_atomic();
        /* Release: whoever finds the page in the new state (a pusher's or claimer's acquire CAS) reads the owner's line
         * as we leave it. Acquire: whoever wins the page reads what its last owner and its pushers wrote. */
        if (atomic_compare_exchange_weak_explicit(thread_free, &old, next, memory_order_acq_rel,
                                                  memory_order_relaxed)) {
            *word = next;
            return true;
        }
    }
    return false;
}

#endif
