/* One-line reports on stderr that allocate nothing, and the crash handler. */
#ifndef HAKMEM_FATAL_H
#define HAKMEM_FATAL_H

#include "base.h"

/* A line under construction, on the caller's stack. Text that does not fit is cut; it always ends in a newline. */
typedef struct {
    size_t length;
    char text[256];
} hakmem_line_t;

void hakmem_line_text(hakmem_line_t *line, const char *text);
void hakmem_line_number(hakmem_line_t *line, uint64_t number);
void hakmem_line_address(hakmem_line_t *line, const void *address); /* 0x and hexadecimal digits */
void hakmem_line_write(hakmem_line_t *line);                        /* one write(2) to stderr; keeps errno */

/* For what is to be written at exit: many programs close stderr just before. A descriptor of its own, which an exec
 * closes, is used when there is no other. */
void hakmem_line_keep_stderr(void);

/* "hakmem: invalid free of 0x…" / "hakmem: double free of 0x…", then abort. */
_Noreturn void hakmem_invalid_free(const void *p);
_Noreturn void hakmem_double_free(const void *p);

/* Puts back what was there before hakmem_install_crash_handler, as far as nobody else has installed something since. */
void hakmem_remove_crash_handler(void);

#endif
