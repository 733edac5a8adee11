/* Linked with the library from the start; ends by exit while its threads are busy in there. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

uint64_t plugin_work(uint64_t seed);

static void *busy(void *seed) {
    for (;;) {
        plugin_work((uintptr_t)seed);
    }
    return NULL;
}

int main(void) {
    for (uintptr_t i = 0; i < 4; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, busy, (void *)i) != 0) {
            return 1;
        }
    }
    usleep(20000);
    exit(0);
}
