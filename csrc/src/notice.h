/* Pages that change hands: a full page that gets blocks back, and a page whose owner has gone. */
#ifndef HAKMEM_NOTICE_H
#define HAKMEM_NOTICE_H

#include "heap.h"

/* A pusher moved `page` from PARKED to NOTIFIED: tells the page's heap, or settles the page where that heap has gone. */
void hakmem_give_notice(hakmem_tiny_page_t *page);

/* What becomes of a page that the caller claimed (OWNED, in no queue, whoever's it was). */
void hakmem_settle(hakmem_tiny_page_t *page);

/* The caller's push left a page without a block in use, which was pending, or is now. When the heap has some of those, its owner
 * sleeps, or does not allocate: the caller gives their slots back to the pool, where other threads find them. */
void hakmem_note_emptied(hakmem_tiny_page_t *page);

#endif
