/* hakmem: what Rust implements for C callers. Written by cbindgen from src/capi.rs; see tests/bindings.rs.
 * In libraries that contain the Rust part only: the static and shared libraries that cargo builds. */

#ifndef HAKMEM_RUST_H
#define HAKMEM_RUST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Writes the statistics as one JSON object and a terminating zero into `buffer`, at most `size` bytes in all; what does
// not fit is cut. Returns the length of the whole text without the zero, so that a result of `size` or more tells how
// large a buffer it takes (as snprintf does). `buffer` may be null if `size` is 0. Figures that the build does not count
// are null. Allocates nothing. Thread-safe.
//
// # Safety
//
// `buffer` is valid for writes of `size` bytes.
size_t hakmem_stats_json(char *buffer,
                         size_t size);

// Does what a Rust program does when an allocation of `size` bytes aligned to `align` fails: reports it, and ends the
// process. To be set with hakmem_set_failure_hook by C programs that would rather end than look for null. `align` is a
// power of two. Does not return.
void hakmem_handle_alloc_error(size_t size,
                               size_t align);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* HAKMEM_RUST_H */
