//! Rows out of rounds: medians, and who comes first.

use serde::{Deserialize, Serialize};

use crate::measurement::Measurement;
use crate::paired::Ratio;
use crate::rounds::Runs;
use crate::statistics::{geometric_mean, Summary};

pub const HAKMEM: &str = "hakmem";

/// Whether an allocator is hakmem, however it was built: nobody's peer.
pub fn is_hakmem(allocator: &str) -> bool {
    allocator.starts_with(HAKMEM)
}

/// One allocator in one workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub workload: String,
    pub allocator: String,
    pub failure: Option<String>,
    pub rounds: usize,
    pub ops_per_second: Option<Summary>,
    pub p50_ns: Option<Summary>,
    pub p95_ns: Option<Summary>,
    pub p99_ns: Option<Summary>,
    pub p999_ns: Option<Summary>,
    pub max_ns: Option<Summary>,
    pub start_rss: Option<Summary>,
    pub start_anonymous: Option<Summary>,
    pub peak_rss: Option<Summary>,
    pub average_rss: Option<Summary>,
    pub settled_rss: Option<Summary>,
    /// hakmem's speed over this peer's, by the rounds with both. None of hakmem itself, however it was built.
    #[serde(default)]
    pub hakmem_over: Option<Ratio>,
    pub fastest: bool,
    /// Of the peak, the average and the settled memory.
    pub leanest: [bool; 3],
}

impl Row {
    fn of(runs: &Runs, hakmem: &[Measurement]) -> Self {
        // Medians are of the rounds in which all ran, so that the machine's good minutes and bad ones are everyone's.
        let good: Vec<&Measurement> = runs.good().iter().filter(|run| !run.contest).collect();
        let summary = |pick: fn(&Measurement) -> Option<f64>| Summary::of(good.iter().copied().filter_map(pick));
        let hakmem_over = if is_hakmem(&runs.allocator) { None } else { Ratio::of(hakmem, runs.good()) };
        Self {
            workload: runs.workload.clone(),
            allocator: runs.allocator.clone(),
            failure: runs.failure.clone(),
            rounds: good.len(),
            ops_per_second: summary(|m| Some(m.ops_per_second)),
            p50_ns: summary(|m| m.p50_ns.map(|n| n as f64)),
            p95_ns: summary(|m| m.p95_ns.map(|n| n as f64)),
            p99_ns: summary(|m| m.p99_ns.map(|n| n as f64)),
            p999_ns: summary(|m| m.p999_ns.map(|n| n as f64)),
            max_ns: summary(|m| m.max_ns.map(|n| n as f64)),
            start_rss: summary(|m| m.start_rss.map(|n| n as f64)),
            start_anonymous: summary(|m| m.start_anonymous.map(|n| n as f64)),
            peak_rss: summary(|m| m.peak_rss.map(|n| n as f64)),
            average_rss: summary(|m| m.average_rss),
            settled_rss: summary(|m| m.settled_rss.map(|n| n as f64)),
            hakmem_over,
            fastest: false,
            leanest: [false; 3],
        }
    }

    pub fn memory(&self) -> [Option<Summary>; 3] {
        [self.peak_rss, self.average_rss, self.settled_rss]
    }
}

/// The rows of one workload stand together, in the order of the runs.
pub fn rows(all: &[Runs]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(all.len());
    for group in all.chunk_by(|a, b| a.workload == b.workload) {
        let hakmem = group.iter().find(|runs| runs.allocator == HAKMEM).map_or(&[][..], Runs::good);
        rows.extend(group.iter().map(|runs| Row::of(runs, hakmem)));
    }
    for group in rows.chunk_by_mut(|a, b| a.workload == b.workload) {
        if let Some(first) = best(group, |row| row.ops_per_second.map(|ops| -ops.median)) {
            group[first].fastest = true;
        }
        for kind in 0..3 {
            if let Some(first) = best(group, |row| row.memory()[kind].map(|bytes| bytes.median)) {
                group[first].leanest[kind] = true;
            }
        }
    }
    rows
}

/// The row with the smallest value, if more than one has any: alone, nobody is first.
fn best(rows: &[Row], value: impl Fn(&Row) -> Option<f64>) -> Option<usize> {
    let mut values: Vec<(usize, f64)> =
        rows.iter().enumerate().filter_map(|(index, row)| Some((index, value(row)?))).collect();
    values.sort_by(|a, b| a.1.total_cmp(&b.1));
    (values.len() > 1).then(|| values[0].0)
}

/// One allocator over all workloads in which every allocator got through.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    pub allocator: String,
    pub fastest_rows: usize,
    pub leanest_rows: usize,
    pub failures: usize,
    /// Geometric means of throughput and of peak memory, each against the best of the row: 1 is best in both.
    pub throughput: Option<f64>,
    pub peak: Option<f64>,
}

