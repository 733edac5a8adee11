//! How much memory the process may hold, and how much it does.
//!
//! - When threads have grown from nothing: what is live and a fifth, for the rounding to classes (an eighth at most, half of
//!   that on average), the table of the blocks, and pages that are begun; and the constant.
//! - Later blocks have gone at random, and those that are left hold their pages: then what counts is the pages that hold a
//!   block, 64 KiB for blocks of at most 8 KiB and 512 KiB for those of at most 64 KiB. No allocator that does not move
//!   blocks can give such a page back whole. The constant is added.
//! - When everything is freed: the constant.
//!
//! The constant is what the program had at the start, 8 MiB, and 2 MiB a thread: the pool may keep 1 MiB, each thread's heap
//! 1 MiB of empty pages and 256 KiB of slots at hand, and some blocks in its cache, which hold pages of their own. What a
//! cache holds goes by halves with time, which a thread notices once in a thousand allocations at the latest; so the half
//! second in which things settle has 25,000 for each thread. Stacks, tables and heads of chunks are the rest.

use std::time::{Duration, Instant};

use crate::block::Block;
use crate::phases::{Phase, Store};

const MIB: usize = 1 << 20;

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
        let constant = resident().unwrap_or(0) + 8 * MIB + 2 * MIB * threads as usize;
        Memory { constant, reported: Instant::now(), looks: 0, peak: 0, closest: [0; 3] }
    }

    /// Looks at resident memory; nothing else is under way.
    pub fn look(&mut self, store: &Store, phase: Phase, check: Check) {
        let Some(resident) = resident() else { return };
        let bound = self.constant
            + match check {
                Check::Live => store.live() / 5 * 6,
                Check::Held => held(store),
                Check::Nothing => 0,
            };
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
    }

    pub fn summary(&self) -> String {
        let [live, held, nothing] = self.closest;
        format!(
            "{} looks at resident memory, peak {} MiB; at most {live} % of the bound after growth, {held} % later, \
             {nothing} % when all was freed",
            self.looks,
            self.peak / MIB
        )
    }
}
