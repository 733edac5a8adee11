//! The targets of the three phases, beside what came out.

use super::arms::{Arm, ALL_OFF, ALL_ON, PHASE_1, PHASE_2};
use super::collect::PhaseRow;
use crate::paired::Ratio;
use crate::report::units::interval;
use crate::verdict::{verdict, Verdict};

pub fn judge(rows: &[PhaseRow]) -> Vec<Verdict> {
    let find = |arm: Arm| rows.iter().find(|row| row.arm == Some(arm));
    let named = |name: &str| rows.iter().find(|row| row.name == name);
    // By the rounds: all builds take turns in each.
    let speed = |over: Option<&PhaseRow>, under: Option<&PhaseRow>| Ratio::of(&over?.runs, &under?.runs);
    // Against nothing at all, nothing can be saved.
    let ratio = |over: Option<f64>, under: Option<f64>| Some(over? / under.filter(|under| *under > 0.0)?);

    let (off, first, second, on) = (find(ALL_OFF), find(PHASE_1), find(PHASE_2), find(ALL_ON));
    let over_peer = |row: Option<&PhaseRow>, name: &str| speed(row, named(name));
    let off_over_peers = ["mimalloc2", "mimalloc3"].into_iter().filter_map(|name| over_peer(off, name));
    let off_over_better = off_over_peers.min_by(|a, b| a.estimate.total_cmp(&b.estimate));
    let saved = |pick: fn(&PhaseRow) -> Option<f64>, before: Option<&PhaseRow>, after: Option<&PhaseRow>| {
        ratio(after.and_then(pick), before.and_then(pick))
    };
    let code = |row: &PhaseRow| row.hot_code.map(|bytes| bytes as f64);

    vec![
        above("phase 1: hit rate of the direct cache", 0.95, on.and_then(|row| row.hit_rate)),
        gain("phase 1: throughput over all off, minimum", 1.10, speed(first, off)),
        gain("phase 1: throughput over all off, target", 1.15, speed(first, off)),
        at_most("phase 2: atomic operations against phase 1", 0.20, saved(|row| row.atomics, first, second)),
        at_most("all on: atomic operations against all off", 0.20, saved(|row| row.atomics, off, on)),
        gain("phase 2: throughput over phase 1", 1.10, speed(second, first)),
        gain("phases 1 and 2: throughput over all off, minimum", 1.20, speed(second, off)),
        gain("phases 1 and 2: throughput over all off, target", 1.27, speed(second, off)),
        at_most("phase 3: mispredicted branches", 1.0, saved(|row| row.branch_misses, second, on)),
        at_most("phase 3: instructions", 1.0, saved(|row| row.instructions, second, on)),
        at_most("phase 3: code of the hot functions", 1.0, saved(code, second, on)),
        gain("phase 3: throughput over phases 1 and 2", 1.05, speed(on, second)),
        gain("all on: throughput over all off, minimum", 1.35, speed(on, off)),
        gain("all on: throughput over all off, target", 1.40, speed(on, off)),
        gain("all on: throughput over all off, stretch", 1.45, speed(on, off)),
        gain("all on: throughput over mimalloc 2", 1.0, over_peer(on, "mimalloc2")),
        gain("all on: throughput over mimalloc 3", 1.0, over_peer(on, "mimalloc3")),
        gain("all off is no strawman: over the better mimalloc", 0.6, off_over_better),
    ]
}

fn gain(target: &'static str, least: f64, measured: Option<Ratio>) -> Verdict {
    let says = |ratio: Ratio| format!("{:.2} ×, {} certain", ratio.estimate, interval(ratio));
    verdict(target, format!("≥ {least:.2} ×"), measured.map(says), measured.map(|ratio| ratio.estimate >= least))
}

fn above(target: &'static str, least: f64, measured: Option<f64>) -> Verdict {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    verdict(target, format!("> {}", percent(least)), measured.map(percent), measured.map(|m| m > least))
}

fn at_most(target: &'static str, most: f64, measured: Option<f64>) -> Verdict {
    verdict(target, format!("≤ {most:.2} ×"), measured.map(|m| format!("{m:.3} ×")), measured.map(|m| m <= most))
}

#[cfg(test)]
mod tests {
    use super::{above, at_most, gain};
    use crate::paired::Ratio;

    #[test]
    fn bounds_are_met_from_the_right_side() {
        let ratio = |estimate| Some(Ratio { estimate, low: 1.0, high: 1.2, rounds: 9 });
        assert_eq!(gain("", 1.1, ratio(1.1)).met, Some(true));
        assert_eq!(gain("", 1.1, ratio(1.09)).met, Some(false));
        assert_eq!(at_most("", 0.2, Some(0.21)).met, Some(false));
        assert_eq!(above("", 0.95, Some(0.95)).met, Some(false));
    }

    #[test]
    fn what_was_not_measured_is_neither() {
        let verdict = gain("", 1.0, None);
        assert_eq!((verdict.met, verdict.measured.as_str()), (None, "not available here"));
    }
}
