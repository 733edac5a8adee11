/* Installs the crash handler and crashes as the argument says; the runner reads stderr and the status. */
#define _GNU_SOURCE
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "hakmem.h"

static void say(void) {
    static const char text[] = "previous handler\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
}

static void on_info(int signal, siginfo_t *info, void *context) {
    if (info->si_signo == signal && context != NULL) {
        say();
    }
    _exit(42);
}

static void on_once(int signal) {
    (void)signal;
    say();
}

static void on_plain(int signal) {
    (void)signal;
    say();
    _exit(42);
}

static void handle(int signal, int flags, void (*plain)(int), void (*info)(int, siginfo_t *, void *)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_flags = flags;
    if (info != NULL) {
        action.sa_sigaction = info;
        action.sa_flags |= SA_SIGINFO;
    } else {
        action.sa_handler = plain;
    }
    CHECK_EQ(sigaction(signal, &action, NULL), 0);
}

static void fault(void) {
    volatile char *volatile p = (volatile char *)(uintptr_t)0x10;
    *p = 1;
}

/* A page of a file beyond the file's end. */
static void bus(void) {
    char name[] = "/tmp/test_crash_handler_XXXXXX";
    int file = mkstemp(name);
    CHECK(file >= 0);
    unlink(name);
    volatile char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK((void *)p != MAP_FAILED);
    p[5] = 1;
}

static volatile int most = INT_MAX;

static int overflow(int depth) {
    volatile char frame[4096];
    frame[0] = (char)depth;
    return depth == most ? 0 : frame[0] + overflow(depth + 1) + frame[depth % 4096];
}

int main(int count, char **arguments) {
    CHECK_EQ(count, 2);
    const char *mode = arguments[1];
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(3);
    if (strncmp(mode, "previous-", 9) == 0) {
        handle(SIGSEGV, 0, NULL, on_info);
        handle(SIGBUS, 0, NULL, on_info);
        handle(SIGABRT, 0, strcmp(mode, "previous-plain") == 0 ? on_plain : NULL,
               strcmp(mode, "previous-plain") == 0 ? NULL : on_info);
    } else if (strncmp(mode, "once-", 5) == 0) {
        handle(SIGSEGV, (int)SA_RESETHAND, on_once, NULL);
    } else if (strncmp(mode, "ignored-", 8) == 0) {
        handle(SIGSEGV, 0, SIG_IGN, NULL);
        handle(SIGABRT, 0, SIG_IGN, NULL);
    }
    static char stack[65536];
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    CHECK_EQ(sigaltstack(&alternative, NULL), 0);
    CHECK_EQ(hakmem_install_crash_handler(), 0);
    CHECK_EQ(hakmem_install_crash_handler(), 0); /* does not become its own predecessor */
    if (strstr(mode, "segv") != NULL) {
        fault();
    } else if (strstr(mode, "bus") != NULL) {
        bus();
    } else if (strcmp(mode, "overflow") == 0) {
        return overflow(1);
    } else {
        abort();
    }
    return 0;
}
