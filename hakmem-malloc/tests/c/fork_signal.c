/* A signal handler that forks interrupts malloc, free and fork itself. The child may do what a handler may: end. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { BLOCKS = 200, SIGNALS = 300 };

static volatile sig_atomic_t signals;

static void wait_for(pid_t child) {
    int status;
    pid_t ended;
    do {
        ended = waitpid(child, &status, 0);
    } while (ended < 0 && errno == EINTR);
    if (child < 0 || ended != child || status != 0) {
        _exit(9);
    }
}

static void on_timer(int number) {
    (void)number;
    int kept = errno;
    signals++;
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    wait_for(child);
    errno = kept;
}

int main(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_timer;
    action.sa_flags = SA_RESTART;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval often = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    void *blocks[BLOCKS] = {0};
    unsigned seed = 1;
    while (signals < SIGNALS) {
        for (int i = 0; i < 200; i++) {
            seed = seed * 1103515245 + 12345;
            void **block = &blocks[seed / 65536 % BLOCKS];
            free(*block);
            /* Often a mapping of its own, which takes locks. */
            *block = malloc(i % 3 == 0 ? 17 << 20 : seed / 7 % 200000);
            CHECK(*block != NULL);
        }
        pid_t child = fork();
        if (child == 0) {
            setitimer(ITIMER_REAL, &never, NULL);
            free(malloc(1000)); /* fork has left no lock behind */
            free(malloc(20 << 20));
            _exit(0);
        }
        wait_for(child);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    puts("no deadlock");
    return 0;
}
