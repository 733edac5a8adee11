//! The slowest calls: what an allocator puts off, it does at some time, inside somebody's call.

use super::rows::{allocators, cell, find};
use super::section::Section;
use crate::cli::Limits;
use crate::ranking::{Row, HAKMEM};
use crate::report::terminal::table;
use crate::report::units::time;
use crate::statistics::Summary;
use crate::verdict::{verdict, Verdict};
use crate::worker::Case;

/// A workload, what it stands for here, and the multiple of the catalog's length that makes it run for a second or two.
const WORKLOADS: [(&str, &str, f64); 2] = [
    ("mixed_8k", "is steady work, in which nothing is given back to the system", 1.0),
    ("fragment_stress", "comes in waves, in which memory is given back and taken again all the time", 8.0),
];
/// Enough that the 99.9th percentile rests on hundreds of calls. The waves time one call in 509, whatever is asked for.
const SAMPLES: u64 = 1_000_000;
/// Those who are to be reached.
const MODELS: [&str; 2] = ["mimalloc2", "mimalloc3"];

fn name(workload: &str) -> String {
    format!("tail_{workload}")
}

pub fn cases(limits: &Limits) -> Vec<Case> {
    let case = |(workload, _, longer): (&str, &str, f64)| {
        let (scale, seed) = (limits.scale * longer, limits.seed);
        Case::new(&name(workload), &format!("{workload} --bare --samples {SAMPLES} --scale {scale} --seed {seed}"))
    };
    WORKLOADS.into_iter().map(case).collect()
}

pub fn section(rows: &[Row]) -> Section {
    let mut lines = table(&["workload", "allocator", "p50", "p99", "p99.9", "longest"]);
    for (workload, ..) in WORKLOADS {
        for (index, allocator) in allocators(rows).into_iter().enumerate() {
            let row = find(rows, &name(workload), allocator);
            let median = |summary: Option<Summary>| summary.map(|summary| summary.median);
            let cells = [
                if index == 0 { workload.to_string() } else { String::new() },
                allocator.to_string(),
                cell(row, |row| median(row.p50_ns).map(time)),
                cell(row, |row| median(row.p99_ns).map(time)),
                cell(row, |row| median(row.p999_ns).map(time)),
                cell(row, |row| row.max_ns.map(|of_rounds| time(of_rounds.max))),
            ];
            lines.add_row(cells);
        }
    }
    let about = WORKLOADS.map(|(name, about, _)| format!("{name} {about}"));
    let about = format!(
        "Single calls of malloc and free, with everything as it is by default, purging included: {}. Percentiles are \
         medians of the rounds; the longest is that of all rounds, and most often the scheduler's.",
        about.join("; ")
    );
    Section { title: "Slowest calls", about, table: lines, verdicts: judge(rows) }
}

fn judge(rows: &[Row]) -> Vec<Verdict> {
    let p999 = |workload: &str, allocator| Some(find(rows, &name(workload), allocator)?.p999_ns?.median);
    let mut verdicts = Vec::new();
    for (workload, ..) in WORKLOADS {
        let own = p999(workload, HAKMEM);
        for model in MODELS {
            let most = p999(workload, model);
            verdicts.push(verdict(
                format!("tail: p99.9 of {workload} against {model}"),
                most.map_or_else(|| format!("no longer than {model}'s"), |most| format!("≤ {}", time(most))),
                own.filter(|_| most.is_some()).map(time),
                own.zip(most).map(|(own, most)| own <= most),
            ));
        }
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::row;
    use super::{cases, judge};
    use crate::catalog;
    use crate::cli::Limits;

    #[test]
    fn each_mimalloc_is_a_target_and_others_are_none() {
        let p999 = |allocator: &str, ns: u64| row("tail_mixed_8k", allocator, &[1.0], &format!(r#","p999_ns":{ns}"#));
        let rows = [p999("hakmem", 50), p999("mimalloc2", 49), p999("mimalloc3", 50), p999("system", 1)];
        let met: Vec<_> = judge(&rows).into_iter().map(|verdict| verdict.met).collect();
        assert_eq!(met, [Some(false), Some(true), None, None]);
    }

    #[test]
    fn the_workloads_exist() {
        for case in cases(&Limits { scale: 1.0, seed: 1, timeout: 1, memory_limit: None }) {
            assert!(catalog::find(&case.arguments[0]).is_some());
        }
    }
}
