//! The C interface, as bindgen reads it from `csrc/include/hakmem.h`. Committed, so that a build needs no libclang; the
//! feature `bindgen` uses a fresh copy, and tests/bindings.rs fails when the two differ.
#![allow(missing_docs, non_camel_case_types, dead_code)]
#![allow(clippy::all)]

#[cfg(not(feature = "bindgen"))]
include!("bindings.rs");
#[cfg(feature = "bindgen")]
include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
