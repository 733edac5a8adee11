//! hakmem beside its peers as a page of Markdown: each row against the best peer, then all figures. docs/BENCHMARKS.md has
//! these tables.

use super::units::{interval, median, mib, percent, rate, three_digits};
use super::Report;
use crate::paired::Ratio;
use crate::ranking::{best_peer, is_hakmem, Row, HAKMEM};
use crate::statistics::{geometric_mean, Summary};

/// Whose peak memory hakmem's is held against.
const LEAN: [&str; 4] = ["jemalloc", "mimalloc2", "mimalloc3", "snmalloc"];
const MIMALLOCS: [&str; 2] = ["mimalloc2", "mimalloc3"];

/// One workload, of which hakmem has a row.
struct Judged<'a> {
    rows: &'a [Row],
    own: &'a Row,
}

impl<'a> Judged<'a> {
    fn of(rows: &'a [Row]) -> Option<Self> {
        Some(Self { rows, own: rows.iter().find(|row| row.allocator == HAKMEM)? })
    }

    fn workload(&self) -> &str {
        &self.own.workload
    }

    fn throughput(&self) -> Option<(&str, Ratio)> {
        best_peer(self.rows, |_| true)
    }

    /// hakmem's median peak over that of the leanest of some peers, and that one's name.
    fn peak(&self, peer: impl Fn(&str) -> bool) -> Option<(&str, f64)> {
        let own = self.own.peak_rss?.median;
        let peers = self.rows.iter().filter(|row| peer(&row.allocator));
        let peaks = peers.filter_map(|row| Some((row.allocator.as_str(), row.peak_rss?.median)));
        peaks.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(name, peak)| (name, own / peak))
    }

    fn over_leanest(&self) -> Option<(&str, f64)> {
        self.peak(|name| LEAN.contains(&name))
    }
}

pub fn render(report: &Report) -> String {
    let judged: Vec<Judged> = report.rows.chunk_by(|a, b| a.workload == b.workload).filter_map(Judged::of).collect();
    let mut page = report.machine.lines();
    page.push(format!("rounds: {}, scale {}, seed {}", report.rounds_line(), report.scale, report.seed));
    page.extend(summary(&judged));
    page.push(beside_peers(&judged));
    page.push(figures("operations a second", report, |row| row.ops_per_second, rate, f64::max));
    page.push(figures("peak memory, MiB", report, |row| row.peak_rss, mib, f64::min));
    page.join("\n\n") + "\n"
}

fn summary(judged: &[Judged]) -> Option<String> {
    let ratios: Vec<f64> = judged.iter().filter_map(|row| Some(row.throughput()?.1.estimate)).collect();
    let mean = |ratios: Vec<f64>| geometric_mean(&ratios).map_or_else(|| "-".into(), three_digits);
    let each = |pick: &dyn Fn(&Judged) -> Option<f64>| mean(judged.iter().filter_map(pick).collect());
    let count = |least: f64| ratios.iter().filter(|ratio| **ratio >= least).count();
    if ratios.is_empty() {
        return None;
    }
    let below: Vec<&str> = judged
        .iter()
        .filter(|row| row.throughput().is_some_and(|(_, ratio)| ratio.estimate < 0.8))
        .map(Judged::workload)
        .collect();
    let fat: Vec<&str> = judged
        .iter()
        .filter(|row| row.over_leanest().is_some_and(|(_, ratio)| ratio > 1.05))
        .map(Judged::workload)
        .collect();
    Some(format!(
        "hakmem is at or above the best peer in {} of {} rows, within a twentieth of it in {}; below 0.8 of it: {}. Geometric \
         means: throughput {} of the best peer and {} of the better mimalloc, peak memory {} of the leanest of {} and {} of \
         mimalloc 3's. Peaks above 1.05 of the leanest: {}.",
        count(1.0),
        ratios.len(),
        count(0.95),
        list(&below),
        mean(ratios.clone()),
        each(&|row| Some(best_peer(row.rows, |name| MIMALLOCS.contains(&name))?.1.estimate)),
        each(&|row| Some(row.over_leanest()?.1)),
        LEAN.join(", "),
        each(&|row| Some(row.peak(|name| name == "mimalloc3")?.1)),
        list(&fat),
    ))
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        "none".into()
    } else {
        names.join(", ")
    }
}

