/* A C program that loads a C++ library late. */
#include <dlfcn.h>
#include <stddef.h>

#include "check.h"

int main(int count, char **arguments) {
    CHECK(count == 2);
    void *plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(plugin != NULL);
    int (*survives)(void) = (int (*)(void))dlsym(plugin, "plugin_survives");
    CHECK(survives != NULL && survives() == 1);
    puts("caught");
    return 0;
}
