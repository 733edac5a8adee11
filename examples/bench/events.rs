//! Cache misses and mispredicted branches of a simulated processor.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use compare_worker::catalog::Entry;

use crate::options::Options;
use crate::worker;

/// For one operation.
pub struct Events {
    pub cache_misses: f64,
    pub branch_misses: f64,
}

/// Lengths of the two runs, as parts of the usual one. What a program does once, at its start, cancels in the difference.
const SHORT: f64 = 0.01;
const LONG: f64 = 0.05;

pub fn simulate(program: &Path, entry: &Entry, options: &Options) -> Result<Events, String> {
    let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return Err("not available here: no counters of the processor's and no valgrind".into());
    }
    let (short, long) = (count(program, entry, options, SHORT)?, count(program, entry, options, LONG)?);
    let ops = long.ops - short.ops;
    if ops <= 0.0 {
        return Err("not available here: the longer simulated run did no more than the shorter".into());
    }
    let per_operation = |names: [&str; 2]| {
        let total = |counts: &Counts| names.iter().map(|&name| counts.events.get(name)).sum::<Option<f64>>();
        Some(((total(&long)? - total(&short)?) / ops).max(0.0))
    };
    per_operation(["D1mr", "D1mw"])
        .zip(per_operation(["Bcm", "Bim"]))
        .map(|(cache_misses, branch_misses)| Events { cache_misses, branch_misses })
        .ok_or_else(|| "not available here: this cachegrind counts neither misses nor branches".into())
}

struct Counts {
    ops: f64,
    events: HashMap<String, f64>,
}

fn count(program: &Path, entry: &Entry, options: &Options, part: f64) -> Result<Counts, String> {
    let cannot = |error: std::io::Error| format!("not available here: no temporary file: {error}");
    let file = tempfile::NamedTempFile::new().map_err(cannot)?;
    let mut valgrind = Command::new("valgrind");
    // Without the fair scheduler, one of larson's threads may hold the simulated processor for good.
    valgrind.args(["--tool=cachegrind", "--quiet", "--fair-sched=try", "--cache-sim=yes", "--branch-sim=yes"]);
    valgrind.arg(format!("--cachegrind-out-file={}", file.path().display()));
    let line = worker::run(worker::short(valgrind, program, entry, options, part))
        .map_err(|failure| format!("not available here: under cachegrind {}", failure.message))?;
    let text = std::fs::read_to_string(file.path()).map_err(cannot)?;
    let events = totals(&text).ok_or("not available here: cachegrind's results cannot be read")?;
    Ok(Counts { ops: line["ops"].as_f64().unwrap_or(0.0), events })
}

/// The names stand in the line "events:", the sums in "summary:".
fn totals(text: &str) -> Option<HashMap<String, f64>> {
    let words = |name: &str| Some(text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace());
    let sums: Option<Vec<f64>> = words("summary:")?.map(|word| word.parse().ok()).collect();
    Some(words("events:")?.map(String::from).zip(sums?).collect())
}
