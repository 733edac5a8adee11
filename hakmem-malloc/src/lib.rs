//! hakmem as a malloc for programs that are not Rust: `libhakmem_malloc.so` to preload or link, `libhakmem_malloc.a` to link.
//!
//! All functions are C (`csrc/override` of the crate `hakmem-alloc`) but those of `hakmem_rust.h`. This crate's part is to
//! link them: `exports.map` says what is seen from outside.

/// Rust's own allocations, few as they are here, take the short way too.
#[global_allocator]
static GLOBAL: hakmem_alloc::Hakmem = hakmem_alloc::Hakmem::new();
