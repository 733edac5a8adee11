//! What is written once and then shown to others: the chunk table, the regions, a page behind its owner word, the failure hook, the
//! record of early memory, the list of all heaps. One shape with the core's orders; each use is named.
//!
//! site: csrc/src/page_arena.c make_chunk store release
//! site: csrc/src/page_arena.c hakmem_arena_chunk_count load acquire
//! site: csrc/src/page_arena.c reserve_region store release
//! site: csrc/src/page_arena.c hakmem_arena_contains_slow load acquire
//! site: csrc/src/page_arena.c make_chunk store relaxed
//! site: csrc/src/page_arena.c reserve_region store relaxed
//! site: csrc/src/page_arena.c hakmem_arena_contains_slow load relaxed
//! site: csrc/src/page_arena.h arena_first_range load relaxed
//! site: csrc/src/page_arena.h hakmem_tiny_ptr_to_page load relaxed
//! site: csrc/src/page_arena.h owner_store_all load relaxed
//! site: csrc/src/page.h page_block_size load relaxed
//! site: csrc/src/heap_slots.c page_slots load relaxed
//! site: csrc/src/frees.c checked_page load relaxed
//! site: csrc/src/frees.h hakmem_tiny_free load relaxed
//! site: csrc/src/stats.c add_chunk load relaxed
//! site: csrc/src/page_arena.h owner_store store release
//! site: csrc/src/heap_slots.c hakmem_heap_make_page store relaxed
//! site: csrc/src/stats.c add_chunk load acquire
//! site: csrc/src/failure.c hakmem_set_failure_hook exchange acq_rel
//! site: csrc/src/failure.c hakmem_out_of_memory load acquire
//! site: csrc/src/early.c hakmem_early_record compare_exchange_strong acquire/acquire
//! site: csrc/src/early.c hakmem_early_record store release
//! site: csrc/src/early.c hakmem_early_bytes load acquire
//! site: csrc/src/thread.c link_heap load relaxed
//! site: csrc/src/thread.c link_heap compare_exchange_weak release/relaxed
//! site: csrc/src/thread.c hakmem_all_heaps load acquire

use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::*;
use loom::sync::Arc;
use loom::thread;

use crate::{order, search, Model, Word};

pub const MODELS: &[Model] = &[
    Model { name: "publish", run: publish, twins: &[("publish.store", "relaxed"), ("publish.load", "relaxed")] },
    Model {
        name: "publish_relaxed",
        run: publish_relaxed,
        twins: &[("publish.store", "relaxed"), ("publish.load", "relaxed")],
    },
    Model {
        name: "hook",
        run: hook,
        twins: &[("hook.set", "acquire"), ("hook.set", "release"), ("hook.call", "relaxed")],
    },
    Model { name: "heap_list", run: heap_list, twins: &[("link", "relaxed"), ("all", "relaxed")] },
    Model { name: "record_once", run: record_once, twins: &[("record.done", "relaxed"), ("record.look", "relaxed")] },
];

struct Shown {
    word: Word,
    field: Word,
    entry: UnsafeCell<u64>,
}

unsafe impl Sync for Shown {}
unsafe impl Send for Shown {}

fn shown() -> Arc<Shown> {
    Arc::new(Shown { word: Word::new(0), field: Word::new(0), entry: UnsafeCell::new(0) })
}

/// An entry, then the count: the chunk table, the regions.
fn publish() {
    search(|| {
        let table = shown();
        let reader = {
            let table = table.clone();
            thread::spawn(move || {
                if table.word.load(order("publish.load", Acquire)) == 1 {
                    table.entry.with(|entry| assert_eq!(unsafe { *entry }, 7));
                }
            })
        };
        table.entry.with_mut(|entry| unsafe { *entry = 7 });
        table.word.store(1, order("publish.store", Release));
        reader.join().unwrap();
    });
}

/// Relaxed fields, then the owner word: a page for those who sum figures.
fn publish_relaxed() {
    search(|| {
        let page = shown();
        let reader = {
            let page = page.clone();
            thread::spawn(move || {
                if page.word.load(order("publish.load", Acquire)) == 64 {
                    assert_eq!(page.field.load(Relaxed), 7);
                }
            })
        };
        page.field.store(7, Relaxed);
        page.word.store(64, order("publish.store", Release));
        reader.join().unwrap();
    });
}

/// The failure hook: who calls it sees what was set up before; who replaces it sees what the last one set up.
fn hook() {
    search(|| {
        let hook = shown();
        let caller = {
            let hook = hook.clone();
            thread::spawn(move || {
                if hook.word.load(order("hook.call", Acquire)) == 1 {
                    hook.field.fetch_add(1, Relaxed);
                    hook.entry.with(|entry| assert_eq!(unsafe { *entry }, 7));
                }
            })
        };
        let replacer = {
            let hook = hook.clone();
            thread::spawn(move || {
                if hook.word.swap(2, order("hook.set", AcqRel)) == 1 {
                    hook.entry.with(|entry| assert_eq!(unsafe { *entry }, 7));
                }
            })
        };
        hook.entry.with_mut(|entry| unsafe { *entry = 7 });
        hook.word.swap(1, order("hook.set", AcqRel));
        replacer.join().unwrap();
        caller.join().unwrap();
    });
}

/// Two heaps are linked at once; who walks the list reads their links.
fn heap_list() {
    struct Heaps {
        first: Word,
        next: [UnsafeCell<u64>; 2],
    }
    unsafe impl Sync for Heaps {}
    unsafe impl Send for Heaps {}
    fn link(heaps: &Heaps, heap: u64) {
        let mut first = 0; // what the relaxed load may return; the CAS confirms it
        loop {
            heaps.next[heap as usize - 1].with_mut(|next| unsafe { *next = first });
            match heaps.first.compare_exchange(first, heap, order("link", Release), Relaxed) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }
    fn walk(heaps: &Heaps) -> u64 {
        let (mut heap, mut seen) = (heaps.first.load(order("all", Acquire)), 0);
        while heap != 0 {
            seen += 1;
            heap = heaps.next[heap as usize - 1].with(|next| unsafe { *next });
        }
        seen
    }
    search(|| {
        let heaps = Arc::new(Heaps { first: Word::new(0), next: [0, 0].map(UnsafeCell::new) });
        let others = [1, 2].map(|heap| {
            let heaps = heaps.clone();
            thread::spawn(move || link(&heaps, heap))
        });
        walk(&heaps);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(walk(&heaps), 2);
    });
}

/// One of two threads makes the record; who sees it done reads it.
fn record_once() {
    fn record(shown: &Shown) {
        if shown.word.compare_exchange(0, 1, Acquire, Acquire).is_ok() {
            shown.entry.with_mut(|entry| unsafe { *entry = 7 });
            shown.word.store(2, order("record.done", Release));
        }
        if shown.word.load(order("record.look", Acquire)) == 2 {
            shown.entry.with(|entry| assert_eq!(unsafe { *entry }, 7));
        }
    }
    search(|| {
        let shown = shown();
        let other = {
            let shown = shown.clone();
            thread::spawn(move || record(&shown))
        };
        record(&shown);
        other.join().unwrap();
    });
}
