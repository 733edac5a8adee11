#include "meta.h"

#include "lock.h"
#include "os.h"

/* One mapping serves many small requests; what is not touched costs address space only. */
enum { META_BYTES = 64 * 1024 };

/* Nothing lies in a mapping's first lines. The first heap would begin there, and the first lines of all system pages share few sets
 * of the processor's caches: where programs' own tables and buffers begin. */
enum { META_SKIPPED = 8 * CACHE_LINE };

static char *meta_next;               /* under the meta lock */
static size_t meta_left;              /* likewise */
static _Atomic size_t meta_committed; /* relaxed: a figure */

void *hakmem_meta_alloc(size_t bytes) {
    bytes = align_up(bytes, CACHE_LINE);
    HAKMEM_ASSERT(bytes <= META_BYTES / 2);
    hakmem_lock(HAKMEM_LOCK_META);
    if (meta_left < bytes) {
        char *p = hakmem_os_map(META_BYTES, CACHE_LINE);
        if (p == NULL) {
            hakmem_unlock(HAKMEM_LOCK_META);
            return NULL;
        }
        meta_next = p + META_SKIPPED;
        meta_left = META_BYTES - META_SKIPPED;
        atomic_fetch_add_explicit(&meta_committed, META_BYTES, memory_order_relaxed);
    }
    void *p = meta_next;
    meta_next += bytes;
    meta_left -= bytes;
    hakmem_unlock(HAKMEM_LOCK_META);
    return p;
}

size_t hakmem_meta_committed_bytes(void) {
    return atomic_load_explicit(&meta_committed, memory_order_relaxed);
}
