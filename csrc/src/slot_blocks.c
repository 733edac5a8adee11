#include "slot_blocks.h"

#define DIVISOR(size) (UINT64_MAX / (size) + 1)
#define DIVISORS_8(base, step)                                                                                         \
    DIVISOR((base) + (step)), DIVISOR((base) + 2 * (step)), DIVISOR((base) + 3 * (step)),                              \
        DIVISOR((base) + 4 * (step)), DIVISOR((base) + 5 * (step)), DIVISOR((base) + 6 * (step)),                      \
        DIVISOR((base) + 7 * (step)), DIVISOR((base) + 8 * (step))
const uint64_t hakmem_class_divisors[CLASS_COUNT + 1] = {
    0,
    DIVISORS_8(0, 8),
    DIVISORS_8(64, 8),
    DIVISORS_8(128, 16),
    DIVISORS_8(256, 32),
    DIVISORS_8(512, 64),
    DIVISORS_8(1024, 128),
    DIVISORS_8(2048, 256),
    DIVISORS_8(4096, 512),
};
