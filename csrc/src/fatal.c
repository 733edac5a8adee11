#define _GNU_SOURCE
#include "fatal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../include/hakmem.h"

void hakmem_line_text(hakmem_line_t *line, const char *text) {
    while (*text != '\0' && line->length < sizeof line->text - 1) {
        line->text[line->length++] = *text++;
    }
}

static void line_digits(hakmem_line_t *line, uint64_t number, unsigned base) {
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    hakmem_line_text(line, digits + at);
}

void hakmem_line_number(hakmem_line_t *line, uint64_t number) {
    line_digits(line, number, 10);
}

void hakmem_line_address(hakmem_line_t *line, const void *address) {
    hakmem_line_text(line, "0x");
    line_digits(line, (uintptr_t)address, 16);
}

/* Relaxed: set before main, or by the one thread that makes the first heap. */
static atomic_int kept_stderr = -1;

void hakmem_line_keep_stderr(void) {
    enum { FIRST_OUT_OF_THE_WAY = 100 }; /* programs count on the low descriptors */
    if (atomic_load_explicit(&kept_stderr, memory_order_relaxed) < 0) {
        int kept = errno;
        atomic_store_explicit(&kept_stderr, fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, FIRST_OUT_OF_THE_WAY),
                              memory_order_relaxed);
        errno = kept;
    }
}

void hakmem_line_write(hakmem_line_t *line) {
    int kept = errno;
    line->text[line->length++] = '\n';
    ssize_t written = write(STDERR_FILENO, line->text, line->length);
    int other = atomic_load_explicit(&kept_stderr, memory_order_relaxed);
    if (written < 0 && errno == EBADF && other >= 0) {
        /* A short or failed write has no one left to be told. */
        written = write(other, line->text, line->length);
        (void)written;
    }
    errno = kept;
}

static _Noreturn void die(const char *what, const void *where) {
    hakmem_line_t line = {0};
    hakmem_line_text(&line, what);
    hakmem_line_address(&line, where);
    hakmem_line_write(&line);
    abort();
}

_Noreturn void hakmem_invalid_free(const void *p) {
    die("hakmem: invalid free of ", p);
}

_Noreturn void hakmem_double_free(const void *p) {
    die("hakmem: double free of ", p);
}

_Noreturn void hakmem_corrupted(const char *what, const void *where) {
    hakmem_line_t line = {0};
    hakmem_line_text(&line, "hakmem: corrupted heap: ");
    hakmem_line_text(&line, what);
    hakmem_line_text(&line, " at ");
    hakmem_line_address(&line, where);
    hakmem_line_write(&line);
    abort();
}

_Noreturn void hakmem_assert_failed(const char *what, const char *file, int line_number) {
    hakmem_line_t line = {0};
    hakmem_line_text(&line, "hakmem: assertion failed: ");
    hakmem_line_text(&line, what);
    hakmem_line_text(&line, " (");
    hakmem_line_text(&line, file);
    hakmem_line_text(&line, ":");
    hakmem_line_number(&line, (uint64_t)line_number);
    hakmem_line_text(&line, ")");
    hakmem_line_write(&line);
    abort();
}

/* The crash handler ------------------------------------------------------------------------------------------------ */

enum { CRASH_SIGNALS = 3 };
static const int crash_signals[CRASH_SIGNALS] = {SIGSEGV, SIGBUS, SIGABRT};
static const char *const crash_names[CRASH_SIGNALS] = {"SIGSEGV", "SIGBUS", "SIGABRT"};
static struct sigaction crash_previous[CRASH_SIGNALS];
static atomic_bool crash_installed;

static int crash_index(int signal) {
    for (int i = 0; i < CRASH_SIGNALS; i++) {
        if (crash_signals[i] == signal) {
            return i;
        }
    }
    return -1;
}

static void restore_default(int signal) {
    struct sigaction standard;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigaction(signal, &standard, NULL);
}

static void crash_handler(int signal, siginfo_t *info, void *context) {
    int index = crash_index(signal);
    if (index < 0) {
        return;
    }
    hakmem_line_t line = {0};
    hakmem_line_text(&line, "hakmem: crash: ");
    hakmem_line_text(&line, crash_names[index]);
    if (signal != SIGABRT) {
        hakmem_line_text(&line, " at address ");
        hakmem_line_address(&line, info->si_addr);
    }
    hakmem_line_text(&line, " in process ");
    hakmem_line_number(&line, (uint64_t)getpid());
    hakmem_line_write(&line);

    const struct sigaction *previous = &crash_previous[index];
    if ((previous->sa_flags & SA_RESETHAND) != 0) {
        restore_default(signal); /* the handler counts on it: returning from a fault, it would be called for ever */
    }
    if ((previous->sa_flags & SA_SIGINFO) != 0) {
        previous->sa_sigaction(signal, info, context);
    } else if (previous->sa_handler == SIG_IGN && info->si_code <= 0) {
        return; /* sent by a process; a fault that is ignored ends the program all the same, or it would repeat for ever */
    } else if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        previous->sa_handler(signal);
    } else {
        /* The default action: put it back and send the signal again. It is blocked until this handler returns, and
         * then ends the process; a fault would repeat by itself, a signal sent with kill would not. */
        restore_default(signal);
        raise(signal);
    }
}

int hakmem_install_crash_handler(void) {
    /* Relaxed is enough: the flag only keeps a second call from recording our own handler as the previous one. */
    if (atomic_exchange_explicit(&crash_installed, true, memory_order_relaxed)) {
        return 0;
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = crash_handler;
    /* On the alternative stack where there is one: a stack overflow leaves no other. */
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < CRASH_SIGNALS; i++) {
        /* What was there is read first: once ours is in place it may run at any moment. */
        if (sigaction(crash_signals[i], NULL, &crash_previous[i]) != 0 ||
            sigaction(crash_signals[i], &action, NULL) != 0) {
            return errno;
        }
    }
    if (DEBUG_BUILD) {
        hakmem_line_t line = {0};
        hakmem_line_text(&line, "hakmem: crash handler installed");
        hakmem_line_write(&line);
    }
    return 0;
}

void hakmem_remove_crash_handler(void) {
    for (int i = 0; i < CRASH_SIGNALS && atomic_load_explicit(&crash_installed, memory_order_relaxed); i++) {
        struct sigaction current;
        if (sigaction(crash_signals[i], NULL, &current) == 0 && (current.sa_flags & SA_SIGINFO) != 0 &&
            current.sa_sigaction == crash_handler) {
            sigaction(crash_signals[i], &crash_previous[i], NULL);
        }
    }
}