pub fn standings(rows: &[Row]) -> Vec<Standing> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.allocator.as_str()) {
            names.push(&row.allocator);
        }
    }
    let complete: Vec<&[Row]> = rows
        .chunk_by(|a, b| a.workload == b.workload)
        .filter(|group| group.iter().all(|row| row.ops_per_second.is_some() && row.peak_rss.is_some()))
        .collect();
    names
        .into_iter()
        .map(|name| {
            let own = || rows.iter().filter(|row| row.allocator == name);
            Standing {
                allocator: name.into(),
                fastest_rows: own().filter(|row| row.fastest).count(),
                leanest_rows: own().filter(|row| row.leanest[0]).count(),
                failures: own().filter(|row| row.failure.is_some()).count(),
                throughput: relative(&complete, name, |row| row.ops_per_second, f64::max),
                peak: relative(&complete, name, |row| row.peak_rss, f64::min),
            }
        })
        .collect()
}

fn relative(
    groups: &[&[Row]],
    name: &str,
    value: fn(&Row) -> Option<Summary>,
    better: fn(f64, f64) -> f64,
) -> Option<f64> {
    let ratios: Option<Vec<f64>> = groups
        .iter()
        .map(|group| {
            let own = value(group.iter().find(|row| row.allocator == name)?)?.median;
            let best = group.iter().filter_map(|row| Some(value(row)?.median)).reduce(better)?;
            Some(own / best)
        })
        .collect();
    geometric_mean(&ratios?)
}

/// Of the rows of one workload, the peer that hakmem has the hardest time with, and hakmem's speed over that one's.
pub fn best_peer(group: &[Row], peer: impl Fn(&str) -> bool) -> Option<(&str, Ratio)> {
    group
        .iter()
        .filter(|row| peer(&row.allocator))
        .filter_map(|row| Some((row.allocator.as_str(), row.hakmem_over?)))
        .min_by(|a, b| a.1.estimate.total_cmp(&b.1.estimate))
}

/// hakmem's throughput over the best peer's in each workload, with the workload's and the peer's name.
pub fn against_best_peer(rows: &[Row]) -> Vec<(String, String, Ratio)> {
    rows.chunk_by(|a, b| a.workload == b.workload)
        .filter_map(|group| {
            best_peer(group, |_| true).map(|(peer, ratio)| (group[0].workload.clone(), peer.into(), ratio))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{against_best_peer, rows, standings};
    use crate::measurement::Measurement;
    use crate::rounds::Runs;

    fn runs(workload: &str, allocator: &str, ops: &[f64], peak: u64) -> Runs {
        let measurement = |(round, &speed): (u32, &f64)| Measurement {
            round,
            allocator: allocator.into(),
            workload: workload.into(),
            ops: 1,
            seconds: 1.0 / speed,
            ops_per_second: speed,
            peak_rss: Some(peak),
            ..serde_json::from_str(
                r#"{"allocator":"","workload":"","ops":1,"seconds":1.0,"ops_per_second":1.0,"average_rss":5.0}"#,
            )
            .unwrap()
        };
        Runs {
            workload: workload.into(),
            allocator: allocator.into(),
            runs: (0..).zip(ops).map(measurement).collect(),
            failure: ops.is_empty().then(|| "crashed".into()),
        }
    }

    #[test]
    fn the_fastest_and_the_leanest_are_marked() {
        let rows = rows(&[
            runs("a", "hakmem", &[10.0, 30.0, 20.0], 5),
            runs("a", "system", &[25.0, 24.0, 1.0], 4),
            runs("a", "broken", &[], 1),
        ]);
        assert_eq!(rows.iter().map(|r| r.fastest).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(rows.iter().map(|r| r.leanest[0]).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(rows[2].failure.as_deref(), Some("crashed"));
    }

    #[test]
    fn alone_nobody_is_first() {
        assert!(!rows(&[runs("a", "hakmem", &[1.0], 1)])[0].fastest);
    }

    #[test]
    fn standings_leave_out_rows_that_not_all_finished() {
        let rows = rows(&[
            runs("a", "hakmem", &[20.0], 8),
            runs("a", "system", &[10.0], 4),
            runs("b", "hakmem", &[1.0], 1),
            runs("b", "system", &[], 1),
        ]);
        let standings = standings(&rows);
        assert_eq!(standings[0].throughput, Some(1.0));
        assert_eq!(standings[0].peak, Some(2.0));
        assert_eq!(standings[1].failures, 1);
    }

    #[test]
    fn the_best_peer_is_never_hakmem_itself() {
        let rows = rows(&[
            runs("a", "hakmem", &[20.0], 8),
            runs("a", "hakmem-lto", &[40.0], 8),
            runs("a", "system", &[10.0], 4),
        ]);
        let [(workload, peer, ratio)] = &against_best_peer(&rows)[..] else { panic!("one workload") };
        assert_eq!((workload.as_str(), peer.as_str(), ratio.rounds), ("a", "system", 1));
        assert!((ratio.estimate - 2.0).abs() < 1e-12);
    }

    #[test]
    fn the_rounds_of_contenders_count_in_the_ratio_alone() {
        let mut all = [runs("a", "hakmem", &[20.0, 2.0, 2.0], 8), runs("a", "system", &[10.0, 1.0, 1.0], 4)];
        for runs in &mut all {
            runs.runs[1..].iter_mut().for_each(|run| run.contest = true);
        }
        let rows = rows(&all);
        assert_eq!(rows.iter().map(|row| row.ops_per_second.unwrap().median).collect::<Vec<_>>(), [20.0, 10.0]);
        assert_eq!((rows[0].hakmem_over, rows[1].hakmem_over.unwrap().rounds), (None, 3));
    }
}
