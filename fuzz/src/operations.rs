//! The target `operations`: what programs do, by several threads.
//!
//! The model is a baton: the thread that has it makes the next step, so that the steps come in the input's order. How
//! threads race is not this target's matter; the models and tests/shadow_model.rs see to that.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_long, c_void};
use std::ptr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};

use hakmem_alloc::Hakmem;

use super::ffi;
use super::input::Input;
use super::shadow::{check_all_went_back, with_errno, Fresh, Kind, Shadow};

const ACTORS: usize = 4;
const MOST_HEAPS: usize = 4;

static HAKMEM: Hakmem = Hakmem::new();

/// How a block of C's is freed.
#[derive(Clone, Copy, Debug)]
enum Free {
    Plain,
    Sized,
    AlignedSized,
}

/// Blocks are named by a number that is taken modulo how many there are, heaps likewise.
#[derive(Clone, Debug)]
enum Op {
    Alloc {
        layout: Layout,
        zeroed: bool,
        times: usize,
    },
    Malloc {
        size: usize,
        times: usize,
    },
    Calloc {
        count: usize,
        size: usize,
    },
    AlignedAlloc {
        align: usize,
        size: usize,
    },
    Memalign {
        align: usize,
        size: usize,
    },
    Resize {
        block: usize,
        size: usize,
    },
    Free {
        block: usize,
        way: Free,
    },
    FreeMany {
        block: usize,
        step: usize,
        times: usize,
    },
    HeapCreate,
    HeapMalloc {
        heap: usize,
        size: usize,
        times: usize,
    },
    HeapDestroy {
        heap: usize,
    },
    Purge,
    Check,
    /// The system refuses `times` calls for memory after it granted `skip`.
    Refuse {
        skip: c_long,
        times: c_long,
    },
    /// The thread ends. The steps are made by its last destructor, after its heap was given up.
    Exit {
        last: Vec<Op>,
    },
}

fn layout(size: usize, input: &mut Input) -> Option<Layout> {
    Layout::from_size_align(size, input.align()?).ok()
}

fn read_op(input: &mut Input, kind: u8) -> Option<Op> {
    Some(match kind {
        0..=5 => Op::Alloc { layout: layout(input.size()?, input)?, zeroed: false, times: 1 },
        6..=10 => Op::Alloc { layout: layout(input.size()?, input)?, zeroed: true, times: 1 },
        11..=14 => {
            Op::Alloc { layout: layout(input.small_size()?, input)?, zeroed: kind == 14, times: input.between(1, 256)? }
        }
        15..=18 => Op::Malloc { size: input.size()?, times: 1 },
        19..=21 => Op::Malloc { size: input.small_size()?, times: input.between(1, 256)? },
        22..=24 => Op::Calloc { count: input.between(0, 9)?, size: input.size()? },
        25..=26 => Op::AlignedAlloc { align: input.align()?, size: input.size()? },
        27 => Op::Memalign { align: input.align()?.max(8), size: input.size()? },
        28..=35 => Op::Resize { block: input.short()?.into(), size: input.size()? },
        36..=38 => Op::Free { block: input.short()?.into(), way: Free::Plain },
        39..=40 => Op::Free { block: input.short()?.into(), way: Free::Sized },
        41 => Op::Free { block: input.short()?.into(), way: Free::AlignedSized },
        42..=47 => {
            Op::FreeMany { block: input.short()?.into(), step: input.between(1, 16)?, times: input.between(1, 256)? }
        }
        48..=49 => Op::HeapCreate,
        50..=53 => {
            Op::HeapMalloc { heap: input.byte()?.into(), size: input.size()? % 65537, times: input.between(1, 64)? }
        }
        54 => Op::HeapDestroy { heap: input.byte()?.into() },
        55 => Op::Purge,
        56..=57 => Op::Check,
        58 => Op::Refuse { skip: c_long::from(input.byte()? % 16), times: c_long::from(input.byte()? % 16) },
        _ => Op::Exit { last: Vec::new() },
    })
}

/// The steps, each with the thread that makes it.
fn read(mut input: Input) -> Vec<(usize, Op)> {
    let mut script = Vec::new();
    while let Some(byte) = input.byte() {
        let Some(mut op) = read_op(&mut input, byte & 63) else { continue };
        if let Op::Exit { last } = &mut op {
            let steps = input.between(0, 7).unwrap_or(0);
            let more = (0..steps).map_while(|_| input.byte().and_then(|byte| read_op(&mut input, byte & 63)));
            *last = more.filter(|op| !matches!(op, Op::Exit { .. })).collect();
        }
        script.push((usize::from(byte >> 6) % ACTORS, op));
    }
    script
}

/// What all steps share.
#[derive(Default)]
struct World {
    shadow: Shadow,
    heaps: Vec<*mut ffi::hakmem_tiny_heap_t>,
    /// The system may refuse memory, so that null is an answer.
    refusing: bool,
}

// SAFETY: heaps made by hand and blocks may be used by whoever has the model; one thread at a time does.
unsafe impl Send for World {}

