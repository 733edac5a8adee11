#define _GNU_SOURCE
#include "report.h"

#include <unistd.h>

#include "../include/hakmem.h"
#include "fatal.h"
#include "size_class.h"

enum { CLASSES_SHOWN = 8 };

/* "12,345,678": long figures are compared by eye. */
static void line_grouped(hakmem_line_t *line, uint64_t number) {
    char digits[32];
    size_t at = sizeof digits;
    int count = 0;
    digits[--at] = '\0';
    do {
        if (count != 0 && count % 3 == 0) {
            digits[--at] = ',';
        }
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
        count++;
    } while (number != 0);
    hakmem_line_text(line, digits + at);
}

/* "B", or "KiB" and above with one decimal, rounded down. */
static void line_bytes(hakmem_line_t *line, uint64_t bytes) {
    if (bytes < KIB) {
        line_grouped(line, bytes);
        hakmem_line_text(line, " B");
        return;
    }
    static const char *const units[] = {" KiB", " MiB", " GiB", " TiB"};
    int unit = 0;
    uint64_t scale = KIB;
    while (unit < 3 && bytes / scale >= 1024) {
        scale *= 1024;
        unit++;
    }
    line_grouped(line, bytes / scale);
    hakmem_line_text(line, ".");
    hakmem_line_number(line, bytes % scale * 10 / scale);
    hakmem_line_text(line, units[unit]);
}

static void report_memory(const hakmem_stats_t *stats) {
    hakmem_line_t live = {0};
    hakmem_line_text(&live, "hakmem:   live      ");
    line_bytes(&live, stats->live_bytes);
    hakmem_line_text(&live, " in ");
    line_grouped(&live, stats->live_blocks);
    hakmem_line_text(&live, " blocks, of these ");
    line_grouped(&live, stats->large_blocks);
    hakmem_line_text(&live, " large and ");
    line_grouped(&live, stats->huge_blocks);
    hakmem_line_text(&live, " with a mapping of their own");
    hakmem_line_write(&live);

    hakmem_line_t committed = {0};
    hakmem_line_text(&committed, "hakmem:   committed ");
    line_bytes(&committed, stats->committed_bytes);
    hakmem_line_text(&committed, " of ");
    line_bytes(&committed, stats->reserved_bytes);
    hakmem_line_text(&committed, " reserved");
    hakmem_line_write(&committed);
}

static uint64_t bytes_of_class(const hakmem_stats_t *stats, uint32_t size_class) {
    return stats->class_blocks[size_class] * size_class_bytes(size_class);
}

/* The classes that hold most, largest first. */
static void report_classes(hakmem_stats_t *stats) {
    for (int shown = 0; shown < CLASSES_SHOWN; shown++) {
        uint32_t most = 0;
        for (uint32_t i = 1; i < CLASS_COUNT; i++) {
            most = bytes_of_class(stats, i) > bytes_of_class(stats, most) ? i : most;
        }
        if (stats->class_blocks[most] == 0) {
            return;
        }
        hakmem_line_t line = {0};
        hakmem_line_text(&line, "hakmem:   class ");
        line_grouped(&line, size_class_bytes(most));
        hakmem_line_text(&line, " B: ");
        line_grouped(&line, stats->class_blocks[most]);
        hakmem_line_text(&line, " blocks, ");
        line_bytes(&line, bytes_of_class(stats, most));
        hakmem_line_write(&line);
        stats->class_blocks[most] = 0; /* the next round finds the next one */
    }
}

static void report_count(const char *name, uint64_t count) {
    if (count == HAKMEM_NOT_COUNTED) {
        return;
    }
    hakmem_line_t line = {0};
    hakmem_line_text(&line, "hakmem:   ");
    hakmem_line_text(&line, name);
    hakmem_line_text(&line, ": ");
    line_grouped(&line, count);
    hakmem_line_write(&line);
}

void hakmem_report(void) {
    hakmem_stats_t stats;
    hakmem_stats_get(&stats);
    hakmem_line_t head = {0};
    hakmem_line_text(&head, "hakmem: statistics of process ");
    hakmem_line_number(&head, (uint64_t)getpid());
    hakmem_line_write(&head);
    report_memory(&stats);
    report_count("most bytes live", stats.peak_bytes);
    report_count("direct hits", stats.direct_hits);
    report_count("direct misses", stats.direct_misses);
    report_count("local frees", stats.local_frees);
    report_count("remote frees", stats.remote_frees);
    report_count("atomic operations", stats.atomic_operations);
    report_count("pages made", stats.pages_made);
    report_classes(&stats);
}
