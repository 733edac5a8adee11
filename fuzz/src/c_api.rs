//! The target `c_api`: the C interface with sizes and alignments that make no sense. The answer is a sound block, or null
//! with the `errno` that `hakmem.h` names, and then nothing has changed.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ffi;
use super::input::Input;
use super::operations::c_align;
use super::shadow::{check_all_went_back, with_errno, Fresh, Kind, Shadow, MOST_BYTES};

/// What `errno` is before each call: no call sets it to this.
const UNTOUCHED: i32 = 0;

/// How a call must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Law {
    Block,
    /// So much that the system may refuse it.
    BlockOrNoMemory,
    NoMemory,
    Invalid,
}

impl Law {
    fn of_size(size: usize, align: usize) -> Self {
        if size > isize::MAX as usize {
            Law::NoMemory
        } else if size <= MOST_BYTES && align <= MOST_BYTES {
            Law::Block
        } else {
            Law::BlockOrNoMemory
        }
    }
}

static FAILURES: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count_failure(_size: usize, _align: usize) {
    FAILURES.fetch_add(1, Ordering::Relaxed);
}

/// The outcome of `call`, which returned as `law` demands. Null where there is none.
fn judge(law: Law, what: &dyn std::fmt::Debug, call: impl FnOnce() -> *mut c_void) -> *mut u8 {
    let failures = FAILURES.load(Ordering::Relaxed);
    let (start, errno) = with_errno(call);
    let told = FAILURES.load(Ordering::Relaxed) - failures;
    let outcome = (start.is_null(), errno, told);
    let right = match law {
        Law::Block => outcome == (false, UNTOUCHED, 0),
        Law::BlockOrNoMemory => outcome == (false, UNTOUCHED, 0) || outcome == (true, libc::ENOMEM, 1),
        Law::NoMemory => outcome == (true, libc::ENOMEM, 1),
        Law::Invalid => outcome == (true, libc::EINVAL, 0),
    };
    assert!(right, "{what:?}: {start:?}, errno {errno}, the hook was called {told} times; expected {law:?}");
    start.cast()
}

/// A request that makes a block.
#[derive(Debug)]
enum Request {
    Malloc(usize),
    Calloc(usize, usize),
    Realloc(usize),
    AlignedAlloc { align: usize, size: usize },
    Memalign { align: usize, size: usize },
    Sized { align: usize, size: usize, zeroed: bool },
    Heap(usize),
}

impl Request {
    fn read(input: &mut Input, kind: u8) -> Option<Self> {
        Some(match kind {
            0..=3 => Request::Malloc(input.hostile_size()?),
            4..=7 => Request::Calloc(input.hostile_size()?, input.hostile_size()?),
            8 => Request::Realloc(input.hostile_size()?),
            9..=12 => Request::AlignedAlloc { align: input.hostile_align()?, size: input.hostile_size()? },
            13..=16 => Request::Memalign { align: input.hostile_align()?, size: input.hostile_size()? },
            17..=20 => {
                // The alignment is a promise here, not a request to be checked.
                let align = input.hostile_align()?.checked_next_power_of_two().unwrap_or(1 << 63);
                Request::Sized { align, size: input.hostile_size()?, zeroed: kind % 2 == 0 }
            }
            _ => Request::Heap(input.hostile_size()?),
        })
    }

    /// What it says about the block: bytes, alignment, whether it is cleared, through which interface it is freed.
    fn block(&self) -> (usize, usize, bool, Kind) {
        match *self {
            Request::Malloc(size) | Request::Realloc(size) | Request::Heap(size) => {
                (size, c_align(size), false, Kind::C)
            }
            Request::Calloc(count, size) => {
                let bytes = count.saturating_mul(size);
                (bytes, c_align(bytes), true, Kind::C)
            }
            Request::AlignedAlloc { align, size } | Request::Memalign { align, size } => {
                (size, align.max(c_align(size)), false, Kind::C)
            }
            Request::Sized { align, size, zeroed } => (size, align, zeroed, Kind::Sized),
        }
    }

    fn law(&self) -> Law {
        let (size, align, ..) = self.block();
        match *self {
            Request::AlignedAlloc { align, .. } if !align.is_power_of_two() => Law::Invalid,
            Request::Memalign { align, .. } if !align.is_power_of_two() || align < 8 => Law::Invalid,
            Request::Heap(size) if size > ffi::HAKMEM_MEDIUM_MAX as usize => Law::Invalid,
            _ => Law::of_size(size, align),
        }
    }

    fn call(&self, heap: *mut ffi::hakmem_tiny_heap_t) -> *mut c_void {
        // SAFETY: any number will do, but for the alignment of `Sized`, which is a power of two; the heap is in use.
        unsafe {
            match *self {
                Request::Malloc(size) => ffi::hakmem_malloc(size),
                Request::Calloc(count, size) => ffi::hakmem_calloc(count, size),
                Request::Realloc(size) => ffi::hakmem_realloc(ptr::null_mut(), size),
                Request::AlignedAlloc { align, size } => ffi::hakmem_aligned_alloc(align, size),
                Request::Memalign { align, size } => {
                    let untouched = ptr::dangling_mut::<c_void>();
                    let mut out = untouched;
                    let error = ffi::hakmem_posix_memalign(&mut out, align, size);
                    assert_eq!(super::errno::get(), UNTOUCHED, "posix_memalign returns its error");
                    assert_eq!(error != 0, out == untouched, "written on success only");
                    super::errno::set(error);
                    if error == 0 {
                        out
                    } else {
                        ptr::null_mut()
                    }
                }
                Request::Sized { align, size, zeroed: false } => ffi::hakmem_alloc_aligned(size, align),
                Request::Sized { align, size, zeroed: true } => ffi::hakmem_alloc_aligned_zeroed(size, align),
                Request::Heap(size) => ffi::hakmem_tiny_heap_malloc(heap, size),
            }
        }
    }
}

