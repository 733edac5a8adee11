/* hakmem from C: a list of words, blocks of each kind, and the statistics that Rust writes as JSON.
 *
 *     cargo rustc --release --lib --crate-type staticlib
 *     cc -std=c11 -Icsrc/include examples/from_c.c target/release/libhakmem_alloc.a -lpthread -lm -ldl -o from_c
 *     ./from_c
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hakmem.h"
#include "hakmem_rust.h"

typedef struct word_s {
    struct word_s *next;
    char text[];
} word_t;

static word_t *prepend(word_t *list, const char *text) {
    word_t *word = hakmem_malloc(sizeof *word + strlen(text) + 1);
    if (word == NULL) {
        perror("hakmem_malloc");
        exit(1);
    }
    word->next = list;
    strcpy(word->text, text);
    return word;
}

static void free_list(word_t *list) {
    while (list != NULL) {
        word_t *next = list->next;
        hakmem_free(list);
        list = next;
    }
}

/* The first call only asks for the length. */
static void print_stats(const char *moment) {
    size_t length = hakmem_stats_json(NULL, 0);
    char *json = malloc(length + 64); /* the system's: hakmem's own block would show in the figures */
    if (json != NULL) {
        hakmem_stats_json(json, length + 64);
        printf("%s: %s\n", moment, json);
    }
    free(json);
}

int main(void) {
    word_t *list = NULL;
    for (int i = 0; i < 1000; i++) {
        char text[32];
        snprintf(text, sizeof text, "word %d", i);
        list = prepend(list, text);
    }
    printf("last word: %s\n", list->text);

    int *numbers = hakmem_calloc(1000, sizeof *numbers);
    int *more = hakmem_realloc(numbers, 1000000 * sizeof *more);
    void *aligned = hakmem_aligned_alloc(4096, 10000);
    if (more == NULL || aligned == NULL) {
        perror("hakmem");
        return 1;
    }
    printf("zeroed: %d, aligned: %d, usable: %s\n", more[999], (int)((uintptr_t)aligned % 4096),
           hakmem_usable_size(more) >= 1000000 * sizeof *more ? "enough" : "too little");

    errno = 0;
    void *too_large = hakmem_malloc(SIZE_MAX);
    printf("too large: %s\n", too_large == NULL ? strerror(errno) : "not refused");

    print_stats("in use");
    hakmem_free(aligned);
    hakmem_free(more);
    free_list(list);
    hakmem_purge();
    print_stats("freed");
    return 0;
}
