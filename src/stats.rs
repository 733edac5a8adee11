//! What the allocator holds and has done, as plain data.

use core::fmt;

use crate::layout::{class_bytes, CLASS_COUNT};

/// A snapshot, made by [`stats`]. Bytes and blocks are the allocator's: usable sizes, not requested ones.
///
/// What is an `Option` is counted only by a build with `HAKMEM_STATS=1` in its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Usable bytes of the blocks that the program holds.
    pub live_bytes: u64,
    /// Blocks that the program holds.
    pub live_blocks: u64,
    /// Bytes that the system may have to back with memory: what is in use or not given back yet, and the own tables.
    pub committed_bytes: u64,
    /// Bytes of address space.
    pub reserved_bytes: u64,
    /// Of the live blocks, those with a mapping of their own.
    pub huge_blocks: u64,
    /// Of the live blocks, those that are runs of slots.
    pub large_blocks: u64,
    class_blocks: [u64; CLASS_COUNT],
    /// The most that `live_bytes` has been.
    pub peak_bytes: Option<u64>,
    /// Allocations of at most 1,024 B that needed no search.
    pub direct_hits: Option<u64>,
    /// Allocations of at most 1,024 B that took the generic path.
    pub direct_misses: Option<u64>,
    /// Frees by the thread that owns the block's page.
    pub local_frees: Option<u64>,
    /// Frees by another thread, or into a page that was full.
    pub remote_frees: Option<u64>,
    /// Atomic read-modify-writes that the allocator executed.
    pub atomic_operations: Option<u64>,
    /// Pages set up.
    pub pages_made: Option<u64>,
    /// Pages given up because they were empty.
    pub pages_retired: Option<u64>,
    /// Pages left by threads that ended, with live blocks in them.
    pub pages_abandoned: Option<u64>,
    /// Pages of ended threads that another thread took over.
    pub pages_reclaimed: Option<u64>,
}

/// One size class of a [`Stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// Bytes of each of its blocks.
    pub block_bytes: usize,
    /// Blocks that the program holds.
    pub live_blocks: u64,
}

impl Stats {
    /// The size classes, smallest first.
    pub fn classes(&self) -> impl Iterator<Item = ClassStats> + '_ {
        self.class_blocks
            .iter()
            .enumerate()
            .map(|(class, &live_blocks)| ClassStats { block_bytes: class_bytes(class), live_blocks })
    }

    /// The share of small allocations that needed no search, from 0 to 1. `None` if it was not counted.
    #[must_use]
    pub fn direct_hit_rate(&self) -> Option<f64> {
        let (hits, misses) = (self.direct_hits?, self.direct_misses?);
        (hits + misses != 0).then(|| hits as f64 / (hits + misses) as f64)
    }

    /// Writes the figures as one JSON object; what was not counted is `null`.
    pub(crate) fn write_json(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let always = [
            ("live_bytes", self.live_bytes),
            ("live_blocks", self.live_blocks),
            ("committed_bytes", self.committed_bytes),
            ("reserved_bytes", self.reserved_bytes),
            ("huge_blocks", self.huge_blocks),
            ("large_blocks", self.large_blocks),
        ];
        let counted = [
            ("peak_bytes", self.peak_bytes),
            ("direct_hits", self.direct_hits),
            ("direct_misses", self.direct_misses),
            ("local_frees", self.local_frees),
            ("remote_frees", self.remote_frees),
            ("atomic_operations", self.atomic_operations),
            ("pages_made", self.pages_made),
            ("pages_retired", self.pages_retired),
            ("pages_abandoned", self.pages_abandoned),
            ("pages_reclaimed", self.pages_reclaimed),
        ];
        out.write_char('{')?;
        for (name, value) in always {
            write!(out, "\"{name}\":{value},")?;
        }
        for (name, value) in counted {
            match value {
                Some(value) => write!(out, "\"{name}\":{value},")?,
                None => write!(out, "\"{name}\":null,")?,
            }
        }
        out.write_str("\"classes\":[")?;
        let used = self.classes().filter(|class| class.live_blocks != 0);
        for (i, class) in used.enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(out, "{comma}{{\"block_bytes\":{},\"live_blocks\":{}}}", class.block_bytes, class.live_blocks)?;
        }
        out.write_str("]}")
    }
}

