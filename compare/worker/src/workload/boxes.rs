//! A `Box` of constant size, made and dropped: the shortest way through an allocator.

use std::hint::black_box;

use super::tiny::Node;
use crate::job::Job;
use crate::latency::{drive, Clock, Step};

struct Boxes;

impl Step for Boxes {
    const CALLS: u32 = 2;

    #[inline(always)]
    fn step<C: Clock>(&mut self, clock: &mut C) {
        let node = clock.time(|| black_box(Box::new(Node::new())));
        clock.time(|| drop(node));
    }
}

pub fn run(job: &Job) -> u64 {
    let steps = job.ops.div_ceil(2);
    job.timed(|| drive(steps, job.sampling, &mut Boxes));
    steps * 2
}
