//! What Rust implements for C callers; cbindgen writes `csrc/include/hakmem_rust.h` from this file.

use core::ffi::c_char;
use core::fmt::{self, Write};

/// A caller's buffer: keeps what fits and counts what does not.
struct Buffer {
    start: *mut c_char,
    room: usize,
    length: usize,
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.length < self.room {
                // SAFETY: the caller of `hakmem_stats_json` promises `room` bytes behind `start`, and one for the end.
                unsafe { self.start.add(self.length).write(byte as c_char) };
            }
            self.length += 1;
        }
        Ok(())
    }
}

/// Writes the statistics as one JSON object and a terminating zero into `buffer`, at most `size` bytes in all; what does
/// not fit is cut. Returns the length of the whole text without the zero, so that a result of `size` or more tells how
/// large a buffer it takes (as snprintf does). `buffer` may be null if `size` is 0. Figures that the build does not count
/// are null. Allocates nothing. Thread-safe.
///
/// # Safety
///
/// `buffer` is valid for writes of `size` bytes.
#[no_mangle]
pub unsafe extern "C" fn hakmem_stats_json(buffer: *mut c_char, size: usize) -> usize {
    let mut out = Buffer { start: buffer, room: size.saturating_sub(1), length: 0 };
    // Writing into `Buffer` cannot fail.
    let _ = crate::stats().write_json(&mut out);
    if size != 0 {
        // SAFETY: the index is below `size`.
        unsafe { buffer.add(out.length.min(out.room)).write(0) };
    }
    out.length
}

/// Does what a Rust program does when an allocation of `size` bytes aligned to `align` fails: reports it, and ends the
/// process. To be set with hakmem_set_failure_hook by C programs that would rather end than look for null. `align` is a
/// power of two. Does not return.
#[no_mangle]
pub extern "C" fn hakmem_handle_alloc_error(size: usize, align: usize) {
    let align = if align.is_power_of_two() { align } else { 1 };
    let size = size.min((isize::MAX as usize).saturating_sub(align));
    match core::alloc::Layout::from_size_align(size, align) {
        Ok(layout) => alloc_crate::alloc::handle_alloc_error(layout),
        // Only an alignment near the end of the address space comes here; the size says enough.
        Err(_) => alloc_crate::alloc::handle_alloc_error(core::alloc::Layout::new::<u8>()),
    }
}
