/* Memory of a huge block, or of one that was freed: a range of whole system pages. It may consist of several of the
 * system's mappings, one behind another: pages can be moved, but what was mapped apart stays apart for the system. No
 * single call moves or grows those (mremap: EFAULT), so where they meet is remembered. */
#ifndef HAKMEM_MAPPING_H
#define HAKMEM_MAPPING_H

#include "base.h"

/* They meet at multiples of this, from the start. A huge page's size: no huge page is split, and moving is cheap. */
#define MAPPING_UNIT (2 * MIB)
#define MAPPING_JOINED_MAX (64 * MAPPING_UNIT) /* a seam is a bit */

typedef struct {
    void *start;
    size_t bytes;
    uint64_t seams; /* bit i: another mapping begins i units from the start; never bit 0 */
    /* What was right before it, or right behind it, was cut off it and was not moved since: the system has the two as one. */
    bool cut_before, cut_behind;
    bool in_slots; /* it is a chunk's: it can be moved away, but its place stays mapped */
} hakmem_mapping_t;

HAKMEM_INLINE hakmem_mapping_t mapping_of(void *start, size_t bytes) {
    return (hakmem_mapping_t){start, bytes, 0, false, false, false};
}

/* Cuts the first `bytes`, whole units and less than all, off the mapping. */
hakmem_mapping_t hakmem_mapping_cut(hakmem_mapping_t *mapping, size_t bytes);

/* Puts `behind`, which begins where the mapping ends, to it. False: where the two meet there would be a seam, and it cannot be
 * remembered. */
bool hakmem_mapping_append(hakmem_mapping_t *mapping, const hakmem_mapping_t *behind);

/* Unmaps pieces, but for those in slots. */
void hakmem_mapping_drop(const hakmem_mapping_t pieces[], uint32_t count);

/* Moves the pieces, all of whole units, one behind another to `start`, over a fresh mapping of `bytes`: what they have
 * together or more, and MAPPING_JOINED_MAX at most. False: the system refused, and nothing of all this is left but what is in slots,
 * of which some may be zero now. */
bool hakmem_mapping_join(hakmem_mapping_t pieces[], uint32_t count, void *start, size_t bytes,
                         hakmem_mapping_t *joined);

/* Resizes, moving the mapping where it must and may; where it has seams, by a copy. False: nothing has changed. */
bool hakmem_mapping_resize(hakmem_mapping_t *mapping, size_t bytes, bool may_move);

#endif
