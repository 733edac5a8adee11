#define _GNU_SOURCE
#include "os.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "memcheck.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000 /* Linux 4.17; an older kernel takes the address as a hint, which is checked */
#endif

#if defined(__linux__) && !defined(MREMAP_DONTUNMAP)
#define MREMAP_DONTUNMAP 4 /* Linux 5.7; an older kernel refuses it */
#endif

/* Fault injection ------------------------------------------------------------------------------------------------- */

static atomic_long inject_calls; /* calls so far */
static atomic_long inject_from;  /* the first call refused, counting as inject_calls does */
static atomic_long inject_until; /* the first one after it that is not */

void hakmem_os_inject_failures(long skip, long count) {
    /* Relaxed, here and below: a test sets this up before it starts the threads that are to see it. */
    long now = atomic_load_explicit(&inject_calls, memory_order_relaxed);
    atomic_store_explicit(&inject_from, now + skip, memory_order_relaxed);
    atomic_store_explicit(&inject_until, now + skip + count, memory_order_relaxed);
}

long hakmem_os_calls(void) {
    return atomic_load_explicit(&inject_calls, memory_order_relaxed);
}

static bool refused(void) {
    if (!DEBUG_BUILD) {
        return false;
    }
    long call = atomic_fetch_add_explicit(&inject_calls, 1, memory_order_relaxed);
    return call >= atomic_load_explicit(&inject_from, memory_order_relaxed) &&
           call < atomic_load_explicit(&inject_until, memory_order_relaxed);
}

/* Mappings -------------------------------------------------------------------------------------------------------- */

