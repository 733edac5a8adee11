//! The list behind thread_free: push, take, pop.
//!
//! Mirrors csrc/src/remote.h. Blocks are cells, so that a read of a link or of a block's contents without a happens-before fails.
//!
//! site: csrc/src/remote.h remote_push load relaxed
//! site: csrc/src/remote.h remote_push compare_exchange_weak acq_rel/relaxed
//! site: csrc/src/remote.h remote_take load relaxed
//! site: csrc/src/remote.h remote_take fetch_and acquire
//! site: csrc/src/remote.h remote_pop load acquire
//! site: csrc/src/remote.h remote_pop compare_exchange_weak acquire/acquire

use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::*;
use loom::sync::Arc;
use loom::thread;

use crate::{order, search, Model, Word};

pub const MODELS: &[Model] = &[
    Model { name: "push_take", run: push_take, twins: &[("push", "acquire"), ("take", "relaxed")] },
    Model { name: "push_take_masks", run: push_take_masks, twins: &[("push", "acquire"), ("take", "relaxed")] },
    Model {
        name: "push_pop",
        run: push_pop,
        twins: &[("push", "acquire"), ("pop.load", "relaxed"), ("pop.failure", "relaxed")],
    },
];

/// thread_free and the blocks of a page. A word is count << 32 | (block + 1) << 2 | state, as in remote.h.
pub struct List {
    pub word: Word,
    pub blocks: Vec<UnsafeCell<u64>>, // the link: block + 1, or 0
}

pub const STATE: u64 = 3;

/// What a CAS tries first. The core's relaxed load may return any old value, and the CAS confirms it; so this stands for it.
const GUESS: u64 = 0;

pub fn count(word: u64) -> u64 {
    word >> 32
}

fn head(word: u64) -> u64 {
    (word & 0xffff_fffc) >> 2
}

fn pack(count: u64, head: u64, state: u64) -> u64 {
    count << 32 | head << 2 | state
}

impl List {
    pub fn new(blocks: usize, word: u64) -> List {
        List { word: Word::new(word), blocks: (0..blocks).map(|_| UnsafeCell::new(99)).collect() }
    }

    /// remote_push of one block: the word that was there, and the one that is left.
    pub fn push(&self, block: u64) -> (u64, u64) {
        self.push_chain(block, block, 1)
    }

    /// remote_push of `n` blocks, from `first` to `last`.
    fn push_chain(&self, first: u64, last: u64, n: u64) -> (u64, u64) {
        let mut old = GUESS;
        loop {
            let state = if old & STATE == 1 { 2 } else { old & STATE };
            self.blocks[last as usize].with_mut(|link| unsafe { *link = head(old) });
            let word = pack(count(old) + n, first + 1, state);
            match self.word.compare_exchange(old, word, order("push", AcqRel), Relaxed) {
                Ok(_) => return (old, word),
                Err(now) => old = now,
            }
        }
    }

    /// remote_take, and a walk through what it took: how many blocks.
    pub fn take(&self) -> u64 {
        // The core's relaxed look before, for an empty list, leaves out an exchange; it adds nothing here.
        let word = self.word.fetch_and(STATE, order("take", Acquire));
        let (mut block, mut seen) = (head(word), 0);
        while block != 0 {
            seen += 1;
            // Read the link and use the block, as the next allocation does.
            block = self.blocks[block as usize - 1].with_mut(|link| unsafe { std::mem::replace(&mut *link, 99) });
        }
        assert_eq!(seen, count(word));
        seen
    }

    /// remote_pop.
    fn pop(&self) -> Option<u64> {
        let mut old = self.word.load(order("pop.load", Acquire));
        loop {
            if head(old) == 0 {
                return None;
            }
            let next = self.blocks[head(old) as usize - 1].with(|link| unsafe { *link });
            let word = pack(count(old) - 1, next, old & STATE);
            match self.word.compare_exchange(old, word, Acquire, order("pop.failure", Acquire)) {
                Ok(_) => return Some(head(old) - 1),
                Err(now) => old = now,
            }
        }
    }

