//! Zeroed memory: an allocator that knows what is fresh from the system need not write it again.

use crate::block::Block;
use crate::job::Job;
use crate::latency::timed_piece;
use crate::rng::Rng;

const LIVE: usize = 64;

pub fn run(job: &Job) -> u64 {
    let mut rng = Rng::new(job.seed);
    let mut blocks = vec![Block::NONE; job.slots.unwrap_or(LIVE)];
    let mut calls = 0;
    job.timed(|| {
        while calls < job.ops {
            let slot = rng.below(blocks.len());
            let held = std::mem::replace(&mut blocks[slot], Block::NONE);
            if !held.is_none() {
                held.free();
                calls += 1;
            }
            let size = rng.log_within(256, 1 << 20);
            let block = timed_piece(job.sampling, || Block::zeroed(size));
            block.touch_pages();
            blocks[slot] = block;
            calls += 1;
        }
    });
    blocks.into_iter().filter(|block| !block.is_none()).for_each(Block::free);
    calls
}
