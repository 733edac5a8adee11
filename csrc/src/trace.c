#include "trace.h"

#include "fatal.h"
#include "options.h"

bool hakmem_trace_enabled(void) {
    enum { UNKNOWN, OFF, ON };
    static atomic_int state;
    /* Relaxed: every thread reads the same environment. */
    int known = atomic_load_explicit(&state, memory_order_relaxed);
    if (known == UNKNOWN) {
        const char *value = hakmem_option_text("HAKMEM_TRACE");
        known = value != NULL && value[0] == '1' && value[1] == '\0' ? ON : OFF;
        atomic_store_explicit(&state, known, memory_order_relaxed);
    }
    return known == ON;
}

void hakmem_trace_line(const char *tag, const void *where, uint64_t number) {
    hakmem_line_t line = {0};
    hakmem_line_text(&line, "[hakmem] ");
    hakmem_line_text(&line, tag);
    hakmem_line_text(&line, " where=");
    hakmem_line_address(&line, where);
    hakmem_line_text(&line, " n=");
    hakmem_line_number(&line, number);
    hakmem_line_write(&line);
}
