//! A block of memory as the raw workloads hold it: through the allocator's entry points, without a collection between.

use std::alloc::{alloc, alloc_zeroed, dealloc, realloc, Layout};
use std::hint::black_box;

/// What most Rust types ask for.
const ALIGN: usize = 8;
const PAGE: usize = 4096;

/// An owned block. It is not freed when dropped: a free that is measured must stand in the workload.
#[derive(Clone, Copy)]
pub struct Block {
    start: *mut u8,
    size: usize,
}

// SAFETY: a block is plain memory with one holder at a time; the allocator promises that any thread may free it.
unsafe impl Send for Block {}

impl Block {
    /// Stands for "no block" in arrays of slots.
    pub const NONE: Block = Block { start: std::ptr::null_mut(), size: 0 };

    #[inline(always)]
    pub fn new(size: usize) -> Self {
        // SAFETY: no workload asks for zero bytes.
        Self::checked(unsafe { alloc(layout(size)) }, size)
    }

    #[inline(always)]
    pub fn zeroed(size: usize) -> Self {
        // SAFETY: no workload asks for zero bytes.
        Self::checked(unsafe { alloc_zeroed(layout(size)) }, size)
    }

    #[inline(always)]
    pub fn free(self) {
        // SAFETY: the block came from `alloc` with this layout, and the holder gives it up here.
        unsafe { dealloc(self.start, layout(self.size)) }
    }

    #[inline(always)]
    pub fn resize(self, size: usize) -> Self {
        // SAFETY: the block came from `alloc` with this layout, and the holder uses the returned one from here on.
        Self::checked(unsafe { realloc(self.start, layout(self.size), size) }, size)
    }

    #[inline(always)]
    fn checked(start: *mut u8, size: usize) -> Self {
        if start.is_null() {
            out_of_memory(size);
        }
        Self { start: black_box(start), size }
    }

    #[inline(always)]
    pub fn is_none(&self) -> bool {
        self.start.is_null()
    }

    pub fn size(&self) -> usize {
        self.size
    }

    /// Writes the first and the last byte: a program that asks for memory uses it.
    #[inline(always)]
    pub fn touch_ends(&self) {
        // SAFETY: both bytes lie in the block, which this holder owns.
        unsafe {
            self.start.write_volatile(1);
            self.start.add(self.size - 1).write_volatile(1);
        }
    }

    /// Writes a byte in each page, as a program that fills its buffer does, without the cost of filling it.
    pub fn touch_pages(&self) {
        for offset in (0..self.size).step_by(PAGE) {
            // SAFETY: `offset` is below the block's size.
            unsafe { self.start.add(offset).write_volatile(1) }
        }
        self.touch_ends();
    }

    /// Writes the size into the block's first word, so that a bare pointer is enough to take it up again.
    #[inline(always)]
    pub fn into_raw(self) -> *mut u8 {
        debug_assert!(self.size >= size_of::<usize>());
        // SAFETY: the block is at least a word long, 8-aligned and owned.
        unsafe { self.start.cast::<usize>().write(self.size) };
        self.start
    }

    /// # Safety
    ///
    /// - `start` comes from `into_raw`, whose writes this thread has seen;
    /// - no one else takes the same block up.
    #[inline(always)]
    pub unsafe fn from_raw(start: *mut u8) -> Self {
        // SAFETY: `into_raw` left the size in the first word.
        Self { start, size: unsafe { start.cast::<usize>().read() } }
    }
}

#[inline(always)]
fn layout(size: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and no workload comes near `isize::MAX` bytes.
    unsafe { Layout::from_size_align_unchecked(size, ALIGN) }
}

/// The status tells `compare` what happened; a panic would allocate.
#[cold]
fn out_of_memory(size: usize) -> ! {
    eprintln!("out of memory: no block of {size} bytes");
    std::process::exit(12)
}
