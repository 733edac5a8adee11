//! Pages that change hands without a lock: abandon, late frees, claims; and an emptied page whose slot goes to another thread.
//!
//! Mirrors csrc/src/abandoned.c, frees.c (hakmem_free_remote_chain), page.h (page_is_empty), heap_slots.c (hakmem_heap_release_page)
//! and slot_bits.h (claim_bits, give_bits).
//!
//! site: csrc/src/remote.h remote_try_state load relaxed
//! site: csrc/src/remote.h remote_try_state compare_exchange_weak acq_rel/relaxed
//! site: csrc/src/page.h page_used load relaxed
//! site: csrc/src/page.h page_set_used store relaxed
//! site: csrc/src/page.h page_is_empty load acquire
//! site: csrc/src/slot_bits.h claim_bits load relaxed
//! site: csrc/src/slot_bits.h claim_bits fetch_and acq_rel
//! site: csrc/src/slot_bits.h give_bits fetch_or seq_cst

use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::*;
use loom::sync::Arc;
use loom::thread;

use crate::lists::{count, List};
use crate::{left_out, order, search, Model, Word};

pub const MODELS: &[Model] = &[
    Model {
        name: "abandon_claim",
        run: abandon_claim,
        twins: &[("abandon", "acquire"), ("claim", "release"), ("push", "acquire")],
    },
    Model {
        name: "abandon_again",
        run: abandon_again,
        twins: &[("abandon", "acquire"), ("claim", "release"), ("second_look", "none")],
    },
    Model {
        name: "emptied_slot",
        run: emptied_slot,
        twins: &[("is_empty", "relaxed"), ("push", "acquire"), ("give", "relaxed"), ("claim_bits", "release")],
    },
    Model { name: "two_givers", run: two_givers, twins: &[("give", "relaxed"), ("claim_bits", "release")] },
];

const OWNED: u64 = 0;
const ABANDONED: u64 = 3;

struct Page {
    list: List,
    own_line: UnsafeCell<u64>,
    used: Word,
    free_slots: Word,
}

unsafe impl Sync for Page {}
unsafe impl Send for Page {}

impl Page {
    fn new(used: u64) -> Page {
        Page {
            list: List::new(used as usize, OWNED),
            own_line: UnsafeCell::new(0),
            used: Word::new(used),
            free_slots: Word::new(0),
        }
    }

    /// hakmem_claim; the winner uses the page.
    fn claim(&self) -> bool {
        let won = self.list.try_state("claim", ABANDONED, OWNED).is_some();
        if won {
            self.own_line.with_mut(|line| unsafe { *line += 1 });
            let back = self.list.take();
            self.used.store(self.used.load(Relaxed) - back, Relaxed);
        }
        won
    }
}

/// A thread abandons its page; another frees the page's last blocks; a third looks for one to claim.
fn abandon_claim() {
    search(|| {
        let page = Arc::new(Page::new(2));
        let freer = {
            let page = page.clone();
            thread::spawn(move || {
                let mut won = false;
                for block in 0..2 {
                    let (old, left) = page.list.push(block);
                    // As in the C: whatever `used` says, the claim decides.
                    won |= old & 3 == ABANDONED && count(left) == page.used.load(Relaxed) && page.claim();
                }
                won
            })
        };
        let claimer = {
            let page = page.clone();
            thread::spawn(move || page.claim())
        };
        page.own_line.with_mut(|line| unsafe { *line += 1 });
        let used = page.used.load(Relaxed);
        let left = page.list.try_state("abandon", OWNED, ABANDONED).unwrap();
        let won = count(left) == used && page.claim();
        let freer_won = freer.join().unwrap();
        let claimer_won = claimer.join().unwrap();
        assert_eq!(u8::from(won) + u8::from(freer_won) + u8::from(claimer_won), 1, "all is back, so one thread has it");
        page.list.take();
    });
}

impl Page {
    /// hakmem_abandon: false: every block is back, and the page is this thread's.
    fn abandon(&self) -> bool {
        loop {
            self.own_line.with_mut(|line| unsafe { *line += 1 });
            let used = self.used.load(Relaxed);
            let left = self.list.try_state("abandon", OWNED, ABANDONED).unwrap();
            if count(left) != used || self.list.try_state("claim", ABANDONED, OWNED).is_none() {
                return true;
            }
            self.own_line.with_mut(|line| unsafe { *line += 1 });
            if count(self.list.word.load(order("is_empty", Acquire))) == self.used.load(Relaxed)
                || left_out("second_look")
            {
                return false;
            }
        }
    }
}

/// A thread abandons a page whose block is back already, and claims it again; another has had it in between, taken the block that
/// came back for itself, and abandoned it in turn.
fn abandon_again() {
    search(|| {
        let page = Arc::new(Page::new(1));
        page.list.push(0);
        let other = {
            let page = page.clone();
            thread::spawn(move || {
                if !page.claim() {
                    return false;
                }
                page.used.store(1, Relaxed); // a block is handed out, and stays with the program
                assert!(page.abandon(), "a block is in use");
                true
            })
        };
        let abandoned = page.abandon();
        let in_use = other.join().unwrap();
        assert_eq!(abandoned, in_use, "empty if nobody took a block, and given up if somebody did");
    });
}

/// Another thread frees the last block of a page; the owner sees that by the count alone and gives the slot away; a third thread gets it and
/// writes where the block was.
fn emptied_slot() {
    search(|| {
        let page = Arc::new(Page::new(1));
        let freer = {
            let page = page.clone();
            thread::spawn(move || page.list.push(0))
        };
        let next = {
            let page = page.clone();
            thread::spawn(move || {
                if page.free_slots.load(Relaxed) & 1 != 0
                    && page.free_slots.fetch_and(!1, order("claim_bits", AcqRel)) & 1 != 0
                {
                    page.list.blocks[0].with_mut(|block| unsafe { *block = 7 });
                    page.own_line.with_mut(|line| unsafe { *line += 1 });
                }
            })
        };
        page.own_line.with_mut(|line| unsafe { *line += 1 });
        if count(page.list.word.load(order("is_empty", Acquire))) == page.used.load(Relaxed) {
            page.free_slots.fetch_or(1, order("give", AcqRel));
        }
        freer.join().unwrap();
        next.join().unwrap();
    });
}

/// Slots of one word, given by two threads and claimed at once by a third: the operations on the word continue each other's
/// release sequence.
fn two_givers() {
    search(|| {
        let page = Arc::new(Page::new(2));
        let givers = [0, 1].map(|slot: usize| {
            let page = page.clone();
            thread::spawn(move || {
                page.list.blocks[slot].with_mut(|block| unsafe { *block = 7 });
                page.free_slots.fetch_or(1 << slot, order("give", Release));
            })
        });
        let got = page.free_slots.fetch_and(!3, order("claim_bits", AcqRel));
        for slot in 0..2 {
            if got & 1 << slot != 0 {
                page.list.blocks[slot].with_mut(|block| unsafe { *block = 8 });
            }
        }
        for giver in givers {
            giver.join().unwrap();
        }
    });
}
