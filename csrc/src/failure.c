#include "failure.h"

#include <errno.h>

#include "../include/hakmem.h"
#include "fatal.h"
#include "options.h"

static _Atomic(hakmem_failure_hook_t) failure_hook;

hakmem_failure_hook_t hakmem_set_failure_hook(hakmem_failure_hook_t hook) {
    /* Acquire and release: who calls the hook sees what was set up before it was installed. */
    return atomic_exchange_explicit(&failure_hook, hook, memory_order_acq_rel);
}

HAKMEM_COLD void *hakmem_out_of_memory(size_t size, size_t align) {
    hakmem_failure_hook_t hook = atomic_load_explicit(&failure_hook, memory_order_acquire);
    if (hook != NULL) {
        hook(size, align);
    }
    if (hakmem_options.verbose) {
        hakmem_line_t line = {0};
        hakmem_line_text(&line, "hakmem: refused ");
        hakmem_line_number(&line, size);
        hakmem_line_text(&line, " bytes aligned to ");
        hakmem_line_number(&line, align);
        hakmem_line_write(&line);
    }
    errno = ENOMEM;
    return NULL;
}
