/* One misuse a run, named by the argument: prints the pointer, then frees it. The runner expects the abort and the exact
 * line on stderr. Nothing may be asked of the system on that way (debug builds count). */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "frees.h"
#include "os.h"
#include "shared_pool.h"
#include "tiny.h"

static char variable[64];
static long calls_before;

static void on_abort(int signal) {
    (void)signal;
    if (hakmem_os_calls() != calls_before) {
        static const char text[] = "memory was asked for\n";
        ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
        (void)ignored;
    }
}

static void *announce(void *p) {
    printf("%p\n", p);
    fflush(stdout);
    calls_before = hakmem_os_calls();
    return p;
}

static void *free_it(void *p) {
    hakmem_free(p);
    return NULL;
}

static void free_remotely(void *p) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, free_it, p), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static char *block(size_t size) {
    char *p = hakmem_malloc(size);
    CHECK(p != NULL);
    return p;
}

/* The first block of a page that was not made yet: a multiple of the block size, but never given out. */
static void *never_made(size_t size) {
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(block(size));
    CHECK(page->capacity < page->reserved);
    return page->start + page->capacity * page_block_size(page);
}

/* Who frees it from elsewhere does not look at the owner's line; the owner sees it when it collects. */
static void never_made_remote(size_t size) {
    if (!DUAL_LISTS) {
        puts("not here");
        exit(0);
    }
    void *p = announce(never_made(size));
    free_remotely(p);
    hakmem_tiny_collect_frees(hakmem_tiny_ptr_to_page(p));
}

/* The same, of a class whose bin is open: the cache takes it, and the flush sees it. */
static void *never_made_cached(size_t size) {
    void *some[4 * CACHE_OPEN_FREES];
    for (size_t i = 0; i < CACHE_OPEN_FREES; i++) { /* so that the cache opens */
        hakmem_free(block(size));
    }
    for (size_t i = 0; i < COUNT_OF(some); i++) { /* and the bin */
        some[i] = block(size);
    }
    for (size_t i = 0; i < COUNT_OF(some); i++) {
        hakmem_free(some[i]);
    }
    return never_made(size);
}

static void *behind_last(void) {
    char *p = block(48);
    while (hakmem_tiny_ptr_to_page(p)->capacity < hakmem_tiny_ptr_to_page(p)->reserved) {
        p = block(48);
    }
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(p);
    return page->start + page->reserved * (size_t)48;
}

static void *unmade_chunk(void) {
    block(8);
    return (char *)arena_chunk_of(block(8)) + CHUNK_BYTES + 5 * SLOT_BYTES;
}

static void *unused_slot(void) {
    hakmem_run_t run;
    CHECK(hakmem_pool_acquire(1, 1, &run));
    hakmem_pool_release(run.chunk, run.slot, 1);
    return run_start(&run);
}

static void run_twice(void) {
    void *p = announce(block(200000));
    hakmem_free(p);
    hakmem_free(p);
}

static void huge_twice(bool later) {
    void *p = announce(block(HAKMEM_LARGE_MAX * 2));
    hakmem_free(p);
    if (later) {
        for (int i = 0; i < 10; i++) {
            void *other = block(HAKMEM_LARGE_MAX * 3); /* larger: not at the same place */
            CHECK(other != p);
            hakmem_free(other);
        }
        calls_before = hakmem_os_calls();
    }
    hakmem_free(p);
}

/* Another thread frees a block twice: seen when the owner collects. */
static void remote_twice(void) {
    if (!DUAL_LISTS) {
        puts("not here");
        exit(0);
    }
    void *p = block(512);
    block(512);
    free_remotely(p);
    free_remotely(p);
    calls_before = hakmem_os_calls();
    hakmem_tiny_collect_frees(hakmem_tiny_ptr_to_page(p));
}

/* The same where its page has few blocks, and a bit for each: seen at the second free. */
static void remote_twice_few(void) {
    if (!DUAL_LISTS) {
        puts("not here");
        exit(0);
    }
    void *p = announce(block(2 * KIB));
    free_remotely(p);
    free_remotely(p);
}

