#include "trace.h"

#include "fatal.h"
#include "options.h"

bool hakmem_trace_enabled(void) {
    return hakmem_options.trace;
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
