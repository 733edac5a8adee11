//! One thread makes blocks, another frees them: every free is a remote one.

use std::sync::mpsc::sync_channel;

use crate::block::Block;
use crate::job::Job;
use crate::latency::timed_piece;
use crate::rng::Rng;

/// Blocks travel in batches inside the message, so that the channel costs little and allocates nothing on the way.
const BATCH: usize = 64;
const BATCHES_UNDER_WAY: usize = 32;
const SAMPLE_EVERY: u64 = 8;

pub fn run(job: &Job, low: usize, high: usize) -> u64 {
    let batches = job.ops.div_ceil(2 * BATCH as u64);
    let sampling = job.sampling;
    job.timed(|| {
        let (sender, receiver) = sync_channel::<[Block; BATCH]>(BATCHES_UNDER_WAY);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for (index, batch) in receiver.iter().enumerate() {
                    let turn = index as u64 % SAMPLE_EVERY;
                    for (position, block) in batch.into_iter().enumerate() {
                        if turn == 0 && position == index % BATCH {
                            timed_piece(sampling, || block.free());
                        } else {
                            block.free();
                        }
                    }
                }
            });
            let mut rng = Rng::new(job.seed);
            for index in 0..batches {
                let timed = index % SAMPLE_EVERY == 0;
                let mut batch = [Block::NONE; BATCH];
                for (position, slot) in batch.iter_mut().enumerate() {
                    let size = rng.within(low, high);
                    let block = if timed && position as u64 == index % BATCH as u64 {
                        timed_piece(sampling, || Block::new(size))
                    } else {
                        Block::new(size)
                    };
                    block.touch_ends();
                    *slot = block;
                }
                if sender.send(batch).is_err() {
                    break;
                }
            }
            drop(sender);
        });
    });
    2 * BATCH as u64 * batches
}
