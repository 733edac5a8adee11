/* The only reader of the HAKMEM_* build switches. Each becomes a constant, so that both arms of every `if` compile in
 * every build and cannot rot. build.rs passes the switches on; a plain C build gets the defaults below. */
#ifndef HAKMEM_CONFIG_H
#define HAKMEM_CONFIG_H

/* Phase 1: an array in the heap leads from the size to the page (spec: direct page cache). */
#ifndef HAKMEM_USE_DIRECT_CACHE
#define HAKMEM_USE_DIRECT_CACHE 1
#endif
/* Phase 2: the owner frees without atomics. Off: one list a page, pushed to and taken from atomically by everyone. */
#ifndef HAKMEM_USE_DUAL_LISTS
#define HAKMEM_USE_DUAL_LISTS 1
#endif
/* Phase 3: branch hints, and the page flags tested in one comparison. */
#ifndef HAKMEM_USE_BRANCH_HINTS
#define HAKMEM_USE_BRANCH_HINTS 1
#endif
/* A stack of freed blocks per class in front of the pages. */
#ifndef HAKMEM_USE_BLOCK_CACHE
#define HAKMEM_USE_BLOCK_CACHE 1
#endif
/* 1: no logic assertions and no trace, neither their text nor their code. Corruption checks stay. */
#ifndef HAKMEM_BUILD_RELEASE
#define HAKMEM_BUILD_RELEASE 1
#endif
/* 1: count what happens (hits, atomic operations, peaks). Costs an atomic addition an event, so never for timing. */
#ifndef HAKMEM_STATS
#define HAKMEM_STATS 0
#endif
/* 1: tell valgrind which memory the program holds (memcheck.h), so that it reports the use of freed blocks. */
#ifndef HAKMEM_VALGRIND
#define HAKMEM_VALGRIND 0
#endif
/* 1: pseudo-random delays around every atomic operation (delay.h). For tests of the protocols only. */
#ifndef HAKMEM_DELAYS
#define HAKMEM_DELAYS 0
#endif
/* Entries of pages_direct: 129 reach 1,024 B, 65 reach 512 B. */
#ifndef HAKMEM_DIRECT_PAGES
#define HAKMEM_DIRECT_PAGES 129
#endif
/* 1: this build also defines malloc and its kin (csrc/override), so it may meet memory that came before it. Set by the
 * Cargo feature `override`. */
#ifndef HAKMEM_OVERRIDE
#define HAKMEM_OVERRIDE 0
#endif
/* Capacity of the chunk table. 65,536 chunks of 32 MiB are 2 TiB; the table is touched only as far as it is used. */
#ifndef HAKMEM_MAX_CHUNKS
#define HAKMEM_MAX_CHUNKS 65536
#endif
/* Capacity of the node list that records mappings of their own; the nodes themselves are made on demand. */
#ifndef HAKMEM_MAX_HUGE
#define HAKMEM_MAX_HUGE 1048576
#endif

/* Not a switch: whether the compiler instruments for AddressSanitizer, which is then told the same. */
#if defined(__SANITIZE_ADDRESS__)
#define HAKMEM_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAKMEM_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef HAKMEM_ADDRESS_SANITIZER
#define HAKMEM_ADDRESS_SANITIZER 0
#endif

#define HAKMEM_IS_BOOL_(x) ((x) == 0 || (x) == 1)
#if !HAKMEM_IS_BOOL_(HAKMEM_USE_DIRECT_CACHE)
#error "HAKMEM_USE_DIRECT_CACHE must be 0 or 1"
#endif
#if !HAKMEM_IS_BOOL_(HAKMEM_USE_DUAL_LISTS)
#error "HAKMEM_USE_DUAL_LISTS must be 0 or 1"
#endif
#if !HAKMEM_IS_BOOL_(HAKMEM_USE_BRANCH_HINTS)
#error "HAKMEM_USE_BRANCH_HINTS must be 0 or 1"
#endif
#if !HAKMEM_IS_BOOL_(HAKMEM_USE_BLOCK_CACHE)
#error "HAKMEM_USE_BLOCK_CACHE must be 0 or 1"
#endif
#if !HAKMEM_IS_BOOL_(HAKMEM_BUILD_RELEASE)
#error "HAKMEM_BUILD_RELEASE must be 0 or 1"
#endif
#if !HAKMEM_IS_BOOL_(HAKMEM_STATS)
#error "HAKMEM_STATS must be 0 or 1"
#endif
#if !HAKMEM_IS_BOOL_(HAKMEM_DELAYS)
#error "HAKMEM_DELAYS must be 0 or 1"
#endif
#if !HAKMEM_IS_BOOL_(HAKMEM_OVERRIDE)
#error "HAKMEM_OVERRIDE must be 0 or 1"
#endif
#if !HAKMEM_IS_BOOL_(HAKMEM_VALGRIND)
#error "HAKMEM_VALGRIND must be 0 or 1"
#endif
#if HAKMEM_VALGRIND && HAKMEM_ADDRESS_SANITIZER
#error "valgrind cannot run what AddressSanitizer instruments: HAKMEM_VALGRIND=1, or -fsanitize=address, not both"
#endif
#if HAKMEM_OVERRIDE && HAKMEM_ADDRESS_SANITIZER
#error "AddressSanitizer brings a malloc of its own: build without the feature override"
#endif
#if HAKMEM_DIRECT_PAGES != 129 && HAKMEM_DIRECT_PAGES != 65
#error "HAKMEM_DIRECT_PAGES must be 129 or 65"
#endif

enum {
    DIRECT_CACHE = HAKMEM_USE_DIRECT_CACHE,
    DUAL_LISTS = HAKMEM_USE_DUAL_LISTS,
    BRANCH_HINTS = HAKMEM_USE_BRANCH_HINTS,
    BLOCK_CACHE = HAKMEM_USE_BLOCK_CACHE,
    DEBUG_BUILD = !HAKMEM_BUILD_RELEASE,
    STATS = HAKMEM_STATS,
    OVERRIDE = HAKMEM_OVERRIDE,
    MEMCHECK = HAKMEM_VALGRIND || HAKMEM_ADDRESS_SANITIZER,
    DIRECT_PAGES = HAKMEM_DIRECT_PAGES,
    DIRECT_MAX = (HAKMEM_DIRECT_PAGES - 1) * 8, /* largest size, in bytes, that pages_direct serves */
    MAX_CHUNKS = HAKMEM_MAX_CHUNKS,
    MAX_HUGE = HAKMEM_MAX_HUGE,
};

#endif
