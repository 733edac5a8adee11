//! A table of blocks that all threads share: each puts its own block in a random place and frees the one it finds there,
//! which most often another thread made.

use std::sync::atomic::{AtomicPtr, Ordering};

use super::threads;
use crate::block::Block;
use crate::job::Job;
use crate::latency::{drive, Clock, Step};
use crate::rng::Rng;

const PLACES: usize = 4096;

struct Owner<'a> {
    table: &'a [AtomicPtr<u8>],
    rng: Rng,
}

impl Step for Owner<'_> {
    const CALLS: u32 = 2;

    #[inline(always)]
    fn step<C: Clock>(&mut self, clock: &mut C) {
        let size = self.rng.within(16, 512);
        let block = clock.time(|| Block::new(size));
        block.touch_ends();
        let place = &self.table[self.rng.below(self.table.len())];
        // Release hands over the size in the block, acquire takes over that of the block found there.
        let found = place.swap(block.into_raw(), Ordering::AcqRel);
        if !found.is_null() {
            // SAFETY: `into_raw` made it, and the swap gave it to this thread alone.
            let block = unsafe { Block::from_raw(found) };
            clock.time(|| block.free());
        }
    }
}

pub fn run(job: &Job, threads: usize) -> u64 {
    let threads = job.threads.unwrap_or(threads);
    let table: Vec<AtomicPtr<u8>> =
        (0..job.slots.unwrap_or(PLACES)).map(|_| AtomicPtr::new(std::ptr::null_mut())).collect();
    let steps = job.ops.div_ceil(2 * threads as u64);
    let sampling = job.sampling.shared_by(threads);
    job.timed(|| {
        threads::all(threads, job.seed, |seed| {
            drive(steps, sampling, &mut Owner { table: &table, rng: Rng::new(seed) });
        });
    });
    for place in table {
        let left = place.into_inner();
        if !left.is_null() {
            // SAFETY: `into_raw` made it, and every thread that shared the table has ended.
            unsafe { Block::from_raw(left) }.free();
        }
    }
    2 * steps * threads as u64
}
