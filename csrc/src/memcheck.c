#include "memcheck.h"

/* Functions of their own: the attribute does not follow an access into a caller, nor may a compiler move it there. */
#if HAKMEM_ADDRESS_SANITIZER
#define UNCHECKED __attribute__((no_sanitize("address")))
#else
#define UNCHECKED
#endif

UNCHECKED void *hakmem_memcheck_read(void *const *word) {
    MEMCHECK_TELL((void)0, VALGRIND_DISABLE_ERROR_REPORTING);
    void *value = *word;
    MEMCHECK_TELL((void)0, VALGRIND_ENABLE_ERROR_REPORTING);
    return value;
}

UNCHECKED void hakmem_memcheck_write(void **word, void *value) {
    MEMCHECK_TELL((void)0, VALGRIND_DISABLE_ERROR_REPORTING);
    *word = value;
    MEMCHECK_TELL((void)0, VALGRIND_ENABLE_ERROR_REPORTING);
}
