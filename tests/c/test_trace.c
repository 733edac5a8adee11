/* Provokes what the trace tags of the shared pool name; the runner reads stderr. "stages": all nine tags of a slot's
 * life; "capacity": a full chunk table (a build with HAKMEM_MAX_CHUNKS=2); "nodes": list nodes that run out (a build with
 * HAKMEM_MAX_HUGE=64). */
#include "check.h"
#include "shared_pool.h"
#include "thread.h"
#include "tiny.h"

static void stages(void) {
    enum { FIT = 65536 / 4096 };
    void *blocks[2 * FIT];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) { /* stage 3, then 2 */
        CHECK((blocks[i] = hakmem_malloc(4096)) != NULL);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) { /* one page goes to the heap's own slots */
        hakmem_free(blocks[i]);
    }
    hakmem_free(hakmem_malloc(64)); /* stage 0, with another block size */
    void *run = hakmem_malloc(100000);
    hakmem_free(run);            /* released */
    run = hakmem_malloc(100000); /* stage 0.5 */
    hakmem_free(run);
    hakmem_purge();              /* to the free list of purged slots */
    run = hakmem_malloc(100000); /* stage 1 */
    hakmem_free(run);
    void *large[12];
    for (size_t i = 0; i < COUNT_OF(large); i++) { /* 48 MiB: more than a chunk */
        CHECK((large[i] = hakmem_malloc(HAKMEM_LARGE_MAX)) != NULL);
    }
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        hakmem_free(large[i]);
    }
    hakmem_purge(); /* completely empty chunks */
}

/* Large blocks go on as mappings; small ones fail when both chunks are full, and succeed again when there is room. */
static void capacity(void) {
    enum { MOST = MAX_CHUNKS < 64 ? MAX_CHUNKS * CHUNK_SLOTS / MEDIUM_SLOTS : 0 };
    static void *blocks[MOST * MEDIUM_SLOTS + 1];
    size_t n = 0;
    while (n < COUNT_OF(blocks) && (blocks[n] = hakmem_malloc(HAKMEM_MEDIUM_MAX)) != NULL) {
        n++;
    }
    CHECK(n < COUNT_OF(blocks) && n > COUNT_OF(blocks) * 9 / 10);
    CHECK_EQ(errno, ENOMEM);
    void *large = hakmem_malloc(HAKMEM_LARGE_MAX);
    CHECK(large != NULL);
    hakmem_free(large);
    void *lost = blocks[n / 2];
    hakmem_free(lost);
    CHECK_PTR(hakmem_malloc(HAKMEM_MEDIUM_MAX), lost);
    while (n-- != 0) {
        hakmem_free(blocks[n]);
    }
}

static void nodes(void) {
    static void *blocks[65];
    for (int i = 0; i < 64; i++) {
        CHECK((blocks[i] = hakmem_malloc(HAKMEM_LARGE_MAX + 1)) != NULL);
    }
    errno = 0;
    CHECK(hakmem_malloc(HAKMEM_LARGE_MAX + 1) == NULL);
    CHECK_EQ(errno, ENOMEM);
    hakmem_free(blocks[0]);
    for (int i = 0; i < 100; i++) { /* a mapping that is refused gives its node back */
        CHECK(hakmem_malloc(PTRDIFF_MAX / 2) == NULL);
    }
    CHECK((blocks[0] = hakmem_malloc(HAKMEM_LARGE_MAX + 1)) != NULL);
    for (int i = 0; i < 64; i++) {
        hakmem_free(blocks[i]);
    }
}

int main(int count, char **arguments) {
    CHECK_EQ(count, 2);
    const char *mode = arguments[1];
    if (strcmp(mode, "stages") == 0) {
        stages();
    } else if (strcmp(mode, "capacity") == 0) {
        capacity();
    } else if (strcmp(mode, "nodes") == 0) {
        nodes();
    } else {
        CHECK(false);
    }
    return 0;
}
