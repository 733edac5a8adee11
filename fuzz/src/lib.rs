//! What the fuzz targets do with their input. Knows nothing of libFuzzer: tests/corpus.rs, which includes this file as a
//! module, does the same with the inputs that are kept.
//!
//! hakmem is no `#[global_allocator]` here. What it is asked for is what the input says, so that a finding repeats, and its
//! figures are exact.

pub mod c_api;
mod input;
pub mod operations;
mod shadow;

/// The C interface.
mod ffi {
    #![allow(non_camel_case_types, dead_code, clippy::all)]
    include!("../../src/bindings.rs");

    extern "C" {
        /// From `csrc/src/os.h`: the core with its assertions lets `skip` system calls for memory pass and refuses the
        /// next `count`. A core without them ignores it.
        pub fn hakmem_os_inject_failures(skip: core::ffi::c_long, count: core::ffi::c_long);
        /// From `csrc/src/page_arena.h`.
        pub fn hakmem_arena_chunk_count() -> u32;
        /// From `csrc/src/meta.h`: of the committed bytes, the allocator's own tables, which only grow.
        pub fn hakmem_meta_committed_bytes() -> usize;
        /// From `csrc/include/hakmem_rust.h`.
        pub fn hakmem_stats_json(buffer: *mut core::ffi::c_char, size: usize) -> usize;
    }
}

/// The thread's `errno`.
mod errno {
    #[cfg(target_os = "linux")]
    use libc::__errno_location as location;
    #[cfg(not(target_os = "linux"))]
    use libc::__error as location;

    pub fn get() -> i32 {
        // SAFETY: the address is the thread's own and valid as long as it lives.
        unsafe { *location() }
    }

    pub fn set(value: i32) {
        // SAFETY: as above.
        unsafe { *location() = value }
    }
}
