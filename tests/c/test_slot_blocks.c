/* Which addresses begin blocks (slot_blocks.h), against a division: every place of a slot, of every class, however many blocks are made. */
#include "check.h"
#include "slot_blocks.h"

/* No memory: only addresses count. */
static char *const slot = (char *)(7 * (uintptr_t)CHUNK_BYTES + 3 * (uintptr_t)SLOT_BYTES);

static bool begins(uintptr_t p, size_t size, uint32_t made) {
    size_t offset = p - (uintptr_t)slot;
    return offset < made * size && offset % size == 0;
}

/* One address among others that begin blocks, in each lane. */
static void check_one(const hakmem_made_t *made, uintptr_t p, bool expected, uint32_t lane) {
    void *some[MADE_LANES];
    uint16_t places[MADE_LANES];
    for (uint32_t i = 0; i < MADE_LANES; i++) {
        some[i] = slot;
    }
    some[lane] = (void *)p;
    CHECK_EQ(all_lie_in(made, some, places), expected);
    if (expected) {
        CHECK_EQ(places[lane], block_place((void *)p));
        CHECK_EQ(places[(lane + 1) % MADE_LANES], block_place(slot));
    }
}

static void check_class(uint32_t size_class, uint32_t blocks) {
    size_t size = size_class_bytes(size_class);
    hakmem_made_t made = made_of(slot + SLOT_BYTES - 1, size_class, blocks);
    for (size_t offset = 0; offset < SLOT_BYTES; offset += 8) {
        uintptr_t p = (uintptr_t)slot + offset;
        bool expected = begins(p, size, blocks);
        check_one(&made, p, expected, (uint32_t)(offset / 8) % MADE_LANES);
        if (expected) {
            CHECK(lies_in(&made, (void *)p));
            CHECK(begins_block_of((void *)p, size_class));
            CHECK_EQ(block_index_of((void *)p, size_class), offset / size);
        }
    }
    static const ptrdiff_t elsewhere[] = {1, 4, -8, SLOT_BYTES, -SLOT_BYTES, (ptrdiff_t)1 << 40, 8 * SLOT_BYTES + 4};
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++) {
        for (uint32_t lane = 0; lane < MADE_LANES; lane++) {
            check_one(&made, (uintptr_t)slot + (uintptr_t)elsewhere[i], false, lane);
        }
    }
    CHECK(!lies_in(&made, slot + SLOT_BYTES));
    CHECK(!lies_in(&made, slot - size));
}

int main(void) {
    for (uint32_t c = 0; c < CLASS_SMALL_COUNT; c++) {
        uint32_t most = blocks_of_slot(c);
        CHECK_EQ(most, SLOT_BYTES / size_class_bytes(c));
        check_class(c, most);
        check_class(c, (most + 1) / 2);
        check_class(c, 1);
    }
    return 0;
}
