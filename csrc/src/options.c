#define _GNU_SOURCE
#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

#include "../include/hakmem.h"
#include "fatal.h"
#include "lock.h"
#include "report.h"

hakmem_options_t hakmem_options = {.purge_ms = PURGE_MS_DEFAULT};

extern char **environ;

static bool runs_with_foreign_rights(void) {
#if defined(__linux__)
    return getauxval(AT_SECURE) != 0;
#else
    return issetugid() != 0;
#endif
}

const char *hakmem_option_text(const char *name) {
    if (environ == NULL || runs_with_foreign_rights()) {
        return NULL;
    }
    return getenv(name);
}

/* Parsing ---------------------------------------------------------------------------------------------------------- */

/* Decimal digits only: no sign, no blank, nothing behind them. False: not such a number, or above `max`. */
static bool parse_number(const char *text, uint32_t max, uint32_t *out) {
    uint64_t number = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(*text - '0');
        if (number > max) {
            return false;
        }
    }
    *out = (uint32_t)number;
    return true;
}

/* The option's number, or `standard` where the environment has none or, with a line that says so, a bad one. */
static uint32_t number_of(const char *name, uint32_t max, uint32_t standard) {
    const char *text = hakmem_option_text(name);
    uint32_t number;
    if (text == NULL) {
        return standard;
    }
    if (parse_number(text, max, &number)) {
        return number;
    }
    hakmem_line_t line = {0};
    hakmem_line_text(&line, "hakmem: ");
    hakmem_line_text(&line, name);
    hakmem_line_text(&line, " takes a number from 0 to ");
    hakmem_line_number(&line, max);
    hakmem_line_text(&line, "; it stays ");
    hakmem_line_number(&line, standard);
    hakmem_line_text(&line, ", not \"");
    hakmem_line_text(&line, text); /* last: what does not fit is cut */
    if (line.length + 2 < sizeof line.text) {
        hakmem_line_text(&line, "\"");
    }
    hakmem_line_write(&line);
    return standard;
}

/* What they do ------------------------------------------------------------------------------------------------------ */

static void say_what_is_set(void) {
    hakmem_line_t line = {0};
    hakmem_line_text(&line, "hakmem: serves process ");
    hakmem_line_number(&line, (uint64_t)getpid());
    hakmem_line_text(&line, "; purge_ms=");
    hakmem_line_number(&line, option_purge_ms());
    hakmem_line_text(&line, " show_stats=");
    hakmem_line_number(&line, hakmem_options.show_stats);
    hakmem_line_text(&line, " crash_report=");
    hakmem_line_number(&line, hakmem_options.crash_report);
    hakmem_line_text(&line, DEBUG_BUILD ? " build=debug" : " build=release");
    hakmem_line_text(&line, STATS ? " counters=1" : " counters=0");
    hakmem_line_write(&line);
}

static void report_at_exit(void) {
    hakmem_report();
}

/* Before main, and before the constructors of what was linked later. The loader has set up `environ` by then. */
__attribute__((constructor)) static void read_options(void) {
    hakmem_options.verbose = number_of("HAKMEM_VERBOSE", 1, 0) != 0;
    hakmem_options.show_stats = number_of("HAKMEM_SHOW_STATS", 1, 0) != 0;
    hakmem_options.crash_report = number_of("HAKMEM_CRASH_REPORT", 1, 0) != 0;
    atomic_store_explicit(&hakmem_options.purge_ms, number_of("HAKMEM_PURGE_MS", PURGE_MS_MAX, PURGE_MS_DEFAULT),
                          memory_order_relaxed);
    hakmem_options.trace = DEBUG_BUILD && number_of("HAKMEM_TRACE", 1, 0) != 0;
    number_of("HAKMEM_LOCK_STATS", 1, 0); /* for its line; lock_stats_init looks itself */
    lock_stats_init();                    /* the first heap may have come before the environment */
    if (hakmem_options.crash_report) {
        hakmem_install_crash_handler();
    }
    if (hakmem_options.show_stats) {
        hakmem_line_keep_stderr();
        atexit(report_at_exit); /* registered this early, it runs when nearly all else has ended */
    }
    if (hakmem_options.verbose) {
        say_what_is_set();
    }
}
