//! A block with a pattern in it, which every look at it checks.

use std::alloc::{alloc, alloc_zeroed, dealloc, handle_alloc_error, realloc, Layout};
use std::ptr::NonNull;

pub struct Block {
    start: NonNull<u8>,
    layout: Layout,
    seed: u64,
}

// SAFETY: a block is its holder's alone, and the allocator lets every thread free it.
unsafe impl Send for Block {}

/// Where the pattern is: every byte of a small block, of a larger one some in each system page, and the last.
fn places(size: usize) -> impl Iterator<Item = usize> {
    let step = if size <= 256 { 1 } else { (size / 64).min(509) };
    (0..size).step_by(step).chain([size - 1])
}

impl Block {
    pub fn new(size: usize, align: usize, zeroed: bool, seed: u64) -> Self {
        let layout = Layout::from_size_align(size, align).expect("the sizes here are far below the limit");
        // SAFETY: the size is not 0.
        let start = NonNull::new(unsafe {
            if zeroed {
                alloc_zeroed(layout)
            } else {
                alloc(layout)
            }
        });
        let mut block = Block { start: start.unwrap_or_else(|| handle_alloc_error(layout)), layout, seed };
        assert!(block.start.as_ptr().addr() % align == 0, "{layout:?} at {:p}", block.start);
        if zeroed {
            let stray = places(size).find(|&i| block.byte(i) != 0);
            assert!(stray.is_none(), "{layout:?} zeroed is not zero at {stray:?}");
        }
        block.fill();
        block
    }

    pub fn size(&self) -> usize {
        self.layout.size()
    }

    pub fn align(&self) -> usize {
        self.layout.align()
    }

    pub fn address(&self) -> usize {
        self.start.as_ptr().addr()
    }

    fn byte(&self, i: usize) -> u8 {
        debug_assert!(i < self.size());
        // SAFETY: callers stay below the size; zeroed or filled there.
        unsafe { self.start.as_ptr().add(i).read() }
    }

    fn pattern(&self, i: usize) -> u8 {
        (self.seed >> (i % 8 * 8)) as u8 ^ (i / 8 * 29) as u8
    }

    fn fill(&mut self) {
        for i in places(self.size()) {
            let value = self.pattern(i);
            // SAFETY: below the size.
            unsafe { self.start.as_ptr().add(i).write(value) };
        }
    }

    pub fn check(&self) {
        self.check_as(self.size(), self.size());
    }

    /// The places below `end` of a block that was filled with `filled` bytes.
    fn check_as(&self, filled: usize, end: usize) {
        for i in places(filled).filter(|&i| i < end) {
            let (found, wanted) = (self.byte(i), self.pattern(i));
            assert!(
                found == wanted,
                "{:?} at {:p}: byte {i} is {found:#x} and not {wanted:#x}",
                self.layout,
                self.start
            );
        }
    }

    pub fn resize(&mut self, size: usize) {
        let old = self.size();
        // SAFETY: the block has this layout; the new size is not 0 and far below the limit.
        let moved = NonNull::new(unsafe { realloc(self.start.as_ptr(), self.layout, size) });
        let layout = Layout::from_size_align(size, self.align()).expect("the alignment was valid before");
        self.start = moved.unwrap_or_else(|| handle_alloc_error(layout));
        self.layout = layout;
        self.check_as(old, old.min(size));
        self.fill();
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.check();
        // SAFETY: the block has this layout, and its holder gives it up.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}
