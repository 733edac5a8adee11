/* The bits of free slots: claiming and giving them, a word or a run at a time, and which chunks have any. Nothing is counted here;
 * see purge.h. */
#ifndef HAKMEM_SLOT_BITS_H
#define HAKMEM_SLOT_BITS_H

#include "page_arena.h"

/* The bits of slots [slot, slot + length) that lie in word `word`. */
HAKMEM_INLINE uint64_t word_mask(uint32_t word, uint32_t slot, uint32_t length) {
    uint32_t from = slot > word * 64 ? slot - word * 64 : 0;
    uint32_t to = slot + length - word * 64;
    uint64_t below = to >= 64 ? UINT64_MAX : (UINT64_C(1) << to) - 1;
    return below & (UINT64_MAX << from);
}

/* Claims those of `mask` that are set; returns them. */
HAKMEM_INLINE uint64_t claim_bits(_Atomic uint64_t *word, uint64_t mask) {
    /* Relaxed: a stale zero only makes us look elsewhere. */
    if ((atomic_load_explicit(word, memory_order_relaxed) & mask) == 0) {
        return 0;
    }
    stat_atomic();
    /* Acquire: pairs with the release in give_bits; the last owner's writes to the slot and its head entries come before
     * ours. Release, for a purge's sake: who finds the bit cleared, by the loads in hakmem_snapshot, sees purges_begun. Seq_cst
     * instead would add nothing: claims of different slots need no common order. */
    return atomic_fetch_and_explicit(word, ~mask, memory_order_acq_rel) & mask;
}

/* Gives slots that are the caller's to whoever claims them next. hakmem_set_available comes after. */
HAKMEM_INLINE void give_bits(_Atomic uint64_t *word, uint64_t mask) {
    if (mask != 0) {
        stat_atomic();
        /* Release for the next owner; seq_cst for `available`, see slot_bits.c. */
        atomic_fetch_or_explicit(word, mask, memory_order_seq_cst);
    }
}

/* What a claim took, by where it was. */
typedef struct {
    uint64_t empty[CHUNK_WORDS], released[CHUNK_WORDS], unused[CHUNK_WORDS];
} hakmem_claim_t;

/* Gives back what a claim took in these words. */
void hakmem_undo_claim(hakmem_chunk_t *chunk, const hakmem_claim_t *claim, uint32_t first_word, uint32_t last_word);

/* The next set bit at or after `from` (of `bits`, or of its complement), or CHUNK_SLOTS. */
uint32_t hakmem_next_bit(const uint64_t bits[CHUNK_WORDS], uint32_t from, bool set);

/* Which of a chunk's free slots a search may take: resident ones; those and purged ones; or any. Mixed, because a run that needs
 * some fresh memory beside what is there anyway costs less, in time and in memory, than one that is all fresh. */
typedef enum { FROM_EMPTY, FROM_USED, FROM_ANY } hakmem_from_t;

/* A hint where to try; the claim decides. */
void hakmem_snapshot(hakmem_chunk_t *chunk, hakmem_from_t from, uint64_t bits[CHUNK_WORDS]);

/* The chunk may have free slots: whoever gives bits calls this after. */
void hakmem_set_available(hakmem_chunk_t *chunk);

/* The caller found nothing in the chunk. */
void hakmem_clear_available_if_full(hakmem_chunk_t *chunk);

/* The next chunk from `index` on that may have free slots, or null. */
hakmem_chunk_t *hakmem_next_available(uint32_t index);

#endif