fn request(shadow: &mut Shadow, heap: *mut ffi::hakmem_tiny_heap_t, request: &Request) {
    let (size, align, zeroed, kind) = request.block();
    let law = request.law();
    if law == Law::Block && !shadow.has_room_for(size) {
        return;
    }
    let start = judge(law, request, || request.call(heap));
    if start.is_null() {
        return;
    }
    shadow.admit(Fresh { start, size, align, kind, zeroed });
    if law == Law::BlockOrNoMemory {
        free(shadow, shadow.blocks.len() - 1);
    }
}

fn free(shadow: &mut Shadow, index: usize) {
    let block = shadow.take(index);
    // SAFETY: the block is in use, and forgotten.
    let ((), errno) = with_errno(|| unsafe { ffi::hakmem_free(block.start.cast()) });
    assert_eq!(errno, UNTOUCHED, "free keeps errno");
}

fn resize(shadow: &mut Shadow, index: usize, size: usize) {
    let old = shadow.take(index);
    let align = if old.kind == Kind::Sized { old.align } else { c_align(size) };
    let law = Law::of_size(size, align);
    if law == Law::Block && !shadow.has_room_for(size) {
        return shadow.put_back(old);
    }
    let start = judge(law, &("resize", &old, size), || {
        let p = old.start.cast();
        // SAFETY: the block is in use, has this size and alignment, and is not looked at before the outcome is known.
        unsafe {
            match old.kind {
                Kind::C => ffi::hakmem_realloc(p, size),
                Kind::Sized => ffi::hakmem_realloc_aligned(p, old.size, old.align, size),
            }
        }
    });
    if start.is_null() {
        return shadow.put_back(old);
    }
    let kind = old.kind;
    shadow.moved(old, Fresh { start, size, align, kind, zeroed: false });
    if law == Law::BlockOrNoMemory {
        free(shadow, shadow.blocks.len() - 1);
    }
}

/// The pure functions, for any number.
fn check_classes(size: usize) {
    // SAFETY: functions of their argument.
    let (class, none) = unsafe { (ffi::hakmem_class_of(size), ffi::hakmem_class_bytes(size as u32 | 1 << 31)) };
    assert_eq!(none, 0);
    if size > ffi::HAKMEM_MEDIUM_MAX as usize {
        assert_eq!(class, ffi::HAKMEM_CLASS_COUNT);
    } else {
        // SAFETY: as above.
        let (bytes, below) =
            unsafe { (ffi::hakmem_class_bytes(class), ffi::hakmem_class_bytes(class.wrapping_sub(1))) };
        assert!(below < size.max(1) && size <= bytes, "{size} in class {class} of {bytes} bytes");
    }
}

/// The figures as text, in a buffer of any size.
fn check_json(size: usize) {
    let mut buffer = vec![0x7f_u8; size + 1];
    // SAFETY: the buffer has so many bytes, and one more.
    let length = unsafe { ffi::hakmem_stats_json(buffer.as_mut_ptr().cast::<c_char>(), size) };
    assert_eq!(buffer[size], 0x7f, "written beyond {size} bytes");
    if size != 0 {
        let end = buffer.iter().position(|&byte| byte == 0).expect("a zero ends the text");
        assert_eq!(end, length.min(size - 1), "of {length} bytes, in {size}");
    }
}

fn step(shadow: &mut Shadow, heap: *mut ffi::hakmem_tiny_heap_t, input: &mut Input) -> Option<()> {
    match input.byte()? % 40 {
        kind @ 0..=22 => request(shadow, heap, &Request::read(input, kind)?),
        23..=30 => {
            let (index, size) = (input.byte()?.into(), input.hostile_size()?);
            if let Some(index) = shadow.find(index) {
                resize(shadow, index, size);
            }
        }
        31..=35 => {
            if let Some(index) = shadow.find(input.byte()?.into()) {
                free(shadow, index);
            }
        }
        36 => check_classes(input.hostile_size()?),
        37 => check_json(input.short()?.into()),
        38 => {
            // SAFETY: null is no block.
            let (usable, errno) = with_errno(|| unsafe {
                ffi::hakmem_free(ptr::null_mut());
                ffi::hakmem_usable_size(ptr::null())
            });
            assert_eq!((usable, errno), (0, UNTOUCHED));
        }
        _ => {
            shadow.check_all();
            shadow.check_figures();
        }
    }
    Some(())
}

/// Makes the calls that `data` says, and then gives everything back.
pub fn run(data: &[u8]) {
    let mut shadow = Shadow::default();
    let mut input = Input(data);
    // SAFETY: the hook allocates nothing; the heap is destroyed below.
    let heap = unsafe {
        ffi::hakmem_set_failure_hook(Some(count_failure));
        ffi::hakmem_tiny_heap_create()
    };
    assert!(!heap.is_null());
    while step(&mut shadow, heap, &mut input).is_some() {}
    shadow.check_all();
    while !shadow.blocks.is_empty() {
        free(&mut shadow, 0);
    }
    // SAFETY: nobody uses the heap any more.
    unsafe { ffi::hakmem_tiny_heap_destroy(heap) };
    hakmem_alloc::purge();
    shadow.check_figures();
    check_all_went_back();
}
