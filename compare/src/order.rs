//! Whether rounds tell which of two allocators is the faster one.

use statrs::stats_tests::mannwhitneyu::{mannwhitneyu, MannWhitneyUMethod};
use statrs::stats_tests::Alternative;

use crate::statistics::Summary;

/// By how much medians differ where their order is looked at: what two runs should agree on.
const OVER: f64 = 1.15;
/// How likely rounds that say so much, or more, would be of two that are equally fast. With five rounds each, one of the 25 pairs of
/// rounds may say otherwise; with fifteen, 57 of the 225.
const CHANCE: f64 = 0.025;

/// Whether any two of the allocators, each with the speeds of its rounds, have medians that are apart, and an order that is not sure
/// all the same.
pub fn unsure(speeds: &[Vec<f64>]) -> bool {
    let pair = |one: &[f64], other: &[f64]| apart(one, other) && !sure(one, other);
    speeds.iter().enumerate().any(|(this, one)| speeds[..this].iter().any(|other| pair(one, other)))
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

    fn is_unsure(speeds: &[&[f64]]) -> bool {
        unsure(&speeds.iter().map(|speeds| speeds.to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn rounds_that_do_not_overlap_are_sure() {
        assert!(!is_unsure(&[&[10.0, 11.0, 12.0, 10.5, 11.5], &[5.0, 6.0, 7.0, 5.5, 6.5]]));
    }

    #[test]
    fn medians_that_are_close_need_no_order() {
        assert!(!is_unsure(&[&[10.0, 11.0, 12.0], &[10.1, 11.1, 12.1]]));
    }

    #[test]
    fn two_speeds_are_unsure_whoever_else_is_clear_of_both() {
        let bimodal: &[f64] = &[3.0, 19.1, 19.0, 12.8, 2.6];
        let between: &[f64] = &[5.6, 6.2, 5.8, 4.8, 5.9];
        let above: &[f64] = &[30.0, 31.0, 32.0, 33.0, 34.0];
        assert!(is_unsure(&[above, bimodal, between]));
        assert!(!is_unsure(&[above, between]));
    }

    #[test]
    fn more_rounds_make_it_sure() {
        let (one, other) = ([10.0, 14.0, 12.0, 15.0, 8.0], [9.0, 9.5, 8.5, 11.0, 9.2]);
        assert!(is_unsure(&[&one, &other]));
        assert!(!is_unsure(&[&one.repeat(4), &other.repeat(4)]));
    }

    #[test]
    fn an_allocator_without_rounds_is_in_no_pair() {
        assert!(!is_unsure(&[&[], &[1.0, 2.0]]));
    }
}
