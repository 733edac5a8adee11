//! Random numbers for tests, and for the soak.

/// SplitMix64: small, fast, and every seed is as good as another.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// A number from `low` to `high`, each doubling as likely as another.
    pub fn log_between(&mut self, low: usize, high: usize) -> usize {
        let doublings = (high / low).ilog2() as usize + 1;
        let base = low << self.below(doublings);
        (base + self.below(base)).min(high)
    }
}
