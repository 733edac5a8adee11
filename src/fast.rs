//! The inlined path: the block cache's pop and push in Rust, so that an allocation of a constant layout is a handful of
//! instructions in the caller's own code. The twin of `csrc/src/cache.h`; everything else is a call into C.
//!
//! Programs that move a running stack between threads (async tasks do not) must build with `HAKMEM_USE_RUST_FAST_PATH=0`: a
//! compiler may keep the cell's address over such a move.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::layout::Bin;
use crate::{ffi, thread_cache};

type Slot = *mut core::ffi::c_void;

/// Where the cache has a bin's top.
///
/// # Safety
///
/// `cache` is from [`thread_cache::get`].
#[inline(always)]
unsafe fn top_in(cache: *mut ffi::hakmem_cache_t, bin: Bin) -> *mut *mut Slot {
    // SAFETY: a `Bin` is counted from the cache's start, and lies in its array of tops.
    unsafe { cache.cast::<*mut Slot>().add(bin.words()) }
}

/// # Safety
///
/// `block` is not null.
#[cold]
unsafe fn tick(block: Slot) -> *mut u8 {
    // SAFETY: may be called from any thread at any time.
    unsafe { ffi::hakmem_cache_tick(block).cast() }
}

/// The atomic view of a bin's top. Relaxed is enough: only this thread writes it, and who reads it to sum statistics reaches no
/// block through it.
///
/// # Safety
///
/// `cache` is from [`thread_cache::get`].
#[inline(always)]
unsafe fn top_of<'a>(cache: *mut ffi::hakmem_cache_t, bin: Bin) -> &'a AtomicPtr<Slot> {
    // SAFETY: it is in bounds and aligned; all threads access it as an atomic. The closed cache's is only read.
    unsafe { AtomicPtr::from_ptr(top_in(cache, bin)) }
}

/// Takes the block of this class that was freed last. `None`: C must be asked.
#[inline(always)]
pub(crate) fn pop(bin: Bin) -> Option<*mut u8> {
    let cache = thread_cache::get();
    // SAFETY: it is the thread's cache.
    let top_cell = unsafe { top_of(cache, bin) };
    let top = top_cell.load(Ordering::Relaxed);
    // SAFETY: `top` points into the bin's array, whose lowest entry is null, or to the closed bins' null.
    let block = unsafe { *top };
    if block.is_null() {
        return None;
    }
    // SAFETY: the entry was not the lowest one.
    top_cell.store(unsafe { top.sub(1) }, Ordering::Relaxed);
    // Counts, so that the heap notices time passing. The block goes through the call, which can then be the caller's last act.
    // SAFETY: the closed cache has no block, so that this is the thread's own; nobody else touches the field.
    unsafe {
        let left = (*cache).countdown.wrapping_sub(1);
        (*cache).countdown = left;
        Some(if left == 0 { tick(block) } else { block.cast() })
    }
}

/// Keeps a block of `size` bytes, and of this class, for the next allocation. False: C must take it.
#[inline(always)]
pub(crate) fn push(ptr: *mut u8, size: usize, bin: Bin) -> bool {
    let cache = thread_cache::get();
    // SAFETY: it is the thread's cache.
    let top_cell = unsafe { top_of(cache, bin) };
    let top = top_cell.load(Ordering::Relaxed);
    // No room, a pointer from elsewhere, or the block that was freed just before: C finds out which.
    // SAFETY: limits and `range` are this thread's alone, and the closed cache's are never written; `top` points into the bin's
    // array, or to the closed bins' null.
    unsafe {
        let limit = *top_in(cache, bin).add(Bin::TO_LIMIT);
        let range = &raw const (*cache).range;
        if top == limit || ptr.addr().wrapping_sub((*range).base) >= (*range).bytes || *top == ptr.cast() {
            return false;
        }
    }
    // SAFETY: `top` is below `limit`, so that the next entry is in the array.
    unsafe {
        let next = top.add(1);
        // The program did not need to touch what it freed, and the next allocation of the class gets it, to be written at once.
        // First and last byte: all of a block of two lines, which most are. Not where the entry is null, as it is kept in a bin that
        // gathers blocks for other threads, and before its first use.
        if !(*next).is_null() {
            prefetch(ptr);
            prefetch(ptr.wrapping_add(size.wrapping_sub(1)));
        }
        ptr::write(next, ptr.cast());
        top_cell.store(next, Ordering::Relaxed);
    }
    true
}

/// Fetches the line at an address, which may be any.
#[inline(always)]
fn prefetch(ptr: *const u8) {
    // SAFETY: a prefetch accesses no memory as far as the program can tell.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(ptr.cast());
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("prfm pstl1keep, [{}]", in(reg) ptr, options(readonly, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = ptr;
}

/// What [`pop`] leaves to C.
///
/// # Safety
///
/// As for `hakmem_alloc_page_block`.
#[cold]
pub(crate) unsafe fn alloc_in_c(rounded: usize) -> *mut u8 {
    thread_cache::attach();
    // SAFETY: the caller's promise.
    unsafe { ffi::hakmem_alloc_page_block(rounded).cast() }
}
