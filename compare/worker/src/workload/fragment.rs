//! Waves of different sizes, most of each freed at random: what survives keeps pages from emptying.

use std::collections::VecDeque;

use crate::block::Block;
use crate::job::Job;
use crate::latency::timed_piece;
use crate::rng::Rng;

const WAVE: usize = 4096;
/// One in ten of a wave survives it.
const SURVIVORS: usize = WAVE / 10;
/// How many waves' survivors live at a time.
const GENERATIONS: usize = 16;
const SIZES: [usize; 12] = [16, 24, 48, 96, 200, 400, 640, 1000, 1600, 2500, 4000, 8000];
const SAMPLE_EVERY: u64 = 509;

pub fn run(job: &Job) -> u64 {
    let mut rng = Rng::new(job.seed);
    let mut survivors: VecDeque<Vec<Block>> = VecDeque::with_capacity(GENERATIONS + 1);
    let mut calls = 0u64;
    job.timed(|| {
        for wave in 0.. {
            if calls >= job.ops {
                break;
            }
            let blocks = one_wave(job, SIZES[wave % SIZES.len()], &mut rng, &mut calls);
            survivors.push_back(blocks);
            if survivors.len() > GENERATIONS {
                let oldest = survivors.pop_front().unwrap_or_default();
                calls += oldest.len() as u64;
                oldest.into_iter().for_each(Block::free);
            }
        }
    });
    survivors.into_iter().flatten().for_each(Block::free);
    calls
}

/// Makes a wave around `size`, frees all but a few in random order, and returns those.
fn one_wave(job: &Job, size: usize, rng: &mut Rng, calls: &mut u64) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(WAVE);
    for _ in 0..WAVE {
        let size = rng.within(size, size + size / 8);
        let block = sampled(job, calls, || Block::new(size));
        block.touch_ends();
        blocks.push(block);
    }
    while blocks.len() > SURVIVORS {
        let victim = blocks.swap_remove(rng.below(blocks.len()));
        sampled(job, calls, || victim.free());
    }
    blocks
}

#[inline(always)]
fn sampled<R>(job: &Job, calls: &mut u64, call: impl FnOnce() -> R) -> R {
    *calls += 1;
    if calls.is_multiple_of(SAMPLE_EVERY) {
        timed_piece(job.sampling, call)
    } else {
        call()
    }
}
