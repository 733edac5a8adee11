/* What AddressSanitizer or valgrind must be told so that a program's use of freed memory is reported: which memory the
 * program holds. All else that pages, runs and mappings are made of is closed to it: freed blocks, in the cache too,
 * and what was never given out. In a build for neither tool nothing of this is left.
 *
 * The unit is the block, not the size that was asked for: all of hakmem_usable_size() may be used. A block is given
 * where it is taken from (page_pop, cache_pop, large.c, huge.c), and freed where it comes in, before anyone else can
 * have it. */
#ifndef HAKMEM_MEMCHECK_H
#define HAKMEM_MEMCHECK_H

#include "base.h"

#if HAKMEM_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#define MEMCHECK_TELL(asan, valgrind) asan
#elif HAKMEM_VALGRIND
#if defined(__has_include)
#if !__has_include(<valgrind/memcheck.h>)
#error                                                                                                                 \
    "HAKMEM_VALGRIND=1 needs valgrind/memcheck.h: install valgrind (Debian: package valgrind; Fedora: valgrind-devel)"
#endif
#endif
#include <valgrind/memcheck.h>
#define MEMCHECK_TELL(asan, valgrind) valgrind
#else
#define MEMCHECK_TELL(asan, valgrind) ((void)0)
#endif

/* The program may use the block from here on. What is in it means nothing yet. */
HAKMEM_INLINE void memcheck_given(void *block, size_t bytes) {
    (void)block, (void)bytes;
    MEMCHECK_TELL(__asan_unpoison_memory_region(block, bytes), VALGRIND_MALLOCLIKE_BLOCK(block, bytes, 0, false));
}

/* The program may read what is in the block: it is zero without having been cleared, or moved here. */
HAKMEM_INLINE void memcheck_defined(void *block, size_t bytes) {
    (void)block, (void)bytes;
    MEMCHECK_TELL((void)0, VALGRIND_MAKE_MEM_DEFINED(block, bytes));
}

/* The program gave the block back. */
HAKMEM_INLINE void memcheck_freed(void *block, size_t bytes) {
    (void)block, (void)bytes;
    MEMCHECK_TELL(__asan_poison_memory_region(block, bytes), VALGRIND_FREELIKE_BLOCK(block, 0));
}

/* The program's block changes its size where it is. Called before what it loses can be another's, and once what it
 * gains is its own. */
HAKMEM_INLINE void memcheck_resized(void *block, size_t old_bytes, size_t new_bytes) {
    (void)block, (void)old_bytes, (void)new_bytes;
    MEMCHECK_TELL((__asan_poison_memory_region(block, old_bytes), __asan_unpoison_memory_region(block, new_bytes)),
                  VALGRIND_RESIZEINPLACE_BLOCK(block, old_bytes, new_bytes, 0));
}

/* Memory in which the program holds nothing. */
HAKMEM_INLINE void memcheck_close(void *start, size_t bytes) {
    (void)start, (void)bytes;
    MEMCHECK_TELL(__asan_poison_memory_region(start, bytes), VALGRIND_MAKE_MEM_NOACCESS(start, bytes));
}

/* Memory that is the core's own to use for a while, or about to be the system's, which may give it to anyone. */
HAKMEM_INLINE void memcheck_open(void *start, size_t bytes) {
    (void)start, (void)bytes;
    MEMCHECK_TELL(__asan_unpoison_memory_region(start, bytes), VALGRIND_MAKE_MEM_DEFINED(start, bytes));
}

/* Address space whose blocks may hold the only pointers to what other allocators gave, so that it is no leak; until
 * memcheck_no_roots with the same arguments. (Valgrind looks everywhere by itself.) */
HAKMEM_INLINE void memcheck_roots(void *start, size_t bytes) {
    (void)start, (void)bytes;
    MEMCHECK_TELL(__lsan_register_root_region(start, bytes), (void)0);
}

HAKMEM_INLINE void memcheck_no_roots(void *start, size_t bytes) {
    (void)start, (void)bytes;
    MEMCHECK_TELL(__lsan_unregister_root_region(start, bytes), (void)0);
}

/* A word of closed memory, for the core's own lists: the memory stays closed to the program meanwhile. */
void *hakmem_memcheck_read(void *const *word);
void hakmem_memcheck_write(void **word, void *value);

#endif