/* A freed block that carries others is written to: seen when one of them would be handed out. */
static void written_after_free(size_t size) {
    if (!BATCHES) {
        puts("not here");
        exit(0);
    }
    char *p = block(size), *other = block(size);
    hakmem_tiny_page_t *page = hakmem_tiny_ptr_to_page(p);
    hakmem_tiny_free(p);
    hakmem_tiny_free(other);
    memset(p, 'l', size);
    while (page_has_free(page)) {
        page_pop(page);
    }
    hakmem_tiny_collect_frees(page);
    calls_before = hakmem_os_calls();
    page_pop(page);
    page_pop(page); /* of a medium page: it carries none, and is the second */
}

int main(int count, char **arguments) {
    CHECK_EQ(count, 2);
    const char *mode = arguments[1];
    int local = 0;
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGABRT, on_abort);
    block(1);
    void *p = NULL;
    if (strcmp(mode, "stack") == 0) {
        p = &local;
    } else if (strcmp(mode, "static") == 0) {
        p = variable;
    } else if (strcmp(mode, "libc") == 0) {
        p = malloc(100);
    } else if (strcmp(mode, "low") == 0) {
        p = (void *)(uintptr_t)8;
    } else if (strcmp(mode, "middle-of-small") == 0) {
        p = block(100) + 1;
    } else if (strcmp(mode, "middle-of-medium") == 0) {
        p = block(40000) + 16;
    } else if (strcmp(mode, "middle-of-run") == 0) {
        p = block(200000) + 16;
    } else if (strcmp(mode, "slot-of-run") == 0) {
        p = block(200000) + 65536;
    } else if (strcmp(mode, "middle-of-huge") == 0) {
        p = block(HAKMEM_LARGE_MAX * 2) + 4096;
    } else if (strcmp(mode, "never-made-local") == 0) {
        p = never_made(64);
    } else if (strcmp(mode, "never-made-cached") == 0) {
        p = never_made_cached(64);
    } else if (strcmp(mode, "never-made-remote") == 0) {
        never_made_remote(64);
    } else if (strcmp(mode, "never-made-remote-few") == 0) {
        never_made_remote(2 * KIB);
    } else if (strcmp(mode, "behind-last-block") == 0) {
        p = behind_last();
    } else if (strcmp(mode, "unmade-chunk") == 0) {
        p = unmade_chunk();
    } else if (strcmp(mode, "chunk-head") == 0) {
        p = arena_chunk_of(block(1));
    } else if (strcmp(mode, "unused-slot") == 0) {
        p = unused_slot();
    } else if (strcmp(mode, "remote-middle") == 0) {
        p = block(100) + 1;
    } else if (strcmp(mode, "realloc-stack") == 0) {
        p = &local;
    } else if (strcmp(mode, "run-twice") == 0) {
        run_twice();
    } else if (strcmp(mode, "huge-twice") == 0) {
        huge_twice(false);
    } else if (strcmp(mode, "huge-twice-later") == 0) {
        huge_twice(true);
    } else if (strcmp(mode, "remote-twice") == 0) {
        remote_twice();
    } else if (strcmp(mode, "remote-twice-few") == 0) {
        remote_twice_few();
    } else if (strcmp(mode, "written-after-free") == 0) {
        written_after_free(512);
    } else if (strcmp(mode, "written-after-free-medium") == 0) {
        written_after_free(64 * KIB);
    } else {
        CHECK(false);
    }
    CHECK(p != NULL); /* the others have aborted already */
    announce(p);
    if (strstr(mode, "remote") != NULL) {
        free_remotely(p);
    } else if (strstr(mode, "realloc") != NULL) {
        CHECK(hakmem_realloc(p, 10) == NULL);
    } else {
        hakmem_free(p);
        hakmem_purge(); /* what only a page can tell is found when the block leaves the cache */
    }
    return 0;
}
