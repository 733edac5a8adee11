/* A page's owner comes, or goes: pages that others abandoned are adopted, and a heap that loses its user keeps some and gives up or
 * abandons the others. */
#ifndef HAKMEM_ADOPT_H
#define HAKMEM_ADOPT_H

#include "heap.h"

/* Takes a page without an owner (state OWNED, by the caller's doing) into the heap, or gives it up if it is empty. */
void hakmem_heap_adopt(hakmem_tiny_heap_t *heap, hakmem_tiny_page_t *page);

/* Gives the abandoned pages up that look empty, whoever's they were. */
void hakmem_heap_release_abandoned(hakmem_tiny_heap_t *heap);

/* Gives up what is empty: pages kept after they emptied, and slots at hand. */
void hakmem_heap_release_empty(hakmem_tiny_heap_t *heap);

/* The heap loses its user. It keeps the first page of each class, and the slots at hand, as long as they have not touched more
 * than `most` bytes; gives the other pages up if they are empty, and abandons them if not. Returns what the kept ones have
 * touched. */
size_t hakmem_heap_rest(hakmem_tiny_heap_t *heap, size_t most);

#endif
