//! Which entry point of the core a `Layout` takes: pure arithmetic, which folds to a constant where the layout is one, and
//! runs under Miri. The twin of `csrc/src/size_class.h`; a test compares the two over every size.

use core::alloc::Layout;

/// Largest block of a one-slot page, in bytes.
pub(crate) const TINY_MAX: usize = 8192;
/// Largest block of any page, in bytes.
pub(crate) const MEDIUM_MAX: usize = 65536;
/// Number of size classes that pages serve.
pub(crate) const CLASS_COUNT: usize = 88;

const CLASS_STEP: usize = 8;
const LINEAR_MAX: usize = 128;
const LINEAR: usize = LINEAR_MAX / CLASS_STEP;

#[cfg(not(miri))]
const _: () = {
    assert!(TINY_MAX == crate::ffi::HAKMEM_TINY_MAX as usize);
    assert!(MEDIUM_MAX == crate::ffi::HAKMEM_MEDIUM_MAX as usize);
    assert!(CLASS_COUNT == crate::ffi::HAKMEM_CLASS_COUNT as usize);
};

/// How a block is served. The size decides the class: rounded up to an alignment above the classes' step, else as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// From a one-slot page.
    Tiny(usize),
    /// From a page of two to eight slots, likewise.
    Medium(usize),
    /// From a run of slots or a mapping of its own.
    Large,
}

/// The size whose class serves a layout. Zero counts as one byte.
#[inline(always)]
pub(crate) const fn rounded(layout: Layout) -> usize {
    if layout.align() <= CLASS_STEP {
        return layout.size(); // every class is a multiple of that
    }
    // A layout's size, rounded up to its alignment, does not overflow; zero would become zero and lose the alignment.
    let size = if layout.size() == 0 { 1 } else { layout.size() };
    (size + layout.align() - 1) & !(layout.align() - 1)
}

#[inline(always)]
pub(crate) const fn route(layout: Layout) -> Route {
    let rounded = rounded(layout);
    if rounded <= TINY_MAX {
        Route::Tiny(rounded)
    } else if rounded <= MEDIUM_MAX {
        Route::Medium(rounded)
    } else {
        Route::Large
    }
}

/// Sizes up to here find their class in a table of bytes: three instructions where the arithmetic takes a dozen.
#[cfg_attr(not(hakmem_rust_fast_path), allow(dead_code))] // fast.rs is the user
const TABLE_MAX: usize = 1024;

/// A class's bin: where its top lies in a cache, so many words from its start.
#[cfg_attr(not(hakmem_rust_fast_path), allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bin(usize);

#[cfg_attr(not(hakmem_rust_fast_path), allow(dead_code))]
impl Bin {
    /// Words of a cache before its tops.
    const FIRST: usize = 3;
    /// Words from a bin's top to its limit.
    pub(crate) const TO_LIMIT: usize = 64;

    const fn of_class(class: usize) -> Self {
        Bin(Self::FIRST + class)
    }

    #[inline(always)]
    pub(crate) const fn words(self) -> usize {
        self.0
    }

    #[inline(always)]
    pub(crate) const fn class(self) -> usize {
        self.0 - Self::FIRST
    }
}

#[cfg(not(miri))]
const _: () = {
    use core::mem::offset_of;

    use crate::ffi::hakmem_cache_t;
    assert!(offset_of!(hakmem_cache_t, tops) == Bin::FIRST * size_of::<*mut u8>());
    assert!(offset_of!(hakmem_cache_t, limits) == (Bin::FIRST + Bin::TO_LIMIT) * size_of::<*mut u8>());
};

/// A constant, not a static: an index that is a constant folds, also in other crates.
#[cfg_attr(not(hakmem_rust_fast_path), allow(dead_code))]
const BIN_BY_WORDS: [u8; TABLE_MAX / CLASS_STEP + 1] = {
    assert!(Bin::of_class(class_of(TABLE_MAX)).words() <= u8::MAX as usize);
    let mut table = [0; TABLE_MAX / CLASS_STEP + 1];
    let mut i = 0;
    while i < table.len() {
        table[i] = Bin::of_class(class_of(i * CLASS_STEP)).words() as u8;
        i += 1;
    }
    table
};

/// The bin of a layout's class, if the table knows it.
#[cfg_attr(not(hakmem_rust_fast_path), allow(dead_code))]
#[inline(always)]
pub(crate) const fn table_bin(layout: Layout) -> Option<Bin> {
    let size = rounded(layout);
    if size > TABLE_MAX {
        return None;
    }
    Some(Bin(BIN_BY_WORDS[(size + CLASS_STEP - 1) >> CLASS_STEP.ilog2()] as usize))
}

/// The class of a size up to [`MEDIUM_MAX`]; 0 counts as 1.
#[inline]
pub(crate) const fn class_of(size: usize) -> usize {
    if size <= LINEAR_MAX {
        return size.saturating_sub(1) / CLASS_STEP;
    }
    let last = size - 1;
    let top = last.ilog2() as usize;
    LINEAR + (top - 7) * 8 + ((last >> (top - 3)) & 7)
}

