/* Memory that was handed out before hakmem was there. A preloaded library is not the first to allocate: the loader has an
 * allocator of its own until it has found ours. Such a pointer may come to our free, and must be told from a wild one. */
#ifndef HAKMEM_EARLY_H
#define HAKMEM_EARLY_H

#include "base.h"

/* Records what could be such memory; before the first call of ours that maps anything. Later calls do nothing. */
void hakmem_early_record(void);

/* How many bytes can be read from `p` on, if `p` lies in recorded memory and not in a variable of the program or of one of
 * its libraries; else 0. For cold paths only: it asks the loader. */
size_t hakmem_early_bytes(const void *p);

#endif
