/* Under a small limit of address space, set by who starts this: what does not fit is refused with ENOMEM, and what was freed can be had again. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "check.h"

enum { MOST = 100000 };
static void *blocks[MOST];

static int fill(size_t size) {
    int count = 0;
    errno = 0;
    while (count < MOST && (blocks[count] = malloc(size)) != NULL) {
        memset(blocks[count++], 1, size);
    }
    CHECK(count < MOST && errno == ENOMEM);
    for (int i = 0; i < count; i++) {
        free(blocks[i]);
    }
    return count;
}

int main(void) {
    /* Large ones first: address space that small blocks were given is not joined again. */
    CHECK(fill(4 << 20) >= 1);
    for (int round = 0; round < 3; round++) {
        CHECK(fill(1000) > 2000);
        CHECK(fill(100000) > 20);
        CHECK(malloc(64 << 20) == NULL && errno == ENOMEM);
        void *p = calloc(1000, 1000);
        CHECK(p != NULL && realloc(p, 64 << 20) == NULL && errno == ENOMEM);
        free(p);
    }
    puts("refused, and well again");
    return 0;
}
