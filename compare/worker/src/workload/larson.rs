//! Larson and Krishnan's server: each thread replaces random blocks of an array; after some rounds the array passes to a
//! new thread, and the old one ends. So blocks outlive their thread, and are freed by its successors.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::Arc;
use std::time::Duration;

use crate::block::Block;
use crate::job::{Job, Sampling};
use crate::latency::timed_piece;
use crate::rng::Rng;

/// The original's arguments, in its order.
#[derive(Clone, Copy)]
pub struct Arguments {
    seconds: f64,
    min: i64,
    max: i64,
    chunks: usize,
    rounds: usize,
    seed: u64,
    threads: usize,
}

pub const ORIGINAL: Arguments =
    Arguments { seconds: 1.0, min: 5, max: 1, chunks: 1000, rounds: 100, seed: 10_000, threads: 42 };
pub const FOUR_THREADS: Arguments = Arguments { min: 16, max: 1024, threads: 4, ..ORIGINAL };

const SAMPLE_EVERY: u64 = 509;

impl Arguments {
    fn from_words(words: &[f64]) -> Result<Self, String> {
        let &[seconds, min, max, chunks, rounds, seed, threads] = words else {
            return Err(
                "larson takes all of: seconds, min size, max size, chunks a thread, rounds, seed, threads".into()
            );
        };
        let sane = (0.001..1e6).contains(&seconds)
            && [min, chunks, rounds].iter().all(|&count| (1.0..1e9).contains(&count))
            && (1.0..=4096.0).contains(&threads);
        if !sane {
            return Err(
                "larson's seconds, min size, chunks, rounds and threads must be above 0, its threads at most 4096"
                    .into(),
            );
        }
        Ok(Self {
            seconds,
            min: min as i64,
            max: max as i64,
            chunks: chunks as usize,
            rounds: rounds as usize,
            seed: seed as u64,
            threads: threads as usize,
        })
    }

    /// `min + random % (max - min)` as C has it: a negative divisor is as good as its absolute value.
    #[inline(always)]
    fn size(&self, rng: &mut Rng) -> usize {
        let random = (rng.next() >> 33) as i64;
        let size = self.min + random.checked_rem(self.max - self.min).unwrap_or(0);
        size.max(1) as usize
    }
}

/// What the threads share.
struct Server {
    arguments: Arguments,
    sampling: Sampling,
    stop: AtomicBool,
    calls: AtomicU64,
    done: Sender<Vec<Block>>,
}

pub fn run(job: &Job, preset: Arguments) -> Result<u64, String> {
    let mut arguments = match job.arguments.as_slice() {
        // The count of a run that is scaled is its time in milliseconds.
        [] => Arguments { seconds: job.ops as f64 / 1000.0, ..preset },
        words => Arguments::from_words(words)?,
    };
    arguments.threads = job.threads.unwrap_or(arguments.threads);
    let (done, ended) = channel();
    let server = Arc::new(Server {
        arguments,
        sampling: job.sampling,
        stop: AtomicBool::new(false),
        calls: AtomicU64::new(0),
        done,
    });
    let mut rng = Rng::new(arguments.seed);
    let arrays: Vec<Vec<Block>> = (0..arguments.threads).map(|_| filled(&arguments, &mut rng)).collect();

    let arrays: Vec<Vec<Block>> = job.timed(|| {
        for (index, blocks) in arrays.into_iter().enumerate() {
            serve(Arc::clone(&server), blocks, Rng::new(arguments.seed + index as u64 + 1));
        }
        std::thread::sleep(Duration::from_secs_f64(arguments.seconds));
        // Relaxed: the blocks themselves come back through the channel.
        server.stop.store(true, Ordering::Relaxed);
        ended.iter().take(arguments.threads).collect()
    });
    arrays.into_iter().flatten().for_each(Block::free);
    Ok(server.calls.load(Ordering::Relaxed))
}

fn filled(arguments: &Arguments, rng: &mut Rng) -> Vec<Block> {
    (0..arguments.chunks).map(|_| Block::new(arguments.size(rng))).collect()
}

/// Starts a thread that serves its rounds and then starts its successor.
fn serve(server: Arc<Server>, mut blocks: Vec<Block>, mut rng: Rng) {
    std::thread::spawn(move || {
        let arguments = server.arguments;
        let mut calls = 0u64;
        for _ in 0..arguments.rounds * arguments.chunks {
            let slot = rng.below(blocks.len());
            let (held, size) = (blocks[slot], arguments.size(&mut rng));
            let replace = || {
                held.free();
                Block::new(size)
            };
            let timed = (calls / 2) % SAMPLE_EVERY == SAMPLE_EVERY - 1;
            let block = if timed { timed_piece(server.sampling, replace) } else { replace() };
            block.touch_ends();
            blocks[slot] = block;
            calls += 2;
            if server.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        server.calls.fetch_add(calls, Ordering::Relaxed);
        if server.stop.load(Ordering::Relaxed) {
            // The receiver waits for as many arrays as there are threads, so it is still there.
            let _ = server.done.send(blocks);
        } else {
            serve(Arc::clone(&server), blocks, rng);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{Arguments, ORIGINAL};
    use crate::rng::Rng;

    #[test]
    fn a_maximum_below_the_minimum_is_taken_as_c_takes_it() {
        let mut rng = Rng::new(1);
        assert!((0..1000).map(|_| ORIGINAL.size(&mut rng)).all(|size| (5..=8).contains(&size)));
    }

    #[test]
    fn equal_bounds_do_not_divide_by_zero() {
        assert_eq!(Arguments { min: 8, max: 8, ..ORIGINAL }.size(&mut Rng::new(1)), 8);
    }
}
