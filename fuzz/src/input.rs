//! Bytes as numbers. Every byte string means something, and a changed byte changes one number where it can: that is what a
//! fuzzer makes most of.

/// What is left of an input. Every method returns `None` at its end.
pub struct Input<'a>(pub &'a [u8]);

impl Input<'_> {
    pub fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub fn short(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    /// `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> Option<usize> {
        Some(low + usize::from(self.byte()?) % (high - low + 1))
    }

    /// A size that programs ask for: small as a rule, up to 40 MiB, often at the edge of a class.
    pub fn size(&mut self) -> Option<usize> {
        Some(match self.byte()? {
            0..=119 => usize::from(self.byte()?) + 1,
            120..=183 => usize::from(self.short()? % 8192) + 1,
            184..=207 => usize::from(self.short()?) + 1,
            208..=235 => {
                let near = usize::from(self.byte()?);
                ((1 << (3 + near % 22)) + near / 22).saturating_sub(4)
            }
            236..=249 => usize::from(self.short()?) * 64 + 1,
            250..=255 => usize::from(self.short()?) * 640 + 1,
        })
    }

    /// A size of which there may be hundreds: up to 8 KiB.
    pub fn small_size(&mut self) -> Option<usize> {
        Some(match self.byte()? {
            0..=199 => usize::from(self.byte()?) + 1,
            200..=255 => usize::from(self.short()? % 8192) + 1,
        })
    }

    /// A power of two: mostly what types have, up to 1 MiB.
    pub fn align(&mut self) -> Option<usize> {
        Some(match self.byte()? {
            byte @ 0..=199 => 1 << (byte % 5),
            byte => 1 << (byte % 21),
        })
    }

    /// Any number, often where arithmetic wraps or a limit lies.
    pub fn hostile_size(&mut self) -> Option<usize> {
        const PTRDIFF_MAX: usize = isize::MAX as usize;
        Some(match self.byte()? {
            0..=99 => return self.size(),
            100..=139 => usize::MAX - usize::from(self.short()?),
            140..=169 => PTRDIFF_MAX - 0x8000 + usize::from(self.short()?),
            170..=199 => {
                let power = 1_usize << (self.byte()? % 64);
                power.wrapping_sub(8).wrapping_add(usize::from(self.byte()? % 16))
            }
            200..=209 => 0,
            210..=229 => (usize::MAX / (usize::from(self.byte()?) + 1)).wrapping_add(usize::from(self.byte()? % 2)),
            230..=255 => self.word()?,
        })
    }

    pub fn hostile_align(&mut self) -> Option<usize> {
        Some(match self.byte()? {
            0..=79 => return self.align(),
            80..=179 => 1 << (self.byte()? % 64),
            180..=219 => usize::from(self.short()?),
            220..=229 => 0,
            230..=255 => self.word()?,
        })
    }

    fn word(&mut self) -> Option<usize> {
        (0..8).try_fold(0, |word: usize, _| Some(word << 8 | usize::from(self.byte()?)))
    }
}
