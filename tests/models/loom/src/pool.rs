//! Where one thread writes a word and then looks at another's, and the other way round: of the two, one must see the other.
//!
//! Mirrors csrc/src/slot_bits.h and slot_bits.c (`available`: hakmem_set_available against hakmem_clear_available_if_full; `run_limit`:
//! hakmem_set_available against claim_from of shared_pool.c), purge.c (`purge_at` and `dirty_slots`: hakmem_purge_count_given and
//! hakmem_purge_given and set_purge against hakmem_pool_tick; `purges_begun` and `purges_ended`: purge_all against `acquire` of shared_pool.c) and
//! page_arena.c (set_free_bits, hakmem_arena_commit). The core's seq_cst accesses are a fence here; see main.rs.
//!
//! site: csrc/src/purge.c hakmem_pool_tick load seq_cst
//! site: csrc/src/purge.c hakmem_pool_tick store relaxed
//! site: csrc/src/purge.c hakmem_pool_tick compare_exchange_strong seq_cst/relaxed
//! site: csrc/src/purge.c hakmem_purge_count_given fetch_add seq_cst
//! site: csrc/src/purge.c hakmem_purge_given load seq_cst
//! site: csrc/src/purge.c set_purge load seq_cst
//! site: csrc/src/purge.c set_purge store relaxed
//! site: csrc/src/purge.c hakmem_purges_ended load acquire
//! site: csrc/src/purge.c hakmem_purges_since load relaxed
//! site: csrc/src/purge.c hakmem_purge_begin fetch_add relaxed
//! site: csrc/src/purge.c hakmem_purge_end fetch_add release
//! site: csrc/src/slot_bits.h claim_bits fetch_and acq_rel
//! site: csrc/src/slot_bits.c hakmem_snapshot load seq_cst
//! site: csrc/src/slot_bits.h give_bits fetch_or seq_cst
//! site: csrc/src/slot_bits.c hakmem_set_available load seq_cst
//! site: csrc/src/slot_bits.c hakmem_set_available fetch_or seq_cst
//! site: csrc/src/slot_bits.c chunk_has_free load seq_cst
//! site: csrc/src/slot_bits.c hakmem_clear_available_if_full fetch_and seq_cst
//! site: csrc/src/slot_bits.c hakmem_set_available store seq_cst
//! site: csrc/src/shared_pool.c claim_from store seq_cst
//! site: csrc/src/page_arena.c set_free_bits fetch_or seq_cst
//! site: csrc/src/page_arena.c hakmem_arena_commit load acquire
//! site: csrc/src/page_arena.c hakmem_arena_commit compare_exchange_weak release/acquire

use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::*;
use loom::sync::Arc;
use loom::thread;

use crate::{order, search, seq_cst_fence, Model, Word};

pub const MODELS: &[Model] = &[
    Model { name: "available", run: available, twins: &[("give", "release"), ("clear", "release")] },
    Model { name: "run_limit", run: run_limit, twins: &[("give", "release"), ("limit", "relaxed")] },
    Model { name: "purge_at", run: purge_at, twins: &[("release", "release"), ("tick", "acquire")] },
    Model {
        name: "purge_holds",
        run: purge_holds,
        twins: &[("claim_bits", "acquire"), ("snapshot", "relaxed"), ("end", "relaxed"), ("ended", "relaxed")],
    },
    Model { name: "commit", run: commit, twins: &[("commit.raise", "relaxed"), ("commit.look", "relaxed")] },
];

/// A slot is given while another thread, that found the chunk full, clears its bit.
fn available() {
    search(|| {
        let bits = Arc::new(Word::new(0));
        let available = Arc::new(Word::new(1));
        let clearer = {
            let (bits, available) = (bits.clone(), available.clone());
            thread::spawn(move || {
                if bits.load(Acquire) == 0 {
                    available.fetch_and(0, AcqRel);
                    seq_cst_fence("clear");
                    if bits.load(Acquire) != 0 && available.load(Acquire) == 0 {
                        available.fetch_or(1, AcqRel);
                    }
                }
            })
        };
        bits.fetch_or(1, AcqRel);
        seq_cst_fence("give");
        if available.load(Acquire) == 0 {
            available.fetch_or(1, AcqRel);
        }
        clearer.join().unwrap();
        assert_eq!(available.load(Relaxed), 1, "a free slot is hidden");
    });
}

