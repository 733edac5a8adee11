//! Random operations on several threads against a shadow model that knows what every block must hold.
//!
//! `HAKMEM_TEST_SEED` and `HAKMEM_TEST_OPS` repeat or change a run. The seed fixes what each thread does, not how the threads
//! interleave.
#![cfg(not(miri))] // crosses the FFI

mod common;

use std::alloc::{GlobalAlloc, Layout};
use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use common::rng::Rng;
use common::{number_from_env, settled_figures};
use hakmem_alloc::Hakmem;

#[global_allocator]
static GLOBAL: Hakmem = Hakmem::new();

const WORKERS: usize = 4;
/// After each round a new thread takes a worker over: the old one leaves its blocks and pages behind.
const ROUNDS: u64 = 8;
const OPERATIONS: u64 = 10_000_000;
/// What a worker holds at most.
const MOST_BLOCKS: usize = 4096;
const MOST_BYTES: usize = 160 << 20;

/// Blocks of up to this size are filled and checked whole; of larger ones some bytes here and there.
const WHOLE: usize = 2048;
/// Blocks from this size on are in the interval map.
const MAPPED: usize = 4096;
const SAMPLES: usize = 48;

/// The blocks of at least [`MAPPED`] bytes that are in use, start to end.
static INTERVALS: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

struct Block {
    start: *mut u8,
    layout: Layout,
    seed: u64,
}

// SAFETY: a block's memory belongs to whoever holds the `Block`.
unsafe impl Send for Block {}

/// The byte that belongs at `offset` of a block. Not zero, so that memory that was cleared by mistake shows.
fn pattern(seed: u64, offset: usize) -> u8 {
    let mixed = (seed ^ (offset as u64 / 8)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (offset % 8 * 7)) as u8 | 1
}

/// The offsets that are looked at in a block of `size` bytes, of which `seed` chooses some.
fn offsets(size: usize, seed: u64) -> impl Iterator<Item = usize> {
    let whole = if size <= WHOLE { size } else { 0 };
    let sampled = if size <= WHOLE { 0 } else { SAMPLES };
    let mut rng = Rng(seed);
    let samples = (0..sampled).map(move |i| match i {
        0..=7 => i,
        8..=15 => size - 1 - (i - 8),
        _ => rng.below(size),
    });
    (0..whole).chain(samples)
}

fn intersects(start: usize, end: usize) -> bool {
    let intervals = INTERVALS.lock().unwrap_or_else(PoisonError::into_inner);
    let before = intervals.range(..end).next_back();
    before.is_some_and(|(_, &other_end)| other_end > start)
}

impl Block {
    fn size(&self) -> usize {
        self.layout.size()
    }

    fn end(&self) -> usize {
        self.start as usize + self.size()
    }

    /// What must hold of a block that was just given out; enters it in the interval map.
    fn admit(&self) {
        assert!(!self.start.is_null(), "{:?} was refused", self.layout);
        assert_eq!(self.start as usize % self.layout.align(), 0, "{:?} at {:?}", self.layout, self.start);
        // Small blocks are so many that only some are looked up; their contents are checked whole anyway.
        if self.size() >= MAPPED || self.seed % 16 == 0 {
            assert!(!intersects(self.start as usize, self.end()), "{:?} at {:?} overlaps", self.layout, self.start);
        }
        if self.size() >= MAPPED {
            INTERVALS.lock().unwrap().insert(self.start as usize, self.end());
        }
        if self.seed % 8 == 0 {
            // SAFETY: the block is hakmem's and in use.
            assert!(unsafe { hakmem_alloc::usable_size(self.start) } >= self.size(), "{:?}", self.layout);
        }
    }

    /// Takes it out of the interval map, before anyone else can be given its memory.
    fn retract(&self) {
        if self.size() >= MAPPED {
            assert_eq!(INTERVALS.lock().unwrap().remove(&(self.start as usize)), Some(self.end()));
        }
    }

