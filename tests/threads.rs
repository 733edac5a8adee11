//! Threads that come and go: what they leave behind stays usable, is found again, and goes back to the system.
#![cfg(not(miri))] // crosses the FFI

mod common;

use std::alloc::{GlobalAlloc, Layout};
use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Mutex};
use std::thread;

use common::{resident, serial, settled_figures};
use hakmem_alloc::Hakmem;

#[global_allocator]
static GLOBAL: Hakmem = Hakmem::new();

#[test]
fn a_thread_that_only_frees_needs_nothing_else() {
    let _serial = serial();
    let round = || {
        let blocks: Vec<Box<[u8]>> = (0..20_000).map(|i| vec![1_u8; 1 + i % 3000].into_boxed_slice()).collect();
        let (sender, receiver) = mpsc::channel::<Box<[u8]>>();
        let freeing = thread::spawn(move || receiver.into_iter().map(|block| usize::from(block[0])).sum::<usize>());
        blocks.into_iter().for_each(|block| sender.send(block).unwrap());
        drop(sender);
        assert_eq!(freeing.join().unwrap(), 20_000);
    };
    round();
    let before = settled_figures();
    round();
    assert_eq!(settled_figures(), before);
}

/// The blocks of a stream that one thread makes and another only frees; what is under way is bounded by the channel.
#[test]
fn a_stream_to_a_thread_that_only_frees_keeps_memory_bounded() {
    const UNDER_WAY: usize = 64 * 100 * 500;
    const MAY_KEEP: u64 = 8 << 20;
    let _serial = serial();
    let stream = |batches: usize| {
        let (sender, receiver) = mpsc::sync_channel::<Vec<Vec<u8>>>(64);
        let freeing = thread::spawn(move || receiver.into_iter().for_each(drop));
        let mut most = 0;
        for batch in 0..batches {
            sender.send((0..100).map(|i| vec![1; 1 + (batch * 17 + i * 31) % 1000]).collect()).unwrap();
            if batch % 500 == 0 {
                most = most.max(resident::bytes());
            }
        }
        drop(sender);
        freeing.join().unwrap();
        most
    };
    stream(500);
    let before = resident::bytes();
    let most = stream(10_000);
    println!("a million blocks passed: {} KiB resident before, {} KiB at most", before >> 10, most >> 10);
    assert!(most <= before + UNDER_WAY as u64 + MAY_KEEP, "{before} B resident became {most} B");
}

/// The pages of a thread that ended are used by those that come later.
#[test]
fn what_ended_threads_leave_is_used_again() {
    let _serial = serial();
    let make = || thread::spawn(|| (0..5000).map(|i| Box::new(i as u64)).collect::<Vec<_>>()).join().unwrap();
    let mut kept = Vec::new();
    for _ in 0..50 {
        // Nine of ten go, so that fifty threads' pages are needed for what fills five.
        kept.extend(make().into_iter().step_by(10));
    }
    assert!(kept.chunks(500).all(|chunk| chunk.iter().enumerate().all(|(i, number)| **number == i as u64 * 10)));
    let committed = hakmem_alloc::stats().committed_bytes;
    for _ in 0..50 {
        kept.extend(make().into_iter().step_by(10));
    }
    let grown = hakmem_alloc::stats().committed_bytes.saturating_sub(committed);
    println!("25,000 more blocks of 8 B on pages that others left: {} KiB more committed", grown / 1024);
    assert!(grown <= 2 << 20, "{grown} B");
}

struct Tangled {
    text: RefCell<Vec<String>>,
}

static DESTROYED: AtomicUsize = AtomicUsize::new(0);

impl Drop for Tangled {
    fn drop(&mut self) {
        let more: Vec<String> = (0..100).map(|i| format!("{i} made while the thread ends")).collect();
        self.text.borrow_mut().extend(more);
        let total: usize = self.text.borrow().iter().map(String::len).sum();
        assert!(total > 1000);
        self.text.borrow_mut().clear();
        DESTROYED.fetch_add(1, Ordering::Relaxed);
    }
}

thread_local! {
    static TANGLED: Tangled = Tangled { text: RefCell::new(vec!["made while it runs".to_owned()]) };
}

