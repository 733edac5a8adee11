#include "slot_bits.h"

/* A bit per chunk: it may have free slots. Saves walking full chunks. Set after a slot's bit is set; cleared, then checked
 * again, by who found nothing. Both sides are seq_cst: each writes one word and then reads the other's, and one of the
 * two must see the other (anything weaker lets both miss, and the slots would stay hidden until the next release). */
static _Atomic uint64_t available[(MAX_CHUNKS + 63) / 64];

void hakmem_set_available(hakmem_chunk_t *chunk) {
    /* Seq_cst: the other side, in claim_from of shared_pool.c, stores the limit and then looks at the bits again. */
    if (atomic_load_explicit(&chunk->run_limit, memory_order_seq_cst) != UINT32_MAX) {
        atomic_store_explicit(&chunk->run_limit, UINT32_MAX, memory_order_seq_cst);
    }
    uint64_t bit = UINT64_C(1) << (chunk->index % 64);
    if ((atomic_load_explicit(&available[chunk->index / 64], memory_order_seq_cst) & bit) == 0) {
        atomic_fetch_or_explicit(&available[chunk->index / 64], bit, memory_order_seq_cst);
    }
}

static bool chunk_has_free(hakmem_chunk_t *chunk) {
    uint64_t any = 0;
    for (int w = 0; w < CHUNK_WORDS; w++) {
        any |= atomic_load_explicit(&chunk->empty[w], memory_order_seq_cst) |
               atomic_load_explicit(&chunk->released[w], memory_order_seq_cst) |
               atomic_load_explicit(&chunk->unused[w], memory_order_seq_cst);
    }
    return any != 0;
}

void hakmem_clear_available_if_full(hakmem_chunk_t *chunk) {
    if (!chunk_has_free(chunk)) {
        uint64_t bit = UINT64_C(1) << (chunk->index % 64);
        atomic_fetch_and_explicit(&available[chunk->index / 64], ~bit, memory_order_seq_cst);
        if (chunk_has_free(chunk)) {
            hakmem_set_available(chunk);
        }
    }
}

hakmem_chunk_t *hakmem_next_available(uint32_t index) {
    uint32_t count = hakmem_arena_chunk_count();
    while (index < count) {
        uint64_t bits = atomic_load_explicit(&available[index / 64], memory_order_seq_cst) >> (index % 64);
        if (bits != 0) {
            index += (uint32_t)__builtin_ctzll(bits);
            return index < count ? hakmem_arena_chunk(index) : NULL;
        }
        index = (index / 64 + 1) * 64;
    }
    return NULL;
}

void hakmem_undo_claim(hakmem_chunk_t *chunk, const hakmem_claim_t *claim, uint32_t first_word, uint32_t last_word) {
    for (uint32_t w = first_word; w <= last_word; w++) {
        give_bits(&chunk->empty[w], claim->empty[w]);
        give_bits(&chunk->released[w], claim->released[w]);
        give_bits(&chunk->unused[w], claim->unused[w]);
    }
    hakmem_set_available(chunk);
}

uint32_t hakmem_next_bit(const uint64_t bits[CHUNK_WORDS], uint32_t from, bool set) {
    while (from < CHUNK_SLOTS) {
        uint64_t word = (set ? bits[from / 64] : ~bits[from / 64]) >> (from % 64);
        if (word != 0) {
            return from + (uint32_t)__builtin_ctzll(word);
        }
        from = (from / 64 + 1) * 64;
    }
    return CHUNK_SLOTS;
}

void hakmem_snapshot(hakmem_chunk_t *chunk, hakmem_from_t from, uint64_t bits[CHUNK_WORDS]) {
    for (int w = 0; w < CHUNK_WORDS; w++) {
        /* Seq_cst for the second look in claim_from, free on common processors. */
        bits[w] = atomic_load_explicit(&chunk->empty[w], memory_order_seq_cst);
        if (from != FROM_EMPTY) {
            bits[w] |= atomic_load_explicit(&chunk->released[w], memory_order_seq_cst);
        }
        if (from == FROM_ANY) {
            bits[w] |= atomic_load_explicit(&chunk->unused[w], memory_order_seq_cst);
        }
    }
}
