#define _GNU_SOURCE
#include "early.h"

#if defined(__linux__)

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* What is recorded: writable memory without a file (the loader's mappings, thread-local storage), the heap that brk makes,
 * and the loader's own data, behind which its allocator begins. Not stacks: no allocator hands them out. More ranges than
 * this are not there that early; were they, freeing what lies in them would be reported as a wild pointer. */
enum { MAX_RANGES = 64 };

typedef struct {
    uintptr_t start, end;
} range_t;

static range_t ranges[MAX_RANGES];
static uint32_t range_count; /* written before `recorded` */
static atomic_int recorded;  /* RECORD_* */
enum { RECORD_NONE, RECORD_RUNNING, RECORD_DONE };

/* One line of /proc/self/maps: "7f00-7f10 rw-p 00000000 08:01 1234   /lib/x.so". */
typedef struct {
    range_t range;
    bool writable;
    const char *file; /* "offset device inode": the last two name the file */
    const char *path; /* empty for none */
} mapping_t;

static uintptr_t parse_hex(const char **text) {
    uintptr_t value = 0;
    for (;; (*text)++) {
        char c = **text;
        if (c >= '0' && c <= '9') {
            value = value * 16 + (uintptr_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value * 16 + (uintptr_t)(c - 'a' + 10);
        } else {
            return value;
        }
    }
}

/* `*text` at the end of the word that begins there and of the blanks behind it. */
static void skip_word(const char **text) {
    while (**text != ' ' && **text != '\0') {
        (*text)++;
    }
    while (**text == ' ') {
        (*text)++;
    }
}

static mapping_t parse_mapping(const char *text) {
    mapping_t mapping = {0};
    mapping.range.start = parse_hex(&text);
    text += *text == '-';
    mapping.range.end = parse_hex(&text);
    text += *text == ' ';
    mapping.writable = text[0] == 'r' && text[0] != '\0' && text[1] == 'w';
    skip_word(&text);
    skip_word(&text); /* the offset */
    mapping.file = text;
    skip_word(&text);
    skip_word(&text);
    mapping.path = text;
    return mapping;
}

/* The loader's file, as the part of a line that names it; empty until its first mapping was met. */
typedef struct {
    uintptr_t base;
    char file[64];
} loader_t;

static bool is_loader(loader_t *loader, const mapping_t *mapping) {
    size_t length = (size_t)(mapping->path - mapping->file);
    if (length == 0 || length >= sizeof loader->file || *mapping->path == '\0') {
        return false;
    }
    if (loader->base != 0 && mapping->range.start == loader->base) {
        memcpy(loader->file, mapping->file, length);
        loader->file[length] = '\0';
    }
    return strlen(loader->file) == length && memcmp(loader->file, mapping->file, length) == 0;
}

static void record_line(loader_t *loader, const char *text) {
    mapping_t mapping = parse_mapping(text);
    bool of_loader = is_loader(loader, &mapping);
    bool wanted = mapping.writable && (*mapping.path == '\0' || of_loader || strcmp(mapping.path, "[heap]") == 0);
    if (wanted && range_count < MAX_RANGES) {
        ranges[range_count++] = mapping.range;
    }
}

/* Reads the file in pieces, with a buffer on the stack: there may be no other memory yet. */
static void record_all(int file) {
    loader_t loader = {getauxval(AT_BASE), ""};
    char text[4096]; /* the kernel gives a page at a time */
    size_t have = 0;
    bool cut = false; /* in the middle of a line that is longer than the buffer (a path can be) */
    ssize_t got;
    while ((got = read(file, text + have, sizeof text - 1 - have)) > 0) {
        have += (size_t)got;
        char *line = text;
        char *end;
        while ((end = memchr(line, '\n', have - (size_t)(line - text))) != NULL) {
            *end = '\0';
            if (!cut) {
                record_line(&loader, line);
            }
            cut = false;
            line = end + 1;
        }
        have -= (size_t)(line - text);
        memmove(text, line, have);
        if (have == sizeof text - 1) {
            text[have] = '\0';
            if (!cut) {
                record_line(&loader, text); /* what matters stands in front */
            }
            cut = true;
            have = 0;
        }
    }
}

void hakmem_early_record(void) {
    int state = RECORD_NONE;
    /* Acquire and release: who finds it done reads the ranges. A thread that finds it running goes on without: there is no
     * second thread before the first allocation is over, since making one allocates. */
    if (!atomic_compare_exchange_strong_explicit(&recorded, &state, RECORD_RUNNING, memory_order_acquire,
                                                 memory_order_acquire)) {
        return;
    }
    int kept = errno;
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        record_all(file);
        close(file);
    }
    errno = kept;
    atomic_store_explicit(&recorded, RECORD_DONE, memory_order_release);
}

/* Whether `p` lies in a segment of an object that is loaded: then it is a variable. The loader's own do not count. */
typedef struct {
    uintptr_t address, loader;
    bool in_object;
} object_search_t;

static int look_in_object(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    object_search_t *search = data;
    if (info->dlpi_addr == search->loader && search->loader != 0) {
        return 0;
    }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && search->address - start < segment->p_memsz) {
            search->in_object = true;
            return 1;
        }
    }
    return 0;
}

size_t hakmem_early_bytes(const void *p) {
    if (OVERRIDE) {
        hakmem_early_record(); /* a free may be the first call of all */
    }
    if (atomic_load_explicit(&recorded, memory_order_acquire) != RECORD_DONE) {
        return 0;
    }
    for (uint32_t i = 0; i < range_count; i++) {
        if ((uintptr_t)p >= ranges[i].start && (uintptr_t)p < ranges[i].end) {
            object_search_t search = {(uintptr_t)p, getauxval(AT_BASE), false};
            dl_iterate_phdr(look_in_object, &search);
            return search.in_object ? 0 : ranges[i].end - (uintptr_t)p;
        }
    }
    return 0;
}

#else /* no /proc to read: every pointer that is not ours is foreign */

void hakmem_early_record(void) {
}

size_t hakmem_early_bytes(const void *p) {
    (void)p;
    return 0;
}

#endif
