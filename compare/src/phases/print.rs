//! The phases on the terminal.

use super::collect::{PhaseRow, Source};
use super::WORKLOAD;
use crate::machine::Machine;
use crate::report::terminal::table;
use crate::verdict::{self, Verdict};

const HEADER: [&str; 12] = [
    "build",
    "M ops/s",
    "spread",
    "p50 ns",
    "p99 ns",
    "hits",
    "atomics/op",
    "peak MiB",
    "instr/op",
    "misses/op",
    "mispred/op",
    "hot code",
];

pub fn print(machine: &Machine, rows: &[PhaseRow], verdicts: &[Verdict], rounds: u32) {
    for line in machine.lines() {
        println!("{line}");
    }
    println!("{WORKLOAD}, rounds: {rounds}; the block cache and the Rust fast path are off but for \"everything on\"");
    println!("{}\n", source(rows));

    let mut lines = table(&HEADER);
    for row in rows {
        lines.add_row(cells(row));
    }
    println!("{lines}\n");
    println!("{}", verdict::table(verdicts));
}

fn source(rows: &[PhaseRow]) -> &'static str {
    match rows.iter().find_map(|row| row.counted_by) {
        Some(Source::Processor) => "instructions, cache misses and mispredicted branches: the processor's counters",
        Some(Source::Callgrind) => {
            "instructions, first-level data cache misses and mispredicted branches: simulated by callgrind, since the \
             processor's counters are not available here"
        }
        None => "instructions, cache misses and mispredicted branches: not available here",
    }
}

fn cells(row: &PhaseRow) -> Vec<String> {
    let number = |value: Option<f64>, digits: usize| value.map_or_else(|| "-".into(), |v| format!("{v:.digits$}"));
    if let Some(failure) = &row.failure {
        return vec![row.name.clone(), failure.clone()];
    }
    vec![
        row.name.clone(),
        number(row.ops_per_second.map(|ops| ops.median / 1e6), 2),
        row.ops_per_second.map_or_else(|| "-".into(), |ops| format!("{:.0} %", ops.spread() * 100.0)),
        number(row.p50_ns.map(|s| s.median), 0),
        number(row.p99_ns.map(|s| s.median), 0),
        row.hit_rate.map_or_else(|| "-".into(), |rate| format!("{:.2} %", rate * 100.0)),
        number(row.atomics, 4),
        number(row.peak_rss.map(|s| s.median / f64::from(1 << 20)), 2),
        number(row.instructions, 2),
        number(row.cache_misses, 4),
        number(row.branch_misses, 4),
        row.hot_code.map_or_else(|| "-".into(), |bytes| format!("{bytes} B")),
    ]
}
