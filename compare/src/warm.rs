//! Free memory that is at hand.
//!
//! The host of a virtual machine takes memory back that its guest does not use (free page reporting, a balloon), and then has to find
//! it again as it is touched: 2 MiB took 4 ms where they had been taken back, 0.1 ms where not. Whichever worker came after
//! a pause paid for that, one that asks for huge pages above all, since free memory goes back in whole ones. So before each run as
//! much as a worker may want is touched and given back, until it is at hand; without such a host that takes a few milliseconds.

use std::time::{Duration, Instant};

use memmap2::MmapMut;

use crate::machine;

/// More than any workload has resident at once under any allocator (`huge`: 309 MiB).
const AMOUNT: usize = 512 << 20;
const PIECE: usize = 2 << 20;
const TOUCH: usize = 4 << 10;
/// What is freed goes to several ends of the system's lists: one pass is seldom enough.
const PASSES: u32 = 6;
/// A piece that takes so many times as long as the quickest of its pass was not at hand, or the pass was interrupted.
const FACTOR: u32 = 8;
/// Of so many pieces one may have been slow.
const ONE_OF: usize = 32;

/// What was seen of the machine's memory so far.
#[derive(Default)]
pub struct Warmth {
    runs: u32,
    /// Runs before which memory was not at hand at first.
    cold: u32,
    /// And those among them before which it was not to be had.
    stayed: u32,
}

impl Warmth {
    /// Touches memory and gives it back, until that goes quickly.
    pub fn at_hand(&mut self) {
        self.runs += 1;
        for pass in 0..PASSES {
            let Some(pieces) = touch(amount(machine::available_memory())) else { return };
            if quick(&pieces) {
                self.cold += u32::from(pass > 0);
                return;
            }
        }
        self.cold += 1;
        self.stayed += 1;
    }

    /// For the report.
    pub fn line(&self) -> Option<String> {
        let stayed = match self.stayed {
            0 => String::new(),
            stayed => format!("; {stayed} are kept although that did not help"),
        };
        (self.cold > 0).then(|| {
            format!(
                "the machine gives free memory away: before {} of {} runs it had to be touched until it was at hand{stayed}",
                self.cold, self.runs
            )
        })
    }
}

/// An eighth of what the system would give, at most.
fn amount(available: Option<u64>) -> usize {
    available.map_or(AMOUNT, |available| AMOUNT.min(usize::try_from(available / 8).unwrap_or(AMOUNT)))
}

/// How long each piece took; `None` where there is no memory.
fn touch(bytes: usize) -> Option<Vec<Duration>> {
    let mut memory = MmapMut::map_anon(bytes.max(PIECE)).ok()?;
    #[cfg(target_os = "linux")]
    // A system without huge pages refuses, and its small ones are touched.
    let _ = memory.advise(memmap2::Advice::HugePage);
    let pieces = memory.chunks_exact_mut(PIECE).map(|piece| {
        let begin = Instant::now();
        for page in piece.chunks_mut(TOUCH) {
            page[0] = 1;
        }
        std::hint::black_box(&piece);
        begin.elapsed()
    });
    Some(pieces.collect())
}

fn quick(pieces: &[Duration]) -> bool {
    let Some(quickest) = pieces.iter().min() else { return true };
    pieces.iter().filter(|took| **took > *quickest * FACTOR).count() <= pieces.len() / ONE_OF
}

#[cfg(test)]
mod tests {
    use super::{amount, quick, touch, Warmth, AMOUNT, PIECE};
    use std::time::Duration;

    fn pieces(slow: usize) -> Vec<Duration> {
        (0..128).map(|piece| Duration::from_micros(if piece < slow { 4000 } else { 100 + piece as u64 })).collect()
    }

    #[test]
    fn memory_that_was_given_away_is_told() {
        assert!(quick(&pieces(0)));
        assert!(quick(&pieces(4)), "interrupted");
        assert!(!quick(&pieces(12)));
        assert!(quick(&[]));
    }

    #[test]
    fn every_piece_is_touched() {
        assert_eq!(touch(5 * PIECE).map(|pieces| pieces.len()), Some(5));
        assert_eq!(touch(0).map(|pieces| pieces.len()), Some(1));
    }

    #[test]
    fn a_small_machine_keeps_most_of_its_memory() {
        assert_eq!(amount(Some(64 << 20)), 8 << 20);
        assert_eq!(amount(Some(64 << 30)), AMOUNT);
        assert_eq!(amount(None), AMOUNT);
    }

    #[test]
    fn the_report_is_silent_where_memory_is_always_at_hand() {
        assert_eq!(Warmth { runs: 3, ..Warmth::default() }.line(), None);
        let cold = Warmth { runs: 3, cold: 2, stayed: 1 };
        assert!(cold.line().is_some_and(|line| line.contains("2 of 3") && line.contains("1 are kept")));
    }
}
