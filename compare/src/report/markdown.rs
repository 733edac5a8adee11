//! hakmem beside its peers as a page of Markdown: each row against the best peer, then all figures. docs/BENCHMARKS.md has
//! these tables.

use super::units::{median, mib, percent, rate, three_digits};
use super::Report;
use crate::ranking::Row;
use crate::statistics::{geometric_mean, Summary};

const OWN: &str = "hakmem";
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
        Some(Self { rows, own: rows.iter().find(|row| row.allocator == OWN)? })
    }

    fn workload(&self) -> &str {
        &self.own.workload
    }

    /// hakmem's median over that of the peer for whom it is the most (`better` is `f64::max`) or the least, and that peer's name.
    fn against(
        &self,
        value: fn(&Row) -> Option<Summary>,
        better: fn(f64, f64) -> f64,
        peer: impl Fn(&str) -> bool,
    ) -> Option<(f64, &str)> {
        let own = value(self.own)?.median;
        let peers = self.rows.iter().filter(|row| peer(&row.allocator));
        let (best, name) = peers
            .filter_map(|row| Some((value(row)?.median, row.allocator.as_str())))
            .reduce(|a, b| if better(a.0, b.0) == a.0 { a } else { b })?;
        Some((own / best, name))
    }

    fn throughput(&self) -> Option<(f64, &str)> {
        self.against(|row| row.ops_per_second, f64::max, |name| !name.starts_with(OWN))
    }

    fn peak(&self) -> Option<(f64, &str)> {
        self.against(|row| row.peak_rss, f64::min, |name| LEAN.contains(&name))
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
    let ratios: Vec<f64> = judged.iter().filter_map(|row| Some(row.throughput()?.0)).collect();
    let mean = |ratios: Vec<f64>| geometric_mean(&ratios).map_or_else(|| "-".into(), three_digits);
    let each = |pick: &dyn Fn(&Judged) -> Option<f64>| mean(judged.iter().filter_map(pick).collect());
    let count = |least: f64| ratios.iter().filter(|ratio| **ratio >= least).count();
    if ratios.is_empty() {
        return None;
    }
    let below: Vec<&str> = judged
        .iter()
        .filter(|row| row.throughput().is_some_and(|(ratio, _)| ratio < 0.8))
        .map(Judged::workload)
        .collect();
    let fat: Vec<&str> =
        judged.iter().filter(|row| row.peak().is_some_and(|(ratio, _)| ratio > 1.05)).map(Judged::workload).collect();
    Some(format!(
        "hakmem is at or above the best peer in {} of {} rows, within a twentieth of it in {}; below 0.8 of it: {}. Geometric \
         means: throughput {} of the best peer and {} of the better mimalloc, peak memory {} of the leanest of {} and {} of \
         mimalloc 3's. Peaks above 1.05 of the leanest: {}.",
        count(1.0),
        ratios.len(),
        count(0.95),
        list(&below),
        mean(ratios.clone()),
        each(&|row| Some(row.against(|r| r.ops_per_second, f64::max, |name| MIMALLOCS.contains(&name))?.0)),
        each(&|row| Some(row.peak()?.0)),
        LEAN.join(", "),
        each(&|row| Some(row.against(|r| r.peak_rss, f64::min, |name| name == "mimalloc3")?.0)),
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
    let header = "| workload | of the best peer | spread | peak, of the leanest | settled above start, MiB |\n\
                  | --- | --- | --- | --- | --- |";
    let ratio = |found: Option<(f64, &str)>| {
        found.map_or_else(|| "-".into(), |(ratio, name)| format!("{} × {name}", three_digits(ratio)))
    };
    let rows = judged.iter().map(|row| {
        let spread = row.own.ops_per_second.map_or_else(|| "-".into(), |ops| percent(ops.spread()));
        let settled = row.own.settled_rss.zip(row.own.start_rss).map(|(end, start)| end.median - start.median);
        format!(
            "| {} | {} | {spread} | {} | {} |",
            row.workload(),
            ratio(row.throughput()),
            ratio(row.peak()),
            settled.map_or_else(|| "-".into(), |bytes| format!("{:.1}", bytes / f64::from(1 << 20))),
        )
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
        let contest = group.iter().filter(|row| row.allocator == OWN || !row.allocator.starts_with(OWN));
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
        assert!(beside_peers(&judged).ends_with("| w | 0.75 × system | 0 % | 1.20 × jemalloc | - |"));
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
