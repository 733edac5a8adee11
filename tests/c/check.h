/* What the C tests share: checks that print where and what, patterned blocks, a random sequence. A failed check ends the
 * program with status 1. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x);                                            \
            _Exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* Two integers. */
#define CHECK_EQ(a, b)                                                                                                 \
    do {                                                                                                               \
        long long a_ = (long long)(a), b_ = (long long)(b);                                                            \
        if (a_ != b_) {                                                                                                \
            fprintf(stderr, "%s:%d: %s = %lld, but %s = %lld\n", __FILE__, __LINE__, #a, a_, #b, b_);                  \
            _Exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* Two pointers. */
#define CHECK_PTR(a, b)                                                                                                \
    do {                                                                                                               \
        const volatile void *a_ = (a), *b_ = (b);                                                                      \
        if (a_ != b_) {                                                                                                \
            fprintf(stderr, "%s:%d: %s = %p, but %s = %p\n", __FILE__, __LINE__, #a, (void *)(uintptr_t)a_, #b,        \
                    (void *)(uintptr_t)b_);                                                                            \
            _Exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Marsaglia's xorshift64*. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* The byte after `i` that a pattern writes: all of a small block, of a large one the ends and some between. */
static inline size_t next_patterned(size_t i, size_t size) {
    size_t step = size <= 8192 || i < 64 || i + 64 >= size ? 1 : size <= 1 << 20 ? 1021 : 65521;
    return i + 64 < size && i + step > size - 64 ? size - 64 : i + step;
}

static inline void fill(void *p, size_t size, uint64_t seed) {
    uint8_t *bytes = p;
    for (size_t i = 0; i < size; i = next_patterned(i, size)) {
        bytes[i] = (uint8_t)(seed * 31 + i * 7);
    }
}

/* Whether the first `size` bytes of a block that was filled with `filled` bytes still hold the pattern. */
static inline bool holds(const void *p, size_t filled, size_t size, uint64_t seed) {
    const uint8_t *bytes = p;
    for (size_t i = 0; i < size; i = next_patterned(i, filled)) {
        if (bytes[i] != (uint8_t)(seed * 31 + i * 7)) {
            return false;
        }
    }
    return true;
}

static inline bool is_zero(const void *p, size_t size) {
    const uint8_t *bytes = p;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Runs `work` in a thread of its own, and returns what that returns. */
static inline void *in_thread(void *(*work)(void *), void *argument) {
    pthread_t thread;
    void *result;
    CHECK_EQ(pthread_create(&thread, NULL, work, argument), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    return result;
}

/* Whether the runner named one of `tools` (words) as what the program runs under; then says what is skipped, and why. */
static inline bool skipped_under(const char *tools, const char *part, const char *reason) {
    const char *tool = getenv("HAKMEM_TEST_SANITIZER");
    if (tool == NULL || *tool == '\0' || strstr(tools, tool) == NULL) {
        return false;
    }
    printf("skipped under %s: %s (%s)\n", tool, part, reason);
    return true;
}

/* HAKMEM_TEST_SHORT=1 asks for a tenth of the rounds. */
static inline long rounds(long full) {
    const char *value = getenv("HAKMEM_TEST_SHORT");
    return value != NULL && *value == '1' ? full / 10 + 1 : full;
}

/* HAKMEM_TEST_LENGTH=10 asks a storm for ten times its rounds. */
static inline long lengthened(long usual) {
    const char *value = getenv("HAKMEM_TEST_LENGTH");
    long times = value == NULL ? 1 : strtol(value, NULL, 10);
    return usual * (times > 0 ? times : 1);
}

/* A number of /proc/self/statm in bytes; 0 where there is none. `format` reads it, an unsigned long. */
static inline size_t statm_bytes(const char *format) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        CHECK_EQ(fscanf(file, format, &pages), 1);
        fclose(file);
    }
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

#endif
