//! Uses memory that it does not hold, as the argument says; "clean" does nothing wrong.

use std::sync::mpsc;
use std::thread;

#[global_allocator]
static GLOBAL: hakmem_alloc::Hakmem = hakmem_alloc::Hakmem::new();

/// The address of a freed block's byte at `offset`.
fn freed(size: usize, offset: usize) -> *const u8 {
    let block = vec![7_u8; size];
    let byte = &raw const block[offset];
    drop(block);
    byte
}

fn freed_elsewhere() -> *const u8 {
    let block = Box::new([7_u8; 100]);
    let byte = &raw const block[50];
    thread::spawn(move || drop(block)).join().expect("the thread only frees");
    byte
}

/// Where a string began before it grew out of its block.
fn moved() -> *const u8 {
    let mut string = "x".repeat(100);
    let byte = string.as_ptr();
    string.push_str(&"y".repeat(1000));
    assert_ne!(string.as_ptr(), byte);
    byte
}

/// Blocks of many sizes that grow, change threads and are freed there.
fn clean() {
    let (sender, receiver) = mpsc::channel::<Vec<u8>>();
    let workers: Vec<_> = (0..4)
        .map(|n| {
            let sender = sender.clone();
            thread::spawn(move || {
                for i in 0..300_usize {
                    let size = 1 << (i % 18);
                    let mut block = vec![0_u8; size];
                    assert!(block.iter().all(|&byte| byte == 0));
                    block.extend(std::iter::repeat(n).take(size));
                    sender.send(block).expect("main receives until all have ended");
                }
            })
        })
        .collect();
    drop(sender);
    let bytes: usize = receiver.iter().map(|block| block.len()).sum();
    for worker in workers {
        worker.join().expect("a worker checks its own blocks");
    }
    let large = vec![1_u8; 20 << 20];
    hakmem_alloc::purge();
    println!("{}", bytes + large.len());
}

fn main() {
    let byte = match std::env::args().nth(1).as_deref() {
        Some("small") => freed(40, 0),
        Some("small-middle") => freed(40, 20),
        Some("medium") => freed(30_000, 15_000),
        Some("large") => freed(300_000, 200_000),
        Some("elsewhere") => freed_elsewhere(),
        Some("moved") => moved(),
        _ => return clean(),
    };
    // SAFETY: none; this is the mistake that is to be reported.
    println!("{}", unsafe { byte.read_volatile() });
}
