//! How much memory the process may hold, and how much it does.
//!
//! - When threads have grown from nothing: what is live and a fifth, for the rounding to classes (an eighth at
//!   most, half of that on average), the table of the blocks, and pages that are begun; and the constant.
//! - Later blocks have gone at random, and those that are left hold their pages: then what counts is the pages that
//!   hold a block, 64 KiB for blocks of at most 8 KiB and 512 KiB for those of at most 64 KiB. No allocator that
//!   does not move blocks can give such a page back whole. The constant is added.
//! - When everything is freed: the constant.
//!
//! The constant is what the program had at the start, 8 MiB, and 3 MiB a thread: ordinary allocation goes on in
//! each, in some forty classes that keep a page of 64 KiB, besides slots at hand and a few cached blocks, which
//! hold pages of their own. What a cache holds goes by halves with time, which a thread notices once in a thousand
//! allocations at the latest; so the half second in which things settle has 25,000 for each thread. The pool's 1
//! MiB, stacks, tables and heads of chunks are the rest. On a busy machine that half second may be too short for
//! some thread, and there is another, four times at most.

use std::time::{Duration, Instant};

use crate::block::Block;
use crate::phases::{Phase, Store};

const MIB: usize = 1 << 20;
/// How often half a second may pass before memory must have settled.
const TURNS: usize = 5;

#[derive(Clone, Copy)]
pub enum Check {
    Live,
    Held,
    Nothing,
}

pub struct Memory {
    constant: usize,
    reported: Instant,
    looks: usize,
    repeated: usize,
    peak: usize,
    /// The largest part of its bound that each kind of check came to, in percent.
    closest: [usize; 3],
}

/// Resident bytes; `None` where the system does not tell.
fn resident() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<usize>().ok().map(|kib| kib << 10)
}

/// The page or mapping that a block holds: its first byte and its length.
fn held_by(block: &Block) -> (usize, usize) {
    let size = block.size().next_multiple_of(block.align());
    match size {
        0..=0x2000 => (block.address() >> 16 << 16, 1 << 16),
        0x2001..=0x10000 => (block.address() >> 19 << 19, 1 << 19),
        _ => (block.address(), size.next_multiple_of(1 << 16)),
    }
}

/// Bytes that the blocks of the store hold, and those of its tables.
fn held(store: &Store) -> usize {
    let tables: usize = store.shards().map(|shard| shard.capacity() * size_of::<Block>()).sum();
    let mut places: Vec<(usize, usize)> = Vec::new();
    for shard in store.shards() {
        places.extend(shard.iter().map(held_by));
    }
    places.sort_unstable();
    places.dedup();
    tables + places.iter().map(|&(_, length)| length).sum::<usize>()
}

impl Memory {
    pub fn at_start(threads: u32) -> Self {
        let constant = resident().unwrap_or(0) + 8 * MIB + 3 * MIB * threads as usize;
        Memory { constant, reported: Instant::now(), looks: 0, repeated: 0, peak: 0, closest: [0; 3] }
    }

    /// Looks at resident memory for the `turn`th time after a phase; nothing else is under way. True: it has settled.
    pub fn look(&mut self, store: &Store, phase: Phase, check: Check, turn: usize) -> bool {
        let Some(resident) = resident() else { return true };
        let bound = self.constant
            + match check {
                Check::Live => store.live() / 5 * 6,
                Check::Held => held(store),
                Check::Nothing => 0,
            };
        if resident > bound && turn < TURNS {
            self.repeated += 1;
            return false;
        }
        let part = resident * 100 / bound;
        self.looks += 1;
        self.peak = self.peak.max(resident);
        self.closest[check as usize] = self.closest[check as usize].max(part);
        if self.reported.elapsed() >= Duration::from_secs(3) {
            self.reported = Instant::now();
            let live = store.live() / MIB;
            println!("soak: after {phase:?} {live} MiB live, {} MiB resident", resident / MIB);
        }
        assert!(
            resident <= bound,
            "{} MiB resident after {phase:?}, where {} MiB are live and {} MiB would be in order",
            resident / MIB,
            store.live() / MIB,
            bound / MIB
        );
        true
    }

    pub fn summary(&self) -> String {
        let [live, held, nothing] = self.closest;
        format!(
            "{} looks at resident memory, {} a second time, peak {} MiB; at most {live} % of the bound after growth, {held} % later, \
             {nothing} % when all was freed",
            self.looks,
            self.repeated,
            self.peak / MIB
        )
    }
}
