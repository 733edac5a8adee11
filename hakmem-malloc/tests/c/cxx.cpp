// operator new and operator delete in every form, also when memory runs out.
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "check.h"

extern "C" std::size_t hakmem_usable_size(const void *p) __attribute__((weak));

namespace {

struct alignas(256) Wide {
    char bytes[300];
};

// Not constant, so that no compiler sees through it.
volatile std::size_t impossible = SIZE_MAX / 4;
void *volatile result; // a call whose result nobody takes may be left out

int handled = 0;

void gives_up_at_the_third() {
    if (++handled == 3) {
        std::set_new_handler(nullptr);
    }
}

struct Own {};

void throws_its_own() {
    throw Own();
}

template <typename F> bool throws_bad_alloc(F allocate) {
    try {
        allocate();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

void every_form() {
    int *one = new int(1);
    CHECK(ALIGNED(one, 16) && hakmem_usable_size != nullptr && hakmem_usable_size(one) >= sizeof(int));
    delete one;
    int *many = new int[1000];
    delete[] many;
    Wide *wide = new Wide, *wides = new Wide[7], *quiet = new (std::nothrow) Wide, *quiets = new (std::nothrow) Wide[3];
    CHECK(ALIGNED(wide, 256) && ALIGNED(wides, 256) && ALIGNED(quiet, 256) && ALIGNED(quiets, 256));
    delete wide;
    delete[] wides;
    delete quiet;
    delete[] quiets;
    void *nothing = ::operator new(0), *again = ::operator new(0);
    CHECK(nothing != nullptr && nothing != again);
    ::operator delete (nothing, std::size_t{0});
    ::operator delete(again, std::nothrow);
    ::operator delete[](::operator new[](10, std::nothrow), std::nothrow);
    ::operator delete[](::operator new[](10), std::size_t{10});
    constexpr auto align = std::align_val_t{4096};
    void *aligned = ::operator new(10, align);
    CHECK(ALIGNED(aligned, 4096));
    ::operator delete (aligned, std::size_t{10}, align);
    ::operator delete(::operator new(10, align, std::nothrow), align, std::nothrow);
    ::operator delete[](::operator new[](10, align), std::size_t{10}, align);
    ::operator delete[](::operator new[](10, align, std::nothrow), align, std::nothrow);
    ::operator delete[](::operator new[](10, align), align);
    delete static_cast<int *>(nullptr);
    std::vector<std::string> strings(1000, std::string(100, 'x'));
    strings.resize(5);
}

void out_of_memory() {
    constexpr auto align = std::align_val_t{64};
    CHECK(throws_bad_alloc([] { result = ::operator new(impossible); }));
    CHECK(throws_bad_alloc([] { result = ::operator new[](impossible); }));
    CHECK(throws_bad_alloc([=] { result = ::operator new(impossible, align); }));
    CHECK(throws_bad_alloc([=] { result = ::operator new[](impossible, align); }));
    CHECK(::operator new(impossible, std::nothrow) == nullptr);
    CHECK(::operator new[](impossible, std::nothrow) == nullptr);
    CHECK(::operator new(impossible, align, std::nothrow) == nullptr);
    CHECK(::operator new[](impossible, align, std::nothrow) == nullptr);

    std::set_new_handler(gives_up_at_the_third);
    CHECK(throws_bad_alloc([] { result = ::operator new(impossible); }) && handled == 3);
    std::set_new_handler(gives_up_at_the_third);
    handled = 0;
    CHECK(::operator new(impossible, std::nothrow) == nullptr &&handled == 3);

    std::set_new_handler(throws_its_own);
    bool own = false;
    try {
        result = ::operator new(impossible);
    } catch (const Own &) {
        own = true;
    }
    CHECK(own);
    std::set_new_handler(nullptr);
}

} // namespace

int main() {
    every_form();
    out_of_memory();
    puts("all forms");
    return 0;
}
