//! One line for each row, plain numbers in operations a second, nanoseconds and bytes.

use crate::ranking::Row;
use crate::statistics::Summary;

const COLUMNS: [&str; 20] = [
    "workload",
    "allocator",
    "failure",
    "rounds",
    "ops_per_second",
    "ops_per_second_min",
    "ops_per_second_max",
    "p50_ns",
    "p95_ns",
    "p99_ns",
    "p999_ns",
    "max_ns",
    "start_rss",
    "start_anonymous",
    "peak_rss",
    "average_rss",
    "settled_rss",
    "fastest",
    "leanest_peak",
    "leanest_settled",
];

pub fn render(rows: &[Row]) -> Result<Vec<u8>, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| format!("cannot write CSV: {error}");
    writer.write_record(COLUMNS).map_err(failed)?;
    for row in rows {
        let median = |summary: Option<Summary>| summary.map_or_else(String::new, |s| s.median.to_string());
        let ops = |pick: fn(Summary) -> f64| row.ops_per_second.map_or_else(String::new, |s| pick(s).to_string());
        writer
            .write_record([
                row.workload.clone(),
                row.allocator.clone(),
                row.failure.clone().unwrap_or_default(),
                row.rounds.to_string(),
                ops(|s| s.median),
                ops(|s| s.min),
                ops(|s| s.max),
                median(row.p50_ns),
                median(row.p95_ns),
                median(row.p99_ns),
                median(row.p999_ns),
                median(row.max_ns),
                median(row.start_rss),
                median(row.start_anonymous),
                median(row.peak_rss),
                median(row.average_rss),
                median(row.settled_rss),
                row.fastest.to_string(),
                row.leanest[0].to_string(),
                row.leanest[2].to_string(),
            ])
            .map_err(failed)?;
    }
    writer.into_inner().map_err(|error| format!("cannot write CSV: {error}"))
}
