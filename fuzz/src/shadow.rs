//! The shadow model: which blocks are in use, where they lie and what they hold.

use std::collections::BTreeMap;
use std::iter;
use std::ops::Range;

use super::{errno, ffi};

/// What an input may hold at most; what would be more is not asked for.
pub const MOST_BLOCKS: usize = 4096;
pub const MOST_BYTES: usize = 64 << 20;

/// Through which interface a block was made: it says how it is freed and resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `GlobalAlloc` or the sized interface: size and alignment are known at every call.
    Sized,
    /// malloc and its kin.
    C,
}

#[derive(Debug)]
pub struct Block {
    pub start: *mut u8,
    /// As asked for.
    pub size: usize,
    pub align: usize,
    pub kind: Kind,
    /// At least `size`; all of it is written to.
    usable: usize,
    seed: usize,
}

/// A block that was just given out, and what must hold of it.
pub struct Fresh {
    pub start: *mut u8,
    pub size: usize,
    pub align: usize,
    pub kind: Kind,
    pub zeroed: bool,
}

pub struct Shadow {
    pub blocks: Vec<Block>,
    /// Start to end of every block.
    ranges: BTreeMap<usize, usize>,
    bytes: usize,
    seeds: usize,
    /// What was in use before.
    before: (u64, u64),
}

/// Live blocks and bytes, as the allocator says.
fn live() -> (u64, u64) {
    let stats = hakmem_alloc::stats();
    (stats.live_blocks, stats.live_bytes)
}

impl Default for Shadow {
    fn default() -> Self {
        Shadow { blocks: Vec::new(), ranges: BTreeMap::new(), bytes: 0, seeds: 0, before: live() }
    }
}