impl World {
    /// Makes a block by `call` unless there is enough.
    fn make(&mut self, size: usize, align: usize, zeroed: bool, kind: Kind, call: impl FnOnce() -> *mut c_void) {
        if !self.shadow.has_room_for(size) {
            return;
        }
        let (start, errno) = with_errno(call);
        if start.is_null() {
            self.was_refused(errno);
        } else {
            self.shadow.admit(Fresh { start: start.cast(), size, align, kind, zeroed });
        }
    }

    fn was_refused(&self, errno: i32) {
        assert!(self.refusing, "null, though the system refused nothing");
        assert_eq!(errno, libc::ENOMEM);
    }

    fn resize(&mut self, index: usize, size: usize) {
        let Some(index) = self.shadow.find(index).filter(|_| self.shadow.has_room_for(size)) else { return };
        let old = self.shadow.take(index);
        let old_layout = Layout::from_size_align(old.size, old.align).expect("it was asked for");
        // SAFETY: the block is in use and not looked at before the outcome is known; the size is neither 0 nor near overflow.
        let (start, errno) = with_errno(|| unsafe {
            match old.kind {
                Kind::Sized => HAKMEM.realloc(old.start, old_layout, size),
                Kind::C => ffi::hakmem_realloc(old.start.cast(), size).cast(),
            }
        });
        if start.is_null() {
            self.was_refused(errno);
            self.shadow.put_back(old);
        } else {
            let align = if old.kind == Kind::Sized { old.align } else { c_align(size) };
            let kind = old.kind;
            self.shadow.moved(old, Fresh { start, size, align, kind, zeroed: false });
        }
    }

    fn free(&mut self, index: usize, way: Free) {
        let Some(index) = self.shadow.find(index) else { return };
        let block = self.shadow.take(index);
        let p = block.start.cast();
        // SAFETY: the block is in use, has this size and alignment, and is forgotten.
        unsafe {
            match (block.kind, way) {
                (Kind::Sized, Free::Plain | Free::Sized) => {
                    HAKMEM.dealloc(block.start, Layout::from_size_align(block.size, block.align).unwrap());
                }
                (Kind::Sized, Free::AlignedSized) | (Kind::C, Free::Plain) => ffi::hakmem_free(p),
                (Kind::C, Free::Sized) => ffi::hakmem_free_sized(p, block.size),
                (Kind::C, Free::AlignedSized) => ffi::hakmem_free_aligned_sized(p, block.align, block.size),
            }
        }
    }

    fn destroy_heap(&mut self, heap: usize) {
        if let Some(heap) = heap.checked_rem(self.heaps.len()) {
            // SAFETY: the heap is forgotten; its blocks stay valid.
            unsafe { ffi::hakmem_tiny_heap_destroy(self.heaps.swap_remove(heap)) };
        }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Alloc { layout, zeroed, times } => {
                for _ in 0..times {
                    // SAFETY: the size is not 0.
                    self.make(layout.size(), layout.align(), zeroed, Kind::Sized, || unsafe {
                        if zeroed { HAKMEM.alloc_zeroed(layout) } else { HAKMEM.alloc(layout) }.cast()
                    });
                }
            }
            Op::Malloc { size, times } => {
                for _ in 0..times {
                    // SAFETY: any size will do; so below.
                    self.make(size, c_align(size), false, Kind::C, || unsafe { ffi::hakmem_malloc(size) });
                }
            }
            Op::Calloc { count, size } => {
                let bytes = count * size;
                self.make(bytes, c_align(bytes), true, Kind::C, || unsafe { ffi::hakmem_calloc(count, size) });
            }
            Op::AlignedAlloc { align, size } => {
                let both = align.max(c_align(size));
                self.make(size, both, false, Kind::C, || unsafe { ffi::hakmem_aligned_alloc(align, size) });
            }
            Op::Memalign { align, size } => self.make(size, align.max(c_align(size)), false, Kind::C, || {
                let mut out = ptr::null_mut();
                // SAFETY: `out` is ours to write.
                let error = unsafe { ffi::hakmem_posix_memalign(&mut out, align, size) };
                super::errno::set(error);
                out
            }),
            Op::Resize { block, size } => self.resize(block, size),
            Op::Free { block, way } => self.free(block, way),
            Op::FreeMany { block, step, times } => {
                for i in 0..times.min(self.shadow.blocks.len()) {
                    self.free(block + i * step, Free::Plain);
                }
            }
            Op::HeapCreate => {
                if self.heaps.len() < MOST_HEAPS {
                    // SAFETY: any thread may make a heap.
                    let (heap, errno) = with_errno(|| unsafe { ffi::hakmem_tiny_heap_create() });
                    if heap.is_null() {
                        self.was_refused(errno);
                    } else {
                        self.heaps.push(heap);
                    }
                }
            }
            Op::HeapMalloc { heap, size, times } => {
                if let Some(heap) = heap.checked_rem(self.heaps.len()) {
                    let heap = self.heaps[heap];
                    for _ in 0..times {
                        // SAFETY: the heap has not been destroyed, and this is the one thread that uses it now.
                        self.make(size, c_align(size), false, Kind::C, || unsafe {
                            ffi::hakmem_tiny_heap_malloc(heap, size)
                        });
                    }
                }
            }
            Op::HeapDestroy { heap } => self.destroy_heap(heap),
            Op::Purge => hakmem_alloc::purge(),
            Op::Check => {
                self.shadow.check_all();
                self.shadow.check_figures();
            }
            Op::Refuse { skip, times } => {
                self.refusing = true;
                // SAFETY: touches counters only.
                unsafe { ffi::hakmem_os_inject_failures(skip, times) };
            }
            Op::Exit { .. } => unreachable!("the script's reader sees to it"),
        }
    }

    /// Everything goes back.
    fn finish(&mut self) {
        // SAFETY: touches counters only.
        unsafe { ffi::hakmem_os_inject_failures(0, 0) };
        self.shadow.check_all();
        self.shadow.check_figures();
        while !self.shadow.blocks.is_empty() {
            self.free(0, Free::Plain);
        }
        while !self.heaps.is_empty() {
            self.destroy_heap(0);
        }
    }
}

