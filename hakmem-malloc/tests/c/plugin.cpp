// A library in C++ that a C program loads for itself alone: its C++ library is not visible to hakmem's linker.
#include <cstddef>
#include <cstdint>
#include <new>

void *volatile result; // a call whose result nobody takes may be left out

extern "C" int plugin_survives() {
    volatile std::size_t impossible = SIZE_MAX / 4;
    try {
        result = ::operator new(impossible);
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}
