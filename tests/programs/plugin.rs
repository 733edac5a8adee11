//! A shared library with hakmem in it, which `plugin_host.c` loads, uses from several threads and unloads.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicPtr, Ordering};

use hakmem_alloc::Hakmem;

#[global_allocator]
static GLOBAL: Hakmem = Hakmem::new();

/// Blocks of all kinds, held and freed again; what the caches keep of them is there when the library goes.
#[no_mangle]
pub extern "C" fn plugin_work(seed: u64) -> u64 {
    let mut blocks: Vec<Vec<u8>> = (0..2000).map(|i| vec![i as u8; 1 + (i * 37 + seed as usize) % 3000]).collect();
    blocks.extend([50_000, 300_000].map(|size| vec![1; size]));
    blocks.push(Vec::with_capacity(20_000_000));
    blocks.last_mut().unwrap().push(1);
    blocks.iter().map(|block| u64::from(block[block.len() - 1])).sum()
}

/// A block that nobody frees: the host looks at it when the library has gone.
#[no_mangle]
pub extern "C" fn plugin_keep() -> *mut u8 {
    // SAFETY: the layout's size is not zero; all of the block is written.
    unsafe {
        let block = GLOBAL.alloc(Layout::from_size_align_unchecked(500, 8));
        assert!(!block.is_null());
        block.write_bytes(0x5a, 500);
        block
    }
}

static LAST: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
const LAST_LAYOUT: Layout = Layout::new::<[u64; 20]>();

/// What destructors of C++ objects do: free, and allocate once more, when the allocator's own destructor has run.
extern "C" fn at_the_end() {
    // SAFETY: the block was allocated with this layout, and is freed once.
    unsafe {
        let last = LAST.load(Ordering::Relaxed);
        if !last.is_null() {
            GLOBAL.dealloc(last, LAST_LAYOUT);
        }
        drop(vec![1_u8; 100_000]);
        drop(vec![1_u8; 100]);
    }
}

#[used]
#[link_section = ".fini_array"]
static AT_THE_END: extern "C" fn() = at_the_end;

#[no_mangle]
pub extern "C" fn plugin_begin() {
    // SAFETY: the layout's size is not zero.
    LAST.store(unsafe { GLOBAL.alloc(LAST_LAYOUT) }, Ordering::Relaxed);
    hakmem_alloc::install_crash_handler().expect("the system lets us handle signals");
}
