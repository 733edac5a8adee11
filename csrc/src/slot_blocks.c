#include "slot_blocks.h"

#define DIVISOR(size) (UINT64_MAX / (size) + 1)
const uint64_t hakmem_class_divisors[CLASS_COUNT + 1] = {0, CLASS_SIZES_SMALL(DIVISOR)};
