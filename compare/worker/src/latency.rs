//! How long single calls take, from a sample of them.
//!
//! Reading the clock costs more than most allocations, so only some ten thousand calls of a run are timed unless it is
//! told otherwise, one in `every` steps, and the clock's own cost (the median of many empty intervals) is taken off each.

use std::hint::black_box;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::job::Sampling;

/// Enough that the 99.9th percentile rests on more than a dozen calls, few enough to leave throughput alone.
pub const SAMPLES: u64 = 16 * 1024;
const LONGEST_NS: u64 = 60_000_000_000;

/// Shared by all threads and made before the work begins, with fixed bounds, so that recording never allocates.
static HISTOGRAM: OnceLock<Mutex<Histogram<u64>>> = OnceLock::new();

/// Times the call it is given, or does not.
pub trait Clock {
    fn time<R>(&mut self, call: impl FnOnce() -> R) -> R;
}

/// For the steps between samples: nothing is left of it in the machine code.
pub struct Untimed;

impl Clock for Untimed {
    #[inline(always)]
    fn time<R>(&mut self, call: impl FnOnce() -> R) -> R {
        call()
    }
}

/// Times one call of a step: the one whose turn it is, so that each position of a longer step is seen as often.
struct OneCall {
    turn: u32,
    seen: u32,
    cost_ns: u64,
}

impl Clock for OneCall {
    #[inline(always)]
    fn time<R>(&mut self, call: impl FnOnce() -> R) -> R {
        self.seen += 1;
        if self.seen != self.turn + 1 {
            return call();
        }
        let begin = Instant::now();
        let result = call();
        record((begin.elapsed().as_nanos() as u64).saturating_sub(self.cost_ns));
        result
    }
}

/// A workload that is one step over and over. A step wraps each of its calls to the allocator in `clock.time`.
pub trait Step {
    /// How many calls a step times at most.
    const CALLS: u32 = 1;

    fn step<C: Clock>(&mut self, clock: &mut C);
}

/// Runs `steps` steps, timing a call in every so many.
#[inline(always)]
pub fn drive(steps: u64, sampling: Sampling, work: &mut impl Step) {
    drive_work(steps, sampling, work);
}

fn drive_work<W: Step>(steps: u64, sampling: Sampling, work: &mut W) {
    let every = sampling.every(steps);
    let mut left = steps;
    let mut turn = 0;
    while left > 0 {
        let plain = (every - 1).min(left);
        for _ in 0..plain {
            work.step(&mut Untimed);
        }
        left -= plain;
        if left > 0 {
            timed_step(turn, sampling.clock_ns, work);
            turn = (turn + 1) % W::CALLS;
            left -= 1;
        }
    }
}

/// Out of line, so that the loop over untimed steps keeps its registers.
#[inline(never)]
fn timed_step<W: Step>(turn: u32, cost_ns: u64, work: &mut W) {
    work.step(&mut OneCall { turn, seen: 0, cost_ns });
}

/// Times a whole piece of work (a document, a message): for workloads that call no allocator themselves.
pub fn timed_piece<R>(sampling: Sampling, piece: impl FnOnce() -> R) -> R {
    if sampling.samples == 0 {
        return piece();
    }
    OneCall { turn: 0, seen: 0, cost_ns: sampling.clock_ns }.time(piece)
}

/// Gives the sample up when another thread is recording: waiting would delay the threads that are measured.
#[inline(never)]
fn record(nanoseconds: u64) {
    if let Some(histogram) = HISTOGRAM.get() {
        if let Ok(mut histogram) = histogram.try_lock() {
            histogram.saturating_record(nanoseconds);
        }
    }
}

pub fn prepare() {
    let histogram = Histogram::new_with_bounds(1, LONGEST_NS, 2).expect("the bounds and precision are constants");
    // A second call would find the first one's histogram, which serves as well.
    let _ = HISTOGRAM.set(Mutex::new(histogram));
}

/// What two readings of the clock with nothing in between cost.
pub fn clock_cost_ns() -> u64 {
    let mut costs = [0u64; 1001];
    for cost in &mut costs {
        let begin = Instant::now();
        black_box(());
        *cost = begin.elapsed().as_nanos() as u64;
    }
    costs.sort_unstable();
    costs[costs.len() / 2]
}

/// p50, p95, p99, p99.9 and the longest in nanoseconds, and how many calls they rest on.
pub struct Percentiles {
    pub samples: u64,
    pub p50: u64,
    pub p95: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

pub fn percentiles() -> Option<Percentiles> {
    let histogram = HISTOGRAM.get()?.lock().ok()?;
    (!histogram.is_empty()).then(|| Percentiles {
        samples: histogram.len(),
        p50: histogram.value_at_quantile(0.5),
        p95: histogram.value_at_quantile(0.95),
        p99: histogram.value_at_quantile(0.99),
        p999: histogram.value_at_quantile(0.999),
        max: histogram.max(),
    })
}