static void *map(void *at, size_t size, int protection, int flags) {
    if (refused()) {
        return NULL;
    }
    void *p = mmap(at, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void unmap(void *p, size_t size) {
    /* Unmapping part of a mapping can be refused when the process has too many. The range then stays as it is, which
     * costs address space only. Not hakmem_os_purge: the memory may be one that cannot be touched. */
    if (size != 0 && munmap(p, size) != 0) {
        madvise(p, size, MADV_DONTNEED);
    }
}

/* Maps where nothing is. False: something is, or the system refuses. */
static bool map_there(void *at, size_t size, int protection, int flags) {
    void *p = map(at, size, protection, flags | MAP_FIXED_NOREPLACE);
    if (p != NULL && p != at) {
        munmap(p, size);
    }
    return p == at;
}

/* Where the slack for alignment is not to be had (a small RLIMIT_AS): aligned addresses below one that the system
 * likes, until one is free. */
static void *map_at_hints(size_t size, size_t align, int protection, int flags) {
    void *probe = map(NULL, size, protection, flags);
    if (probe == NULL || ((uintptr_t)probe & (align - 1)) == 0) {
        return probe;
    }
    munmap(probe, size);
    uintptr_t hint = align_down((uintptr_t)probe, align);
    for (int tries = 0; tries < 64 && hint > align; tries++, hint -= align) {
        if (map_there((void *)hint, size, protection, flags)) {
            return (void *)hint;
        }
    }
    return NULL;
}

static void *map_aligned(size_t size, size_t align, int protection, int flags) {
    if (align <= hakmem_os_page_size()) {
        return map(NULL, size, protection, flags);
    }
    if (size > SIZE_MAX - align) {
        return NULL;
    }
    char *p = map(NULL, size + align, protection, flags);
    if (p == NULL) {
        return map_at_hints(size, align, protection, flags);
    }
    char *aligned = (char *)align_up((uintptr_t)p, align);
    unmap(p, (size_t)(aligned - p));
    unmap(aligned + size, (size_t)(p + align - aligned));
    return aligned;
}

size_t hakmem_os_page_size(void) {
    static _Atomic size_t known;
    /* Relaxed: every thread that asks computes the same value. */
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);
    if (hakmem_unlikely(size == 0)) {
        long answer = sysconf(_SC_PAGESIZE);
        size = answer > 0 ? (size_t)answer : 4096;
        atomic_store_explicit(&known, size, memory_order_relaxed);
    }
    return size;
}

void *hakmem_os_reserve(size_t size, size_t align) {
    int kept = errno;
    void *p = map_aligned(size, align, PROT_NONE, MAP_NORESERVE);
    if (p != NULL) {
        hakmem_os_prefer_small_pages(p, size); /* a first touch must cost one page, not two megabytes */
    }
    errno = kept;
    return p;
}

bool hakmem_os_commit(void *p, size_t size) {
    int kept = errno;
    bool ok = !refused() && mprotect(p, size, PROT_READ | PROT_WRITE) == 0;
    errno = kept;
    return ok;
}

bool hakmem_os_decommit(void *p, size_t size) {
    if (size == 0) {
        return true;
    }
    int kept = errno;
    /* A fresh mapping over the old one also gives back what the system had promised, which madvise does not. */
    bool ok = !refused() &&
              mmap(p, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
    if (ok) {
        hakmem_os_prefer_small_pages(p, size); /* or it could not join the rest of its region */
    }
    errno = kept;
    return ok;
}

/* Relaxed: who misses it is refused himself. */
static _Atomic bool never_moves[LEAVE_COUNT];

bool hakmem_os_purge(void *p, size_t size) {
    enum { UNKNOWN, ZEROES, KEEPS };
    static atomic_int answer;
    int kept = errno;
    /* Relaxed: a thread that misses another's answer finds it out again. */
    int zeroes = atomic_load_explicit(&answer, memory_order_relaxed);
    volatile char *probe = p;
    if (zeroes == UNKNOWN) {
        memcheck_open(p, size);
        *probe = 1; /* some emulators accept the call and do nothing: see once whether the byte is gone */
    }
    bool ok = madvise(p, size, MADV_DONTNEED) == 0;
    if (!ok) { /* the process has locked its memory, which what a move leaves would not be */
        atomic_store_explicit(&never_moves[LEAVE_ZEROES], true, memory_order_relaxed);
    }
    if (zeroes == UNKNOWN) {
        bool is_zero = *probe == 0;
        *probe = 0; /* it may be memory that was never used, and counts as zero whether it was purged or not */
        memcheck_close(p, size);
        if (ok) {
            zeroes = is_zero ? ZEROES : KEEPS;
            atomic_store_explicit(&answer, zeroes, memory_order_relaxed);
        }
    }
    errno = kept;
    return ok && zeroes == ZEROES;
}

void *hakmem_os_map(size_t size, size_t align) {
    int kept = errno;
    void *p = map_aligned(size, align, PROT_READ | PROT_WRITE, 0);
    errno = kept;
    return p;
}

void hakmem_os_unmap(void *p, size_t size) {
    int kept = errno;
    memcheck_open(p, size);
    unmap(p, size);
    errno = kept;
}

void hakmem_os_prefer_huge_pages(void *p, size_t size) {
#ifdef MADV_HUGEPAGE
    int kept = errno;
    madvise(p, size, MADV_HUGEPAGE);
    errno = kept;
#else
    (void)p, (void)size;
#endif
}

void hakmem_os_prefer_small_pages(void *p, size_t size) {
#ifdef MADV_NOHUGEPAGE
    int kept = errno;
    madvise(p, size, MADV_NOHUGEPAGE); /* a kernel without huge pages refuses; that is as good */
    errno = kept;
#else
    (void)p, (void)size;
#endif
}

size_t hakmem_os_resident_bytes(const void *p, size_t size) {
    size_t resident = 0;
#ifdef __linux__
    unsigned char pages[512];
    size_t page_size = hakmem_os_page_size();
    int kept = errno;
    for (size_t done = 0; done < size; done += sizeof pages * page_size) {
        size_t bytes = min_size(size - done, sizeof pages * page_size);
        if (mincore((char *)p + done, bytes, pages) == 0) {
            for (size_t i = 0; i < bytes / page_size; i++) {
                resident += (pages[i] & 1) * page_size;
            }
        }
    }
    errno = kept;
#else
    (void)p, (void)size;
#endif
    return resident;
}

void *hakmem_os_remap(void *p, size_t old_size, size_t new_size, bool may_move) {
#ifdef MREMAP_MAYMOVE
    if (refused()) {
        return NULL;
    }
    int kept = errno;
    void *moved = mremap(p, old_size, new_size, may_move ? MREMAP_MAYMOVE : 0);
    errno = kept;
    return moved == MAP_FAILED ? NULL : moved;
#else
    (void)p, (void)old_size, (void)new_size, (void)may_move;
    return NULL;
#endif
}

void *hakmem_os_move_out(void *p, size_t size) {
#ifdef __linux__
    if (refused()) {
        return NULL;
    }
    int kept = errno;
    /* With an address, which the C library reads where there is that flag. */
    void *moved = mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    errno = kept;
    return moved == MAP_FAILED ? NULL : moved;
#else
    (void)p, (void)size;
    return NULL;
#endif
}

bool hakmem_os_can_move(hakmem_leave_t leave) {
#if defined(__linux__) && defined(MREMAP_FIXED)
    return !atomic_load_explicit(&never_moves[leave], memory_order_relaxed);
#else
    (void)leave;
    return false;
#endif
}

hakmem_move_t hakmem_os_move(void *p, size_t size, void *to, hakmem_leave_t leave) {
#if defined(__linux__) && defined(MREMAP_FIXED)
    if (refused()) {
        return MOVE_REFUSED;
    }
    int kept = errno;
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (leave == LEAVE_ZEROES ? MREMAP_DONTUNMAP : 0);
    hakmem_move_t result = MOVE_DONE;
    if (mremap(p, size, size, flags, to) == MAP_FAILED) {
        /* A filter of system calls, or a kernel that does not know the flag, looks at nothing else before, and will refuse the next
         * one as well. */
        bool never = errno == EPERM || errno == ENOSYS || errno == EINVAL;
        result = never || map_there(to, size, PROT_READ | PROT_WRITE, MAP_NORESERVE) ? MOVE_REFUSED : MOVE_LOST;
        if (never || result == MOVE_LOST) {
            atomic_store_explicit(&never_moves[leave], true, memory_order_relaxed);
        }
    }
    errno = kept;
    return result;
#else
    (void)p, (void)size, (void)to, (void)leave;
    return MOVE_REFUSED;
#endif
}

size_t hakmem_os_address_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > SIZE_MAX) {
        return SIZE_MAX;
    }
    return (size_t)limit.rlim_cur;
}

uint64_t hakmem_os_now_ms(void) {
    struct timespec now;
#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void hakmem_os_yield(void) {
    sched_yield();
}
