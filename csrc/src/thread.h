/* Which heap serves whom: a thread's own, made at its first allocation, or where it only frees after some of that, and recycled at
 * its end; heaps made by hand; and the late heap, for threads that have torn down their own. */
#ifndef HAKMEM_THREAD_H
#define HAKMEM_THREAD_H

#include "heap.h"

enum {
    /* What a thread without a heap frees before it gets one, without what has a mapping of its own. */
    HEAP_AFTER_FREES = 64,
};

/* The calling thread's heap, made if need be. Null where the system refuses, or after the thread's teardown. */
hakmem_tiny_heap_t *hakmem_thread_heap_get(void);

/* Whether this thread's allocations go to the late heap: after its teardown, and while the first thread sets things up. */
bool hakmem_thread_is_late(void);

/* Runs `with` on the late heap, under its lock. Null where there is no memory for it. */
void *hakmem_late_heap_with(void *(*with)(hakmem_tiny_heap_t *heap, size_t size), size_t size);

/* A thread's heap rests when the thread has ended: with some of its pages, so that the next thread finds them as they are. Gives the
 * pages of those up that have rested since `ms` or longer, by the coarse clock. False: there is none. */
bool hakmem_threads_end_rest(uint64_t ms);

/* Whether any heap rests with pages. */
bool hakmem_threads_rest(void);

/* Gives up the heaps of all threads, none of which is in here or comes back; their ends call nothing any more. The
 * caller's later calls are those of a thread that has torn down its own. */
void hakmem_threads_give_up(void);

/* The newest of all heaps ever made; each leads to the next by next_of_all. Heaps without a user are among them. */
hakmem_tiny_heap_t *hakmem_all_heaps(void);

#endif
