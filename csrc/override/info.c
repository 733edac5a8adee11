/* What the C library tells about its memory, and takes orders about. */
#include "override.h"

#include "../src/huge.h"
#include "../src/report.h"

/* struct mallinfo2 of the GNU C library, whose header other C libraries do not have. */
typedef struct {
    size_t arena;    /* bytes from the system, without those of `hblkhd` */
    size_t ordblks;  /* free blocks; not known here, 0 */
    size_t smblks;   /* unused */
    size_t hblks;    /* blocks with a mapping of their own */
    size_t hblkhd;   /* bytes in them */
    size_t usmblks;  /* unused */
    size_t fsmblks;  /* unused */
    size_t uordblks; /* bytes in use, without those of `hblkhd` */
    size_t fordblks; /* bytes of `arena` that are not in use */
    size_t keepcost; /* unused */
} mallinfo2_t;

_Static_assert(sizeof(mallinfo2_t) == 10 * sizeof(size_t), "struct mallinfo2 of the GNU C library");

HAKMEM_EXPORT size_t malloc_usable_size(void *p) {
    return hakmem_usable_size(p);
}

/* 1 if memory went back to the system. What `pad` asks to keep is hakmem's own affair. */
HAKMEM_EXPORT int malloc_trim(size_t pad) {
    (void)pad;
    hakmem_stats_t before, after;
    hakmem_stats_get(&before);
    hakmem_purge();
    hakmem_stats_get(&after);
    return after.committed_bytes < before.committed_bytes;
}

HAKMEM_EXPORT void malloc_stats(void) {
    hakmem_report();
}

HAKMEM_EXPORT mallinfo2_t mallinfo2(void) {
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    mallinfo2_t info = {0};
    info.hblks = (size_t)stats.huge_blocks;
    info.hblkhd = hakmem_huge_bytes();
    /* While others allocate, the sums need not fit together: no difference may wrap. */
    info.arena = (size_t)stats.committed_bytes - min_size(info.hblkhd, (size_t)stats.committed_bytes);
    info.uordblks = (size_t)stats.live_bytes - min_size(info.hblkhd, (size_t)stats.live_bytes);
    info.fordblks = info.arena - min_size(info.uordblks, info.arena);
    return info;
}

/* Accepted and ignored: the parameters are another allocator's. 1 is success. */
HAKMEM_EXPORT int mallopt(int parameter, int value) {
    (void)parameter, (void)value;
    return 1;
}
