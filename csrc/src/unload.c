/* The end of a shared library with hakmem in it, when the program unloads it and goes on.
 *
 * What the system would call here by address is taken back: the destructor of threads, the crash handler. (Handlers of
 * fork and of exit the C library drops itself.) Every thread's heap is given up as at its end, because nobody may be in
 * code that is about to go, nor come back to it; a thread that ends at this very moment is the program's to prevent.
 * What is empty returns to the system, and blocks that the program still holds stay, for good.
 *
 * Rather than pinning the library by a dlopen of itself: in the first allocation, that would take the loader's lock
 * inside malloc, while a thread that has it runs some library's constructor, allocates, and waits for that first
 * allocation. And what is pinned cannot be replaced by a newer build of itself, which is why programs unload. A library
 * that must stay because it serves the whole process tells the linker so (-z nodelete); libhakmem_malloc.so does. */
#include "unload.h"

#include <stdlib.h>

#include "../include/hakmem.h"
#include "fatal.h"
#include "page_arena.h"
#include "thread.h"

static bool process_ends;

static void note_end(void) {
    process_ends = true;
}

__attribute__((constructor)) void hakmem_watch_for_end(void) {
    if (!OVERRIDE) {
        atexit(note_end);
    }
}

__attribute__((destructor)) static void on_unload(void) {
    if (OVERRIDE || process_ends) {
        return; /* other threads may be anywhere in here, and the system takes everything anyway */
    }
    hakmem_remove_crash_handler();
    hakmem_threads_give_up();
    hakmem_purge();
    hakmem_arena_trim();
}