    /// remote_try_state under the name of what it is used for.
    pub fn try_state(&self, site: &str, from: u64, to: u64) -> Option<u64> {
        let mut old = from;
        while old & STATE == from {
            let word = (old & !STATE) | to;
            match self.word.compare_exchange(old, word, order(site, AcqRel), Relaxed) {
                Ok(_) => return Some(word),
                Err(now) => old = now,
            }
        }
        None
    }
}

/// Two threads push, one a block and then a chain of two (as the cache's batches are), while the owner takes, twice.
fn push_take() {
    search(|| {
        let list = Arc::new(List::new(4, 0));
        let pushers = [
            {
                let list = list.clone();
                thread::spawn(move || {
                    list.push(0);
                    list.blocks[2].with_mut(|link| unsafe { *link = 1 + 1 });
                    list.push_chain(2, 1, 2);
                })
            },
            {
                let list = list.clone();
                thread::spawn(move || {
                    list.push(3);
                })
            },
        ];
        let mut taken = list.take() + list.take();
        for pusher in pushers {
            pusher.join().unwrap();
        }
        taken += list.take();
        assert_eq!(taken, 4);
    });
}

/// remote_push of a mask: bit n + 2 is block n.
fn push_mask(list: &List, mask: u64) {
    let mut old = GUESS;
    loop {
        assert_eq!(old >> 2 & mask, 0, "pushed twice");
        let state = if old & STATE == 1 { 2 } else { old & STATE };
        let word = old & !STATE | mask << 2 | state;
        match list.word.compare_exchange(old, word, order("push", AcqRel), Relaxed) {
            Ok(_) => return,
            Err(now) => old = now,
        }
    }
}

/// remote_take of a mask, and a use of each block, as the next allocation makes.
fn take_mask(list: &List) -> u64 {
    let mask = list.word.fetch_and(STATE, order("take", Acquire)) >> 2;
    for block in (0..list.blocks.len()).filter(|block| mask >> block & 1 != 0) {
        list.blocks[block].with_mut(|contents| unsafe { *contents += 1 });
    }
    mask
}

/// Pages of few blocks: two threads, whose last use of their blocks comes before, push one and then two, while the owner takes, twice.
fn push_take_masks() {
    search(|| {
        let list = Arc::new(List::new(4, 0));
        let pushers = [vec![vec![0], vec![1, 2]], vec![vec![3]]].map(|pushes| {
            let list = list.clone();
            thread::spawn(move || {
                for blocks in pushes {
                    for &block in &blocks {
                        list.blocks[block].with_mut(|contents: *mut u64| unsafe { *contents = 1 });
                    }
                    push_mask(&list, blocks.iter().fold(0, |mask, block| mask | 1 << block));
                }
            })
        });
        let mut taken = 0;
        for _ in 0..2 {
            taken += take_mask(&list);
        }
        for pusher in pushers {
            pusher.join().unwrap();
        }
        taken += take_mask(&list);
        assert_eq!(taken, 0b1111); // each once
    });
}

/// Without dual lists: two threads push while the owner pops, uses and pushes.
fn push_pop() {
    search(|| {
        let list = Arc::new(List::new(3, 0));
        list.push(2);
        let pushers = [0, 1].map(|block| {
            let list = list.clone();
            thread::spawn(move || list.push(block))
        });
        let mut got = 0;
        for _ in 0..2 {
            if let Some(block) = list.pop() {
                got += 1;
                list.blocks[block as usize].with_mut(|link| unsafe { *link = 99 });
            }
        }
        for pusher in pushers {
            pusher.join().unwrap();
        }
        while let Some(block) = list.pop() {
            got += 1;
            list.blocks[block as usize].with_mut(|link| unsafe { *link = 99 });
        }
        assert_eq!(got, 3);
    });
}
