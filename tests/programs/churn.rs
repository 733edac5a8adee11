//! Allocates and frees for a while and prints what that takes, in nanoseconds an operation: the best of five rounds.

use std::alloc::{GlobalAlloc, Layout};
use std::time::Instant;

use hakmem_alloc::Hakmem;

#[global_allocator]
static GLOBAL: Hakmem = Hakmem::new();

const SLOTS: usize = 4096;
const OPERATIONS: u32 = 2_000_000;

/// Slots hold blocks of 16 to 1,040 B; an occupied one is freed, an empty one filled. Nanoseconds an operation.
fn round() -> f64 {
    let mut slots = [std::ptr::null_mut::<u8>(); SLOTS];
    // SAFETY: 8 is a power of two, and the size is small.
    let layout = |slot: usize| unsafe { Layout::from_size_align_unchecked(16 + slot % 1025, 8) };
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let began = Instant::now();
    for _ in 0..OPERATIONS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let slot = random as usize % SLOTS;
        // SAFETY: a slot holds null or a block of its own layout.
        unsafe {
            if slots[slot].is_null() {
                slots[slot] = GLOBAL.alloc(layout(slot));
                slots[slot].write(1);
            } else {
                GLOBAL.dealloc(slots[slot], layout(slot));
                slots[slot] = std::ptr::null_mut();
            }
        }
    }
    let took = began.elapsed();
    for (slot, &block) in slots.iter().enumerate().filter(|(_, block)| !block.is_null()) {
        // SAFETY: as above.
        unsafe { GLOBAL.dealloc(block, layout(slot)) };
    }
    took.as_secs_f64() * 1e9 / f64::from(OPERATIONS)
}

fn main() {
    let best = (0..5).map(|_| round()).fold(f64::INFINITY, f64::min);
    println!("{best:.2}");
}
