//! How much faster one allocator is than another, by the rounds in which both ran.
//!
//! On a machine that others share, speeds come and go for seconds and minutes, by 20 % and more: the medians of two
//! allocators, each over its own rounds, differ by that too, the ratio within a round by far less. So it is the ratios that are
//! averaged: the median of their Walsh averages (Hodges and Lehmann, "Estimates of location based on rank tests", 1963), in
//! logarithms, with the interval that Wilcoxon's signed ranks give it. It asks nothing of how the ratios are spread but symmetry.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::measurement::Measurement;

/// Standard deviations on either side that leave 5 % out.
const DEVIATIONS: f64 = 1.96;
/// Of fewer rounds there is no such interval: what was seen of them may be narrow by chance.
const FEWEST: usize = 6;

/// A ratio of speeds, and the interval in which it lies with a certainty of 95 %; of fewer than six rounds, all that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
    pub rounds: usize,
}

impl Ratio {
    /// `one`'s speed over `other`'s. None if no round has both.
    pub fn of(one: &[Measurement], other: &[Measurement]) -> Option<Self> {
        let speeds: HashMap<u32, f64> = other.iter().map(|run| (run.round, run.ops_per_second)).collect();
        let logs = one.iter().filter_map(|run| Some((run.ops_per_second / speeds.get(&run.round)?).ln()));
        Self::of_logs(&logs.filter(|log| log.is_finite()).collect::<Vec<f64>>())
    }

    fn of_logs(logs: &[f64]) -> Option<Self> {
        let mut walsh: Vec<f64> =
            (0..logs.len()).flat_map(|i| logs[i..].iter().map(move |other| (logs[i] + other) / 2.0)).collect();
        walsh.sort_by(f64::total_cmp);
        let last = walsh.len().checked_sub(1)?;
        let n = logs.len() as f64;
        let deviation = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
        // How many averages lie outside on either side; the sum of signed ranks has its mean at half of them.
        let outside = (n * (n + 1.0) / 4.0 - DEVIATIONS * deviation).max(0.0) as usize;
        Some(Self {
            estimate: f64::midpoint(walsh[last / 2], walsh[last.div_ceil(2)]).exp(),
            low: walsh[outside].exp(),
            high: walsh[last - outside].exp(),
            rounds: logs.len(),
        })
    }

    /// Whether half the interval is at most this share of the ratio.
    pub fn is_sure(&self, within: f64) -> bool {
        self.rounds >= FEWEST && (self.high / self.low).ln() / 2.0 <= within
    }
}

#[cfg(test)]
mod tests {
    use super::Ratio;
    use crate::measurement::Measurement;

    fn runs(speeds: &[(u32, f64)]) -> Vec<Measurement> {
        speeds.iter().map(|&(round, speed)| Measurement::of_round(round, speed)).collect()
    }

    #[test]
    fn what_slows_a_round_down_cancels() {
        let slow = [1.0, 0.5, 0.8, 0.3, 0.9, 0.7, 0.4];
        let of = |speed: f64| runs(&(0..7).zip(slow).map(|(round, slow)| (round, speed * slow)).collect::<Vec<_>>());
        let ratio = Ratio::of(&of(3.0), &of(2.0)).unwrap();
        assert!((ratio.estimate - 1.5).abs() < 1e-9 && ratio.is_sure(1e-9), "{ratio:?}");
        assert_eq!(ratio.rounds, 7);
    }

    #[test]
    fn only_rounds_with_both_count() {
        let ratio = Ratio::of(&runs(&[(0, 4.0), (1, 9.0), (5, 8.0)]), &runs(&[(5, 4.0), (0, 2.0), (7, 1.0)])).unwrap();
        assert_eq!((ratio.estimate, ratio.rounds), (2.0, 2));
        assert_eq!(Ratio::of(&runs(&[(0, 1.0)]), &runs(&[(1, 1.0)])), None);
    }

    #[test]
    fn the_interval_of_ten_rounds_leaves_eight_averages_out_on_either_side() {
        // Of ten ratios there are 55 averages; tables of the signed ranks have 8 as the bound for 5 %.
        let logs: Vec<f64> = (0..10).map(f64::from).map(|i| i * i / 100.0).collect();
        let mut walsh: Vec<f64> =
            (0..10).flat_map(|i| (i..10).map(move |j| (i, j))).map(|(i, j)| (logs[i] + logs[j]) / 2.0).collect();
        walsh.sort_by(f64::total_cmp);
        let ratio = Ratio::of_logs(&logs).unwrap();
        assert_eq!((ratio.low, ratio.estimate, ratio.high), (walsh[8].exp(), walsh[27].exp(), walsh[46].exp()));
    }

    #[test]
    fn one_wild_round_moves_little() {
        let mut logs = vec![0.1; 9];
        logs.push(-3.0);
        assert!((Ratio::of_logs(&logs).unwrap().estimate - 0.1_f64.exp()).abs() < 1e-9);
    }
}