    fn fill(&self) {
        for offset in offsets(self.size(), self.seed) {
            // SAFETY: the offset is below the size, and the block is ours.
            unsafe { self.start.add(offset).write(pattern(self.seed, offset)) };
        }
    }

    fn check_zero(&self) {
        for offset in offsets(self.size(), self.seed) {
            // SAFETY: as in `fill`; the memory was cleared.
            let byte = unsafe { self.start.add(offset).read() };
            assert_eq!(byte, 0, "{:?} at {:?} is not zero at {offset}", self.layout, self.start);
        }
    }

    /// Checks what was written when the block had `old_size` bytes, as far as `kept`.
    fn check(&self, old_size: usize, kept: usize) {
        for offset in offsets(old_size, self.seed).filter(|&offset| offset < kept) {
            // SAFETY: as in `fill`; `fill` wrote there.
            let byte = unsafe { self.start.add(offset).read() };
            let expected = pattern(self.seed, offset);
            assert_eq!(byte, expected, "{:?} at {:?} is damaged at {offset}", self.layout, self.start);
        }
    }

    fn allocate(layout: Layout, zeroed: bool, seed: u64) -> Self {
        // SAFETY: the size is not zero.
        let start = unsafe {
            if zeroed {
                GLOBAL.alloc_zeroed(layout)
            } else {
                GLOBAL.alloc(layout)
            }
        };
        let block = Block { start, layout, seed };
        block.admit();
        if zeroed {
            block.check_zero();
        }
        block.fill();
        block
    }

    fn resize(&mut self, size: usize) {
        self.check(self.size(), self.size());
        self.retract();
        let old = self.layout;
        // SAFETY: the block has this layout; the new size is not zero and far from overflow.
        self.start = unsafe { GLOBAL.realloc(self.start, old, size) };
        self.layout = Layout::from_size_align(size, old.align()).unwrap();
        self.admit();
        self.check(old.size(), old.size().min(size));
        self.fill();
    }

    fn free(self) {
        self.check(self.size(), self.size());
        self.retract();
        // SAFETY: the block has this layout and is used no more.
        unsafe { GLOBAL.dealloc(self.start, self.layout) };
    }
}

/// Mostly small, as in programs; up to 64 MiB.
fn random_size(rng: &mut Rng) -> usize {
    match rng.below(20_000) {
        0..=3 => rng.log_between(1 << 20, 64 << 20),
        4..=99 => rng.log_between(64 << 10, 1 << 20),
        100..=1499 => rng.log_between(1 << 10, 64 << 10),
        1500..=4999 => rng.log_between(128, 1 << 10),
        _ => 1 + rng.below(256),
    }
}

fn random_align(rng: &mut Rng) -> usize {
    match rng.below(1000) {
        0..=2 => 1 << rng.below(19), // up to 256 KiB
        3..=49 => 1 << rng.below(13),
        _ => 1 << rng.below(5),
    }
}

struct Worker {
    rng: Rng,
    blocks: Vec<Block>,
    bytes: usize,
    inbox: Receiver<Block>,
    others: Vec<Sender<Block>>,
}

impl Worker {
    fn take(&mut self) -> Option<Block> {
        if self.blocks.is_empty() {
            return None;
        }
        let index = self.rng.below(self.blocks.len());
        let block = self.blocks.swap_remove(index);
        self.bytes -= block.size();
        Some(block)
    }

    fn keep(&mut self, block: Block) {
        self.bytes += block.size();
        self.blocks.push(block);
    }

    fn allocate(&mut self) {
        let align = random_align(&mut self.rng);
        let layout = Layout::from_size_align(random_size(&mut self.rng), align).unwrap();
        let zeroed = self.rng.below(4) == 0;
        let block = Block::allocate(layout, zeroed, self.rng.next());
        self.keep(block);
    }

