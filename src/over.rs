//! The feature `override`: keeps the objects in the program that define `malloc` and its kin (`csrc/override`). A linker
//! takes an object from an archive only where somebody asks for a symbol of it that is not defined yet, and a program may
//! well name none of these before the C library does.

use core::ffi::c_void;

extern "C" {
    fn free(ptr: *mut c_void);
    fn malloc_usable_size(ptr: *mut c_void) -> usize;
    #[link_name = "_ZdlPv"]
    fn operator_delete(ptr: *mut c_void);
}

/// One function of each object.
#[used]
static KEEP: (
    unsafe extern "C" fn(*mut c_void),
    unsafe extern "C" fn(*mut c_void) -> usize,
    unsafe extern "C" fn(*mut c_void),
) = (free, malloc_usable_size, operator_delete);
