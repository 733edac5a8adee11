/* hakmem: the public C interface.
 *
 * Sizes and alignments are in bytes. Every function may be called from any thread at any time unless it says otherwise;
 * none may be called from a signal handler. A block may be freed by any thread.
 *
 * Failure: a function that returns memory returns null and sets errno to ENOMEM (or EINVAL where it says so); nothing
 * has changed then, and the next call may succeed. A pointer that hakmem never gave out, or a large block freed twice,
 * ends the process with one line on stderr ("hakmem: invalid free of 0x…", "hakmem: double free of 0x…"). */
#ifndef HAKMEM_H
#define HAKMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
/* These functions are what a shared library with hakmem in it exports; the rest of the core hides itself. */
#if defined(__GNUC__)
#pragma GCC visibility push(default)
/* Data is for code in the same binary alone. */
#define HAKMEM_HIDDEN __attribute__((visibility("hidden")))
#else
#define HAKMEM_HIDDEN
#endif

/* Largest block of a one-slot page. */
#define HAKMEM_TINY_MAX 8192
/* Largest block of any page; larger blocks are runs of slots, or mappings of their own above HAKMEM_LARGE_MAX. */
#define HAKMEM_MEDIUM_MAX 65536
#define HAKMEM_LARGE_MAX 4194304
/* Number of size classes that pages serve. */
#define HAKMEM_CLASS_COUNT 88

/* Allocation ------------------------------------------------------------------------------------------------------- */

/* At least `size` bytes, uninitialised; 8-aligned for at most 8 B, else 16. A size of 0 gives a block that can be freed.
 * Null with ENOMEM where the system refuses, or for a size above PTRDIFF_MAX. */
void *hakmem_malloc(size_t size);

/* Gives a block back. Null does nothing. errno is kept. */
void hakmem_free(void *p);

/* As hakmem_free for a block whose requested size is known (C23 free_sized); the size is a promise, not checked. */
void hakmem_free_sized(void *p, size_t size);

/* As hakmem_free for a block of hakmem_aligned_alloc (C23 free_aligned_sized). */
void hakmem_free_aligned_sized(void *p, size_t align, size_t size);

/* `count` * `size` bytes, all zero. Null with ENOMEM where the product wraps. Memory that is fresh from the system is not
 * written again. */
void *hakmem_calloc(size_t count, size_t size);

/* A block of `size` bytes with the old contents as far as they fit; in place where that costs nothing. Null `p`: as
 * hakmem_malloc. On failure null, and `p` is untouched. A size of 0 gives a block as hakmem_malloc(0) does. */
void *hakmem_realloc(void *p, size_t size);

/* At least `size` bytes aligned to `align`, a power of two (else null with EINVAL). */
void *hakmem_aligned_alloc(size_t align, size_t size);

/* As posix_memalign: 0, EINVAL (not a power of two, or not a multiple of sizeof(void *)) or ENOMEM. `*out` is written on
 * success only; errno is kept. */
int hakmem_posix_memalign(void **out, size_t align, size_t size);

/* How many bytes of the block may be used, at least what was asked for; 0 for null. */
size_t hakmem_usable_size(const void *p);

/* Sized interface, for callers that know size and alignment at every call (Rust) ----------------------------------- */

/* `size` is at most HAKMEM_MEDIUM_MAX, and a multiple of the alignment wanted where that is above 8: the block is aligned to
 * 8 B, and to the largest power of two that divides the size. The `_zeroed` form clears the block. */
void *hakmem_alloc_page_block(size_t size);
void *hakmem_alloc_page_block_zeroed(size_t size);

/* Any size and alignment. `align` is a power of two. */
void *hakmem_alloc_aligned(size_t size, size_t align);
void *hakmem_alloc_aligned_zeroed(size_t size, size_t align);

/* Frees a block whose size, rounded up to its alignment, was at most HAKMEM_TINY_MAX and of this class: saves looking it up.
 * Only the block cache asks for the class. */
void hakmem_free_tiny(void *p, uint32_t size_class);

/* Resizes a block that was allocated through this interface with `old_size` and `align`, and will be freed through it with
 * `new_size`: stays in place only within the same class, or the same kind of large block. */
void *hakmem_realloc_aligned(void *p, size_t old_size, size_t align, size_t new_size);

/* Heaps ------------------------------------------------------------------------------------------------------------ */

/* A heap: the pages of one thread, or of whoever made it by hand. A heap made by hand serves one thread at a time. */
typedef struct hakmem_tiny_heap_s hakmem_tiny_heap_t;

/* A new heap, or null. */
hakmem_tiny_heap_t *hakmem_tiny_heap_create(void);

/* Gives the heap up, as a thread's end does with its own: what is empty goes back, blocks that the program still holds stay
 * valid and are freed as ever. The heap itself must not be used again. */
void hakmem_tiny_heap_destroy(hakmem_tiny_heap_t *heap);

/* A block of at most HAKMEM_MEDIUM_MAX bytes (else null with EINVAL) from this heap, aligned as by hakmem_malloc.
 * hakmem_free takes it back, from any thread. */