/// What blocks hold, from some place on. No byte is zero, so that memory that was cleared by mistake shows.
static PATTERN: [u8; WHOLE + 256] = {
    let mut bytes = [0; WHOLE + 256];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = ((at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8 | 1;
        at += 1;
    }
    bytes
};
static ZEROS: [u8; WHOLE] = [0; WHOLE];

/// Blocks of at most so many bytes are written and looked at as a whole.
const WHOLE: usize = 1024;

/// Which parts of a block are written and looked at. Of large ones both ends, where neighbours do damage first, and the
/// beginning of each page or slot, where later blocks find what was left.
fn parts(bytes: usize) -> impl Iterator<Item = Range<usize>> {
    let end = if bytes <= WHOLE { bytes } else { 64 };
    let step = if bytes <= 128 << 10 {
        4096
    } else if bytes <= MOST_BYTES {
        64 << 10
    } else {
        bytes / 64 // it is there for a moment only, and may be larger than all memory
    };
    let between = (step..bytes - end).step_by(step).map(|at| at..at + 8);
    iter::once(0..end).chain(between).chain(iter::once(bytes - end..bytes))
}

impl Block {
    /// # Safety
    ///
    /// The block is in use, the part within its usable size and written to.
    unsafe fn part(&self, part: &Range<usize>) -> &[u8] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start.add(part.start), part.len()) }
    }

    /// What belongs there.
    fn expected(&self, part: &Range<usize>) -> &'static [u8] {
        let from = self.seed.wrapping_mul(31).wrapping_add(part.start / 64) % 256;
        &PATTERN[from..from + part.len()]
    }

    fn fill(&self) {
        for part in parts(self.usable) {
            let bytes = self.expected(&part);
            // SAFETY: the block is the model's, and the part in it.
            unsafe { self.start.add(part.start).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
    }

    /// What was written is still there, as far as `kept`.
    fn check(&self, kept: usize) {
        for part in parts(self.usable).filter(|part| part.start < kept) {
            let part = part.start..part.end.min(kept);
            let expected = self.expected(&part);
            // SAFETY: the block is the model's, and `fill` wrote there.
            let found = unsafe { self.part(&part) };
            assert!(found == expected, "{self:?} is damaged in {part:?}: {found:x?}, not {expected:x?}");
        }
    }

    fn check_zero(&self) {
        let whole = self.size.min(64 << 10);
        let first = (0..whole).step_by(WHOLE).map(|at| at..(at + WHOLE).min(whole));
        for part in first.chain(parts(self.size).filter(|part| part.start >= whole)) {
            // SAFETY: the block is the model's; the allocator wrote the zeros.
            let found = unsafe { self.part(&part) };
            assert!(found == &ZEROS[..part.len()], "{self:?} is not zero in {part:?}: {found:x?}");
        }
    }
}

impl Shadow {
    pub fn has_room_for(&self, size: usize) -> bool {
        self.blocks.len() < MOST_BLOCKS && size <= MOST_BYTES && self.bytes + size <= MOST_BYTES
    }

    /// The block that the input means by `index`, if there is any.
    pub fn find(&self, index: usize) -> Option<usize> {
        index.checked_rem(self.blocks.len())
    }

    /// Checks a fresh block, fills it and keeps it.
    pub fn admit(&mut self, fresh: Fresh) {
        let Fresh { start, size, align, kind, zeroed } = fresh;
        // SAFETY: null, or in use.
        let usable = unsafe { ffi::hakmem_usable_size(start.cast()) };
        self.seeds += 1;
        let block = Block { start, size, align, kind, usable, seed: self.seeds };
        assert!(!start.is_null() && start as usize % align == 0, "{block:?} is not aligned");
        assert!(usable >= size.max(1), "{block:?} is too small");
        self.enter(&block);
        if zeroed {
            block.check_zero();
        }
        block.fill();
        self.blocks.push(block);
    }

    fn enter(&mut self, block: &Block) {
        let (start, end) = (block.start as usize, block.start as usize + block.usable);
        if let Some((&below, &below_end)) = self.ranges.range(..end).next_back() {
            assert!(below_end <= start, "{block:?} overlaps the block at {below:#x} to {below_end:#x}");
        }
        self.ranges.insert(start, end);
        self.bytes += block.usable;
    }

    /// Takes a block out, unharmed: what the caller does next may give its memory to others.
    pub fn take(&mut self, index: usize) -> Block {
        let block = self.blocks.swap_remove(index);
        block.check(block.usable);
        self.ranges.remove(&(block.start as usize));
        self.bytes -= block.usable;
        block
    }

    /// Puts a block back that nothing has happened to.
    pub fn put_back(&mut self, block: Block) {
        // SAFETY: the block is in use.
        assert_eq!(unsafe { ffi::hakmem_usable_size(block.start.cast()) }, block.usable, "{block:?}");
        block.check(block.usable);
        self.enter(&block);
        self.blocks.push(block);
    }

    /// `old` was resized: what fitted is at the new place, which is kept in its stead.
    pub fn moved(&mut self, old: Block, fresh: Fresh) {
        // C knows only the usable size, and copies that.
        let kept = if old.kind == Kind::Sized { old.size } else { old.usable }.min(fresh.size);
        Block { start: fresh.start, ..old }.check(kept);
        self.admit(fresh);
    }

    pub fn check_all(&self) {
        self.blocks.iter().for_each(|block| block.check(block.usable));
    }

    /// The allocator's figures are the model's. Only while no other thread is in the allocator.
    pub fn check_figures(&self) {
        let (blocks, bytes) = self.before;
        let expected = (blocks + self.blocks.len() as u64, bytes + self.bytes as u64);
        assert_eq!(live(), expected, "live blocks and bytes, as the allocator says and in truth");
    }
}

// SAFETY: a block's memory belongs to whoever has the model.
unsafe impl Send for Block {}

/// Once nothing is in use and all was purged, only the chunks' heads and the allocator's tables are committed.
pub fn check_all_went_back() {
    const HEAD_BYTES: u64 = 128 << 10;
    if !cfg!(target_os = "linux") {
        return; // another system may keep what is purged
    }
    // SAFETY: functions that read a figure.
    let (chunks, tables) = unsafe { (ffi::hakmem_arena_chunk_count(), ffi::hakmem_meta_committed_bytes()) };
    let committed = hakmem_alloc::stats().committed_bytes - tables as u64;
    assert_eq!(
        committed,
        u64::from(chunks) * HEAD_BYTES,
        "bytes that are committed with nothing in use, and of {chunks} heads"
    );
}

/// Runs `call` with `errno` 0, and returns what `errno` is afterwards too.
pub fn with_errno<T>(call: impl FnOnce() -> T) -> (T, i32) {
    errno::set(0);
    let result = call();
    (result, errno::get())
}
