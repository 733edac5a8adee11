//! Threads that come and go, each leaving blocks behind for another to free.

use super::sizes::{MostlySmall, Sizes};
use crate::block::Block;
use crate::job::Job;
use crate::latency::timed_piece;
use crate::rng::Rng;

const AT_A_TIME: usize = 4;
const BLOCKS: usize = 1000;
const LEFT_BEHIND: usize = BLOCKS / 4;

/// Runs `work` on so many threads, each with a seed of its own, and waits for them.
pub fn all<R: Send>(threads: usize, seed: u64, work: impl Fn(u64) -> R + Sync) -> Vec<R> {
    let work = &work;
    std::thread::scope(|scope| {
        let running: Vec<_> =
            (0..threads as u64).map(|index| scope.spawn(move || work(seed ^ (index + 1) << 32))).collect();
        // A panic of a thread is this worker's: its status tells.
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

pub fn run(job: &Job) -> u64 {
    let threads = job.threads.unwrap_or(AT_A_TIME);
    let sampling = job.sampling;
    let mut calls = 0;
    let mut generation = 0;
    job.timed(|| {
        while calls < job.ops {
            let left: Vec<Vec<Block>> = all(threads, job.seed + generation, |seed| {
                // The first allocation of a thread is the one that has to set a heap up.
                timed_piece(sampling, || short_life(seed))
            });
            left.into_iter().flatten().for_each(Block::free);
            calls += 2 * (threads * BLOCKS) as u64;
            generation += 1;
        }
    });
    calls
}

fn short_life(seed: u64) -> Vec<Block> {
    let mut rng = Rng::new(seed);
    let mut blocks: Vec<Block> = (0..BLOCKS)
        .map(|_| {
            let block = Block::new(MostlySmall.next(&mut rng));
            block.touch_ends();
            block
        })
        .collect();
    while blocks.len() > LEFT_BEHIND {
        blocks.swap_remove(rng.below(blocks.len())).free();
    }
    blocks
}
