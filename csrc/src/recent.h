/* How much was in use at once just before, in slots and in mappings, and what of that may wait when it is freed: whoever builds and
 * frees in turn wants it again, and a peak is no higher for it. */
#ifndef HAKMEM_RECENT_H
#define HAKMEM_RECENT_H

#include "base.h"

typedef enum { IN_SLOTS, IN_MAPPINGS, IN_COUNT } hakmem_in_t;

/* So many bytes more are in use in slots, or in mappings; or less. Returns how many are. */
int64_t hakmem_in_use_add(hakmem_in_t in, int64_t bytes);
int64_t hakmem_in_use(hakmem_in_t in);

/* By how many bytes more were in use at once within the last two to three periods (of HAKMEM_PURGE_MS) than are now. */
int64_t hakmem_recent_above(hakmem_in_t in);

/* How many of these may wait, whatever else may. */
int64_t hakmem_recent_may_wait(hakmem_in_t in);

/* Whether that is less, so that what is given back now may be wanted again soon; and how much that was then. */
bool hakmem_recent_too_much(hakmem_in_t in);
void hakmem_recent_gave_back(int64_t bytes);

/* So much is wanted that does not wait. */
void hakmem_recent_wanted(int64_t bytes);

/* Something has waited for its time in vain. */
void hakmem_recent_unwanted(void);

/* Called now and then: ends a period if it is over, or several if nobody called for so long. */
void hakmem_recent_tick(uint64_t now_ms);

/* As in the beginning: who asks for memory to be given back, or has none left, wants less to wait. */
void hakmem_recent_forget(void);

#endif
