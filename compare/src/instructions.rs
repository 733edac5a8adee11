//! Instructions per operation: a figure that does not depend on what else the machine does.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crate::baseline::{Baseline, TOLERANCE};
use crate::callgrind::{self, Lengths, Simulate};
use crate::cli::Instructions;
use crate::{builder, progress, report, selection};

/// A workload that is counted, in calls of the allocator.
struct Counted {
    workload: &'static str,
    lengths: Lengths,
    /// How many calls one operation is here, and what it is called.
    calls: f64,
    operation: &'static str,
}

const fn pairs(workload: &'static str, short: u64, long: u64) -> Counted {
    Counted { workload, lengths: Lengths { short, long }, calls: 2.0, operation: "allocation and free" }
}

const fn calls(workload: &'static str, short: u64, long: u64) -> Counted {
    Counted { workload, lengths: Lengths { short, long }, calls: 1.0, operation: "call" }
}

/// Single-threaded ones: with more threads, callgrind counts what the scheduler happened to do. The short run is long
/// enough that caches have taken their size before it ends.
const COUNTED: &[Counted] = &[
    pairs("box", 256_000, 1_280_000),
    pairs("tiny_hot", 256_000, 1_280_000),
    pairs("mixed_256", 256_000, 1_280_000),
    pairs("mixed_8k", 256_000, 1_280_000),
    calls("random_mixed", 256_000, 1_280_000),
    calls("mid_large", 100_000, 400_000),
    calls("fragment_stress", 256_000, 1_280_000),
];

/// What issue and design ask of the ordinary release build.
const TARGETS: &[(&str, f64)] = &[("box", 23.0), ("tiny_hot", 23.0)];

pub fn run(options: &Instructions) -> Result<ExitCode, String> {
    callgrind::check()?;
    let counted = chosen(&options.only)?;
    let (built, not_built) = builder::build_unmoved(&selection::allocators(&options.against)?);
    if !built.iter().any(|built| built.variant.name == "hakmem") {
        let reason = not_built.into_iter().find(|(name, _)| name == "hakmem").map(|(_, reason)| reason);
        return Err(format!("hakmem's worker cannot be built: {}", reason.unwrap_or_default()));
    }

    let baseline = Baseline::read(&Baseline::path())?;
    let mut table =
        report::terminal::table(&["workload", "operation", "allocator", "instructions", "baseline", "target"]);
    let mut own = BTreeMap::new();
    let bar = progress::bar((counted.len() * built.len()) as u64, "counting");
    for item in counted {
        for worker in &built {
            bar.say(&format!("{}, {}", item.workload, worker.variant.name));
            let is_own = worker.variant.name == "hakmem";
            let outcome = callgrind::costs(worker, item.workload, item.lengths, Simulate::Nothing, options.timeout);
            let count = match outcome {
                Ok(costs) => costs.instructions * item.calls,
                Err(reason) if is_own => return Err(format!("{} under hakmem: {reason}", item.workload)),
                Err(reason) => {
                    table.add_row([item.workload, item.operation, &worker.variant.name, &reason, "", ""]);
                    bar.step();
                    continue;
                }
            };
            let (mut stored, mut target) = (String::new(), String::new());
            if is_own {
                own.insert(item.workload.to_string(), count);
                stored = against_baseline(baseline.as_ref(), item.workload, count);
                target = against_target(item.workload, count);
            }
            let count = format!("{count:.2}");
            table.add_row([item.workload, item.operation, &worker.variant.name, &count, &stored, &target]);
            bar.step();
        }
    }
    bar.end();
    println!("{table}");
    finish(options, baseline.as_ref(), own)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Counted>, String> {
    let workloads = selection::workloads(names)?;
    let counted: Vec<_> =
        COUNTED.iter().filter(|item| workloads.iter().any(|entry| entry.name == item.workload)).collect();
    if counted.is_empty() {
        let known: Vec<&str> = COUNTED.iter().map(|item| item.workload).collect();
        return Err(format!("instructions are counted for {}", known.join(", ")));
    }
    Ok(counted)
}

fn against_baseline(baseline: Option<&Baseline>, workload: &str, count: f64) -> String {
    baseline
        .and_then(|baseline| baseline.growth(workload, count))
        .map_or_else(|| "none".into(), |g| format!("{:+.2} %", g * 100.0))
}

fn against_target(workload: &str, count: f64) -> String {
    let target = TARGETS.iter().find(|(name, _)| *name == workload);
    target.map_or_else(String::new, |(_, most)| format!("≤ {most}: {}", if count <= *most { "met" } else { "not met" }))
}

fn finish(options: &Instructions, baseline: Option<&Baseline>, own: BTreeMap<String, f64>) -> Result<ExitCode, String> {
    if options.update {
        let path = Baseline::path();
        Baseline::of(own).write(&path)?;
        println!("{} is written", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    if !options.check {
        return Ok(ExitCode::SUCCESS);
    }
    let baseline = baseline.ok_or("there is no baseline to check against; `instructions --update` writes one")?;
    if let Some(other) = baseline.other_compilers() {
        println!("note: {other}");
    }
    let grown: Vec<String> = own
        .iter()
        .filter_map(|(workload, &count)| match baseline.growth(workload, count) {
            Some(growth) if growth <= TOLERANCE => None,
            Some(growth) => Some(format!("{workload} by {:.1} %", growth * 100.0)),
            None => Some(format!("{workload}, which the baseline does not have")),
        })
        .collect();
    if grown.is_empty() {
        println!("no count grew by over {} %", TOLERANCE * 100.0);
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!(
        "hakmem takes more instructions than the baseline: {}. If that is meant, run `instructions --update` and commit \
         compare/baseline.json together with the change",
        grown.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::{COUNTED, TARGETS};
    use crate::catalog;

    #[test]
    fn every_counted_workload_exists() {
        assert!(COUNTED.iter().all(|item| catalog::find(item.workload).is_some()));
        assert!(TARGETS.iter().all(|(name, _)| COUNTED.iter().any(|item| item.workload == *name)));
    }
}
