//! `Hakmem`, the global allocator: decides the route in Rust, where a constant layout folds it away, and calls C last.

use core::alloc::{GlobalAlloc, Layout};

#[cfg(not(miri))]
use crate::ffi;
#[cfg(not(miri))]
use crate::layout::{class_of, route, same_class, Route};
#[cfg(hakmem_rust_fast_path)]
use crate::layout::{rounded, table_bin};

/// The allocator, to be used as `#[global_allocator]`. It has no state of its own: every value is the same allocator.
///
/// Thread-safe; a block may be freed by any thread. Allocation fails with null where the system refuses memory, and works
/// again when it no longer does. A pointer that hakmem never gave out ends the process with one line on stderr.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hakmem {
    _private: (),
}

impl Hakmem {
    /// The allocator. Costs nothing; it starts with the first allocation.
    #[must_use]
    pub const fn new() -> Self {
        Hakmem { _private: () }
    }
}

/// The class by which the core finds a freed block's bin. Without the block cache it asks the block's page alone, and to find
/// out the class of a size that is no constant would be a dozen instructions for nothing.
#[cfg(not(miri))]
#[inline(always)]
const fn bin_class_of(rounded: usize) -> u32 {
    if cfg!(hakmem_block_cache) {
        class_of(rounded) as u32
    } else {
        0
    }
}

#[cfg(not(miri))]
// SAFETY:
// - Blocks are at least as large and as aligned as the layout asks: `route` keeps the size, rounded up to an alignment that is
//   more than every class has, and the core promises that alignment (csrc/src/size_class.h; checked by the shadow-model test).
// - No method unwinds: the C core aborts or returns.
// - Layouts given back are the ones that were asked for, by `GlobalAlloc`'s contract, so that the route of a free is the
//   route of its allocation.
unsafe impl GlobalAlloc for Hakmem {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        #[cfg(hakmem_rust_fast_path)]
        if let Some(bin) = table_bin(layout) {
            // SAFETY: C takes what is left as below.
            return crate::fast::pop(bin).unwrap_or_else(|| unsafe { crate::fast::alloc_in_c(rounded(layout)) });
        }
        match route(layout) {
            // SAFETY: `rounded` is at most MEDIUM_MAX, and a multiple of any alignment above 8.
            Route::Tiny(rounded) | Route::Medium(rounded) => unsafe { ffi::hakmem_alloc_page_block(rounded).cast() },
            // SAFETY: a layout's alignment is a power of two.
            Route::Large => unsafe { ffi::hakmem_alloc_aligned(layout.size(), layout.align()).cast() },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        #[cfg(hakmem_rust_fast_path)]
        if let Some(bin) = table_bin(layout) {
            if !crate::fast::push(ptr, layout.size(), bin) {
                // SAFETY: as below.
                unsafe { ffi::hakmem_free_tiny(ptr.cast(), bin.class() as u32) };
            }
            return;
        }
        match route(layout) {
            // SAFETY: the block came from `alloc` with this layout, so from a one-slot page of this class.
            Route::Tiny(rounded) => unsafe { ffi::hakmem_free_tiny(ptr.cast(), bin_class_of(rounded)) },
            // SAFETY: the block came from hakmem.
            Route::Medium(_) | Route::Large => unsafe { ffi::hakmem_free(ptr.cast()) },
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match route(layout) {
            // SAFETY: as in `alloc`.
            Route::Tiny(rounded) | Route::Medium(rounded) => unsafe {
                ffi::hakmem_alloc_page_block_zeroed(rounded).cast()
            },
            // SAFETY: as in `alloc`.
            Route::Large => unsafe { ffi::hakmem_alloc_aligned_zeroed(layout.size(), layout.align()).cast() },
        }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size, rounded up to the alignment, does not overflow.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        if same_class(layout, new_layout) {
            return ptr;
        }
        // SAFETY: the block came from hakmem with this size and alignment.
        unsafe { ffi::hakmem_realloc_aligned(ptr.cast(), layout.size(), layout.align(), new_size).cast() }
    }
}

#[cfg(miri)]
// SAFETY: every method passes its arguments on to `System`, which keeps the contract.
unsafe impl GlobalAlloc for Hakmem {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the ones `System` wants.
        unsafe { std::alloc::System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { std::alloc::System.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { std::alloc::System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { std::alloc::System.realloc(ptr, layout, new_size) }
    }
}

/// Gives memory that is empty back to the system: the calling thread's empty pages, those that ended threads left, and all
/// slots that nobody owns. Other threads' pages are theirs. Costs system calls; never needed, since time does the same.
pub fn purge() {
    #[cfg(not(miri))]
    // SAFETY: may be called from any thread at any time.
    unsafe {
        ffi::hakmem_purge()
    }
}

/// How many bytes of the block at `ptr` may be used: at least the size that was asked for, 0 for null.
///
/// A sized free must still pass the layout that was asked for. Under Miri it is always 0.
///
/// # Safety
///
/// `ptr` is null or a block that hakmem gave out and nobody has freed.
#[must_use]
pub unsafe fn usable_size(ptr: *const u8) -> usize {
    #[cfg(not(miri))]
    // SAFETY: the caller's promise.
    return unsafe { ffi::hakmem_usable_size(ptr.cast()) };
    #[cfg(miri)]
    {
        let _ = ptr;
        0
    }
}

/// From here on SIGSEGV, SIGBUS and SIGABRT print one line to stderr; then the handler that was there before runs (Rust's
/// report of a stack overflow, say), else the default action. A second call does nothing.
///
/// # Errors
///
/// The error number of the system call that failed.
pub fn install_crash_handler() -> Result<(), i32> {
    #[cfg(not(miri))]
    // SAFETY: sets signal handlers; a race with another thread that does so is ordered by the system.
    match unsafe { ffi::hakmem_install_crash_handler() } {
        0 => {}
        errno => return Err(errno),
    }
    Ok(())
}
