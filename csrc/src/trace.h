/* Trace lines of debug builds, when HAKMEM_TRACE=1 asks for them. In a release build the condition is constant, so that
 * neither the call nor the tag's text is left. Every tag is a literal at the place that does what it says. */
#ifndef HAKMEM_TRACE_H
#define HAKMEM_TRACE_H

#include "base.h"

bool hakmem_trace_enabled(void); /* from main on, with HAKMEM_TRACE=1 */

/* "[hakmem] TAG where=0x… n=…" as one line on stderr. */
void hakmem_trace_line(const char *tag, const void *where, uint64_t number);

#define HAKMEM_TRACE(tag, where, number)                                                                               \
    do {                                                                                                               \
        if (DEBUG_BUILD && hakmem_trace_enabled()) {                                                                   \
            hakmem_trace_line(tag, where, (uint64_t)(number));                                                         \
        }                                                                                                              \
    } while (0)

#endif
