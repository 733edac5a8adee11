/* Memory for the allocator's own tables (heaps, nodes): never given back, never moved, zero when new. */
#ifndef HAKMEM_META_H
#define HAKMEM_META_H

#include "base.h"

/* `bytes`, at most 32 KiB, aligned to a cache line. Null if the system refuses. Takes the meta lock. */
void *hakmem_meta_alloc(size_t bytes);

size_t hakmem_meta_committed_bytes(void);

#endif
