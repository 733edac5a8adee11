/* What the environment may set at run time. The table of all options is in docs/COMPATIBILITY.md.
 *
 * The environment is read once, before main, and never on the way of an allocation: the first allocations come from the
 * loader, when there is no environment yet. Until then the defaults hold. A set-user-id program ignores all of it. */
#ifndef HAKMEM_OPTIONS_H
#define HAKMEM_OPTIONS_H

#include "base.h"

enum {
    PURGE_MS_DEFAULT = 100,
    PURGE_MS_MAX = 24 * 60 * 60 * 1000, /* a day: longer is as good as never */
};

typedef struct {
    bool show_stats;           /* HAKMEM_SHOW_STATS: a summary on stderr at exit */
    bool crash_report;         /* HAKMEM_CRASH_REPORT: as hakmem_install_crash_handler */
    bool verbose;              /* HAKMEM_VERBOSE: a line at the start, and one for each refused allocation */
    bool trace;                /* HAKMEM_TRACE: lines that say where slots come from; debug builds alone read it */
    _Atomic uint32_t purge_ms; /* HAKMEM_PURGE_MS: how long what is empty waits before it is given back */
} hakmem_options_t;

extern hakmem_options_t hakmem_options;

/* The environment's value of an option; null if it has none, if there is no environment yet, or where the program runs
 * with rights that its user lacks. */
const char *hakmem_option_text(const char *name);

/* Relaxed: the option is written once, and whoever reads the default instead has lost nothing. */
HAKMEM_INLINE uint32_t option_purge_ms(void) {
    return atomic_load_explicit(&hakmem_options.purge_ms, memory_order_relaxed);
}

/* What has waited since then, or longer, has waited for that long at `now_ms`. */
HAKMEM_INLINE uint64_t option_purge_since(uint64_t now_ms) {
    return now_ms > option_purge_ms() ? now_ms - option_purge_ms() : 0;
}

#endif
