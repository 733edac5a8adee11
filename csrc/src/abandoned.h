/* Pages whose owner has gone while the program still holds blocks of theirs. Each chunk's bitmap is an index of where they
 * may be; the page's own word decides, by one CAS. What is claimed is the caller's, who decides what becomes of it. */
#ifndef HAKMEM_ABANDONED_H
#define HAKMEM_ABANDONED_H

#include "page_arena.h"

/* Abandons a page that is in no queue and in state `from` (OWNED, or NOTIFIED by the caller's own push). False: its last
 * blocks came back meanwhile, and it is the caller's again, OWNED and empty. */
bool hakmem_abandon(hakmem_tiny_page_t *page, hakmem_page_state_t from);

/* Claims one page. False: another thread did, or it is not abandoned. */
bool hakmem_claim(hakmem_tiny_page_t *page);

/* Claims a page that looks like one of this class, or returns null. What a slot holds may change between look and claim, so
 * that the caller goes by the page's own class. */
hakmem_tiny_page_t *hakmem_claim_abandoned(uint32_t size_class);

/* Claims the next abandoned page that looks empty. Begin with `*cursor` 0 and go on until null. */
hakmem_tiny_page_t *hakmem_claim_emptied(uint32_t *cursor);

#endif
