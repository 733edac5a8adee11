//! What a workload is told, and how it says which part of it counts.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::catalog;
use crate::counters::{Counters, Readings};
use crate::rss::Watch;
use crate::stats::Stats;

/// Whether and how calls are timed.
#[derive(Clone, Copy)]
pub struct Sampling {
    /// How many calls of the run; 0 for none.
    pub samples: u64,
    pub clock_ns: u64,
    pub threads: u64,
}

impl Sampling {
    /// How many steps lie between two timed ones; odd, so that it does not fall in step with work of even periods.
    pub fn every(&self, steps: u64) -> u64 {
        match self.samples {
            0 => u64::MAX,
            samples => (steps * self.threads / samples).max(1) | 1,
        }
    }

    /// The same when `threads` threads share the run.
    pub fn shared_by(self, threads: usize) -> Self {
        Self { threads: threads as u64, ..self }
    }
}

/// One run: sizes and counts come from the command line or the catalog.
pub struct Job {
    pub ops: u64,
    pub seed: u64,
    pub threads: Option<usize>,
    pub slots: Option<usize>,
    /// Positional arguments, which only larson has.
    pub arguments: Vec<f64>,
    pub sampling: Sampling,
    pub watch_memory: bool,
    pub announce: bool,
    pub outcome: Cell<Option<Outcome>>,
}

/// What the timed part of a run took.
pub struct Outcome {
    pub elapsed: Duration,
    pub peak_in_work: u64,
    pub average_rss: Option<f64>,
    pub counters: Readings,
    pub stats: Option<Stats>,
}

impl Job {
    /// Runs and times the part of a workload that counts; setting up and tearing down stay outside.
    pub fn timed<R>(&self, work: impl FnOnce() -> R) -> R {
        let watch = self.watch_memory.then(Watch::start).flatten();
        let before = Stats::now();
        let mut counters = Counters::start();
        let begin = Instant::now();
        let result = work();
        let elapsed = begin.elapsed();
        let counters = counters.stop();
        let stats = Stats::now().zip(before).map(|(after, before)| after.since(before));
        let memory = watch.map(Watch::stop);
        self.outcome.set(Some(Outcome {
            elapsed,
            peak_in_work: memory.as_ref().map_or(0, |m| m.peak),
            average_rss: memory.map(|m| m.average),
            counters,
            stats,
        }));
        if self.announce {
            announce();
        }
        result
    }
}

/// Tells whoever started this process that the timed part is over. Not by `println!`, whose buffer is a block that the run would
/// not have otherwise.
fn announce() {
    let line = catalog::OVER.as_bytes();
    // SAFETY: the bytes are there. A pipe takes so few at once; if nobody reads, nobody misses them.
    unsafe { libc::write(libc::STDOUT_FILENO, line.as_ptr().cast(), line.len()) };
}
