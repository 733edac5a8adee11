#include "mapping.h"

#include <string.h>

#include "memcheck.h"
#include "os.h"

static uint64_t seams_below(size_t bytes) {
    size_t units = (bytes + MAPPING_UNIT - 1) / MAPPING_UNIT;
    return units < 64 ? (UINT64_C(1) << units) - 1 : UINT64_MAX;
}

hakmem_mapping_t hakmem_mapping_cut(hakmem_mapping_t *mapping, size_t bytes) {
    size_t units = bytes / MAPPING_UNIT;
    uint64_t behind = units < 64 ? mapping->seams >> units : 0;
    bool one = (behind & 1) == 0;
    hakmem_mapping_t front = {mapping->start,      bytes, mapping->seams & seams_below(bytes),
                              mapping->cut_before, one,   false};
    mapping->start = (char *)mapping->start + bytes;
    mapping->bytes -= bytes;
    mapping->seams = behind & ~UINT64_C(1);
    mapping->cut_before = one;
    return front;
}

bool hakmem_mapping_append(hakmem_mapping_t *mapping, const hakmem_mapping_t *behind) {
    bool one = mapping->cut_behind && behind->cut_before;
    uint64_t seams = mapping->seams;
    if (!one || behind->seams != 0) {
        if (mapping->bytes % MAPPING_UNIT != 0 || mapping->bytes + behind->bytes > MAPPING_JOINED_MAX) {
            return false;
        }
        seams |= (behind->seams | (one ? 0 : 1)) << mapping->bytes / MAPPING_UNIT;
    }
    *mapping = (hakmem_mapping_t){
        mapping->start, mapping->bytes + behind->bytes, seams, mapping->cut_before, behind->cut_behind, false};
    return true;
}

/* Cuts off what the system takes for one mapping. */
static hakmem_mapping_t cut_at_seam(hakmem_mapping_t *mapping) {
    if (mapping->seams != 0) {
        return hakmem_mapping_cut(mapping, (size_t)__builtin_ctzll(mapping->seams) * MAPPING_UNIT);
    }
    hakmem_mapping_t all = *mapping;
    mapping->bytes = 0;
    return all;
}

void hakmem_mapping_drop(const hakmem_mapping_t pieces[], uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (!pieces[i].in_slots) {
            hakmem_os_unmap(pieces[i].start, pieces[i].bytes);
        }
    }
}

bool hakmem_mapping_join(hakmem_mapping_t pieces[], uint32_t count, void *start, size_t bytes,
                         hakmem_mapping_t *joined) {
    char *to = start;
    size_t done = 0;
    *joined = mapping_of(start, bytes);
    for (uint32_t i = 0; i < count; i++) {
        while (pieces[i].bytes != 0) {
            hakmem_mapping_t one = cut_at_seam(&pieces[i]);
            hakmem_move_t result =
                hakmem_os_move(one.start, one.bytes, to + done, one.in_slots ? LEAVE_ZEROES : LEAVE_NOTHING);
            if (result != MOVE_DONE) {
                hakmem_mapping_drop(&one, 1);
                hakmem_mapping_drop(pieces + i, count - i);
                hakmem_os_unmap(to, done);
                /* If what is lost is still there, it costs address space only. */
                size_t lost = result == MOVE_LOST ? one.bytes : 0;
                hakmem_os_unmap(to + done + lost, bytes - done - lost);
                return false;
            }
            done += one.bytes;
            if (done < bytes) {
                joined->seams |= UINT64_C(1) << done / MAPPING_UNIT;
            }
        }
    }
    return true;
}

static bool is_zero(const char *page, size_t bytes) {
    return page[0] == 0 && memcmp(page, page + 1, bytes - 1) == 0;
}

/* What has seams cannot move as a whole, and piece by piece a refusal halfway could not be undone. It is copied, once,
 * as what it becomes has no seams: unit by unit, so that little is there twice, and without pages that are zero, for
 * they may never have been touched. */
static bool copy(hakmem_mapping_t *mapping, size_t bytes) {
    char *from = mapping->start, *to = hakmem_os_map(bytes, 0);
    if (to == NULL) {
        return false;
    }
    size_t page = hakmem_os_page_size();
    for (size_t done = 0; done < mapping->bytes; done += page) {
        if (!is_zero(from + done, page)) {
            memcpy(to + done, from + done, page);
        }
        if ((done + page) % MAPPING_UNIT == 0) {
            hakmem_os_unmap(from + done + page - MAPPING_UNIT, MAPPING_UNIT);
        }
    }
    size_t tail = mapping->bytes % MAPPING_UNIT;
    hakmem_os_unmap(from + mapping->bytes - tail, tail);
    *mapping = mapping_of(to, bytes);
    return true;
}

bool hakmem_mapping_resize(hakmem_mapping_t *mapping, size_t bytes, bool may_move) {
    char *start = mapping->start;
    if (mapping->seams != 0 && bytes < mapping->bytes) {
        hakmem_os_unmap(start + bytes, mapping->bytes - bytes);
        *mapping =
            (hakmem_mapping_t){start, bytes, mapping->seams & seams_below(bytes), mapping->cut_before, false, false};
        return true;
    }
    /* Of several, the last one grows. */
    size_t before = mapping->seams == 0 ? 0 : (size_t)(63 - __builtin_clzll(mapping->seams)) * MAPPING_UNIT;
    char *moved = hakmem_os_remap(start + before, mapping->bytes - before, bytes - before, may_move && before == 0);
    if (moved == NULL) {
        return mapping->seams != 0 && may_move && copy(mapping, bytes);
    }
    bool cut_before = moved - before == start && mapping->cut_before;
    *mapping = (hakmem_mapping_t){moved - before, bytes, mapping->seams, cut_before, false, false};
    return true;
}
