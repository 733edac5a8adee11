//! Whether rounds tell which of two allocators is the faster one.

use statrs::stats_tests::mannwhitneyu::{mannwhitneyu, MannWhitneyUMethod};
use statrs::stats_tests::Alternative;

use crate::statistics::Summary;

/// By how much medians differ where their order is looked at: what two runs should agree on.
const OVER: f64 = 1.15;
/// How likely rounds that say so much, or more, would be of two that are equally fast. With five rounds each, one of the 25 pairs of
/// rounds may say otherwise; with fifteen, 57 of the 225.
const CHANCE: f64 = 0.025;

/// Which of the allocators, each with the speeds of its rounds, are in a pair whose medians are apart and whose order is
/// not sure all the same.
pub fn unsure(speeds: &[Vec<f64>]) -> Vec<usize> {
    let is_unsure = |one: &[f64], other: &[f64]| apart(one, other) && !sure(one, other);
    let others = |this: usize| speeds.iter().enumerate().filter(move |(other, _)| *other != this);
    (0..speeds.len()).filter(|&this| others(this).any(|(_, other)| is_unsure(&speeds[this], other))).collect()
}

fn apart(one: &[f64], other: &[f64]) -> bool {
    let median = |speeds: &[f64]| Summary::of(speeds.iter().copied()).map(|summary| summary.median);
    let (Some(one), Some(other)) = (median(one), median(other)) else { return false };
    one > other * OVER || other > one * OVER
}

/// By the test of Mann and Whitney, which asks nothing of how speeds are spread: several of them have two peaks. In its
/// normal approximation, good enough from four rounds on: the crate's exact figure (0.19.1) is the complement of the right one where both have
/// equally many.
fn sure(one: &[f64], other: &[f64]) -> bool {
    mannwhitneyu(one, other, MannWhitneyUMethod::AsymptoticInclContinuityCorrection, Alternative::TwoSided)
        .is_ok_and(|(_, p)| p <= CHANCE)
}

#[cfg(test)]
mod tests {
    use super::unsure;

    fn of(speeds: &[&[f64]]) -> Vec<usize> {
        unsure(&speeds.iter().map(|speeds| speeds.to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn rounds_that_do_not_overlap_are_sure() {
        assert!(of(&[&[10.0, 11.0, 12.0, 10.5, 11.5], &[5.0, 6.0, 7.0, 5.5, 6.5]]).is_empty());
    }

    #[test]
    fn medians_that_are_close_need_no_order() {
        assert!(of(&[&[10.0, 11.0, 12.0], &[10.1, 11.1, 12.1]]).is_empty());
    }

    #[test]
    fn two_speeds_are_unsure_and_whoever_is_clear_of_both_is_left_alone() {
        let bimodal: &[f64] = &[3.0, 19.1, 19.0, 12.8, 2.6];
        let between: &[f64] = &[5.6, 6.2, 5.8, 4.8, 5.9];
        let above: &[f64] = &[30.0, 31.0, 32.0, 33.0, 34.0];
        assert_eq!(of(&[above, bimodal, between]), [1, 2]);
    }

    #[test]
    fn more_rounds_make_it_sure() {
        let (one, other) = ([10.0, 14.0, 12.0, 15.0, 8.0], [9.0, 9.5, 8.5, 11.0, 9.2]);
        assert_eq!(of(&[&one, &other]), [0, 1]);
        assert!(of(&[&one.repeat(4), &other.repeat(4)]).is_empty());
    }

    #[test]
    fn an_allocator_without_rounds_is_in_no_pair() {
        assert!(of(&[&[], &[1.0, 2.0]]).is_empty());
    }
}