/// A slot is given while another thread, that found no run, says so.
fn run_limit() {
    search(|| {
        let bits = Arc::new(Word::new(0));
        let limit = Arc::new(Word::new(9));
        let searcher = {
            let (bits, limit) = (bits.clone(), limit.clone());
            thread::spawn(move || {
                if bits.load(Relaxed) == 0 {
                    limit.store(1, Release);
                    seq_cst_fence("limit");
                    if bits.load(Acquire) != 0 {
                        limit.store(9, Release);
                    }
                }
            })
        };
        bits.fetch_or(1, AcqRel);
        seq_cst_fence("give");
        if limit.load(Acquire) != 9 {
            limit.store(9, Release);
        }
        searcher.join().unwrap();
        assert_eq!(limit.load(Relaxed), 9, "a free slot is hidden");
    });
}

/// A slot is released while another thread purges what has aged, which is nothing, and sets the next time if any waits.
fn purge_at() {
    search(|| {
        let dirty = Arc::new(Word::new(0));
        let at = Arc::new(Word::new(1));
        let ticker = {
            let (dirty, at) = (dirty.clone(), at.clone());
            thread::spawn(move || {
                if at.compare_exchange(1, 0, AcqRel, Relaxed).is_ok() {
                    seq_cst_fence("tick");
                    if dirty.load(Acquire) > 0 {
                        at.store(2, Relaxed);
                    }
                }
            })
        };
        dirty.fetch_add(1, AcqRel);
        seq_cst_fence("release");
        if at.load(Acquire) == 0 {
            at.store(3, Relaxed);
        }
        ticker.join().unwrap();
        assert_ne!(at.load(Relaxed), 0, "a slot waits for ever");
    });
}

/// A slot is in a purge's hands while another thread, which finds none, has to know that.
fn purge_holds() {
    search(|| {
        let [empty, released, begun, ended] = [1, 0, 0, 0].map(|value| Arc::new(Word::new(value)));
        let purger = {
            let (empty, released) = (empty.clone(), released.clone());
            let (begun, ended) = (begun.clone(), ended.clone());
            thread::spawn(move || {
                begun.fetch_add(1, Relaxed);
                assert_eq!(empty.fetch_and(0, order("claim_bits", AcqRel)), 1);
                released.fetch_or(1, order("give", AcqRel));
                ended.fetch_add(1, order("end", Release));
            })
        };
        let over = ended.load(order("ended", Acquire));
        let found = empty.load(order("snapshot", Acquire)) | released.load(order("snapshot", Acquire));
        if found == 0 {
            assert_ne!(begun.load(Relaxed), over, "refused, though nobody has the slot but a purge");
        }
        purger.join().unwrap();
    });
}

/// Who sees the prefix may touch it.
fn commit() {
    struct Chunk {
        committed: Word,
        protection: UnsafeCell<bool>,
    }
    unsafe impl Sync for Chunk {}
    unsafe impl Send for Chunk {}
    search(|| {
        let chunk = Arc::new(Chunk { committed: Word::new(1), protection: UnsafeCell::new(false) });
        let other = {
            let chunk = chunk.clone();
            thread::spawn(move || {
                if chunk.committed.load(order("commit.look", Acquire)) > 1 {
                    chunk.protection.with(|on| assert!(unsafe { *on }));
                }
            })
        };
        chunk.protection.with_mut(|on| unsafe { *on = true });
        let _ = chunk.committed.compare_exchange(1, 2, order("commit.raise", Release), Acquire);
        other.join().unwrap();
    });
}
