//! The methods of `GlobalAlloc` and the functions beside them, on blocks whose place and size are known.
#![cfg(not(miri))] // crosses the FFI

mod common;

use std::alloc::{GlobalAlloc, Layout};
use std::time::{Duration, Instant};

use common::{resident, serial, settled_figures};
use hakmem_alloc::{purge, stats, usable_size, Hakmem, Stats};

#[global_allocator]
static GLOBAL: Hakmem = Hakmem::new();

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// A block that is freed at the end of its test.
struct Block {
    start: *mut u8,
    layout: Layout,
}

impl Block {
    fn new(size: usize, align: usize) -> Self {
        let layout = layout(size, align);
        // SAFETY: no test asks for zero bytes.
        let start = unsafe { GLOBAL.alloc(layout) };
        assert!(!start.is_null());
        Block { start, layout }
    }

    fn zeroed(size: usize, align: usize) -> Self {
        let layout = layout(size, align);
        // SAFETY: as above.
        let start = unsafe { GLOBAL.alloc_zeroed(layout) };
        assert!(!start.is_null());
        Block { start, layout }
    }

    fn resize(&mut self, size: usize) {
        // SAFETY: the block has this layout.
        self.start = unsafe { GLOBAL.realloc(self.start, self.layout, size) };
        assert!(!self.start.is_null());
        self.layout = layout(size, self.layout.align());
    }

    fn write(&self, at: usize, byte: u8) {
        assert!(at < self.layout.size());
        // SAFETY: inside the block.
        unsafe { self.start.add(at).write(byte) };
    }

    fn read(&self, at: usize) -> u8 {
        assert!(at < self.layout.size());
        // SAFETY: inside the block; the tests read what they wrote, or what is zeroed.
        unsafe { self.start.add(at).read() }
    }

    fn touch(&self) {
        (0..self.layout.size()).step_by(4 * KIB).for_each(|at| self.write(at, 0xa5));
    }

    fn end(&self) -> *mut u8 {
        self.start.wrapping_add(self.layout.size())
    }

