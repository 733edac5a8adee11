//! Exact counts from callgrind. A workload runs twice with different lengths, and the difference is divided by the
//! difference of the operations: what a program does once, at its start and end, cancels.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use crate::builder::Built;
use crate::measurement::Measurement;
use crate::places;
use crate::tools::{self, Tool};
use crate::worker::{self, Bounds};

/// What one operation costs.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    pub instructions: f64,
    /// Of a simulated first-level data cache; None unless asked for.
    pub cache_misses: Option<f64>,
    pub branch_misses: Option<f64>,
}

/// What to simulate beside counting instructions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Simulate {
    Nothing,
    CachesAndBranches,
}

/// The two lengths of a run.
#[derive(Clone, Copy)]
pub struct Lengths {
    pub short: u64,
    pub long: u64,
}

pub fn check() -> Result<(), String> {
    tools::missing(&[Tool::Valgrind]).map_or(Ok(()), Err)
}

pub fn costs(
    built: &Built,
    workload: &str,
    lengths: Lengths,
    simulate: Simulate,
    timeout: u64,
) -> Result<Costs, String> {
    let short = count(built, workload, lengths.short, simulate, timeout)?;
    let long = count(built, workload, lengths.long, simulate, timeout)?;
    let ops = long.ops as f64 - short.ops as f64;
    if ops <= 0.0 {
        return Err(format!("{workload} did not run longer with more operations"));
    }
    let per_op = |events: &[&str]| {
        let total = |counts: &Counts| events.iter().map(|event| counts.events.get(*event)).sum::<Option<u64>>();
        Some((total(&long)? as f64 - total(&short)? as f64) / ops)
    };
    Ok(Costs {
        instructions: per_op(&["Ir"]).ok_or("callgrind counted no instructions")?,
        cache_misses: per_op(&["D1mr", "D1mw"]),
        branch_misses: per_op(&["Bcm", "Bim"]),
    })
}

struct Counts {
    ops: u64,
    events: HashMap<String, u64>,
}

fn count(built: &Built, workload: &str, ops: u64, simulate: Simulate, timeout: u64) -> Result<Counts, String> {
    let directory = places::workers().join("callgrind");
    places::make(&directory)?;
    let file = directory.join(format!("{}.{workload}", built.variant.name));
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet"]).arg(format!("--callgrind-out-file={}", file.display()));
    if simulate == Simulate::CachesAndBranches {
        command.args(["--cache-sim=yes", "--branch-sim=yes"]);
    }
    command.arg(built.program()).args([workload, "--bare", "--ops", &ops.to_string()]);
    command.envs(built.variant.run_environment.iter().copied());
    let measured = Measurement::parse(&worker::output(command, Bounds::of(timeout, None))?)?;
    Ok(Counts { ops: measured.ops, events: totals(&file)? })
}

fn totals(file: &Path) -> Result<HashMap<String, u64>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    parse(&text).ok_or_else(|| format!("{} has no totals", file.display()))
}

/// The names stand in the line "events:", the sums in "totals:"; sums at the end that are zero may be missing.
fn parse(text: &str) -> Option<HashMap<String, u64>> {
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let sums: Vec<u64> = line("totals:")?.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let sums = sums.into_iter().chain(std::iter::repeat(0));
    Some(line("events:")?.split_whitespace().map(String::from).zip(sums).collect())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_the_totals_by_their_names() {
        let counts = parse("version: 1\nevents: Ir Bcm Bim\n\nfn=(1) main\n1 2\n\ntotals: 1000 20\n").unwrap();
        assert_eq!((counts["Ir"], counts["Bcm"], counts["Bim"]), (1000, 20, 0));
        assert!(parse("events: Ir\n").is_none());
    }
}
