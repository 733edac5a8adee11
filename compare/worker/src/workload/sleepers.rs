//! Threads that fill memory in turn and sleep while another frees it: what they own is of no use to the next one,
//! unless the allocator takes it from a thread that does not look.

use std::sync::mpsc::{channel, Receiver, Sender};

use crate::block::Block;
use crate::job::Job;
use crate::latency::timed_piece;
use crate::rng::Rng;

const THREADS: usize = 16;
const BYTES_A_TURN: usize = 16 << 20;
const SAMPLE_EVERY: usize = 509;

pub fn run(job: &Job) -> u64 {
    let threads = job.threads.unwrap_or(THREADS);
    let mut calls = 0;
    job.timed(|| {
        std::thread::scope(|scope| {
            let (blocks, filled) = channel();
            let sleepers: Vec<Sender<()>> = (0..threads as u64)
                .map(|index| {
                    let (wake, woken) = channel();
                    let blocks = blocks.clone();
                    let rng = Rng::new(job.seed + index);
                    scope.spawn(move || sleep_and_fill(&woken, &blocks, rng));
                    wake
                })
                .collect();
            for sleeper in sleepers.iter().cycle() {
                if calls >= job.ops || sleeper.send(()).is_err() {
                    break;
                }
                let Ok(turn): Result<Vec<Block>, _> = filled.recv() else {
                    break;
                };
                calls += 2 * turn.len() as u64;
                for (index, block) in turn.into_iter().enumerate() {
                    if index % SAMPLE_EVERY == 0 {
                        timed_piece(job.sampling, || block.free());
                    } else {
                        block.free();
                    }
                }
            }
        });
    });
    calls
}

/// Ends when the channel that wakes it is gone.
fn sleep_and_fill(woken: &Receiver<()>, blocks: &Sender<Vec<Block>>, mut rng: Rng) {
    for () in woken.iter() {
        let mut turn = Vec::new();
        let mut bytes = 0;
        while bytes < BYTES_A_TURN {
            let block = Block::new(rng.within(64, 512));
            block.touch_ends();
            bytes += block.size();
            turn.push(block);
        }
        if blocks.send(turn).is_err() {
            return;
        }
    }
}
