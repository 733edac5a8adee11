/* Statistics as text for people. */
#ifndef HAKMEM_REPORT_H
#define HAKMEM_REPORT_H

/* Writes a summary of hakmem_stats_get to stderr, a line at a time. Allocates nothing. */
void hakmem_report(void);

#endif
