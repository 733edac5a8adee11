/* The process has as many mappings as the system allows (vm.max_map_count): then mapping, unmapping a part, changing the
 * protection of a part and giving back can all be refused. Nothing may crash, and what is free stays usable. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "os.h"
#include "tiny.h"

enum { MOST = 400 };

/* Stands in front of the C library's. */
static bool refuse_unmapping;

int munmap(void *p, size_t size) {
    if (refuse_unmapping) {
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_munmap, p, size);
}

static struct {
    void *p;
    size_t size;
} blocks[MOST];

static void fill_slots(size_t from) {
    static const size_t sizes[] = {16, 500, 8192, 60000, 100000, 1 << 20, HAKMEM_LARGE_MAX, HAKMEM_LARGE_MAX * 2};
    for (size_t i = from; i < MOST; i += 2) {
        size_t size = sizes[i / 2 % COUNT_OF(sizes)];
        errno = 0;
        void *p = i % 16 == 0 ? hakmem_alloc_aligned(size, 1 << 20) : hakmem_malloc(size);
        CHECK(p != NULL || errno == ENOMEM);
        blocks[i].p = p;
        blocks[i].size = size;
        if (p != NULL) {
            fill(p, size, i);
        }
    }
}

static void check_slots(void) {
    for (size_t i = 0; i < MOST; i++) {
        CHECK(blocks[i].p == NULL || holds(blocks[i].p, blocks[i].size, blocks[i].size, i));
    }
}

static void free_slots(size_t from) {
    for (size_t i = from; i < MOST; i += 2) {
        hakmem_free(blocks[i].p);
        blocks[i].p = NULL;
    }
}

/* Makes mappings, but for `spare` of those that are allowed, out of one region: every other page of it is different. */
static char *use_up(size_t spare, size_t bytes) {
    size_t page = hakmem_os_page_size();
    char *region = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(region != MAP_FAILED);
    for (size_t at = page; at < bytes; at += 2 * page) {
        if (mprotect(region + at, page, PROT_READ) != 0) {
            for (size_t i = 0; i < (spare + 1) / 2; i++) { /* each page that joins its neighbours again is two fewer */
                CHECK_EQ(mprotect(region + at - 2 * page * (i + 1), page, PROT_NONE), 0);
            }
            return region;
        }
    }
    return NULL; /* the system allows more */
}

/* `before`: some memory is had before the mappings are gone, so that there is something to give back. */
static void run(size_t spare, bool before, size_t bytes) {
    if (before) {
        fill_slots(0);
    }
    char *region = use_up(spare, bytes);
    if (region == NULL) {
        _exit(77);
    }
    fill_slots(1);
    check_slots();
    free_slots(0);
    hakmem_purge();
    check_slots();
    fill_slots(0);
    check_slots();
    CHECK_EQ(munmap(region, bytes), 0);
    free_slots(0);
    free_slots(1);
    hakmem_purge();
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    CHECK_EQ(stats.live_blocks, 0);
    fill_slots(0);
    for (size_t i = 0; i < MOST; i += 2) {
        CHECK(blocks[i].p != NULL);
    }
}

/* What cannot be unmapped stays mapped; all else goes on, and errno is kept. */
static void run_without_unmapping(void) {
    refuse_unmapping = true;
    fill_slots(0);
    fill_slots(1);
    check_slots();
    for (size_t i = 0; i < MOST; i++) {
        CHECK(blocks[i].p != NULL);
    }
    free_slots(0);
    errno = 7;
    free_slots(1);
    hakmem_purge();
    CHECK_EQ(errno, 7);
    fill_slots(0);
    check_slots();
}

int main(void) {
    if (skipped_under("address thread valgrind", "test_refusals", "the tool needs mappings itself")) {
        return 0;
    }
    size_t bytes = 140000 * hakmem_os_page_size(); /* twice what Linux allows unless told otherwise */
    for (size_t i = 0; i < 8; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            if (i == 0) {
                run_without_unmapping();
            } else {
                run(i / 2 * i / 2, i % 2 != 0, bytes);
            }
            _exit(0);
        }
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            puts("skipped: this system allows more mappings than the test makes");
            return 0;
        }
        if (status != 0) {
            fprintf(stderr, "run %zu ended with status 0x%x\n", i, (unsigned)status);
            return 1;
        }
    }
    return 0;
}
