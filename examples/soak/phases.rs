//! What the threads do, and where the blocks are that outlive a phase.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::block::Block;

#[path = "../../tests/common/rng.rs"]
mod rng;
pub use rng::Rng;

impl Rng {
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A block as programs have them: mostly small, some medium, few large; now and then zeroed or over-aligned.
    fn block(&mut self) -> Block {
        let size = match self.below(512) {
            0 => self.log_between(64 << 10, 1 << 20),
            1..=16 => self.log_between(8 << 10, 64 << 10),
            _ => self.log_between(1, 8 << 10),
        };
        self.block_of(size)
    }

    fn block_of(&mut self, size: usize) -> Block {
        let align = if self.one_in(16) { 1 << self.below(14) } else { 8 };
        Block::new(size, align, self.one_in(8), self.next())
    }
}

const SHARDS: usize = 64;

/// The blocks that outlive a phase, in shards that any thread may change; and what the phases have in common.
pub struct Store {
    shards: Vec<Mutex<Vec<Block>>>,
    live: AtomicUsize,
    target: AtomicUsize,
    kept: AtomicU64,
    end: Mutex<Instant>,
    time_is_up: AtomicBool,
    settled: AtomicBool,
}

// All atomics here are relaxed: figures; a phase begins and ends at a barrier.
impl Store {
    pub fn new() -> Self {
        Store {
            shards: (0..SHARDS).map(|_| Mutex::new(Vec::new())).collect(),
            live: AtomicUsize::new(0),
            target: AtomicUsize::new(0),
            kept: AtomicU64::new(0),
            end: Mutex::new(Instant::now()),
            time_is_up: AtomicBool::new(false),
            settled: AtomicBool::new(false),
        }
    }

    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    pub fn blocks_kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    pub fn aim_at(&self, live: usize) {
        self.target.store(live, Ordering::Relaxed);
    }

    pub fn note_settled(&self, settled: bool) {
        self.settled.store(settled, Ordering::Relaxed);
    }

    /// Whether resident memory was found in order after this phase; else everyone settles again.
    pub fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    fn target(&self) -> usize {
        self.target.load(Ordering::Relaxed)
    }

