/* Delays around every atomic operation, for builds with HAKMEM_DELAYS=1: the operations of <stdatomic.h> that the core
 * uses, each with a call of hakmem_delay before it and one after. Threads then meet in orders that are rare otherwise,
 * and a second processor is not needed for that. base.h includes this, so that no source knows of it, and other builds
 * have nothing of it. */
#ifndef HAKMEM_DELAY_H
#define HAKMEM_DELAY_H

#include <stdatomic.h>

/* Mostly nothing; now and then some spinning, the processor for others, or a sleep of at most 50 us: drawn from a
 * sequence that HAKMEM_DELAY_SEED and the thread's number fix. Allocates nothing and keeps errno. */
void hakmem_delay(void);

/* A macro cannot call what it replaces, so these name the compilers' own forms: what <stdatomic.h> is made of. */
#if defined(__clang__)
#define HAKMEM_PLAIN_LOAD __c11_atomic_load
#define HAKMEM_PLAIN_STORE __c11_atomic_store
#define HAKMEM_PLAIN_EXCHANGE __c11_atomic_exchange
#define HAKMEM_PLAIN_STRONG __c11_atomic_compare_exchange_strong
#define HAKMEM_PLAIN_WEAK __c11_atomic_compare_exchange_weak
#define HAKMEM_PLAIN_ADD __c11_atomic_fetch_add
#define HAKMEM_PLAIN_SUB __c11_atomic_fetch_sub
#define HAKMEM_PLAIN_AND __c11_atomic_fetch_and
#define HAKMEM_PLAIN_OR __c11_atomic_fetch_or
#else
#define HAKMEM_PLAIN_LOAD __atomic_load_n
#define HAKMEM_PLAIN_STORE __atomic_store_n
#define HAKMEM_PLAIN_EXCHANGE __atomic_exchange_n
#define HAKMEM_PLAIN_STRONG(p, old, new, order, failed) __atomic_compare_exchange_n(p, old, new, 0, order, failed)
#define HAKMEM_PLAIN_WEAK(p, old, new, order, failed) __atomic_compare_exchange_n(p, old, new, 1, order, failed)
#define HAKMEM_PLAIN_ADD __atomic_fetch_add
#define HAKMEM_PLAIN_SUB __atomic_fetch_sub
#define HAKMEM_PLAIN_AND __atomic_fetch_and
#define HAKMEM_PLAIN_OR __atomic_fetch_or
#endif

#define HAKMEM_DELAYED(operation)                                                                                      \
    __extension__({                                                                                                    \
        hakmem_delay();                                                                                                \
        __auto_type result_ = operation;                                                                               \
        hakmem_delay();                                                                                                \
        result_;                                                                                                       \
    })

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_and_explicit
#undef atomic_fetch_or_explicit

#define atomic_load_explicit(p, order) HAKMEM_DELAYED(HAKMEM_PLAIN_LOAD(p, order))
#define atomic_store_explicit(p, value, order) (hakmem_delay(), HAKMEM_PLAIN_STORE(p, value, order), hakmem_delay())
#define atomic_exchange_explicit(p, value, order) HAKMEM_DELAYED(HAKMEM_PLAIN_EXCHANGE(p, value, order))
#define atomic_compare_exchange_strong_explicit(p, old, new, order, failed)                                            \
    HAKMEM_DELAYED(HAKMEM_PLAIN_STRONG(p, old, new, order, failed))
#define atomic_compare_exchange_weak_explicit(p, old, new, order, failed)                                              \
    HAKMEM_DELAYED(HAKMEM_PLAIN_WEAK(p, old, new, order, failed))
#define atomic_fetch_add_explicit(p, value, order) HAKMEM_DELAYED(HAKMEM_PLAIN_ADD(p, value, order))
#define atomic_fetch_sub_explicit(p, value, order) HAKMEM_DELAYED(HAKMEM_PLAIN_SUB(p, value, order))
#define atomic_fetch_and_explicit(p, value, order) HAKMEM_DELAYED(HAKMEM_PLAIN_AND(p, value, order))
#define atomic_fetch_or_explicit(p, value, order) HAKMEM_DELAYED(HAKMEM_PLAIN_OR(p, value, order))

#endif
