//! What `GlobalAlloc` promises, for sequences of layouts that proptest makes up and shrinks.
#![cfg(not(miri))] // crosses the FFI

use std::alloc::{GlobalAlloc, Layout};

use hakmem_alloc::{usable_size, Hakmem};
use proptest::collection::vec;
use proptest::prelude::*;

#[global_allocator]
static GLOBAL: Hakmem = Hakmem::new();

/// Largest block that has a class.
const MEDIUM_MAX: usize = 65536;

/// Sizes near a class's edge are as likely as others.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 1..=1100_usize,
        4 => 1..=70_000_usize,
        1 => 1..=(40_usize << 20),
        4 => (3..25_u32, -1..=1_isize).prop_map(|(shift, more)| (1_usize << shift).saturating_add_signed(more)),
    ]
}

fn layout() -> impl Strategy<Value = Layout> {
    (size(), prop_oneof![4 => 0..5_u32, 1 => 0..20_u32])
        .prop_map(|(size, shift)| Layout::from_size_align(size, 1 << shift).unwrap())
}

/// A block that is freed when a property fails, too.
struct Block {
    start: *mut u8,
    layout: Layout,
}

impl Block {
    fn new(layout: Layout) -> Self {
        // SAFETY: the size is not zero.
        Block { start: unsafe { GLOBAL.alloc(layout) }, layout }
    }

    fn zeroed(layout: Layout) -> Self {
        // SAFETY: as above.
        Block { start: unsafe { GLOBAL.alloc_zeroed(layout) }, layout }
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the block has so many bytes, all written before they are read.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.layout.size()) }
    }

    fn resize(&mut self, size: usize) {
        // SAFETY: the block has this layout, and the size is not zero.
        self.start = unsafe { GLOBAL.realloc(self.start, self.layout, size) };
        self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
    }

    fn usable(&self) -> usize {
        // SAFETY: the block is in use.
        unsafe { usable_size(self.start) }
    }

    fn is_sound(&self) -> bool {
        !self.start.is_null() && self.start as usize % self.layout.align() == 0 && self.usable() >= self.layout.size()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the block has this layout and is used no more.
        unsafe { GLOBAL.dealloc(self.start, self.layout) };
    }
}

/// Writes where a block would be damaged first: both ends, and once a page.
fn marks(size: usize) -> impl Iterator<Item = usize> {
    (0..size).step_by(4096).chain(size.saturating_sub(8)..size)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_are_aligned_and_large_enough_and_apart(layouts in vec(layout(), 1..60)) {
        let blocks: Vec<Block> = layouts.into_iter().map(Block::new).collect();
        for block in &blocks {
            prop_assert!(block.is_sound(), "{:?} at {:?}", block.layout, block.start);
        }
        let mut ranges: Vec<_> =
            blocks.iter().map(|block| (block.start as usize, block.start as usize + block.layout.size())).collect();
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            prop_assert!(pair[0].1 <= pair[1].0, "{:x?} and {:x?} overlap", pair[0], pair[1]);
        }
    }

    #[test]
    fn zeroed_blocks_are_zero_where_dirty_ones_were(layouts in vec(layout(), 1..20)) {
        for layout in layouts {
            let mut dirty = Block::new(layout);
            for at in marks(layout.size()) {
                dirty.bytes()[at] = 0xa5;
            }
            drop(dirty);
            let mut zeroed = Block::zeroed(layout);
            prop_assert!(zeroed.is_sound());
            for at in marks(layout.size()) {
                prop_assert_eq!(zeroed.bytes()[at], 0, "{:?} at {}", layout, at);
            }
        }
    }

    #[test]
    fn resizing_keeps_what_fits_and_the_alignment(first in layout(), sizes in vec(size(), 1..12)) {
        let mut block = Block::zeroed(first);
        let mut seed = 1_u8;
        for size in sizes {
            let kept = block.layout.size().min(size);
            let marked = block.layout.size();
            for at in marks(marked) {
                block.bytes()[at] = seed.wrapping_add(at as u8);
            }
            block.resize(size);
            prop_assert!(block.is_sound(), "{:?} at {:?}", block.layout, block.start);
            for at in marks(marked).filter(|&at| at < kept) {
                prop_assert_eq!(block.bytes()[at], seed.wrapping_add(at as u8), "{} of {}", at, size);
            }
            // What is new has no value yet; give it one.
            block.bytes()[kept..].fill(seed);
            seed = seed.wrapping_add(1);
        }
    }

    /// A sized free takes the block's class from its layout, so that it must be in that class after any resizing as well.
    #[test]
    fn a_resized_block_is_where_its_new_layout_would_be_served(first in layout(), sizes in vec(size(), 1..12)) {
        let mut block = Block::new(first);
        for size in sizes {
            block.resize(size);
            let fresh = Block::new(block.layout);
            // Above, mappings and runs of several lengths serve the same size.
            if fresh.usable() <= MEDIUM_MAX {
                prop_assert_eq!(block.usable(), fresh.usable(), "{:?} at {:?}", block.layout, block.start);
            } else {
                prop_assert!(block.usable() > MEDIUM_MAX, "{:?} at {:?}", block.layout, block.start);
            }
        }
    }

    #[test]
    fn a_larger_size_is_served_no_smaller_and_at_most_an_eighth_is_wasted(layout in layout(), more in 0..300_usize) {
        let block = Block::new(layout);
        let larger = Block::new(Layout::from_size_align(layout.size() + more, layout.align()).unwrap());
        let rounded = layout.pad_to_align().size();
        if rounded <= MEDIUM_MAX {
            prop_assert!(block.usable() <= larger.usable());
            // Steps of 8 B up to 128 B, then eight classes per doubling.
            prop_assert!(block.usable() - rounded <= (rounded / 8).max(7), "{:?} in {}", layout, block.usable());
        }
    }

    /// A block of one layout may lie where one of another has been.
    #[test]
    fn zeroed_blocks_are_zero_whatever_was_there(
        dirty in vec(layout(), 1..20), zeroed in vec(layout(), 1..20), purge in any::<bool>()
    ) {
        for block in &mut dirty.into_iter().map(Block::new).collect::<Vec<_>>() {
            block.bytes().fill(0xa5);
        }
        if purge {
            hakmem_alloc::purge();
        }
        for layout in zeroed {
            let mut block = Block::zeroed(layout);
            prop_assert!(block.is_sound());
            let other = block.bytes().iter().position(|&byte| byte != 0);
            prop_assert_eq!(other, None, "{:?}", layout);
        }
    }

    #[test]
    fn a_zero_sized_request_to_the_methods_themselves_is_harmless(shift in 0..20_u32) {
        let mut block = Block::new(Layout::from_size_align(0, 1 << shift).unwrap());
        prop_assert!(block.is_sound());
        block.resize(10);
        prop_assert!(block.is_sound());
    }
}
