//! Ten thousand threads, each of which leaves blocks that others free: the process ends as small as it began. In a program
//! of its own, because what other tests leave in the allocator's hands would be counted.
#![cfg(not(miri))] // crosses the FFI

mod common;

use std::sync::{Barrier, Mutex};
use std::thread;

use common::rng::Rng;
use common::{resident, settled_figures};
use hakmem_alloc::Hakmem;

#[global_allocator]
static GLOBAL: Hakmem = Hakmem::new();

const WAVE: usize = 50;
const WAVES: usize = 200;
const WARM_UP: usize = 10;
const MAY_KEEP: u64 = 2 << 20;

/// What may wait to be given back without a call. In builds without dual lists nothing tells a page's owner that others
/// freed the last of it, until the owner looks.
fn may_wait() -> u64 {
    if option_env!("HAKMEM_USE_DUAL_LISTS") == Some("0") {
        8 * MAY_KEEP
    } else {
        MAY_KEEP
    }
}

/// What a thread leaves: some hundred blocks of different sizes, a large one, and a huge one that is hardly touched.
fn legacy(seed: u64) -> Vec<Vec<u8>> {
    let mut rng = Rng(seed);
    let mut blocks: Vec<Vec<u8>> = (0..200).map(|i| vec![i as u8; rng.log_between(8, 4096)]).collect();
    blocks.push(vec![200; rng.log_between(8 << 10, 256 << 10)]);
    let mut huge = Vec::with_capacity((16 << 20) + rng.below(16 << 20));
    huge.resize(5000, 201);
    blocks.push(huge);
    blocks
}

/// Frees what some thread left, once its contents are seen to be whole.
fn check_and_free(blocks: Vec<Vec<u8>>) {
    for (i, block) in blocks.into_iter().enumerate() {
        assert!(block.iter().all(|&byte| byte == i as u8), "block {i} of {} bytes", block.len());
    }
}

/// One wave: every thread leaves blocks behind, and frees those that some thread of the wave before left.
fn wave(number: usize, left: &Mutex<Vec<Vec<Vec<u8>>>>) {
    let inherited = Mutex::new(std::mem::take(&mut *left.lock().unwrap()));
    // All at once, so that every wave needs as many stacks and heaps.
    let all_run = Barrier::new(WAVE);
    thread::scope(|scope| {
        let start = |i| {
            let (inherited, all_run) = (&inherited, &all_run);
            scope.spawn(move || {
                all_run.wait();
                let own = legacy((number * WAVE + i) as u64);
                let others = inherited.lock().unwrap().pop();
                others.into_iter().for_each(check_and_free);
                left.lock().unwrap().push(own);
            })
        };
        let threads: Vec<_> = (0..WAVE).map(start).collect();
        // The scope waits for their closures only, a join for their last destructors too.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Half a second of ordinary allocation, in which what became empty goes back by itself.
fn settle() {
    for round in 0..25 {
        let some: Vec<Vec<u8>> = (0..32).map(|i| vec![1; 16 + (round * 131 + i * 37) % 1000]).collect();
        drop(some);
        thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn ten_thousand_threads_leave_nothing_behind() {
    let left = Mutex::new(Vec::with_capacity(WAVE));
    let forget = || {
        left.lock().unwrap().clear();
        left.lock().unwrap().shrink_to_fit();
    };
    // For stacks and heaps that are kept for the next thread, and the like.
    for number in 0..WARM_UP {
        wave(number, &left);
    }
    forget();
    settle();
    let before = settled_figures();
    let resident_before = resident::bytes();
    for number in 0..WAVES {
        wave(number, &left);
    }
    forget();
    let mut resident_after = u64::MAX;
    for _ in 0..6 {
        // on a busy machine the coarse clock's ticks come late
        settle();
        resident_after = resident_after.min(resident::bytes());
    }
    let after = settled_figures();
    hakmem_alloc::purge();
    let resident_purged = resident::bytes();
    println!(
        "{} threads: resident {} KiB before, {} KiB after, {} KiB after purge(); live {:?} and {:?}",
        WAVE * WAVES,
        resident_before / 1024,
        resident_after / 1024,
        resident_purged / 1024,
        before,
        after,
    );
    assert_eq!(after, before);
    assert!(resident_after <= resident_before + may_wait(), "{resident_before} B resident became {resident_after} B");
    assert!(resident_purged <= resident_before + MAY_KEEP, "purged: {resident_purged} B");
}
