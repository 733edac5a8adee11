//! Which sizes a workload asks for.

use crate::rng::Rng;

pub trait Sizes: Copy + Send + Sync {
    fn next(&self, rng: &mut Rng) -> usize;
}

/// All sizes of a range equally often.
#[derive(Clone, Copy)]
pub struct Even {
    pub low: usize,
    pub high: usize,
}

impl Sizes for Even {
    #[inline(always)]
    fn next(&self, rng: &mut Rng) -> usize {
        rng.within(self.low, self.high)
    }
}

/// 16 B to 1 KiB, mostly below 128 B, which is what programs ask for; without a branch that could be mispredicted.
#[derive(Clone, Copy)]
pub struct MostlySmall;

const MASKS: [u16; 8] = [31, 63, 63, 127, 127, 127, 255, 1023];

impl Sizes for MostlySmall {
    #[inline(always)]
    fn next(&self, rng: &mut Rng) -> usize {
        let drawn = rng.next() as usize;
        16 + ((drawn >> 3) & usize::from(MASKS[drawn & 7]))
    }
}
