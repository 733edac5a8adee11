//! hakmem: a fast and lean memory allocator with a C core, for Rust programs.
//!
//! ```
//! #[global_allocator]
//! static GLOBAL: hakmem_alloc::Hakmem = hakmem_alloc::Hakmem::new();
//!
//! let words: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
//! assert!(hakmem_alloc::stats().live_bytes > 0 || cfg!(miri));
//! # assert_eq!(words.len(), 1000);
//! ```
//!
//! The allocator starts with the first allocation, needs no set-up and no feature. [`stats`] tells what it holds,
//! [`purge`] gives back what is empty, [`install_crash_handler`] adds one line to what a crash prints.
//!
//! Without the default feature `std` the crate is `no_std`. Under Miri every call goes to `System` instead of C, so that a
//! program with hakmem still runs there.
#![cfg_attr(not(feature = "std"), no_std)]
#![warn(missing_docs)]

#[cfg(all(miri, not(feature = "std")))]
compile_error!("under Miri hakmem-alloc passes everything to std::alloc::System: turn its feature `std` on");

extern crate alloc as alloc_crate;

mod alloc;
#[cfg(not(miri))]
mod capi;
#[cfg(hakmem_rust_fast_path)]
mod fast;
#[cfg(not(miri))]
mod ffi;
mod layout;
#[cfg(all(feature = "override", not(miri)))]
mod over;
mod stats;
#[cfg(hakmem_rust_fast_path)]
mod thread_cache;

pub use alloc::{install_crash_handler, purge, usable_size, Hakmem};
pub use stats::{stats, ClassStats, Stats};
