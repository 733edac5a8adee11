//! Memory that grows where it lies, or is copied.

use std::hint::black_box;

use crate::block::Block;
use crate::job::Job;
use crate::latency::timed_piece;
use crate::rng::Rng;

/// Vectors that grow by pushing, each to a length of its own.
pub fn vectors(job: &Job) -> u64 {
    let mut rng = Rng::new(job.seed);
    let mut pushes = 0;
    job.timed(|| {
        while pushes < job.ops {
            let length = rng.log_within(16, 2 << 20);
            let mut vector: Vec<u64> = Vec::new();
            for item in 0..length as u64 {
                vector.push(item);
            }
            drop(black_box(vector));
            pushes += length as u64;
        }
    });
    pushes
}

const FIRST: usize = 4 << 10;
const LAST: usize = 32 << 20;

/// One buffer after another, grown by an eighth at a time; its new end is written, as by a reader of unknown length.
pub fn steps(job: &Job) -> u64 {
    let mut reallocations = 0;
    job.timed(|| {
        while reallocations < job.ops {
            let mut buffer = Block::new(FIRST);
            while buffer.size() < LAST {
                let size = buffer.size() + buffer.size() / 8;
                buffer = timed_piece(job.sampling, || buffer.resize(size));
                buffer.touch_ends();
                reallocations += 1;
            }
            buffer.free();
        }
    });
    reallocations
}
