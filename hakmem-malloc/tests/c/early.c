/* Memory from before hakmem: the thread's own static storage lies in what the loader's allocator mapped, and so do the
 * loader's lists. Freeing it does nothing, growing it copies. */
#define _GNU_SOURCE
#include <link.h>
#include <malloc.h>
#include <string.h>
#include <sys/auxv.h>

#include "check.h"

static __thread char early[256] = "from before";

/* Where the loader's own allocator begins: behind the loader's data, in the same page. */
static int behind_loader(struct dl_phdr_info *info, size_t size, void *out) {
    (void)size;
    for (int i = 0; i < info->dlpi_phnum && info->dlpi_addr == getauxval(AT_BASE); i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t end = info->dlpi_addr + segment->p_vaddr + segment->p_memsz;
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) != 0 && end % 4096 != 0) {
            *(char **)out = (char *)((end + 15) & ~(uintptr_t)15);
        }
    }
    return 0;
}

int main(void) {
    char *volatile p = early;
    CHECK(malloc_usable_size(p) == 0);
    free(p);
    char *copy = realloc(p, 100);
    CHECK(copy != p && copy != NULL && strcmp(copy, "from before") == 0 && strcmp(early, "from before") == 0);
    free(copy);
    copy = realloc(p, 100 << 20); /* more than there is to read */
    CHECK(copy != NULL && strcmp(copy, "from before") == 0);
    free(copy);

    char *loader = NULL;
    dl_iterate_phdr(behind_loader, &loader);
    if (loader != NULL) {
        free(loader);
    }
    puts("left alone");
    return 0;
}
