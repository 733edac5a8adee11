/* One mistake a run, by name. Each must end the process with one line; a run that gets to the end returns 3. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

static char
    variable[1 << 20]; /* behind the file's part of the data: memory without a file, like an early allocator's */
static int initialised = 1;

static volatile size_t nothing;

static void mistake(const char *name) {
    char on_stack[64];
    /* Through volatile: a compiler that sees the mistake refuses to compile it. */
    void *volatile p = malloc(100);
    if (strcmp(name, "stack") == 0) {
        p = on_stack + nothing;
    } else if (strcmp(name, "variable") == 0) {
        p = variable + sizeof variable / 2;
    } else if (strcmp(name, "initialised") == 0) {
        p = &initialised;
    } else if (strcmp(name, "literal") == 0) {
        p = (void *)(uintptr_t) "literal";
    } else if (strcmp(name, "library") == 0) {
        p = (void *)stderr; /* of the C library */
    } else if (strcmp(name, "mapping") == 0) {
        p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    } else if (strcmp(name, "number") == 0) {
        p = (void *)(uintptr_t)0x1234560;
    } else if (strcmp(name, "middle") == 0) {
        p = (char *)p + 16;
    } else if (strcmp(name, "large-twice") == 0) {
        p = malloc(1 << 20);
        free(p);
    } else if (strcmp(name, "own-twice") == 0) {
        p = malloc(64 << 20);
        free(p);
    } else {
        fprintf(stderr, "misuse: no mistake \"%s\"\n", name);
        exit(2);
    }
    free(p);
}

static void bad_realloc(const char *name) {
    void *volatile p = strcmp(name, "realloc-variable") == 0 ? (void *)variable : (void *)&name;
    p = realloc(p, 100);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    if (strncmp(arguments[1], "realloc-", 8) == 0) {
        bad_realloc(arguments[1]);
    } else {
        mistake(arguments[1]);
    }
    return 3;
}