    pub fn end_phase_in(&self, time: Duration) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + time;
        self.time_is_up.store(false, Ordering::Relaxed);
    }

    /// Whether the phase goes on; looks at the clock.
    fn goes_on(&self) -> bool {
        if !self.time_is_up.load(Ordering::Relaxed)
            && Instant::now() >= *self.end.lock().unwrap_or_else(PoisonError::into_inner)
        {
            self.time_is_up.store(true, Ordering::Relaxed);
        }
        !self.time_is_up.load(Ordering::Relaxed)
    }

    pub fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Vec<Block>>> {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn shard(&self, rng: &mut Rng) -> MutexGuard<'_, Vec<Block>> {
        self.shards[rng.below(SHARDS)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, rng: &mut Rng, block: Block) {
        self.live.fetch_add(block.size(), Ordering::Relaxed);
        self.kept.fetch_add(1, Ordering::Relaxed);
        self.shard(rng).push(block);
    }

    /// Some block, no matter whose; it is freed outside the shard's lock.
    fn take(&self, rng: &mut Rng) -> Option<Block> {
        let mut shard = self.shard(rng);
        if shard.is_empty() {
            return None;
        }
        let index = rng.below(shard.len());
        let block = shard.swap_remove(index);
        self.live.fetch_sub(block.size(), Ordering::Relaxed);
        Some(block)
    }

    fn check_one(&self, rng: &mut Rng) {
        let shard = self.shard(rng);
        if !shard.is_empty() {
            shard[rng.below(shard.len())].check();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    Grow,
    Churn,
    HandOver,
    Lives,
    Large,
    Huge,
    Realloc,
    Shrink,
    Empty,
}

impl Phase {
    pub const ALL: [Phase; 9] = [
        Phase::Grow,
        Phase::Churn,
        Phase::HandOver,
        Phase::Lives,
        Phase::Large,
        Phase::Huge,
        Phase::Realloc,
        Phase::Shrink,
        Phase::Empty,
    ];
    /// Those between the first and the last of a cycle.
    pub const MIDDLE: &'static [Phase] = Self::ALL.split_at(1).1.split_at(7).0;

    pub fn run(self, store: &Store, rng: &mut Rng) {
        match self {
            Phase::Grow => grow(store, rng),
            Phase::Churn => churn(store, rng),
            Phase::HandOver => hand_over(store, rng),
            Phase::Lives => lives(store, rng),
            Phase::Large => few(store, rng, 64 << 10, 16 << 20),
            Phase::Huge => few(store, rng, (16 << 20) + 1, 48 << 20),
            Phase::Realloc => grow_by_realloc(store, rng),
            Phase::Shrink => shrink(store, rng),
            Phase::Empty => empty(store),
        }
    }
}

/// To the target, however long that takes.
fn grow(store: &Store, rng: &mut Rng) {
    while store.live() < store.target() {
        let block = rng.block();
        store.keep(rng, block);
    }
}

/// As many blocks come as go, about.
fn churn(store: &Store, rng: &mut Rng) {
    while store.goes_on() {
        for _ in 0..200 {
            drop(store.take(rng));
            if store.live() < store.target() {
                let block = rng.block();
                store.keep(rng, block);
            }
        }
        store.check_one(rng);
        if rng.one_in(500) {
            hakmem_alloc::purge();
        }
    }
}

/// One thread allocates, another only frees, and ends with the phase.
fn hand_over(store: &Store, rng: &mut Rng) {
    let (sender, receiver) = sync_channel::<Vec<Block>>(16);
    std::thread::scope(|scope| {
        scope.spawn(move || receiver.into_iter().for_each(drop));
        while store.goes_on() {
            let blocks = (0..1 + rng.below(200)).map(|_| rng.block()).collect();
            sender.send(blocks).expect("the other end receives until this one is dropped");
        }
        drop(sender);
    });
}

/// Short threads, one after the other; each leaves blocks to others and takes some of theirs with it.
fn lives(store: &Store, rng: &mut Rng) {
    while store.goes_on() {
        let seed = rng.next();
        let life = move || {
            let mut rng = Rng(seed);
            for _ in 0..rng.log_between(1, 400) {
                drop(store.take(&mut rng));
                if store.live() < store.target() {
                    let block = rng.block();
                    store.keep(&mut rng, block);
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(life);
        });
    }
}

/// Few blocks of these sizes at a time, resized at random; one in ten is left behind.
fn few(store: &Store, rng: &mut Rng, least: usize, most: usize) {
    let mut held: Vec<Block> = Vec::new();
    let mut bytes = 0;
    while store.goes_on() {
        let size = rng.log_between(least, most);
        if bytes + size > 48 << 20 {
            let block = held.swap_remove(rng.below(held.len()));
            bytes -= block.size();
            if rng.one_in(10) && store.live() < store.target() {
                store.keep(rng, block);
            }
        } else if !held.is_empty() && rng.one_in(3) {
            let index = rng.below(held.len());
            bytes = bytes - held[index].size() + size;
            held[index].resize(size);
        } else {
            let block = rng.block_of(size);
            bytes += size;
            held.push(block);
        }
    }
}

/// A block grows step by step from a few bytes to some MiB, shrinks again, and goes.
fn grow_by_realloc(store: &Store, rng: &mut Rng) {
    while store.goes_on() {
        let first = 1 + rng.below(64);
        let mut block = rng.block_of(first);
        let end = rng.log_between(100, 24 << 20);
        while block.size() < end && store.goes_on() {
            let size = block.size() + block.size() / 2 + 1 + rng.below(16);
            block.resize(size);
        }
        let last = 1 + rng.below(block.size());
        block.resize(last);
    }
}

fn shrink(store: &Store, rng: &mut Rng) {
    while store.live() > store.target() {
        drop(store.take(rng));
        if rng.one_in(64) {
            store.check_one(rng);
        }
    }
}

/// All threads empty all shards, each a few blocks at a time.
fn empty(store: &Store) {
    let mut left = true;
    while left {
        left = false;
        for mut shard in store.shards() {
            let keep = shard.len().saturating_sub(100);
            let some = shard.split_off(keep);
            left |= !shard.is_empty();
            if shard.is_empty() {
                *shard = Vec::new();
            }
            drop(shard);
            store.live.fetch_sub(some.iter().map(Block::size).sum(), Ordering::Relaxed);
        }
    }
}
