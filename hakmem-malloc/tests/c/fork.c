/* Threads allocate all the time while the main thread forks; every child allocates, frees what it inherited, and exits. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { THREADS = 3, FORKS = 60, BLOCKS = 500 };

static atomic_bool stop;

static void churn(void **blocks, unsigned rounds) {
    unsigned seed = 1;
    for (unsigned i = 0; i < rounds; i++) {
        seed = seed * 1103515245 + 12345;
        void **block = &blocks[seed / 65536 % BLOCKS];
        free(*block);
        *block = malloc(seed / 7 % (i % 50 == 0 ? 200000 : 2000));
        CHECK(*block != NULL);
    }
}

static void *run(void *unused) {
    void *blocks[BLOCKS] = {0};
    while (!atomic_load(&stop)) {
        churn(blocks, 1000);
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    return unused;
}

int main(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, run, NULL) == 0);
    }
    void *inherited[BLOCKS] = {0};
    churn(inherited, 5000);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(20); /* a deadlock must not outlive the test */
            churn(inherited, 20000);
            for (int k = 0; k < BLOCKS; k++) {
                free(inherited[k]);
            }
            pthread_t thread;
            atomic_store(&stop, true);
            CHECK(pthread_create(&thread, NULL, run, NULL) == 0 && pthread_join(thread, NULL) == 0);
            exit(7);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    puts("every child ended well");
    return 0;
}
