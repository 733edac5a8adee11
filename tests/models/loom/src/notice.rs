//! Notice of a full page: park, push, pending, drain; and a heap that closes and serves another thread.
//!
//! Mirrors csrc/src/park.c (hakmem_heap_park, hakmem_heap_take_notified, hakmem_heap_drain_pending), heap.c (hakmem_heap_wake),
//! notice.c (hakmem_give_notice) and thread.c (heap_close, heap_new, heap_recycle).
//!
//! site: csrc/src/remote.h remote_push compare_exchange_weak acq_rel/relaxed
//! site: csrc/src/remote.h remote_try_state compare_exchange_weak acq_rel/relaxed
//! site: csrc/src/park.c hakmem_heap_park compare_exchange_strong release/relaxed
//! site: csrc/src/park.c hakmem_heap_drain_pending load relaxed
//! site: csrc/src/park.c hakmem_heap_drain_pending exchange acquire
//! site: csrc/src/heap.c hakmem_heap_wake store release
//! site: csrc/src/park.c hakmem_heap_enqueue_woken store relaxed
//! site: csrc/src/thread.c heap_close exchange acq_rel
//! site: csrc/src/notice.c hakmem_give_notice load relaxed
//! site: csrc/src/notice.c hakmem_give_notice load acquire
//! site: csrc/src/notice.c hakmem_give_notice compare_exchange_weak release/acquire
//! site: csrc/src/page_arena.h owner_load load relaxed
//! site: csrc/src/page_arena.h owner_store store release

use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::*;
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::lists::List;
use crate::{order, search, Model, Word};

pub const MODELS: &[Model] = &[
    Model {
        name: "park_notice",
        run: park_notice,
        twins: &[
            ("park", "relaxed"),
            ("push", "release"),
            ("push", "acquire"),
            ("notice", "relaxed"),
            ("drain", "relaxed"),
        ],
    },
    Model { name: "close_and_recycle", run: close_and_recycle, twins: &[("close", "release"), ("notice", "relaxed")] },
    Model { name: "owner_word", run: owner_word, twins: &[("recycle", "relaxed")] },
];

const OWNED: u64 = 0;
const PARKED: u64 = 1;
const NOTIFIED: u64 = 2;

const NOTHING: u64 = 0;
const THE_PAGE: u64 = 1;
const CLOSED: u64 = 2;

/// A page and what of its heap others write.
struct Page {
    list: List,
    own_line: UnsafeCell<u64>,
    pending_next: UnsafeCell<u64>,
    heap: Word,
    pending: Word,
}

// One model thread at a time touches the cells, or loom says so.
unsafe impl Sync for Page {}
unsafe impl Send for Page {}

impl Page {
    fn new() -> Page {
        Page {
            list: List::new(2, OWNED),
            own_line: UnsafeCell::new(0),
            pending_next: UnsafeCell::new(0),
            heap: Word::new(0),
            pending: Word::new(NOTHING),
        }
    }

    /// Writes what only the holder of the page may write.
    fn hold(&self) {
        self.own_line.with_mut(|line| unsafe { *line += 1 });
    }

    fn park(&self) -> bool {
        self.hold();
        self.list.word.compare_exchange(OWNED, PARKED, order("park", Release), Relaxed).is_ok()
    }

    /// A free from another thread. True: it met a closed list, and the page is now this thread's.
    fn free(&self, block: u64, heap: u64) -> bool {
        let (old, _) = self.list.push(block);
        if old & 3 != PARKED {
            return false;
        }
        assert_eq!(self.heap.load(Relaxed), heap, "an old page->heap");
        let mut seen = self.pending.load(order("notice.load", Acquire));
        loop {
            if seen == CLOSED {
                assert!(self.list.try_state("settle", NOTIFIED, OWNED).is_some());
                self.hold();
                return true;
            }
            self.pending_next.with_mut(|next| unsafe { *next = seen });
            match self.pending.compare_exchange(seen, THE_PAGE, order("notice", Release), order("notice.load", Acquire))
            {
                Ok(_) => return false,
                Err(now) => seen = now,
            }
        }
    }

    /// The page's blocks that came back, once it was popped from pending.
    fn take_notified(&self) -> u64 {
        self.pending_next.with(|next| assert_eq!(unsafe { *next }, NOTHING));
        assert!(self.list.try_state("take_notified", NOTIFIED, OWNED).is_some());
        self.hold();
        self.list.take()
    }

    fn drain(&self) -> Option<u64> {
        if self.pending.load(Relaxed) != THE_PAGE {
            return None;
        }
        assert_eq!(self.pending.swap(NOTHING, order("drain", Acquire)), THE_PAGE);
        Some(self.take_notified())
    }
}

/// The owner parks its page, drains and parks again, while two threads free into it.
fn park_notice() {
    search(|| {
        let page = Arc::new(Page::new());
        let freers = [0, 1].map(|block| {
            let page = page.clone();
            thread::spawn(move || assert!(!page.free(block, 1)))
        });
        page.heap.store(1, Relaxed); // as an adoption: the freers had their blocks before
        let mut back = 0;
        let mut parked = false;
        for _ in 0..2 {
            if !parked {
                back += page.list.take();
                parked = page.park();
            }
            if let Some(blocks) = page.drain() {
                back += blocks;
                parked = false;
            }
        }
        for freer in freers {
            freer.join().unwrap();
        }
        back += page.drain().unwrap_or(0) + page.list.take();
        assert_eq!(back, 2);
    });
}

/// A thread parks its page and ends; the next one gets its heap; two others free into the page.
fn close_and_recycle() {
    search(|| {
        let page = Arc::new(Page::new());
        let free_heaps = Arc::new(Mutex::new(false));
        page.heap.store(1, Relaxed);
        let freers = [0, 1].map(|block| {
            let page = page.clone();
            thread::spawn(move || page.free(block, 1))
        });
        let next = {
            let (page, free_heaps) = (page.clone(), free_heaps.clone());
            thread::spawn(move || {
                if std::mem::take(&mut *free_heaps.lock().unwrap()) {
                    page.pending.store(NOTHING, order("reopen", Release));
                    return page.drain().is_some();
                }
                false
            })
        };
        let parked = page.park();
        // heap_close
        let had = if page.pending.swap(CLOSED, order("close", AcqRel)) == THE_PAGE {
            page.take_notified();
            true
        } else {
            !parked
        };
        *free_heaps.lock().unwrap() = true;
        let settled = freers.map(|freer| freer.join().unwrap());
        let woken = next.join().unwrap();
        let holders = settled.into_iter().chain([woken, had]).filter(|took| *took).count();
        let waits = page.pending.load(Relaxed) == THE_PAGE;
        assert_eq!(holders + usize::from(waits), 1, "one thread has the page, or it waits in the new heap's list");
    });
}

/// The owner word names a heap whose address the next thread gets: it must not find its own address on a page that the last
/// one parked, whatever relaxed loads may see.
fn owner_word() {
    const HEAP: u64 = 64;
    search(|| {
        let owner = Arc::new(Word::new(0));
        let free_heaps = Arc::new(Word::new(0)); // the lock, as an acquire and a release
        let last = {
            let (owner, free_heaps) = (owner.clone(), free_heaps.clone());
            thread::spawn(move || {
                owner.store(HEAP, Release);
                owner.store(HEAP | 1, Release);
                free_heaps.store(1, order("recycle", Release));
            })
        };
        if free_heaps.load(Acquire) == 1 {
            assert_ne!(owner.load(Relaxed), HEAP);
        }
        last.join().unwrap();
    });
}
