//! Blocks freed by another thread than the one that allocated them: one producer and one consumer, many to one, a random other
//! thread; against the same number of local frees. Each beside `System`. Time is per block, from its allocation to its free.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use hakmem_alloc::Hakmem;

const BATCH: usize = 128;
const LAYOUT: Layout = Layout::new::<[u64; 8]>();

/// Blocks on their way to another thread.
struct Parcel(Vec<*mut u8>);
// SAFETY: whoever has the parcel owns its blocks; nobody else has their addresses.
unsafe impl Send for Parcel {}

fn fill<A: GlobalAlloc>(allocator: &A) -> Parcel {
    let block = |_| {
        // SAFETY: the layout has a size.
        let p = unsafe { allocator.alloc(LAYOUT) };
        assert!(!p.is_null(), "out of memory");
        // SAFETY: the block is ours and long enough.
        unsafe { p.write(1) };
        p
    };
    Parcel((0..BATCH).map(block).collect())
}

fn empty<A: GlobalAlloc>(allocator: &A, parcel: Parcel) {
    for p in parcel.0 {
        // SAFETY: from `fill`, freed once, with its layout.
        unsafe { allocator.dealloc(p, LAYOUT) };
    }
}

/// Threads that each send parcels to others and empty those that they get; `route(from, nth)` names the receiver. A thread that
/// receives nothing, or sends nothing, does only the other half. Returns the time from a common start to the last free.
fn exchange<A, R>(allocator: A, senders: usize, receivers: usize, parcels: usize, route: R) -> Duration
where
    A: GlobalAlloc + Copy + Send + Sync + 'static,
    R: Fn(usize, usize) -> usize + Copy + Send + Sync + 'static,
{
    let (inputs, outputs): (Vec<SyncSender<Parcel>>, Vec<Receiver<Parcel>>) =
        (0..receivers).map(|_| sync_channel(64)).unzip();
    let start = Arc::new(Barrier::new(senders + receivers + 1));
    let mut threads = Vec::new();
    for output in outputs {
        let start = Arc::clone(&start);
        threads.push(thread::spawn(move || {
            start.wait();
            for parcel in output {
                empty(&allocator, parcel);
            }
        }));
    }
    for sender in 0..senders {
        let (inputs, start) = (inputs.clone(), Arc::clone(&start));
        threads.push(thread::spawn(move || {
            start.wait();
            for nth in 0..parcels / senders {
                inputs[route(sender, nth)].send(fill(&allocator)).expect("receivers outlive senders");
            }
        }));
    }
    drop(inputs);
    start.wait();
    let began = Instant::now();
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    began.elapsed()
}

fn local<A: GlobalAlloc>(allocator: A, parcels: usize) -> Duration {
    let began = Instant::now();
    for _ in 0..parcels {
        empty(&allocator, fill(&allocator));
    }
    began.elapsed()
}

fn rows<A: GlobalAlloc + Copy + Send + Sync + 'static>(c: &mut Criterion, name: &str, allocator: A) {
    let mut group = c.benchmark_group("remote_free");
    group.throughput(Throughput::Elements(BATCH as u64));
    let parcels = |iterations: u64| usize::try_from(iterations).expect("fewer than 2^64 iterations").max(4);
    group.bench_function(BenchmarkId::new("local frees", name), |b| {
        b.iter_custom(|n| local(allocator, parcels(n)));
    });
    group.bench_function(BenchmarkId::new("one producer, one consumer", name), |b| {
        b.iter_custom(|n| exchange(allocator, 1, 1, parcels(n), |_, _| 0));
    });
    group.bench_function(BenchmarkId::new("four producers, one consumer", name), |b| {
        b.iter_custom(|n| exchange(allocator, 4, 1, parcels(n), |_, _| 0));
    });
    group.bench_function(BenchmarkId::new("two producers, random of four consumers", name), |b| {
        // Fibonacci hashing spreads the parcels without a generator in the loop.
        let random = |from: usize, nth: usize| ((from + 1) * 31 + nth).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62;
        b.iter_custom(|n| exchange(allocator, 2, 4, parcels(n), random));
    });
}

fn remote_free(c: &mut Criterion) {
    rows(c, "hakmem", Hakmem::new());
    rows(c, "system", System);
}

criterion_group!(benches, remote_free);
criterion_main!(benches);
