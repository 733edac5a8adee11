//! Whether two runs put the allocators in the same order: what a table is worth on a machine that is never quiet.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Deserialize;

use crate::cli::Agree;
use crate::ranking::Row;
use crate::report::terminal;

/// What is needed of a compare.json.
#[derive(Deserialize)]
struct Stored {
    rows: Vec<Row>,
}

/// Two allocators in one workload.
#[derive(Debug, PartialEq)]
struct Pair {
    workload: String,
    names: [String; 2],
    /// The first one's median over the second one's, in each run.
    ratios: [f64; 2],
    /// In each run every round of the one was faster than every round of the other.
    apart: bool,
}

impl Pair {
    fn differs(&self, over: f64) -> bool {
        self.ratios.iter().all(|ratio| ratio.max(1.0 / ratio) > 1.0 + over)
    }

    fn agrees(&self) -> bool {
        (self.ratios[0] > 1.0) == (self.ratios[1] > 1.0)
    }
}

pub fn run(options: &Agree) -> Result<ExitCode, String> {
    let (first, second) = (read(&options.first)?, read(&options.second)?);
    let all = pairs(&first.rows, &second.rows);
    if all.is_empty() {
        return Err("the two runs have no pair of allocators in common".into());
    }
    let over = options.over / 100.0;
    let clear: Vec<&Pair> = all.iter().filter(|pair| pair.differs(over)).collect();
    let reversed: Vec<&Pair> = clear.iter().copied().filter(|pair| !pair.agrees()).collect();
    let apart = |pairs: &[&Pair]| pairs.iter().filter(|pair| pair.apart).count();
    println!(
        "{} pairs of allocators; in {} their medians differ by over {} % in both runs, in {} of these in the same order",
        all.len(),
        clear.len(),
        options.over,
        clear.len() - reversed.len()
    );
    println!(
        "where moreover no round of the slower one reached the faster one's slowest: {} of {} in the same order",
        apart(&clear) - apart(&reversed),
        apart(&clear)
    );
    if reversed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = terminal::table(&["workload", "first", "second", "ratio", "ratio of the other run", "rounds"]);
    for pair in &reversed {
        let [one, other] = pair.ratios.map(|ratio| format!("{ratio:.2}"));
        let rounds = if pair.apart { "apart" } else { "overlap" };
        table.add_row([&pair.workload, &pair.names[0], &pair.names[1], &one, &other, rounds]);
    }
    println!("{table}");
    Ok(ExitCode::FAILURE)
}

/// `path` is a compare.json, or the directory that has one.
fn read(path: &Path) -> Result<Stored, String> {
    let file: PathBuf = if path.is_dir() { path.join("compare.json") } else { path.into() };
    let text = fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{} is not a result of compare: {error}", file.display()))
}

fn pairs(first: &[Row], second: &[Row]) -> Vec<Pair> {
    let speed = |rows: &[Row], workload: &str, allocator: &str| {
        rows.iter().find(|row| row.workload == workload && row.allocator == allocator)?.ops_per_second
    };
    let mut pairs = Vec::new();
    for group in first.chunk_by(|a, b| a.workload == b.workload) {
        for (index, a) in group.iter().enumerate() {
            for b in &group[index + 1..] {
                let both = |rows: &[Row]| {
                    Some((speed(rows, &a.workload, &a.allocator)?, speed(rows, &b.workload, &b.allocator)?))
                };
                if let (Some(one), Some(other)) = (both(first), both(second)) {
                    pairs.push(Pair {
                        workload: a.workload.clone(),
                        names: [a.allocator.clone(), b.allocator.clone()],
                        ratios: [one, other].map(|(a, b)| a.median / b.median),
                        apart: [one, other].iter().all(|(a, b)| a.min > b.max || b.min > a.max),
                    });
                }
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::{pairs, Pair, Stored};

    fn rows(speeds: &[(&str, f64)]) -> Stored {
        let row = |(allocator, median): &(&str, f64)| {
            serde_json::json!({
                "workload": "w", "allocator": allocator, "failure": null, "rounds": 1,
                "ops_per_second": {"median": median, "min": median, "max": median},
                "p50_ns": null, "p95_ns": null, "p99_ns": null, "p999_ns": null, "max_ns": null,
                "start_rss": null, "start_anonymous": null, "peak_rss": null, "average_rss": null,
                "settled_rss": null, "fastest": false, "leanest": [false, false, false],
            })
        };
        let stored = serde_json::json!({ "rows": speeds.iter().map(row).collect::<Vec<_>>(), "rounds": 1 });
        serde_json::from_value(stored).unwrap()
    }

    #[test]
    fn pairs_are_of_one_workload_and_of_both_runs() {
        let found = pairs(&rows(&[("a", 2.0), ("b", 1.0), ("c", 1.0)]).rows, &rows(&[("b", 3.0), ("a", 1.5)]).rows);
        let wanted = Pair { workload: "w".into(), names: ["a".into(), "b".into()], ratios: [2.0, 0.5], apart: true };
        assert_eq!(found, [wanted]);
        assert!(found[0].differs(0.15) && !found[0].agrees());
    }

    #[test]
    fn rounds_that_overlap_are_told() {
        let (clear, mut wide) = (rows(&[("a", 2.0), ("b", 1.0)]), rows(&[("a", 2.0), ("b", 1.0)]));
        assert!(pairs(&clear.rows, &wide.rows)[0].apart);
        wide.rows[1].ops_per_second.as_mut().unwrap().max = 2.5;
        assert!(!pairs(&clear.rows, &wide.rows)[0].apart);
    }

    #[test]
    fn what_is_close_in_one_run_is_not_judged() {
        let [pair] = &pairs(&rows(&[("a", 1.1), ("b", 1.0)]).rows, &rows(&[("a", 1.0), ("b", 2.0)]).rows)[..] else {
            panic!("one pair")
        };
        assert!(!pair.differs(0.15));
    }
}
