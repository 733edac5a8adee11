/* operator new and operator delete in all their forms, by the names that the C++ ABI for 64-bit systems gives them.
 *
 * They are C, so that a program without C++ needs no C++ library. When memory runs out they need two functions of that
 * library: std::get_new_handler and std::__throw_bad_alloc, which the C++ libraries of GCC and of LLVM both have. */
#define _GNU_SOURCE
#include "override.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "../src/fatal.h"

typedef void (*new_handler_t)(void);
typedef new_handler_t (*get_new_handler_t)(void);
typedef void (*throw_bad_alloc_t)(void);

/* std::nothrow_t, which is only ever passed on. */
typedef const void *nothrow_t;

/* Weak: null where the program has no C++ library, or loaded it later and for itself alone (a Python module in C++). */
#pragma weak _ZSt15get_new_handlerv
#pragma weak _ZSt17__throw_bad_allocv
extern new_handler_t _ZSt15get_new_handlerv(void);
extern void _ZSt17__throw_bad_allocv(void);
/* Weak too: a static program that has no dlopen must not get one from here. */
#pragma weak dlopen
#pragma weak dlsym

/* A function of a C++ library that is loaded but not visible from here; null if there is none. Nothing is loaded anew. */
static void *find_in_cxx_library(const char *name) {
    static const char *const libraries[] = {"libstdc++.so.6", "libc++.so.1"};
    if (dlopen == NULL || dlsym == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        void *found = library == NULL ? NULL : dlsym(library, name);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

static new_handler_t current_new_handler(void) {
    get_new_handler_t get = _ZSt15get_new_handlerv;
    if (get == NULL) {
        get = (get_new_handler_t)find_in_cxx_library("_ZSt15get_new_handlerv");
    }
    return get == NULL ? NULL : get();
}

static _Noreturn void throw_bad_alloc(size_t size) {
    throw_bad_alloc_t throw_it = _ZSt17__throw_bad_allocv;
    if (throw_it == NULL) {
        throw_it = (throw_bad_alloc_t)find_in_cxx_library("_ZSt17__throw_bad_allocv");
    }
    if (throw_it != NULL) {
        throw_it();
    }
    hakmem_line_t line = {0};
    hakmem_line_text(&line, "hakmem: operator new of ");
    hakmem_line_number(&line, size);
    hakmem_line_text(&line, " bytes failed, and no C++ library is there to throw std::bad_alloc");
    hakmem_line_write(&line);
    abort();
}

static void *new_once(size_t size, size_t align) {
    return align <= MALLOC_ALIGN ? hakmem_malloc_16(size) : hakmem_aligned_alloc(align, max_size(size, 1));
}

/* The standard's loop: as long as there is a handler it may free memory, and we try again; it may also throw or end the
 * program. Null when there is none. */
static HAKMEM_COLD void *new_by_handler(size_t size, size_t align) {
    for (;;) {
        new_handler_t handler = current_new_handler();
        if (handler == NULL) {
            return NULL;
        }
        handler();
        void *p = new_once(size, align);
        if (p != NULL) {
            return p;
        }
    }
}

static HAKMEM_COLD void *new_or_throw(size_t size, size_t align) {
    void *p = new_by_handler(size, align);
    if (p == NULL) {
        throw_bad_alloc(size);
    }
    return p;
}

HAKMEM_INLINE void *new_block(size_t size, size_t align) {
    void *p = new_once(size, align);
    return hakmem_likely(p != NULL) ? p : new_or_throw(size, align);
}

HAKMEM_INLINE void *new_block_nothrow(size_t size, size_t align) {
    void *p = new_once(size, align);
    return hakmem_likely(p != NULL) ? p : new_by_handler(size, align);
}

/* operator new, operator new[]: m is size_t, RKSt9nothrow_t const std::nothrow_t &, St11align_val_t std::align_val_t */

HAKMEM_EXPORT void *_Znwm(size_t size) {
    return new_block(size, 1);
}

HAKMEM_EXPORT void *_Znam(size_t size) {
    return new_block(size, 1);
}

HAKMEM_EXPORT void *_ZnwmRKSt9nothrow_t(size_t size, nothrow_t tag) {
    (void)tag;
    return new_block_nothrow(size, 1);
}

HAKMEM_EXPORT void *_ZnamRKSt9nothrow_t(size_t size, nothrow_t tag) {
    (void)tag;
    return new_block_nothrow(size, 1);
}

HAKMEM_EXPORT void *_ZnwmSt11align_val_t(size_t size, size_t align) {
    return new_block(size, align);
}

HAKMEM_EXPORT void *_ZnamSt11align_val_t(size_t size, size_t align) {
    return new_block(size, align);
}

HAKMEM_EXPORT void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t align, nothrow_t tag) {
    (void)tag;
    return new_block_nothrow(size, align);
}

HAKMEM_EXPORT void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t align, nothrow_t tag) {
    (void)tag;
    return new_block_nothrow(size, align);
}

/* operator delete, operator delete[]: Pv is void * */

HAKMEM_EXPORT void _ZdlPv(void *p) {
    hakmem_free(p);
}

HAKMEM_EXPORT void _ZdaPv(void *p) {
    hakmem_free(p);
}

HAKMEM_EXPORT void _ZdlPvRKSt9nothrow_t(void *p, nothrow_t tag) {
    (void)tag;
    hakmem_free(p);
}

HAKMEM_EXPORT void _ZdaPvRKSt9nothrow_t(void *p, nothrow_t tag) {
    (void)tag;
    hakmem_free(p);
}

HAKMEM_EXPORT void _ZdlPvm(void *p, size_t size) {
    hakmem_free_sized(p, size);
}

HAKMEM_EXPORT void _ZdaPvm(void *p, size_t size) {
    hakmem_free_sized(p, size);
}

HAKMEM_EXPORT void _ZdlPvSt11align_val_t(void *p, size_t align) {
    (void)align;
    hakmem_free(p);
}

HAKMEM_EXPORT void _ZdaPvSt11align_val_t(void *p, size_t align) {
    (void)align;
    hakmem_free(p);
}

HAKMEM_EXPORT void _ZdlPvmSt11align_val_t(void *p, size_t size, size_t align) {
    hakmem_free_aligned_sized(p, align, size);
}

HAKMEM_EXPORT void _ZdaPvmSt11align_val_t(void *p, size_t size, size_t align) {
    hakmem_free_aligned_sized(p, align, size);
}

HAKMEM_EXPORT void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t align, nothrow_t tag) {
    (void)align, (void)tag;
    hakmem_free(p);
}

HAKMEM_EXPORT void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t align, nothrow_t tag) {
    (void)align, (void)tag;
    hakmem_free(p);
}
