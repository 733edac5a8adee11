//! Runs of one tiny size, freed last in first out: a parser's temporaries, a recursion's nodes.

use std::hint::black_box;
use std::mem::MaybeUninit;

use crate::job::Job;
use crate::latency::{drive, Clock, Step};

const RUN: usize = 64;

/// Of a size that the compiler knows, as it does for a Rust type. Its first word is written and the rest is not, so that
/// what is counted is the allocator.
pub struct Node {
    _value: u64,
    _rest: MaybeUninit<[u64; 3]>,
}

impl Node {
    #[inline(always)]
    pub fn new() -> Self {
        Self { _value: 1, _rest: MaybeUninit::uninit() }
    }
}

struct Runs;

impl Step for Runs {
    const CALLS: u32 = 2 * RUN as u32;

    #[inline(always)]
    fn step<C: Clock>(&mut self, clock: &mut C) {
        let mut run: [MaybeUninit<Box<Node>>; RUN] = [const { MaybeUninit::uninit() }; RUN];
        for slot in &mut run {
            slot.write(clock.time(|| Box::new(Node::new())));
        }
        black_box(&mut run);
        for slot in run.iter_mut().rev() {
            // SAFETY: the loop above wrote every slot, and each is read once.
            let node = unsafe { slot.assume_init_read() };
            clock.time(|| drop(node));
        }
    }
}

pub fn run(job: &Job) -> u64 {
    let calls = u64::from(Runs::CALLS);
    let steps = job.ops.div_ceil(calls);
    job.timed(|| drive(steps, job.sampling, &mut Runs));
    steps * calls
}
