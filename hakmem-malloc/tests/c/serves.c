/* Links anywhere: exit status 0 if hakmem serves this program's own calls and the C library's. */
#include <string.h>

#include "check.h"

/* Weak: in the program only if hakmem is. */
extern size_t hakmem_usable_size(const void *p) __attribute__((weak));
extern char *strdup(const char *text);

int main(void) {
    CHECK(hakmem_usable_size != NULL);
    void *own = malloc(100);
    char *copied = strdup("what the C library allocates");
    CHECK(own != NULL && hakmem_usable_size(own) >= 100);
    CHECK(copied != NULL && hakmem_usable_size(copied) >= strlen(copied) + 1);
    own = realloc(own, 1 << 20);
    CHECK(hakmem_usable_size(own) >= 1 << 20);
    free(own);
    free(copied);
    FILE *file = fopen("/dev/null", "w"); /* a buffer of the C library */
    CHECK(file != NULL && fputs("text", file) >= 0 && fclose(file) == 0);
    puts("served");
    return 0;
}