#[test]
fn thread_local_destructors_allocate_and_free() {
    let _serial = serial();
    let round = || {
        let threads: Vec<_> = (0..20)
            .map(|_| thread::spawn(|| TANGLED.with(|tangled| tangled.text.borrow_mut().push("more".to_owned()))))
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    };
    round();
    let before = settled_figures();
    let destroyed = DESTROYED.load(Ordering::Relaxed);
    round();
    assert_eq!(DESTROYED.load(Ordering::Relaxed) - destroyed, 20);
    assert_eq!(settled_figures(), before);
}

static LAST_KEY: Mutex<Option<libc::pthread_key_t>> = Mutex::new(None);
static LAST_CALLS: AtomicUsize = AtomicUsize::new(0);
const DESTRUCTOR_ROUNDS: usize = 3;

/// Runs after the allocator's own destructor at the latest in its second round: it asks to be called again.
extern "C" fn last_destructor(value: *mut c_void) {
    LAST_CALLS.fetch_add(1, Ordering::Relaxed);
    let round = value as usize;
    let made: Vec<Box<[u8]>> = (1..500).map(|i| vec![round as u8; i * 7].into_boxed_slice()).collect();
    assert!(made.iter().all(|block| block.iter().all(|&byte| byte == round as u8)));
    let layout = Layout::from_size_align(200_000, 4096).unwrap();
    // SAFETY: the layout's size is not zero; the block is freed with the layout it has.
    unsafe {
        let zeroed = GLOBAL.alloc_zeroed(layout);
        assert!(!zeroed.is_null() && *zeroed.add(199_999) == 0);
        let grown = GLOBAL.realloc(zeroed, layout, 300_000);
        assert!(!grown.is_null());
        GLOBAL.dealloc(grown, Layout::from_size_align(300_000, 4096).unwrap());
    }
    if round < DESTRUCTOR_ROUNDS {
        let key = LAST_KEY.lock().unwrap().expect("the key was made before the thread");
        // SAFETY: the key is valid; the value is a number.
        unsafe { libc::pthread_setspecific(key, (round + 1) as *const c_void) };
    }
}

#[test]
fn a_threads_last_destructors_allocate() {
    let _serial = serial();
    let key = *LAST_KEY.lock().unwrap().get_or_insert_with(|| {
        let mut key = 0;
        // SAFETY: `key` is written; the destructor has the right type.
        assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(last_destructor)) }, 0);
        key
    });
    let round = || {
        for _ in 0..20 {
            let thread = thread::spawn(move || {
                drop(vec![1_u8; 100]);
                // SAFETY: as above.
                unsafe { libc::pthread_setspecific(key, std::ptr::dangling()) };
            });
            thread.join().unwrap();
        }
    };
    round();
    let before = settled_figures();
    let calls = LAST_CALLS.load(Ordering::Relaxed);
    round();
    assert_eq!(LAST_CALLS.load(Ordering::Relaxed) - calls, 20 * DESTRUCTOR_ROUNDS);
    assert_eq!(settled_figures(), before);
}

/// Blocks that a thread made in its last destructors, freed by another thread, and the other way round.
#[test]
fn late_blocks_change_hands() {
    let _serial = serial();
    static LATE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());
    extern "C" fn exchange(value: *mut c_void) {
        let mut late = LATE.lock().unwrap();
        late.clear();
        late.extend((1..300).map(|i| vec![value as usize as u8; i * 5].into_boxed_slice()));
    }
    let mut key = 0;
    // SAFETY: as above.
    assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(exchange)) }, 0);
    let round = || {
        for i in 1..30_usize {
            let thread = thread::spawn(move || {
                drop(vec![1_u8; 100]);
                // SAFETY: as above.
                unsafe { libc::pthread_setspecific(key, i as *const c_void) };
            });
            thread.join().unwrap();
            let late = LATE.lock().unwrap();
            assert!(late.iter().all(|block| block.iter().all(|&byte| byte == i as u8)));
        }
        let mut late = LATE.lock().unwrap();
        late.clear();
        late.shrink_to_fit();
    };
    round();
    let before = settled_figures();
    round();
    assert_eq!(settled_figures(), before);
    // SAFETY: no thread has a value of it any more.
    unsafe { libc::pthread_key_delete(key) };
}