fn beside_peers(judged: &[Judged]) -> String {
    let header = "| workload | of the best peer | certain to 95 % | rounds | spread | peak, of the leanest | settled above start, MiB |\n\
                  | --- | --- | --- | --- | --- | --- | --- |";
    let or_dash = |cell: Option<String>| cell.unwrap_or_else(|| "-".into());
    let times = |ratio: f64, name: &str| format!("{} × {name}", three_digits(ratio));
    let rows = judged.iter().map(|row| {
        let throughput = row.throughput();
        let settled = row.own.settled_rss.zip(row.own.start_rss).map(|(end, start)| end.median - start.median);
        let cells = [
            throughput.map(|(name, ratio)| times(ratio.estimate, name)),
            throughput.map(|(_, ratio)| interval(ratio)),
            throughput.map(|(_, ratio)| ratio.rounds.to_string()),
            row.own.ops_per_second.map(|ops| percent(ops.spread())),
            row.over_leanest().map(|(name, ratio)| times(ratio, name)),
            settled.map(|bytes| format!("{:.1}", bytes / f64::from(1 << 20))),
        ];
        format!("| {} | {} |", row.workload(), cells.map(or_dash).join(" | "))
    });
    std::iter::once(header.into()).chain(rows).collect::<Vec<String>>().join("\n")
}

/// All allocators side by side, the best in bold; other ways of building hakmem are out of the contest.
fn figures(
    title: &str,
    report: &Report,
    value: fn(&Row) -> Option<Summary>,
    unit: fn(f64) -> String,
    better: fn(f64, f64) -> f64,
) -> String {
    let mut names: Vec<&str> = Vec::new();
    for row in &report.rows {
        if !names.contains(&row.allocator.as_str()) {
            names.push(&row.allocator);
        }
    }
    let mut lines = vec![format!("| {title} | {} |", names.join(" | ")), "| --- ".repeat(names.len() + 1) + "|"];
    for group in report.rows.chunk_by(|a, b| a.workload == b.workload) {
        let contest = group.iter().filter(|row| row.allocator == HAKMEM || !is_hakmem(&row.allocator));
        let best = contest.filter_map(|row| Some(value(row)?.median)).reduce(better);
        let cells = names.iter().map(|name| match group.iter().find(|row| row.allocator == *name) {
            Some(row) if row.failure.is_some() => "failed".into(),
            Some(row) if best.is_some() && value(row).map(|value| value.median) == best => {
                format!("**{}**", median(value(row), unit))
            }
            Some(row) => median(value(row), unit),
            None => "-".into(),
        });
        lines.push(format!("| {} | {} |", group[0].workload, cells.collect::<Vec<String>>().join(" | ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{beside_peers, summary, Judged};
    use crate::ranking::rows;
    use crate::rounds::Runs;

    fn runs(allocator: &str, speed: f64, peak: u64) -> Runs {
        let line = format!(
            r#"{{"allocator":"{allocator}","workload":"w","ops":1,"seconds":1.0,"ops_per_second":{speed},"peak_rss":{peak}}}"#
        );
        Runs {
            workload: "w".into(),
            allocator: allocator.into(),
            runs: vec![serde_json::from_str(&line).unwrap()],
            failure: None,
        }
    }

    #[test]
    fn hakmem_is_held_against_the_fastest_and_the_leanest_peer_and_not_against_itself() {
        let rows = rows(&[
            runs("hakmem", 30.0, 6),
            runs("hakmem-lto", 90.0, 1),
            runs("system", 40.0, 1),
            runs("mimalloc3", 20.0, 12),
            runs("jemalloc", 10.0, 5),
        ]);
        let judged = [Judged::of(&rows).unwrap()];
        assert!(beside_peers(&judged).ends_with("| w | 0.75 × system | 0.75 to 0.75 | 1 | 0 % | 1.20 × jemalloc | - |"));
        let text = summary(&judged).unwrap();
        assert!(text.starts_with("hakmem is at or above the best peer in 0 of 1 rows"), "{text}");
        assert!(text.contains("0.75 of the best peer and 1.50 of the better mimalloc"), "{text}");
        assert!(text.contains("0.50 of mimalloc 3's"), "{text}");
    }

    #[test]
    fn without_peers_there_is_nothing_to_say() {
        assert!(summary(&[Judged::of(&rows(&[runs("hakmem", 1.0, 1)])).unwrap()]).is_none());
    }
}
