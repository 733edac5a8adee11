/* How many slots a medium page gets (heap_slots.c): few at first, twice as many for each page that is made, half for each that is given
 * up. */
#include "check.h"
#include "heap.h"
#include "purge.h"

enum { SIZE = CLASS_MEDIUM_MAX, BLOCKS = 2 + 4 + 8 + 8, LONE = 100 };

static uint32_t slots_of(void *block) {
    return atomic_load(&arena_page_info(hakmem_tiny_ptr_to_page(block))->length);
}

/* One block of 64 KiB a slot. */
static void check_growing(void) {
    void *blocks[BLOCKS];
    for (uint32_t i = 0; i < BLOCKS; i++) {
        blocks[i] = hakmem_malloc(SIZE);
        CHECK_EQ(slots_of(blocks[i]), i < 2 ? 2 : i < 6 ? 4 : 8);
        CHECK_EQ((uintptr_t)hakmem_tiny_ptr_to_page(blocks[i])->start % (slots_of(blocks[i]) * (size_t)SLOT_BYTES), 0);
        memset(blocks[i], (int)i + 1, SIZE);
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        CHECK(((unsigned char *)blocks[i])[0] == i + 1 && ((unsigned char *)blocks[i])[SIZE - 1] == i + 1);
        hakmem_free(blocks[i]);
    }
    hakmem_purge();
    CHECK_EQ(hakmem_pool_dirty_bytes(), 0);
}

/* A class of which there is never more than one block holds no more than the least page. */
static void check_lone(void) {
    for (int i = 0; i < LONE; i++) {
        void *block = hakmem_malloc(SIZE);
        CHECK_EQ(slots_of(block), 2);
        hakmem_free(block);
        if (i % 10 == 0) {
            hakmem_purge();
        }
    }
}

int main(void) {
    check_growing();
    check_growing(); /* all were given up */
    hakmem_purge();
    check_lone();
    return 0;
}