    fn resize(&mut self) {
        if let Some(mut block) = self.take() {
            let size = match self.rng.below(3) {
                0 => random_size(&mut self.rng),
                1 => block.size() + 1 + self.rng.below(block.size().min(4096)),
                _ => 1 + self.rng.below(block.size()),
            };
            block.resize(size.min(64 << 20));
            self.keep(block);
        }
    }

    fn step(&mut self) {
        let full = self.blocks.len() >= MOST_BLOCKS || self.bytes >= MOST_BYTES;
        match self.rng.below(100) {
            0..=47 if !full => self.allocate(),
            48..=59 if !full => self.resize(),
            60..=67 => {
                if let Some(block) = self.take() {
                    let to = self.rng.below(self.others.len());
                    self.others[to].send(block).expect("every worker's inbox outlives the work");
                }
            }
            _ => {
                if let Some(block) = self.take() {
                    block.free();
                }
            }
        }
    }

    fn round(mut self, steps: u64) -> Self {
        for step in 0..steps {
            self.step();
            if step % 64 == 0 {
                // What others sent: most is freed here, the rest lives on among this worker's own.
                while let Ok(block) = self.inbox.try_recv() {
                    if self.rng.below(8) == 0 {
                        self.keep(block);
                    } else {
                        block.free();
                    }
                }
            }
            if step % 250_000 == 249_999 {
                hakmem_alloc::purge();
            }
        }
        self
    }
}

/// Frees everything. An inbox ends only when nobody can send to it any more.
fn finish(mut workers: Vec<Worker>) {
    workers.iter_mut().for_each(|worker| worker.others.clear());
    for worker in workers {
        worker.blocks.into_iter().for_each(Block::free);
        worker.inbox.into_iter().for_each(Block::free);
    }
}

fn make_workers(seed: u64) -> Vec<Worker> {
    let mut senders = Vec::new();
    let mut inboxes = Vec::new();
    for _ in 0..WORKERS {
        let (sender, inbox) = mpsc::channel();
        senders.push(sender);
        inboxes.push(inbox);
    }
    let mut rng = Rng(seed);
    let make = |inbox| Worker { rng: Rng(rng.next()), blocks: Vec::new(), bytes: 0, inbox, others: senders.clone() };
    inboxes.into_iter().map(make).collect()
}

/// One round of every worker, each on a thread of its own that ends with it.
fn run_round(workers: Vec<Worker>, steps: u64) -> Vec<Worker> {
    let threads: Vec<_> = workers.into_iter().map(|worker| std::thread::spawn(move || worker.round(steps))).collect();
    threads.into_iter().map(|thread| thread.join().expect("a worker failed; its message is above")).collect()
}

/// Frees the map, which keeps a node when its last entry goes.
fn forget_intervals() {
    let intervals = std::mem::take(&mut *INTERVALS.lock().unwrap());
    assert!(intervals.is_empty());
}

#[test]
fn random_operations_agree_with_the_model() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
    let seed = number_from_env("HAKMEM_TEST_SEED", now);
    let operations = number_from_env("HAKMEM_TEST_OPS", OPERATIONS);
    // Not by println!, whose text is lost if the allocator ends the process.
    let note = format!("shadow_model: HAKMEM_TEST_SEED={seed:#x} HAKMEM_TEST_OPS={operations}\n");
    std::io::Write::write_all(&mut std::io::stderr(), note.as_bytes()).unwrap();

    // Handles that the standard library makes once, and keeps, are made before the figures are taken.
    finish(run_round(make_workers(seed), 1));
    forget_intervals();
    let before = settled_figures();
    let began = Instant::now();
    let mut workers = make_workers(seed);
    for _ in 0..ROUNDS {
        workers = run_round(workers, operations.div_ceil(ROUNDS * WORKERS as u64));
    }
    finish(workers);
    let took = began.elapsed();
    forget_intervals();
    assert_eq!(settled_figures(), before, "bytes and blocks that are left, and that were there before");
    println!("{operations} operations in {:.1} s", took.as_secs_f64()); // after the figures: captured text is memory too
}