impl fmt::Display for Stats {
    /// A few lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |bytes: u64| bytes.div_ceil(1024);
        writeln!(f, "live       {:>12} KiB in {} blocks", kib(self.live_bytes), self.live_blocks)?;
        writeln!(f, "committed  {:>12} KiB", kib(self.committed_bytes))?;
        write!(f, "reserved   {:>12} KiB", kib(self.reserved_bytes))?;
        let counted = [
            ("peak bytes", self.peak_bytes),
            ("direct hits", self.direct_hits),
            ("direct misses", self.direct_misses),
            ("local frees", self.local_frees),
            ("remote frees", self.remote_frees),
            ("atomic operations", self.atomic_operations),
            ("pages made", self.pages_made),
            ("pages retired", self.pages_retired),
            ("pages abandoned", self.pages_abandoned),
            ("pages reclaimed", self.pages_reclaimed),
        ];
        for (name, value) in counted {
            if let Some(value) = value {
                write!(f, "\n{name:<18} {value:>12}")?;
            }
        }
        Ok(())
    }
}

/// What the allocator holds now, summed over all threads.
///
/// Exact while no other thread allocates, frees or ends (`JoinHandle::join` waits for the end of a thread, a scope only for
/// that of its closure); else each part is right at some moment of the call. Costs a walk over all pages, allocates nothing. Under Miri everything is zero or `None`.
#[must_use]
pub fn stats() -> Stats {
    #[cfg(not(miri))]
    {
        let mut raw = core::mem::MaybeUninit::<crate::ffi::hakmem_stats_t>::uninit();
        // SAFETY: the core fills the whole struct.
        let raw = unsafe {
            crate::ffi::hakmem_stats_get(raw.as_mut_ptr());
            raw.assume_init()
        };
        from_raw(&raw)
    }
    #[cfg(miri)]
    Stats {
        live_bytes: 0,
        live_blocks: 0,
        committed_bytes: 0,
        reserved_bytes: 0,
        huge_blocks: 0,
        large_blocks: 0,
        class_blocks: [0; CLASS_COUNT],
        peak_bytes: None,
        direct_hits: None,
        direct_misses: None,
        local_frees: None,
        remote_frees: None,
        atomic_operations: None,
        pages_made: None,
        pages_retired: None,
        pages_abandoned: None,
        pages_reclaimed: None,
    }
}

#[cfg(not(miri))]
fn from_raw(raw: &crate::ffi::hakmem_stats_t) -> Stats {
    let counted = |value: u64| (value != u64::MAX).then_some(value); // HAKMEM_NOT_COUNTED
    Stats {
        live_bytes: raw.live_bytes,
        live_blocks: raw.live_blocks,
        committed_bytes: raw.committed_bytes,
        reserved_bytes: raw.reserved_bytes,
        huge_blocks: raw.huge_blocks,
        large_blocks: raw.large_blocks,
        class_blocks: raw.class_blocks,
        peak_bytes: counted(raw.peak_bytes),
        direct_hits: counted(raw.direct_hits),
        direct_misses: counted(raw.direct_misses),
        local_frees: counted(raw.local_frees),
        remote_frees: counted(raw.remote_frees),
        atomic_operations: counted(raw.atomic_operations),
        pages_made: counted(raw.pages_made),
        pages_retired: counted(raw.pages_retired),
        pages_abandoned: counted(raw.pages_abandoned),
        pages_reclaimed: counted(raw.pages_reclaimed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate alloc;
    use alloc::string::String;

    #[test]
    fn json_has_every_figure_and_null_for_what_was_not_counted() {
        let mut stats = stats();
        stats.live_bytes = 42;
        stats.peak_bytes = None;
        stats.local_frees = Some(7);
        stats.class_blocks = [0; CLASS_COUNT];
        stats.class_blocks[2] = 5;
        stats.class_blocks[4] = 6;
        let mut text = String::new();
        stats.write_json(&mut text).unwrap();
        assert!(text.starts_with("{\"live_bytes\":42,"), "{text}");
        assert!(text.contains("\"peak_bytes\":null,"), "{text}");
        assert!(text.contains("\"local_frees\":7,"), "{text}");
        let classes = "\"classes\":[{\"block_bytes\":24,\"live_blocks\":5},{\"block_bytes\":40,\"live_blocks\":6}]}";
        assert!(text.ends_with(classes), "{text}");
    }

    #[test]
    fn the_hit_rate_needs_both_counts() {
        let mut stats = stats();
        stats.direct_hits = Some(3);
        stats.direct_misses = Some(1);
        assert_eq!(stats.direct_hit_rate(), Some(0.75));
        stats.direct_misses = None;
        assert_eq!(stats.direct_hit_rate(), None);
    }
}
