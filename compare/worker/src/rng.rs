//! A random generator of a handful of instructions, so that the allocator and not the generator is what is measured.

/// One multiplication a number (the mixing step of wyrand); good enough to choose slots and sizes.
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    #[inline(always)]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
        let product = u128::from(self.0) * u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db);
        (product >> 64) as u64 ^ product as u64
    }

    /// A number below `limit`, which fits 32 bits; the bias of the multiplication does not matter here.
    #[inline(always)]
    pub fn below(&mut self, limit: usize) -> usize {
        (((self.next() >> 32) * limit as u64) >> 32) as usize
    }

    /// A number of `low..=high`.
    #[inline(always)]
    pub fn within(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// A number of `low..=high` whose logarithm is spread evenly: small ones are as frequent as large ones are rare.
    pub fn log_within(&mut self, low: usize, high: usize) -> usize {
        let doublings = (high / low).max(1).ilog2() as usize;
        let base = low << self.below(doublings.max(1));
        self.within(base, (base * 2).min(high))
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn stays_within_its_bounds_and_reaches_them() {
        let mut rng = Rng::new(1);
        let drawn: Vec<usize> = (0..1000).map(|_| rng.within(3, 6)).collect();
        assert_eq!(drawn.iter().min(), Some(&3));
        assert_eq!(drawn.iter().max(), Some(&6));
    }

    #[test]
    fn logarithmic_draws_stay_within_their_bounds() {
        let mut rng = Rng::new(2);
        assert!((0..1000).map(|_| rng.log_within(256, 1 << 20)).all(|n| (256..=1 << 20).contains(&n)));
    }
}
