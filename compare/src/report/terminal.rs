//! The table on the terminal.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use super::units::{interval, median, mib, percent, rate, three_digits, time};
use super::Report;
use crate::ranking::{against_best_peer, Row};

/// Stands behind the best value of a column.
const BEST: &str = " ◀";

pub fn print(report: &Report) {
    for line in report.machine.lines() {
        println!("{line}");
    }
    println!(
        "rounds: {}; median, and spread from lowest to highest; memory in MiB; ◀ marks the fastest and the leanest\n",
        report.rounds_line()
    );
    println!("{}\n", workloads(&report.rows));
    println!("{}\n", overall(report));
    let ratios = against_best_peer(&report.rows);
    if !ratios.is_empty() {
        println!("hakmem's throughput over the best peer's, by the rounds with both, and in what it lies, from six rounds on with a certainty of 95 %:");
        for (workload, peer, ratio) in ratios {
            println!(
                "  {workload:16} {} × {peer}, {} ({} rounds)",
                three_digits(ratio.estimate),
                interval(ratio),
                ratio.rounds
            );
        }
        println!();
    }
    for (name, reason) in &report.not_built {
        println!("{name} is not here: {reason}");
    }
}

pub const HEADER: [&str; 11] =
    ["workload", "allocator", "throughput", "spread", "p50", "p99", "p99.9", "start", "peak", "average", "settled"];

/// A table that can be pasted into a page of Markdown as it is.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn workloads(rows: &[Row]) -> Table {
    let mut table = table(&HEADER);
    for group in rows.chunk_by(|a, b| a.workload == b.workload) {
        for (index, row) in group.iter().enumerate() {
            let mut cells = cells(row);
            if index > 0 {
                cells[0].clear();
            }
            table.add_row(cells);
        }
    }
    table
}

/// The same cells serve the page.
pub fn cells(row: &Row) -> Vec<String> {
    let mut cells = vec![row.workload.clone(), row.allocator.clone()];
    if let Some(failure) = &row.failure {
        cells.push(failure.clone());
        cells.resize(HEADER.len(), String::new());
        return cells;
    }
    let mark = |best: bool| if best { BEST } else { "" };
    cells.push(median(row.ops_per_second, rate) + mark(row.fastest));
    cells.push(row.ops_per_second.map_or_else(|| "-".into(), |ops| percent(ops.spread())));
    cells.extend([row.p50_ns, row.p99_ns, row.p999_ns].map(|latency| median(latency, time)));
    cells.push(median(row.start_rss, mib));
    for (bytes, best) in row.memory().into_iter().zip(row.leanest) {
        cells.push(median(bytes, mib) + mark(best));
    }
    cells
}

fn overall(report: &Report) -> Table {
    let mut table =
        table(&["allocator", "throughput / best", "peak / leanest", "fastest in", "leanest in", "failed in"]);
    for standing in &report.standings {
        let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".into(), three_digits);
        table.add_row([
            standing.allocator.clone(),
            ratio(standing.throughput),
            ratio(standing.peak),
            standing.fastest_rows.to_string(),
            standing.leanest_rows.to_string(),
            standing.failures.to_string(),
        ]);
    }
    table
}