void *hakmem_tiny_heap_malloc(hakmem_tiny_heap_t *heap, size_t size);

/* Block cache ------------------------------------------------------------------------------------------------------ */

/* The part of a heap that callers may inline (src/fast.rs does): per class of at most HAKMEM_TINY_MAX bytes a bin, which is a stack
 * of freed blocks. Only the thread whose heap it is writes it; others read the tops to sum statistics, so that these are accessed
 * with relaxed atomic loads and stores. `*tops[class]` is the block freed last, or null where there is none: the stack's lowest entry is
 * a null that is never popped. `tops[class] == limits[class]`: full. Before a thread has a heap it is empty and full at once, and
 * read-only. */
#define HAKMEM_CACHE_CLASSES 64
typedef struct {
    uintptr_t base;
    size_t bytes;
} hakmem_range_t;
typedef struct {
    /* Where blocks lie that may be pushed: range.bytes from range.base on. Only as much as this thread's frees have come upon:
     * hakmem_free_tiny takes those that lie elsewhere, and extends it. This and the countdown come first, since every call wants
     * them, and near the start an instruction names them by one byte. */
    hakmem_range_t range;
    /* Counts the blocks popped; who makes it 0 calls hakmem_cache_tick. So a program that never misses notices time as well. */
    uint32_t countdown;
    /* Two arrays, since an address can have eight times an index, but not sixteen times. */
    void **tops[HAKMEM_CACHE_CLASSES];
    void **limits[HAKMEM_CACHE_CLASSES];
} hakmem_cache_t;

/* What stands in before a thread has a heap. Never written. */
extern HAKMEM_HIDDEN const hakmem_cache_t hakmem_closed_cache;

/* The calling thread's cache, made with its heap if need be; null where there is none to be had, or the build has no block
 * cache. `on_exit` is called in this thread when its heap is given up: the pointer must not be used from then on. */
hakmem_cache_t *hakmem_thread_cache(void (*on_exit)(void));

/* Notices time passing for the calling thread: gives back what became empty a while ago, and sets the countdown anew. Returns
 * `block`, so that a function that hands one out can end with this call. */
void *hakmem_cache_tick(void *block);

/* Memory given back ------------------------------------------------------------------------------------------------ */

/* Gives everything that is empty back to the system: the calling thread's empty pages, those that other threads left,
 * and the shared pool's. Other threads' heaps are theirs. Costs system calls. */
void hakmem_purge(void);

/* Statistics ------------------------------------------------------------------------------------------------------- */

/* A figure that this build does not count. */
#define HAKMEM_NOT_COUNTED UINT64_MAX

/* All in bytes or events since the process began. The first block is right in every build, summed when asked; the second is
 * HAKMEM_NOT_COUNTED unless the library was built with HAKMEM_STATS=1. */
typedef struct {
    uint64_t live_bytes; /* usable bytes of the blocks that the program holds */
    uint64_t live_blocks;
    uint64_t
        committed_bytes;     /* what may be backed by memory: heads, slots in use or not purged, mappings, own tables */
    uint64_t reserved_bytes; /* address space */
    uint64_t huge_blocks;    /* of the live ones, those with a mapping of their own */
    uint64_t large_blocks;   /* of the live ones, those in runs of slots */
    uint64_t class_blocks[HAKMEM_CLASS_COUNT]; /* of the live ones, those in pages, by class */

    uint64_t peak_bytes; /* of live_bytes */
    uint64_t direct_hits;
    uint64_t direct_misses;
    uint64_t local_frees;
    uint64_t remote_frees;
    uint64_t atomic_operations;
    uint64_t pages_made;
    uint64_t pages_retired;
    uint64_t pages_abandoned;
    uint64_t pages_reclaimed;
} hakmem_stats_t;

/* Fills `*out`. Exact while no other thread allocates, frees or ends (it has ended when it is joined); else each part is right at
 * some moment of the call. Costs a walk over all slots in use. */
void hakmem_stats_get(hakmem_stats_t *out);

/* The block size of a class, in bytes; 0 beyond HAKMEM_CLASS_COUNT. The class of a size, HAKMEM_CLASS_COUNT above
 * HAKMEM_MEDIUM_MAX. */
size_t hakmem_class_bytes(uint32_t size_class);
uint32_t hakmem_class_of(size_t size);

/* Called with the size and alignment of each allocation that is about to fail, before null is returned; null removes it. A size
 * that fits a page's blocks may be told rounded up to theirs, with the alignment 1; a product that overflows is SIZE_MAX.
 * Returns the one that was set. It must not allocate. */
typedef void (*hakmem_failure_hook_t)(size_t size, size_t align);
hakmem_failure_hook_t hakmem_set_failure_hook(hakmem_failure_hook_t hook);

/* Crash reports ---------------------------------------------------------------------------------------------------- */

/* SIGSEGV, SIGBUS and SIGABRT print one line to stderr from here on; then the handler that was there before runs, else the
 * default action. 0, or the errno of what failed. Calling it again does nothing. Not for two threads at once. */
int hakmem_install_crash_handler(void);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
