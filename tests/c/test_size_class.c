/* Sizes, classes and block offsets, each over its whole range against the plain definition. */
#include "check.h"
#include "hakmem.h"
#include "page_arena.h"

int main(void) {
    for (size_t size = 0; size <= CLASS_MEDIUM_MAX; size++) {
        uint32_t c = size_class_of(size);
        size_t bytes = size_class_bytes(c);
        CHECK(c < CLASS_COUNT && bytes >= size);
        CHECK(c == 0 || size_class_bytes(c - 1) < size); /* the smallest that fits */
        CHECK(size == 0 || bytes - size < 8 || bytes - size <= bytes / 8);
        CHECK_EQ(hakmem_class_of(size), c);
        CHECK_EQ(hakmem_class_bytes(c), bytes);
        CHECK(bytes <= CLASS_LINEAR_MAX ? size_class_near_end(c) == bytes - 8 : size_class_near_end(c) < bytes);
        CHECK_EQ(size_class_is_medium(c), size > HAKMEM_TINY_MAX);
        if (size <= CLASS_TABLE_MAX) { /* malloc's table: aligned to 16 from the first byte on */
            CHECK_EQ(size_class_by_sixteens[(size + 15) / 16], size_class_of(size > 8 ? size_class_round_c(size) : 16));
        }
        if (size != 0 && size % 16 == 0) { /* what rounding for an alignment relies on */
            for (size_t align = 16; size % align == 0; align *= 2) {
                CHECK_EQ(bytes % align, 0);
            }
        }
    }
    CHECK_EQ(hakmem_class_of(CLASS_MEDIUM_MAX + 1), CLASS_COUNT);
    CHECK_EQ(hakmem_class_bytes(CLASS_COUNT), 0);
    CHECK_EQ(hakmem_class_sizes[0], 0);
    for (uint32_t c = 0; c < CLASS_COUNT; c++) {
        static hakmem_tiny_page_t page;
        size_t size = size_class_bytes(c), bytes = (size_class_is_medium(c) ? MEDIUM_SLOTS : 1) * (size_t)SLOT_BYTES;
        CHECK_EQ(hakmem_class_sizes[c + 1], size);
        hakmem_page_init(&page, c, NULL, bytes, true, NULL);
        CHECK_EQ(page.reserved, bytes / size);
        CHECK(page.reserved != 0);
        for (page.capacity = page.reserved;; page.capacity /= 2) { /* made to the end, and not */
            for (size_t offset = 0; offset < bytes; offset++) {
                CHECK_EQ(page_is_block_offset(&page, offset), offset % size == 0 && offset / size < page.capacity);
            }
            if (page.capacity != page.reserved) {
                break;
            }
        }
    }
    return 0;
}
