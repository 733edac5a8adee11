/* Takes slots through every stage; the runner reads what HAKMEM_LOCK_STATS=1 prints at exit. */
#include <pthread.h>

#include "check.h"
#include "shared_pool.h"
#include "tiny.h"

static void *work(void *unused) {
    (void)unused;
    static _Thread_local void *blocks[2000];
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < COUNT_OF(blocks); i++) { /* 3 and 2, later 1 and 0.5 */
            CHECK((blocks[i] = hakmem_malloc(700 + 16 * (i % 100))) != NULL);
        }
        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
            hakmem_free(blocks[i]);
        }
        for (size_t size = 8; size < 600; size += 8) { /* 0 */
            hakmem_free(hakmem_malloc(size));
        }
        if (round % 2 == 0) {
            hakmem_purge();
        }
    }
    return NULL;
}

int main(void) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, work, NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    work(NULL);
    return 0;
}
