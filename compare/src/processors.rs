//! How far apart the machine's processors are.
//!
//! A virtual machine's processors are moved about by its host: now two of them are neighbours on one core and hand a cache
//! line over in some 100 ns there and back, a second later they are cores apart and take 500 ns. Whatever shares memory
//! between threads then runs at one of two speeds, and which one has nothing to do with the allocator: it was seen to move
//! the workload random_owner by a factor of three from one run to the next. So rows with threads are measured while the
//! processors are in one of the two places, the one that they are in more often; where they never move, nothing is waited for.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How often a row is measured again because the processors moved meanwhile.
const TRIES: u32 = 6;
/// How long a run waits for them to come back.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
const SURVEY: usize = 50;
/// Between the two places lies a factor of four; within one of them, noise.
const FACTOR: f64 = 2.0;
/// And between the slowest of the one and the fastest of the other.
const GAP: f64 = 1.25;
/// A round trip that was seen less often may have been interrupted.
const LEAST: usize = 3;

/// What a run calls when its timed part is over.
pub type Ended<'a> = dyn FnMut() + Send + 'a;

/// What has been seen of two processors so far.
#[derive(Default)]
pub struct Processors {
    seen: Vec<f64>,
    pub runs: u32,
    /// Runs that are kept although the processors were in the other place at one end of them.
    pub moved: u32,
    wanted: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Near,
    Apart,
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

    /// Measures by `run`, which is given what to call when the timed part is over, until the processors were in place before and
    /// after.
    pub fn in_place<T>(&mut self, mut run: impl FnMut(&mut Ended) -> Result<T, String>) -> Result<T, String> {
        self.runs += 1;
        for left in (0..TRIES).rev() {
            let begin = Instant::now();
            let mut in_place = self.look();
            while !in_place && begin.elapsed() < PATIENCE {
                std::thread::sleep(PAUSE);
                in_place = self.look();
            }
            let measured = run(&mut || in_place &= self.look())?;
            if in_place {
                return Ok(measured);
            }
            if left == 0 {
                self.moved += 1;
                return Ok(measured);
            }
        }
        unreachable!("the last try returns");
    }

    /// Measures once, and says whether they are where they should be; true where that cannot be told.
    fn look(&mut self) -> bool {
        let Some(nanoseconds) = round_trip() else { return true };
        self.seen.push(nanoseconds);
        let Some((near, far)) = self.places() else { return true };
        let middle = (near * far).sqrt();
        let place = |nanoseconds: f64| if nanoseconds < middle { Place::Near } else { Place::Apart };
        // Once for all: until they were seen to move, they were in the place that was seen more often.
        let wanted = *self.wanted.get_or_insert_with(|| {
            let apart = self.seen.iter().filter(|seen| place(**seen) == Place::Apart).count();
            if 2 * apart > self.seen.len() {
                Place::Apart
            } else {
                Place::Near
            }
        });
        place(nanoseconds) == wanted
    }

    /// The two round trips in nanoseconds, where they move: the medians on both sides of the widest gap.
    fn places(&self) -> Option<(f64, f64)> {
        let mut seen = self.seen.clone();
        seen.sort_by(f64::total_cmp);
        let gap = |split: usize| seen[split] / seen[split - 1];
        let split = (LEAST..(seen.len() + 1).saturating_sub(LEAST))
            .filter(|split| gap(*split) > GAP)
            .max_by(|a, b| gap(*a).total_cmp(&gap(*b)))?;
        let (near, far) = (seen[split / 2], seen[(split + seen.len()) / 2]);
        (far > near * FACTOR).then_some((near, far))
    }

    /// For the report.
    pub fn line(&self) -> Option<String> {
        let (near, far) = self.places()?;
        let place = match self.wanted? {
            Place::Near => "neighbours",
            Place::Apart => "apart",
        };
        Some(format!(
            "this machine's processors move: a cache line goes there and back in {near:.0} or {far:.0} ns; rows with threads \
             were measured while they were {place}, but for {} of {} runs",
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
        assert!(seen(&[100.0, 120.0, 130.0, 140.0, 190.0]).places().is_none());
        assert_eq!(seen(&[100.0, 490.0, 500.0, 510.0]).places(), Some((100.0, 500.0)));
        let mut interrupted = seen(&[500.0]);
        interrupted.seen.extend([5000.0, 1200.0]);
        assert!(interrupted.places().is_none());
        assert!(Processors::default().places().is_none());
    }

    #[test]
    fn the_rarer_place_counts_too() {
        let mut rare = seen(&[100.0]);
        rare.seen.extend([480.0, 500.0, 510.0]);
        assert_eq!(rare.places(), Some((100.0, 500.0)));
    }

    #[test]
    fn a_processor_answers() {
        assert!(round_trip().is_none_or(|nanoseconds| nanoseconds > 1.0));
    }

    #[test]
    fn processors_that_never_move_are_measured_at_once() {
        let mut still = seen(&[100.0]);
        assert_eq!(
            still.in_place(|ended| {
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
        let failed: Result<(), _> = seen(&[100.0]).in_place(|_| {
            tries += 1;
            Err("crashed".into())
        });
        assert_eq!((failed, tries), (Err("crashed".into()), 1));
    }
}
