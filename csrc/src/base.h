/* What every file may use: hints, inlining, alignment arithmetic and the two kinds of assertion. */
#ifndef HAKMEM_BASE_H
#define HAKMEM_BASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

/* Not a plain `if`: it replaces macros. */
#if HAKMEM_DELAYS
#include "delay.h"
#endif

#if defined(__GNUC__) || defined(__clang__)
/* Without phase 3 (or on a compiler without __builtin_expect) the hints are the bare condition. */
#define hakmem_likely(x) (BRANCH_HINTS ? __builtin_expect(!!(x), 1) : !!(x))
#define hakmem_unlikely(x) (BRANCH_HINTS ? __builtin_expect(!!(x), 0) : !!(x))
#define HAKMEM_INLINE static inline __attribute__((always_inline))
/* Begins with a cache line, so that it fills as few of them as it can: what nearly every call goes through. Without phase 3 as
 * compilers place any function. */
#define HAKMEM_HOT __attribute__((aligned(BRANCH_HINTS ? CACHE_LINE : 16)))
#define HAKMEM_COLD __attribute__((noinline, cold))
#define HAKMEM_NOINLINE __attribute__((noinline))
#define HAKMEM_TLS __thread __attribute__((tls_model("initial-exec")))
#else
#define hakmem_likely(x) (x)
#define hakmem_unlikely(x) (x)
#define HAKMEM_INLINE static inline
#define HAKMEM_HOT
#define HAKMEM_COLD
#define HAKMEM_NOINLINE
#define HAKMEM_TLS _Thread_local
#endif

enum { CACHE_LINE = 64 };

/* Fetches the line at an address, which may be any. */
HAKMEM_INLINE void prefetch(const void *p) {
#if defined(__GNUC__)
    __builtin_prefetch(p);
#else
    (void)p;
#endif
}

/* Likewise, to be written: taken from the processor that wrote it last at once, not when it is
 * written. x86-64 compilers emit the instruction only where they are told of the processor, although each one knows it, or takes it
 * for none. */
HAKMEM_INLINE void prefetch_for_write(const void *p) {
#if defined(__x86_64__) && defined(__GNUC__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#elif defined(__GNUC__)
    __builtin_prefetch(p, 1);
#else
    (void)p;
#endif
}

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

HAKMEM_INLINE bool is_power_of_two(size_t x) {
    return x != 0 && (x & (x - 1)) == 0;
}

/* `align` is a power of two; the caller has made sure that the sum does not wrap. */
HAKMEM_INLINE size_t align_up(size_t x, size_t align) {
    return (x + align - 1) & ~(align - 1);
}

HAKMEM_INLINE size_t align_down(size_t x, size_t align) {
    return x & ~(align - 1);
}

HAKMEM_INLINE size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

HAKMEM_INLINE size_t max_size(size_t a, size_t b) {
    return a > b ? a : b;
}

/* The inverse of an odd number (mod 2^16). Newton's iteration: the number is its own inverse (mod 8), and each step doubles the bits. */
HAKMEM_INLINE uint16_t odd_inverse(uint32_t odd) {
    uint32_t inverse = odd;
    for (int bits = 3; bits < 16; bits *= 2) {
        inverse *= 2 - odd * inverse;
    }
    return (uint16_t)inverse;
}

/* Writes "hakmem: assertion failed: <what> (<file>:<line>)" and aborts. Never allocates. */
_Noreturn void hakmem_assert_failed(const char *what, const char *file, int line);

/* Logic: what our own code promises. Checked in debug builds only; the expression is not evaluated otherwise. */
#define HAKMEM_ASSERT(x)                                                                                               \
    do {                                                                                                               \
        if (DEBUG_BUILD && !(x)) {                                                                                     \
            hakmem_assert_failed(#x, __FILE__, __LINE__);                                                              \
        }                                                                                                              \
    } while (0)

/* Corruption: what only a bug of the program (or a wild write) can break. Always checked, on cold paths. */
_Noreturn void hakmem_corrupted(const char *what, const void *where);

#endif
