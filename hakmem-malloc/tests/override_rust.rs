//! The feature `override` in a Rust program, which this test is: what the C library allocates in it, hakmem serves.

use hakmem_malloc as _; // has the feature on, and the global allocator
use std::ffi::{c_char, c_void};

extern "C" {
    fn strdup(text: *const c_char) -> *mut c_char;
    fn free(ptr: *mut c_void);
}

#[test]
fn the_c_library_and_rust_share_the_allocator() {
    // SAFETY: a literal ends in a zero; `strdup` gives null or a block that `free` takes back, and it is used in between.
    let bytes = unsafe {
        let copy = strdup(c"a copy by the C library".as_ptr());
        assert!(!copy.is_null());
        let bytes = hakmem_alloc::usable_size(copy.cast());
        free(copy.cast());
        bytes
    };
    assert_eq!(bytes, 32, "what 24 bytes take where 16-byte alignment is promised");
    let text = String::from("a Rust string of some length");
    // SAFETY: the string owns a block, and nobody has freed it.
    assert!(unsafe { hakmem_alloc::usable_size(text.as_ptr()) } >= text.len());
}
