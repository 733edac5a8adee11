//! Blocks beyond any size class, with every page written: what matters is whether memory is returned, kept or moved.

use crate::block::Block;
use crate::job::Job;
use crate::latency::timed_piece;
use crate::rng::Rng;

pub fn run(job: &Job, live: usize, low: usize, high: usize) -> u64 {
    let mut rng = Rng::new(job.seed);
    let mut blocks = vec![Block::NONE; job.slots.unwrap_or(live)];
    let mut calls = 0;
    job.timed(|| {
        while calls < job.ops {
            let slot = rng.below(blocks.len());
            let held = std::mem::replace(&mut blocks[slot], Block::NONE);
            if !held.is_none() {
                timed_piece(job.sampling, || held.free());
                calls += 1;
            }
            let size = rng.log_within(low, high);
            let block = timed_piece(job.sampling, || Block::new(size));
            block.touch_pages();
            blocks[slot] = block;
            calls += 1;
        }
    });
    blocks.into_iter().filter(|block| !block.is_none()).for_each(Block::free);
    calls
}
