//! An array of slots that hold blocks: filled and emptied in turn, or all live and replaced one by one.

use super::sizes::Sizes;
use crate::block::Block;
use crate::job::Job;
use crate::latency::{drive, Clock, Step};
use crate::rng::Rng;

struct Slots<S> {
    blocks: Vec<Block>,
    rng: Rng,
    sizes: S,
}

impl<S: Sizes> Slots<S> {
    fn new(count: usize, seed: u64, sizes: S) -> Self {
        Self { blocks: vec![Block::NONE; count], rng: Rng::new(seed), sizes }
    }

    #[inline(always)]
    fn make<C: Clock>(&mut self, clock: &mut C) -> Block {
        let size = self.sizes.next(&mut self.rng);
        let block = clock.time(|| Block::new(size));
        block.touch_ends();
        block
    }

    fn fill(&mut self) {
        for slot in 0..self.blocks.len() {
            self.blocks[slot] = self.make(&mut crate::latency::Untimed);
        }
    }

    fn free_all(self) {
        self.blocks.into_iter().filter(|block| !block.is_none()).for_each(Block::free);
    }
}

/// One call a step: a free or an allocation, whichever the slot is ready for.
struct Toggle<S>(Slots<S>);

impl<S: Sizes> Step for Toggle<S> {
    #[inline(always)]
    fn step<C: Clock>(&mut self, clock: &mut C) {
        let slot = self.0.rng.below(self.0.blocks.len());
        let held = self.0.blocks[slot];
        self.0.blocks[slot] = if held.is_none() {
            self.0.make(clock)
        } else {
            clock.time(|| held.free());
            Block::NONE
        };
    }
}

/// Two calls a step: the slot's block is freed, another is made.
struct Replace<S>(Slots<S>);

impl<S: Sizes> Step for Replace<S> {
    const CALLS: u32 = 2;

    #[inline(always)]
    fn step<C: Clock>(&mut self, clock: &mut C) {
        let slot = self.0.rng.below(self.0.blocks.len());
        let held = self.0.blocks[slot];
        clock.time(|| held.free());
        self.0.blocks[slot] = self.0.make(clock);
    }
}

pub fn toggle(job: &Job, slots: usize, sizes: impl Sizes) -> u64 {
    let mut work = Toggle(Slots::new(job.slots.unwrap_or(slots), job.seed, sizes));
    job.timed(|| drive(job.ops, job.sampling, &mut work));
    work.0.free_all();
    job.ops
}

pub fn replace(job: &Job, slots: usize, sizes: impl Sizes) -> u64 {
    let mut work = Replace(Slots::new(job.slots.unwrap_or(slots), job.seed, sizes));
    work.0.fill();
    let steps = job.ops.div_ceil(2);
    job.timed(|| drive(steps, job.sampling, &mut work));
    work.0.free_all();
    steps * 2
}

pub fn toggle_on_threads(job: &Job, threads: usize, slots: usize, sizes: impl Sizes) -> u64 {
    let (threads, slots) = (job.threads.unwrap_or(threads), job.slots.unwrap_or(slots));
    let sampling = job.sampling.shared_by(threads);
    let steps = job.ops.div_ceil(threads as u64);
    job.timed(|| {
        super::threads::all(threads, job.seed, |seed| {
            let mut work = Toggle(Slots::new(slots, seed, sizes));
            drive(steps, sampling, &mut work);
            work.0.free_all();
        });
    });
    steps * threads as u64
}

pub fn replace_on_threads(job: &Job, threads: usize, slots: usize, sizes: impl Sizes) -> u64 {
    let (threads, slots) = (job.threads.unwrap_or(threads), job.slots.unwrap_or(slots));
    let sampling = job.sampling.shared_by(threads);
    let steps = job.ops.div_ceil(2 * threads as u64);
    job.timed(|| {
        super::threads::all(threads, job.seed, |seed| {
            let mut work = Replace(Slots::new(slots, seed, sizes));
            work.0.fill();
            drive(steps, sampling, &mut work);
            work.0.free_all();
        });
    });
    2 * steps * threads as u64
}