/// What C promises of a block whatever else is asked for.
pub(super) fn c_align(size: usize) -> usize {
    if size <= 8 {
        8
    } else {
        16
    }
}

/// What a thread leaves to its last destructor.
struct Last {
    rounds: u32,
    world: World,
    ops: Vec<Op>,
    back: Arc<Mutex<Option<World>>>,
}

/// The key whose destructor makes a thread's last steps.
fn last_key() -> libc::pthread_key_t {
    static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` is written; the destructor has the right type.
        assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(last_destructor)) }, 0);
        key
    })
}

extern "C" fn last_destructor(value: *mut c_void) {
    // SAFETY: `end` made the value, and each call gets it once.
    let mut last = unsafe { Box::from_raw(value.cast::<Last>()) };
    if last.rounds > 0 {
        // Once more: hakmem's own destructor, of this round, comes first then.
        last.rounds -= 1;
        set_last(last);
        return;
    }
    let Last { mut world, ops, back, .. } = *last;
    ops.iter().for_each(|op| world.step(op));
    *back.lock().unwrap() = Some(world);
}

fn set_last(last: Box<Last>) {
    // SAFETY: the key is valid, and its destructor takes the box back.
    assert_eq!(unsafe { libc::pthread_setspecific(last_key(), Box::into_raw(last).cast()) }, 0);
}

enum Turn {
    Steps(World, Vec<Op>),
    Last(Box<Last>),
}

/// A thread that waits for its turns.
struct Actor {
    turns: Sender<Turn>,
    done: Receiver<World>,
    thread: JoinHandle<()>,
}

impl Actor {
    fn start() -> Self {
        let (turns, inbox) = mpsc::channel();
        let (outbox, done) = mpsc::channel();
        let thread = thread::spawn(move || {
            for turn in inbox {
                match turn {
                    Turn::Steps(mut world, ops) => {
                        ops.iter().for_each(|op| world.step(op));
                        let _ = outbox.send(world); // who gave the turn waits for it
                    }
                    Turn::Last(last) => return set_last(last),
                }
            }
        });
        Actor { turns, done, thread }
    }

    fn steps(self, world: World, ops: Vec<Op>) -> (Self, World) {
        let _ = self.turns.send(Turn::Steps(world, ops)); // if the thread is gone, its end says why
        match self.done.recv() {
            Ok(world) => (self, world),
            Err(_) => match self.thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("it ends when it is told to"),
            },
        }
    }

    fn end(self, world: World, ops: Vec<Op>) -> World {
        let back = Arc::new(Mutex::new(None));
        let _ = self.turns.send(Turn::Last(Box::new(Last { rounds: 1, world, ops, back: back.clone() })));
        self.thread.join().expect("nothing on its way out panics");
        let world = back.lock().unwrap().take();
        world.expect("the last destructor runs before a thread is joined")
    }
}

/// Makes the steps that `data` says, each in its thread, and then gives everything back.
pub fn run(data: &[u8]) {
    let mut world = World::default();
    let mut actors: [Option<Actor>; ACTORS] = Default::default();
    for turn in read(Input(data)).chunk_by(|(a, _), (b, _)| a == b) {
        let place = &mut actors[turn[0].0];
        for part in turn.split_inclusive(|(_, op)| matches!(op, Op::Exit { .. })) {
            let mut ops: Vec<Op> = part.iter().map(|(_, op)| op.clone()).collect();
            let last = match ops.pop() {
                Some(Op::Exit { last }) => Some(last),
                other => {
                    ops.extend(other);
                    None
                }
            };
            let actor = place.take().unwrap_or_else(Actor::start);
            let (actor, after) = actor.steps(world, ops);
            world = after;
            match last {
                Some(last) => world = actor.end(world, last),
                None => *place = Some(actor),
            }
        }
    }
    for actor in actors.into_iter().flatten() {
        world = actor.end(world, Vec::new());
    }
    let end = thread::spawn(move || {
        world.finish();
        world
    });
    let world = end.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    hakmem_alloc::purge();
    world.shadow.check_figures();
    check_all_went_back();
}