    fn usable(&self) -> usize {
        // SAFETY: the block is in use.
        unsafe { usable_size(self.start) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the block has this layout and is used no more.
        unsafe { GLOBAL.dealloc(self.start, self.layout) };
    }
}

#[test]
fn realloc_stays_in_place_inside_a_class() {
    let _serial = serial();
    for (from, to) in [(129, 144), (144, 130), (1000, 1024), (33, 40), (9000, 9216), (62_000, 65_536)] {
        let mut block = Block::new(from, 8);
        let start = block.start;
        block.resize(to);
        assert_eq!(block.start, start, "{from} to {to}");
        block.resize(from);
        assert_eq!(block.start, start, "{to} to {from}");
    }
}

#[test]
fn realloc_moves_contents_between_the_kinds_of_block() {
    let _serial = serial();
    let sizes = [8, 100, 5000, 8192, 8193, 65_536, 65_537, MIB, 16 * MIB, 17 * MIB, 40 * MIB];
    for &from in &sizes {
        for &to in &sizes {
            for align in [1, 64, 4096] {
                let mut block = Block::new(from, align);
                let kept = from.min(to);
                let marks = [0, kept / 3, kept / 2, kept - 1];
                for (i, &at) in marks.iter().enumerate() {
                    block.write(at, at as u8 ^ i as u8);
                }
                block.resize(to);
                assert_eq!(block.start as usize % align, 0, "{from} to {to}");
                assert!(block.usable() >= to);
                assert_eq!(block.read(kept - 1), (kept - 1) as u8 ^ 3, "{from} to {to}");
                assert_eq!(block.read(kept / 2), (kept / 2) as u8 ^ if kept / 2 == kept - 1 { 3 } else { 2 });
            }
        }
    }
}

/// Two blocks, the second of which begins where the first ends; in an arena with holes it may take some attempts.
fn neighbours(bytes: usize) -> (Block, Block) {
    let mut held = Vec::new();
    for _ in 0..64 {
        let first = Block::new(bytes, 8);
        let second = Block::new(bytes, 8);
        if first.end() == second.start {
            return (first, second);
        }
        held.push((first, second));
    }
    panic!("no two runs side by side in 64 attempts");
}

/// A run of 2 MiB that grew to that where it was; `None` if another thread took a slot behind it first.
fn grown_in_place() -> Option<Block> {
    let (mut first, second) = neighbours(MIB);
    first.write(MIB - 1, 7);
    let start = first.start;
    drop(second);
    first.resize(2 * MIB);
    assert_eq!(first.read(MIB - 1), 7);
    (first.start == start).then_some(first)
}

#[test]
fn runs_grow_in_place_where_the_next_slots_are_free() {
    let _serial = serial();
    settled_figures();
    let mut block = (0..8).find_map(|_| grown_in_place()).expect("one of eight runs grows in place");
    block.touch();
    // And gives up what it does not need.
    let start = block.start;
    block.resize(MIB / 2);
    assert_eq!(block.start, start);
    assert_eq!(block.usable(), MIB / 2);
    block.write(MIB / 2 - 1, 9);
    let next = Block::new(MIB / 2, 8);
    next.touch();
    assert_eq!(block.read(MIB / 2 - 1), 9);
}

#[test]
fn a_run_between_others_moves_when_it_grows() {
    let _serial = serial();
    let (mut first, second) = neighbours(MIB);
    let start = first.start;
    first.write(MIB - 1, 7);
    second.write(0, 8);
    first.resize(2 * MIB);
    assert_ne!(first.start, start);
    assert_eq!((first.read(MIB - 1), second.read(0)), (7, 8));
}

#[test]
fn huge_blocks_move_without_being_copied() {
    let _serial = serial();
    let mut block = Block::new(128 * MIB, 8);
    let marks = [0, 5 * MIB, 77 * MIB + 3, 128 * MIB - 1];
    marks.iter().enumerate().for_each(|(i, &at)| block.write(at, i as u8 + 1));
    let resident_before = resident::bytes();
    let began = Instant::now();
    for bytes in [256 * MIB, 200 * MIB, 512 * MIB, 129 * MIB, 1024 * MIB] {
        block.resize(bytes);
        marks.iter().enumerate().for_each(|(i, &at)| assert_eq!(block.read(at), i as u8 + 1, "{bytes}"));
        assert_eq!(block.read(bytes - 1), if bytes == 128 * MIB { 4 } else { 0 });
    }
    let took = began.elapsed();
    let grown = resident::bytes().saturating_sub(resident_before);
    println!("five moves of 128 MiB and more in {took:?}, {} KiB more resident", grown / 1024);
    // A copy of 128 MiB would show in both.
    assert!(grown < 8 * MIB as u64, "{grown} B");
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn fresh_memory_is_not_written_to_be_zero() {
    let _serial = serial();
    purge();
    for bytes in [8 * MIB, 64 * MIB] {
        let before = resident::bytes();
        let block = Block::zeroed(bytes, 8);
        let grown = resident::bytes().saturating_sub(before);
        assert!(grown < MIB as u64, "{grown} B resident of {bytes}");
        assert!((0..bytes).step_by(MIB).all(|at| block.read(at) == 0));
    }
}

#[test]
fn used_memory_is_cleared() {
    let _serial = serial();
    for bytes in [1, 8, 100, 1000, 5000, 20_000, 65_536, 100_000, MIB, 5 * MIB, 20 * MIB] {
        for round in 0..20 {
            let dirty = Block::new(bytes, 8);
            (0..bytes).for_each(|at| dirty.write(at, 0xff));
            drop(dirty);
            let zeroed = Block::zeroed(bytes, 8);
            assert!((0..bytes).all(|at| zeroed.read(at) == 0), "{bytes} B, round {round}");
            if bytes >= MIB {
                break;
            }
        }
    }
}

fn class_blocks(stats: &Stats, bytes: usize) -> u64 {
    stats.classes().find(|class| class.block_bytes == bytes).map_or(0, |class| class.live_blocks)
}

#[test]
fn stats_follow_every_block() {
    let _serial = serial();
    settled_figures();
    let before = stats();
    let small: [Block; 3] = std::array::from_fn(|_| Block::new(100, 4));
    let medium = Block::new(10_000, 8);
    let large = Block::new(100_000, 8);
    let huge = Block::new(20 * MIB, 8);
    let during = stats();
    let usable = small.iter().chain([&medium, &large, &huge]).map(|block| block.usable() as u64).sum::<u64>();
    assert_eq!(usable, 3 * 104 + 10_240 + 131_072 + 20 * MIB as u64);
    assert_eq!(during.live_bytes - before.live_bytes, usable);
    assert_eq!(during.live_blocks - before.live_blocks, 6);
    assert_eq!(during.large_blocks - before.large_blocks, 1);
    assert_eq!(during.huge_blocks - before.huge_blocks, 1);
    assert_eq!(class_blocks(&during, 104) - class_blocks(&before, 104), 3);
    assert_eq!(class_blocks(&during, 10_240) - class_blocks(&before, 10_240), 1);
    assert!(during.committed_bytes >= during.live_bytes);
    assert!(during.reserved_bytes >= during.committed_bytes);
    drop((small, medium, large, huge));
    let after = stats();
    assert_eq!((after.live_bytes, after.live_blocks), (before.live_bytes, before.live_blocks));
    assert_eq!((after.large_blocks, after.huge_blocks), (before.large_blocks, before.huge_blocks));
}

#[test]
fn classes_are_in_order_and_add_up() {
    let _serial = serial();
    settled_figures();
    let stats = stats();
    let classes: Vec<_> = stats.classes().collect();
    assert_eq!(classes.len(), 88);
    assert!(classes.windows(2).all(|pair| pair[0].block_bytes < pair[1].block_bytes));
    assert_eq!((classes[0].block_bytes, classes[87].block_bytes), (8, 65_536));
    let in_classes: u64 = classes.iter().map(|class| class.live_blocks).sum();
    assert_eq!(in_classes + stats.large_blocks + stats.huge_blocks, stats.live_blocks);
}

/// This program and the core are built with the same environment.
#[test]
fn events_are_counted_by_builds_that_ask_for_it() {
    let _serial = serial();
    settled_figures();
    let counted = option_env!("HAKMEM_STATS") == Some("1");
    let all = |stats: &Stats| {
        [
            stats.peak_bytes,
            stats.direct_hits,
            stats.direct_misses,
            stats.local_frees,
            stats.remote_frees,
            stats.atomic_operations,
            stats.pages_made,
            stats.pages_retired,
            stats.pages_abandoned,
            stats.pages_reclaimed,
        ]
    };
    let before = stats();
    assert!(all(&before).iter().all(|figure| figure.is_some() == counted), "{before:?}");
    assert_eq!(before.direct_hit_rate().is_some(), counted);
    if !counted {
        return;
    }
    let blocks: Vec<Block> = (0..1000).map(|_| Block::new(48, 8)).collect();
    let held = stats();
    let hits = held.direct_hits.unwrap() + held.direct_misses.unwrap()
        - before.direct_hits.unwrap()
        - before.direct_misses.unwrap();
    assert!((1000..1010).contains(&hits), "{hits}");
    drop(blocks);
    purge(); // out of the block cache, into the pages
    let freed = stats();
    let frees = freed.local_frees.unwrap() + freed.remote_frees.unwrap()
        - held.local_frees.unwrap()
        - held.remote_frees.unwrap();
    assert!((1000..1010).contains(&frees), "{frees}");
    assert!(freed.peak_bytes.unwrap() >= held.live_bytes);
}

#[test]
fn purge_gives_memory_back() {
    let _serial = serial();
    settled_figures();
    purge();
    let before = resident::bytes();
    let committed_before = stats().committed_bytes;
    let mut blocks: Vec<Block> = (0..40_000).map(|i| Block::new(16 + i % 2000, 8)).collect();
    blocks.extend((0..100).map(|i| Block::new(20_000 + i * 1000, 8)));
    blocks.iter().for_each(Block::touch);
    let held = resident::bytes();
    assert!(held > before + 32 * MIB as u64, "{held} B");
    drop(blocks);
    let freed = resident::bytes();
    purge();
    let after = resident::bytes();
    println!(
        "resident: {} KiB before, {} KiB in use, {} KiB freed, {} KiB after purge()",
        before / 1024,
        held / 1024,
        freed / 1024,
        after / 1024
    );
    assert!(after <= before + MIB as u64, "{before} B before, {after} B after");
    assert!(stats().committed_bytes <= committed_before + MIB as u64);
}

/// Without a call too: what may wait is bounded at once, and a second of ordinary allocation later it is gone.
#[test]
fn freed_memory_goes_back_by_itself() {
    let _serial = serial();
    purge();
    let before = resident::bytes();
    let blocks: Vec<Block> = (0..192).map(|_| Block::new(MIB, 8)).collect();
    let small: Vec<Block> = (0..40_000).map(|i| Block::new(16 + i % 1000, 8)).collect();
    blocks.iter().chain(&small).for_each(Block::touch);
    drop(blocks);
    drop(small);
    let at_once = resident::bytes();
    // What may wait for its period is 65 MiB here (`may_wait` in purge.c), beside a page and a bin of each of about 60
    // classes; 212 MiB were freed.
    assert!(at_once <= before + 74 * MIB as u64, "{before} B before, {at_once} B at once");
    for round in 0..50 {
        let some: Vec<Block> = (0..32).map(|i| Block::new(16 + (round * 131 + i * 37) % 1000, 8)).collect();
        drop(some);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let later = resident::bytes();
    println!("resident: {} KiB before, {} KiB at once, {} KiB later", before / 1024, at_once / 1024, later / 1024);
    assert!(later <= before + 4 * MIB as u64, "{before} B before, {later} B later");
}

#[test]
fn usable_size_is_at_least_what_was_asked_for() {
    let _serial = serial();
    // SAFETY: null is allowed.
    assert_eq!(unsafe { usable_size(std::ptr::null()) }, 0);
    for size in (1..3000).chain((3000..300_000).step_by(997)) {
        let block = Block::new(size, 1);
        let usable = block.usable();
        assert!(usable >= size && usable <= size + size / 8 + 65_535, "{usable} for {size}");
        assert!(size > 65_536 || usable <= size + size / 8 + 8, "{usable} for {size}");
        // All of it may be written.
        // SAFETY: that is what `usable_size` promises.
        unsafe { block.start.add(usable - 1).write(1) };
    }
}

#[test]
fn ordinary_collections_work() {
    let _serial = serial();
    let mut map = std::collections::BTreeMap::new();
    for i in 0..50_000_u64 {
        map.insert(i.wrapping_mul(0x9e37_79b9_7f4a_7c15), vec![i as u8; (i % 300) as usize]);
    }
    map.retain(|key, _| key % 3 != 0);
    assert!(map.iter().all(|(key, bytes)| key % 3 != 0 && bytes.iter().all(|&byte| byte == bytes[0])));
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    let pages: Vec<Box<Page>> = (0..100).map(|i| Box::new(Page([i; 4096]))).collect();
    assert!(pages.iter().enumerate().all(|(i, page)| page.0.iter().all(|&byte| byte == i as u8)));
    assert!(pages.iter().all(|page| std::ptr::from_ref(&**page) as usize % 4096 == 0));
}
