/* plugin_host LIBRARY ROUNDS: loads the library, uses it from several threads, unloads it, again and again. Threads live
 * on when it has gone, and end then, or use its next instance. Prints by how many bytes resident memory and address space
 * grew in a round. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x);                                            \
            _Exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

enum { STAYING = 2, PASSING = 2, WARM_UP = 5 };

static uint64_t (*work)(uint64_t);
static pthread_barrier_t all_ready, all_done, unloaded, next_round;
static long rounds;

static void use(uint64_t seed) {
    pthread_barrier_wait(&all_ready);
    CHECK(work(seed) != 0);
    pthread_barrier_wait(&all_done);
    pthread_barrier_wait(&unloaded);
}

/* Uses every instance of the library. */
static void *stay(void *seed) {
    for (long i = 0; i < rounds; i++) {
        use((uintptr_t)seed);
        pthread_barrier_wait(&next_round);
    }
    return NULL;
}

/* Uses one, and ends when it has gone. */
static void *pass(void *seed) {
    use((uintptr_t)seed);
    return NULL;
}

typedef struct {
    long space, resident; /* bytes */
} memory_t;

static memory_t memory(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    long space, resident, page = sysconf(_SC_PAGESIZE);
    CHECK(file != NULL && fscanf(file, "%ld %ld", &space, &resident) == 2);
    fclose(file);
    return (memory_t){space * page, resident * page};
}

static void one_round(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        _Exit(1);
    }
    void (*begin)(void) = (void (*)(void))dlsym(library, "plugin_begin");
    unsigned char *(*keep)(void) = (unsigned char *(*)(void))dlsym(library, "plugin_keep");
    work = (uint64_t(*)(uint64_t))dlsym(library, "plugin_work");
    CHECK(begin != NULL && keep != NULL && work != NULL);
    begin();
    unsigned char *kept = keep();
    pthread_t threads[PASSING];
    for (uintptr_t i = 0; i < PASSING; i++) {
        CHECK(pthread_create(&threads[i], NULL, pass, (void *)(i + 10)) == 0);
    }
    pthread_barrier_wait(&all_ready);
    pthread_barrier_wait(&all_done);
    CHECK(dlclose(library) == 0);
    CHECK(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL);
    struct sigaction action; /* plugin_begin installed the crash handler */
    CHECK(sigaction(SIGSEGV, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    for (int i = 0; i < 500; i++) {
        CHECK(kept[i] == 0x5a);
    }
    pthread_barrier_wait(&unloaded);
    for (int i = 0; i < PASSING; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    pthread_barrier_wait(&next_round);
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    rounds = strtol(arguments[2], NULL, 10);
    CHECK(rounds > WARM_UP);
    unsigned all = STAYING + PASSING + 1;
    CHECK(pthread_barrier_init(&all_ready, NULL, all) == 0 && pthread_barrier_init(&all_done, NULL, all) == 0);
    CHECK(pthread_barrier_init(&unloaded, NULL, all) == 0 && pthread_barrier_init(&next_round, NULL, STAYING + 1) == 0);
    pthread_t threads[STAYING];
    for (uintptr_t i = 0; i < STAYING; i++) {
        CHECK(pthread_create(&threads[i], NULL, stay, (void *)(i + 1)) == 0);
    }
    memory_t before = {0, 0};
    for (long i = 0; i < rounds; i++) {
        if (i == WARM_UP) {
            before = memory();
        }
        one_round(arguments[1]);
    }
    memory_t after = memory();
    long counted = rounds - WARM_UP;
    printf("%ld %ld\n", (after.resident - before.resident) / counted, (after.space - before.space) / counted);
    for (int i = 0; i < STAYING; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    return 0;
}
