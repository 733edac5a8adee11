//! The direct page cache: a hit, a miss and the refill behind it; constant and varying sizes; against the generic path. Each
//! beside `System`. `HAKMEM_USE_BLOCK_CACHE=0 cargo bench --bench direct_cache` takes the block cache out of the first groups.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{criterion_group, criterion_main, BenchmarkGroup, Criterion, Throughput};
use hakmem_alloc::Hakmem;

// What the core has beneath its public interface: the pages' fast path for a given heap, and the fallback by itself.
extern "C" {
    fn hakmem_thread_heap_get() -> *mut c_void;
    fn hakmem_tiny_heap_malloc(heap: *mut c_void, size: usize) -> *mut c_void;
    fn hakmem_tiny_malloc_generic(heap: *mut c_void, size: usize) -> *mut c_void;
    fn hakmem_free(p: *mut c_void);
}

const BATCH: usize = 256;
const REFILL: usize = 20_000;

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("a small size")
}

/// One block at a time: after the first round every allocation finds the block that was just freed.
fn one_by_one<A: GlobalAlloc>(allocator: &A, layouts: &[Layout]) {
    for &layout in layouts {
        // SAFETY: freed once, with its own layout.
        unsafe {
            let p = allocator.alloc(black_box(layout));
            *p = 1;
            allocator.dealloc(black_box(p), layout);
        }
    }
}

/// All blocks, then none: more than any list at hand holds, so that pages are searched, extended and made.
fn all_at_once<A: GlobalAlloc>(allocator: &A, layout: Layout, blocks: &mut Vec<*mut u8>) {
    // SAFETY: each block is freed once, with its own layout.
    unsafe {
        for _ in 0..REFILL {
            let p = allocator.alloc(layout);
            *p = 1;
            blocks.push(p);
        }
        for p in blocks.drain(..) {
            allocator.dealloc(p, layout);
        }
    }
}

fn both(group: &mut BenchmarkGroup<WallTime>, name: &str, layouts: &[Layout]) {
    group.throughput(Throughput::Elements(layouts.len() as u64));
    group.bench_function(format!("{name}/hakmem"), |b| b.iter(|| one_by_one(&Hakmem::new(), layouts)));
    group.bench_function(format!("{name}/system"), |b| b.iter(|| one_by_one(&System, layouts)));
}

fn hit(c: &mut Criterion) {
    let mut group = c.benchmark_group("hit");
    both(&mut group, "constant 64 B", &[layout(64); BATCH]);
    let varying: Vec<Layout> = (0..BATCH).map(|i| layout(8 + i * 37 % 1017)).collect();
    both(&mut group, "varying 8-1024 B", &varying);
}

fn miss_and_refill(c: &mut Criterion) {
    let mut group = c.benchmark_group("miss and refill");
    group.throughput(Throughput::Elements(REFILL as u64));
    for size in [16, 64, 512] {
        let mut blocks = Vec::with_capacity(REFILL);
        group.bench_function(format!("{size} B/hakmem"), |b| {
            b.iter(|| all_at_once(&Hakmem::new(), layout(size), &mut blocks));
        });
        group.bench_function(format!("{size} B/system"), |b| {
            b.iter(|| all_at_once(&System, layout(size), &mut blocks));
        });
    }
}

fn against_generic(c: &mut Criterion) {
    let mut group = c.benchmark_group("direct against generic");
    group.throughput(Throughput::Elements(BATCH as u64));
    // SAFETY: this thread's own heap, used by this thread; blocks are freed once.
    unsafe {
        let heap = hakmem_thread_heap_get();
        for (name, malloc) in [
            ("pages_direct", hakmem_tiny_heap_malloc as unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void),
            ("generic", hakmem_tiny_malloc_generic),
        ] {
            group.bench_function(name, |b| {
                b.iter(|| {
                    for _ in 0..BATCH {
                        hakmem_free(black_box(malloc(heap, black_box(64))));
                    }
                });
            });
        }
    }
}

criterion_group!(benches, hit, miss_and_refill, against_generic);
criterion_main!(benches);
