//! Builds the arms, runs them, and gathers what each took.

use serde::Serialize;

use super::{arms, arms::Arm, WORKLOAD};
use crate::builder::{self, Built};
use crate::callgrind::{self, Lengths, Simulate};
use crate::cli::Phases;
use crate::measurement::Measurement;
use crate::rounds::{self, Rounds};
use crate::statistics::Summary;
use crate::{progress, symbols, worker};

/// Long enough that all slots are in use before the shorter one ends.
const SIMULATED: Lengths = Lengths { short: 100_000, long: 500_000 };

/// One build and what it took.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseRow {
    pub name: String,
    /// None for a peer.
    pub arm: Option<Arm>,
    pub failure: Option<String>,
    pub ops_per_second: Option<Summary>,
    #[serde(skip)]
    pub runs: Vec<Measurement>,
    pub p50_ns: Option<Summary>,
    pub p99_ns: Option<Summary>,
    pub peak_rss: Option<Summary>,
    pub hit_rate: Option<f64>,
    /// These four by operation.
    pub atomics: Option<f64>,
    pub instructions: Option<f64>,
    pub cache_misses: Option<f64>,
    pub branch_misses: Option<f64>,
    pub counted_by: Option<Source>,
    pub hot_code: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Source {
    Processor,
    Callgrind,
}

pub fn collect(options: &Phases) -> Result<Vec<PhaseRow>, String> {
    let planned: Vec<(Option<Arm>, crate::variant::Variant)> = arms::arms()
        .into_iter()
        .map(|arm| (Some(arm), arm.variant(false)))
        .chain(arms::peers().into_iter().map(|peer| (None, peer)))
        .collect();
    let variants: Vec<_> = planned.iter().map(|(_, variant)| variant.clone()).collect();
    let (built, not_built) = builder::build_all(&variants);
    if let Some((name, reason)) = not_built.iter().find(|(name, _)| arm_of(&planned, name).is_some()) {
        return Err(format!("{name} cannot be built: {reason}"));
    }
    let counting: Vec<_> = arms::arms().into_iter().map(|arm| arm.variant(true)).collect();
    let (counting, not_built) = builder::build_unmoved(&counting);
    if let Some((name, reason)) = not_built.first() {
        return Err(format!("{name} cannot be built: {reason}"));
    }

    let (runs, _) =
        rounds::run(&built, &[super::case(&options.limits)], Rounds::exactly(options.rounds), &options.limits);
    let bar = progress::bar(built.len() as u64, "counting");
    let mut rows = Vec::new();
    for (built, runs) in built.iter().zip(runs) {
        bar.say(&built.variant.name);
        let mut row = timed_row(arm_of(&planned, &built.variant.name), built, &runs);
        if let Some(arm) = row.arm {
            let name = arm.variant(true).name;
            if let Some(counting) = counting.iter().find(|built| built.variant.name == name) {
                add_statistics(&mut row, counting, options);
            }
            row.hot_code = symbols::hot_size(built.program())?;
        }
        if row.failure.is_none() && row.instructions.is_none() {
            add_simulated(&mut row, built, options.limits.timeout, &bar);
        }
        rows.push(row);
        bar.step();
    }
    bar.end();
    Ok(rows)
}

fn arm_of(planned: &[(Option<Arm>, crate::variant::Variant)], name: &str) -> Option<Arm> {
    planned.iter().find(|(_, variant)| variant.name == name)?.0
}

fn timed_row(arm: Option<Arm>, built: &Built, runs: &rounds::Runs) -> PhaseRow {
    let summary = |pick: fn(&Measurement) -> Option<f64>| Summary::of(runs.runs.iter().filter_map(pick));
    let median = |pick: fn(&Measurement) -> Option<f64>| summary(pick).map(|summary| summary.median);
    let instructions = median(|m| m.per_op(m.instructions));
    let plain_name = built.variant.name.trim_start_matches("phase-");
    PhaseRow {
        name: arm.map_or_else(|| plain_name.into(), Arm::name),
        arm,
        failure: runs.failure.clone(),
        ops_per_second: summary(|m| Some(m.ops_per_second)),
        runs: runs.good().to_vec(),
        p50_ns: summary(|m| m.p50_ns.map(|n| n as f64)),
        p99_ns: summary(|m| m.p99_ns.map(|n| n as f64)),
        peak_rss: summary(|m| m.peak_rss.map(|n| n as f64)),
        hit_rate: None,
        atomics: None,
        instructions,
        cache_misses: median(|m| m.per_op(m.cache_misses)),
        branch_misses: median(|m| m.per_op(m.branch_misses)),
        counted_by: instructions.map(|_| Source::Processor),
        hot_code: None,
    }
}

/// One run is enough: the same seed does the same work.
fn add_statistics(row: &mut PhaseRow, counting: &Built, options: &Phases) {
    match worker::run(counting, 0, &super::case(&options.limits), &options.limits, &mut || {}) {
        Ok(measured) => {
            row.hit_rate = measured.hit_rate();
            row.atomics = measured.per_op(measured.atomic_ops);
        }
        Err(reason) => row.failure = Some(format!("the counting build: {reason}")),
    }
}

/// Where the processor tells nothing, callgrind's model of one stands in; where that is missing too, the table says so.
fn add_simulated(row: &mut PhaseRow, built: &Built, timeout: u64, bar: &progress::Progress) {
    let simulated = callgrind::check()
        .and_then(|()| callgrind::costs(built, WORKLOAD, SIMULATED, Simulate::CachesAndBranches, timeout));
    match simulated {
        Ok(costs) => {
            row.instructions = Some(costs.instructions);
            row.cache_misses = costs.cache_misses;
            row.branch_misses = costs.branch_misses;
            row.counted_by = Some(Source::Callgrind);
        }
        Err(reason) => bar.note(&format!("no counts for {}: {reason}", row.name)),
    }
}
