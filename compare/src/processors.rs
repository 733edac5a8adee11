//! How far apart the machine's processors are.
//!
//! A virtual machine's processors are moved about by its host: now two of them are neighbours on one core and hand a cache
//! line over in some 100 ns there and back, a second later they are cores apart and take 500 ns. Whatever shares memory
//! between threads then runs at one of two speeds, and which one has nothing to do with the allocator: it was seen to move
//! the workload random_owner by a factor of three from one run to the next. So rows with threads are measured while the
//! processors are apart, as most machines' are; where they never move, nothing is waited for.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How often a row is measured again because the processors moved meanwhile.
const TRIES: u32 = 6;
/// How long a run waits for them to move apart.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
const SURVEY: usize = 50;
/// Between the two places lies a factor of four; within one of them, noise.
const FACTOR: f64 = 2.0;

/// What a run calls when its timed part is over.
pub type Ended<'a> = dyn FnMut() + Send + 'a;

/// What has been seen of two processors so far.
#[derive(Default)]
pub struct Processors {
    seen: Vec<f64>,
    pub runs: u32,
    /// Runs that are kept although the processors were neighbours at one end of them.
    pub moved: u32,
}

impl Processors {
    /// Looks at them for a second or so.
    pub fn survey() -> Self {
        let mut new = Self::default();
        for _ in 0..SURVEY {
            new.look();
            std::thread::sleep(PAUSE);
        }
        new
    }

    /// Measures by `run`, which is given what to call when the timed part is over, until the processors were apart before and
    /// after.
    pub fn while_apart<T>(&mut self, mut run: impl FnMut(&mut Ended) -> Result<T, String>) -> Result<T, String> {
        self.runs += 1;
        for left in (0..TRIES).rev() {
            let begin = Instant::now();
            let mut apart = self.look();
            while !apart && begin.elapsed() < PATIENCE {
                std::thread::sleep(PAUSE);
                apart = self.look();
            }
            let measured = run(&mut || apart &= self.look())?;
            if apart {
                return Ok(measured);
            }
            if left == 0 {
                self.moved += 1;
                return Ok(measured);
            }
        }
        unreachable!("the last try returns");
    }

    /// Measures once, and says whether they are apart; true where that cannot be told.
    fn look(&mut self) -> bool {
        let Some(nanoseconds) = round_trip() else { return true };
        self.seen.push(nanoseconds);
        match self.places() {
            Some((near, far)) => nanoseconds > (near * far).sqrt(),
            None => true,
        }
    }

    /// The two round trips in nanoseconds, where they move.
    fn places(&self) -> Option<(f64, f64)> {
        let mut seen = self.seen.clone();
        seen.sort_by(f64::total_cmp);
        // Not the ends: a round trip that the host interrupted is of no place.
        let (near, far) = (*seen.get(seen.len() / 10)?, *seen.get(seen.len() * 3 / 4)?);
        (seen.len() >= 10 && far > near * FACTOR).then_some((near, far))
    }

    /// For the report.
    pub fn line(&self) -> Option<String> {
        let (near, far) = self.places()?;
        Some(format!(
            "this machine's processors move: a cache line goes there and back in {near:.0} or {far:.0} ns; rows with threads \
             were measured while they were apart, but for {} of {} runs",
            self.moved, self.runs
        ))
    }
}

/// Nanoseconds in which a cache line goes from one processor to another and back: the least of a few. None where there is one
/// processor, or others keep them busy.
fn round_trip() -> Option<f64> {
    const BATCHES: u32 = 5;
    const TRIPS: u32 = 300;
    let [one, other] = two_processors()?;
    let turn = AtomicU32::new(0);
    let given_up = AtomicBool::new(false);
    let deadline = Instant::now() + Duration::from_millis(100);
    // Release and acquire: the turn is all that passes, and each store must be seen before the next is made.
    let wait_for = |value: u32| {
        for spin in 1_u64.. {
            if turn.load(Ordering::Acquire) == value {
                return true;
            }
            // Seldom: the clock takes longer than a near neighbour.
            if spin % 4096 == 0 && (given_up.load(Ordering::Relaxed) || Instant::now() > deadline) {
                given_up.store(true, Ordering::Relaxed);
                return false;
            }
        }
        unreachable!("there is always another spin");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stay_on(other);
            for trip in 0..BATCHES * TRIPS {
                if !wait_for(2 * trip + 1) {
                    return;
                }
                turn.store(2 * trip + 2, Ordering::Release);
            }
        });
        let timer = scope.spawn(|| {
            stay_on(one);
            let mut least = Duration::MAX;
            for batch in 0..BATCHES {
                let begin = Instant::now();
                for trip in batch * TRIPS..(batch + 1) * TRIPS {
                    turn.store(2 * trip + 1, Ordering::Release);
                    if !wait_for(2 * trip + 2) {
                        return None;
                    }
                }
                least = least.min(begin.elapsed());
            }
            Some(least.as_nanos() as f64 / f64::from(TRIPS))
        });
        timer.join().ok().flatten()
    })
}

/// The first two that this process may use.
#[cfg(target_os = "linux")]
fn two_processors() -> Option<[usize; 2]> {
    // SAFETY: all zeros are an empty set, and the kernel writes no more than its size.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of_val(&set), &mut set) != 0 {
            return None;
        }
        set
    };
    // SAFETY: the indices are below the set's size.
    let mut allowed = (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) });
    Some([allowed.next()?, allowed.next()?])
}

/// The calling thread, for good; what it could not have changed shows as noise.
#[cfg(target_os = "linux")]
fn stay_on(cpu: usize) {
    // SAFETY: as above; the set is read only.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}

#[cfg(not(target_os = "linux"))]
fn two_processors() -> Option<[usize; 2]> {
    None
}

#[cfg(not(target_os = "linux"))]
fn stay_on(_cpu: usize) {}

#[cfg(test)]
mod tests {
    use super::{round_trip, Processors};

    fn seen(round_trips: &[f64]) -> Processors {
        Processors { seen: round_trips.repeat(10), ..Processors::default() }
    }

    #[test]
    fn tells_two_places_from_noise() {
        assert!(seen(&[100.0, 120.0, 130.0, 140.0, 900.0]).places().is_none());
        assert!(seen(&[100.0, 120.0, 490.0, 500.0, 510.0]).places().is_some());
    }

    #[test]
    fn a_processor_answers() {
        assert!(round_trip().is_none_or(|nanoseconds| nanoseconds > 1.0));
    }

    #[test]
    fn processors_that_never_move_are_measured_at_once() {
        let mut still = seen(&[100.0]);
        assert_eq!(
            still.while_apart(|ended| {
                ended();
                Ok(7)
            }),
            Ok(7)
        );
        assert_eq!((still.runs, still.moved), (1, 0));
    }

    #[test]
    fn a_failure_is_not_tried_again() {
        let mut tries = 0;
        let failed: Result<(), _> = seen(&[100.0]).while_apart(|_| {
            tries += 1;
            Err("crashed".into())
        });
        assert_eq!((failed, tries), (Err("crashed".into()), 1));
    }
}