/// The block size of a class, in bytes.
pub(crate) const fn class_bytes(class: usize) -> usize {
    if class < LINEAR {
        return (class + 1) * 8;
    }
    let k = class - LINEAR;
    let base = LINEAR_MAX << (k >> 3);
    base + ((k & 7) + 1) * (base >> 3)
}

/// Whether a block keeps its class, so that `realloc` has nothing to do and a later sized free finds what it expects.
#[inline(always)]
pub(crate) const fn same_class(old: Layout, new: Layout) -> bool {
    match (route(old), route(new)) {
        (Route::Tiny(a) | Route::Medium(a), Route::Tiny(b) | Route::Medium(b)) => class_of(a) == class_of(b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn the_table_says_what_the_arithmetic_says() {
        for size in 0..=TABLE_MAX {
            assert_eq!(table_bin(layout(size, 1)).map(Bin::class), Some(class_of(size)), "{size}");
        }
        assert_eq!(table_bin(layout(TABLE_MAX + 1, 1)), None);
        assert_eq!(table_bin(layout(1, 2 * TABLE_MAX)), None);
        assert_eq!(table_bin(layout(0, TABLE_MAX)).map(Bin::class), Some(class_of(TABLE_MAX)));
    }

    #[test]
    fn every_class_is_its_own_sizes_class() {
        for class in 0..CLASS_COUNT {
            assert_eq!(class_of(class_bytes(class)), class);
        }
        assert_eq!(class_bytes(CLASS_COUNT - 1), MEDIUM_MAX);
    }

    #[test]
    fn a_class_fits_and_wastes_an_eighth_at_most() {
        let step = if cfg!(miri) { 97 } else { 1 };
        for size in (1..=MEDIUM_MAX).step_by(step) {
            let bytes = class_bytes(class_of(size));
            assert!(bytes >= size);
            assert!(bytes - size < 8 || (bytes - size) * 8 <= size, "{size} in {bytes}");
        }
    }

    #[test]
    fn a_size_gets_the_smallest_class_that_fits() {
        for size in (1..=MEDIUM_MAX).step_by(if cfg!(miri) { 97 } else { 1 }) {
            let class = class_of(size);
            assert!(class == 0 || class_bytes(class - 1) < size, "{size} in class {class}");
        }
    }

    #[test]
    fn rounding_to_the_alignment_aligns_every_block() {
        for shift in 0..=16 {
            let align = 1 << shift;
            for size in (1..MEDIUM_MAX).step_by(if cfg!(miri) { 4099 } else { 7 }) {
                match route(layout(size, align)) {
                    Route::Tiny(rounded) | Route::Medium(rounded) => {
                        let bytes = class_bytes(class_of(rounded));
                        assert!(bytes >= size && bytes % align == 0, "{size} aligned to {align} in {bytes}");
                    }
                    Route::Large => assert!(size + align > MEDIUM_MAX),
                }
            }
        }
    }

    #[test]
    fn routes_change_at_the_documented_sizes() {
        assert_eq!(route(layout(1, 4096)), Route::Tiny(4096));
        assert_eq!(route(layout(TINY_MAX, 8)), Route::Tiny(TINY_MAX));
        assert_eq!(route(layout(TINY_MAX + 1, 1)), Route::Medium(TINY_MAX + 1));
        assert_eq!(route(layout(MEDIUM_MAX, 1)), Route::Medium(MEDIUM_MAX));
        assert_eq!(route(layout(MEDIUM_MAX + 1, 1)), Route::Large);
        assert_eq!(route(layout(1, 2 * MEDIUM_MAX)), Route::Large);
    }

    #[test]
    fn staying_in_a_class_is_symmetric_and_ends_at_its_edge() {
        assert!(same_class(layout(129, 1), layout(144, 1)));
        assert!(!same_class(layout(144, 1), layout(145, 1)));
        assert!(!same_class(layout(36, 16), layout(36, 4)), "48 and 40 bytes");
        assert!(!same_class(layout(MEDIUM_MAX + 1, 1), layout(MEDIUM_MAX + 2, 1)), "large blocks have no class");
    }

    #[test]
    #[cfg_attr(miri, ignore = "crosses the FFI")]
    #[cfg(not(miri))]
    fn the_core_agrees_on_every_size() {
        for size in 0..=MEDIUM_MAX {
            // SAFETY: pure functions of their argument.
            unsafe {
                assert_eq!(class_of(size), crate::ffi::hakmem_class_of(size) as usize, "{size}");
            }
        }
        for class in 0..CLASS_COUNT {
            // SAFETY: as above.
            unsafe { assert_eq!(class_bytes(class), crate::ffi::hakmem_class_bytes(class as u32)) };
        }
    }
}
