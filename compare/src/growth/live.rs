//! Time of a call against the number of blocks that live meanwhile. Whatever an allocator looks up, searches or walks
//! gets dearer with them; so does the program's own touching of blocks that no cache holds, which all have in common.

use super::rows;
use super::rows::{cell, find, nanoseconds, no_slower, peers};
use super::section::Section;
use crate::cli::Limits;
use crate::ranking::{Row, HAKMEM};
use crate::report::terminal::table;
use crate::report::units::three_digits;
use crate::verdict::{verdict, Verdict};
use crate::worker::{Bounds, Case};

const WORKLOAD: &str = "mixed_8k";
const COUNTS: [(&str, u64); 8] = [
    ("1 K", 1 << 10),
    ("4 K", 1 << 12),
    ("16 K", 1 << 14),
    ("64 K", 1 << 16),
    ("256 K", 1 << 18),
    ("1 M", 1 << 20),
    ("4 M", 1 << 22),
    ("16 M", 1 << 24),
];
/// After the slots are filled.
const CALLS: f64 = 16e6;
/// What a live block takes of a process, its slot included, with some room: 130 B are asked for on average.
const BYTES_A_BLOCK: u64 = 184;
/// With fewer there is nothing to compare.
const LEAST: usize = 2;

/// The counts of live blocks to measure. Filling 16 M slots takes seconds however few calls follow, so that a short run
/// has fewer of them, too; and so has one whose processes may not take the memory.
fn counts(limits: &Limits) -> Vec<(&'static str, u64)> {
    let most = COUNTS[COUNTS.len() - 1].1 as f64 * limits.scale.min(1.0);
    let memory = Bounds::new(limits).memory / BYTES_A_BLOCK;
    let fits = |count: u64| count as f64 <= most && count <= memory;
    COUNTS.into_iter().enumerate().filter(|(i, (_, count))| *i < LEAST || fits(*count)).map(|(_, c)| c).collect()
}

fn name(label: &str) -> String {
    format!("live_{}", label.replace(' ', ""))
}

pub fn cases(limits: &Limits) -> Vec<Case> {
    let calls = (CALLS * limits.scale).max(1.0) as u64;
    counts(limits)
        .into_iter()
        .map(|(label, count)| {
            let words = format!("{WORKLOAD} --bare --slots {count} --ops {calls} --seed {}", limits.seed);
            Case::new(&name(label), &words)
        })
        .collect()
}

/// The labels that were run, since memory may be another by now than when they were chosen.
fn labels(rows: &[Row]) -> Vec<&'static str> {
    let was_run = |label: &&str| rows.iter().any(|row| row.workload == name(label));
    COUNTS.into_iter().map(|(label, _)| label).filter(was_run).collect()
}

pub fn section(rows: &[Row], limits: &Limits) -> Section {
    let labels = labels(rows);
    let mut header = vec!["ns a call, live blocks:"];
    header.extend(&labels);
    header.push("last / first");
    let mut lines = table(&header);
    for allocator in rows::allocators(rows) {
        let mut cells = vec![allocator.to_string()];
        cells.extend(
            labels
                .iter()
                .map(|label| cell(find(rows, &name(label), allocator), |row| Some(three_digits(nanoseconds(row)?)))),
        );
        cells.push(steepness(rows, allocator).map_or_else(|| "-".into(), three_digits));
        lines.add_row(cells);
    }
    let most = COUNTS.into_iter().rfind(|(label, _)| labels.contains(label)).map_or(0, |(_, count)| count);
    let mut about = format!(
        "{WORKLOAD} with other numbers of live blocks: 16 B to 1 KiB, mostly below 128 B, one freed and one made at \
         random. The largest takes up to {} MiB a process.",
        (most * BYTES_A_BLOCK).div_ceil(1 << 20)
    );
    if labels.len() < COUNTS.len() {
        let why = if limits.scale < 1.0 { "the scale is below 1" } else { "of the memory that a run may take" };
        about += &format!(" More live blocks are left out because {why}.");
    }
    Section { title: "Live blocks", about, table: lines, verdicts: judge(rows) }
}

/// Time with the most live blocks over time with the fewest.
fn steepness(rows: &[Row], allocator: &str) -> Option<f64> {
    let labels = labels(rows);
    let time = |label: &str| nanoseconds(find(rows, &name(label), allocator)?);
    Some(time(labels.last()?)? / time(labels.first()?)?)
}

/// Who is slow from the beginning is flat as well: the second target says whether being flat was worth anything.
fn judge(rows: &[Row]) -> Vec<Verdict> {
    let labels = labels(rows);
    let (Some(first), Some(last)) = (labels.first(), labels.last()) else {
        return Vec::new();
    };
    let own = steepness(rows, HAKMEM);
    let flattest =
        peers(rows).filter_map(|peer| Some((peer, steepness(rows, peer)?))).min_by(|a, b| a.1.total_cmp(&b.1));
    let wanted = flattest.map_or_else(
        || "no steeper than the flattest peer".into(),
        |(peer, steep)| format!("≤ {} × ({peer})", three_digits(steep)),
    );
    let steep = verdict(
        format!("live: time with {last} over time with {first} blocks"),
        wanted,
        own.map(|steep| format!("{} ×", three_digits(steep))),
        own.zip(flattest).map(|(own, (_, peer))| own <= peer),
    );
    vec![steep, no_slower(format!("live: speed with {last} blocks"), rows, &name(last))]
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::speed;
    use super::{cases, counts, judge};
    use crate::cli::Limits;

    const fn limits(scale: f64, memory_mib: u64) -> Limits {
        Limits { scale, seed: 42, timeout: 1, memory_limit: Some(memory_mib) }
    }

    #[test]
    fn a_short_run_and_a_small_machine_have_fewer_live_blocks() {
        let most = |limits| counts(&limits).last().unwrap().0;
        assert_eq!(most(limits(1.0, 4096)), "16 M");
        assert_eq!(most(limits(0.01, 4096)), "64 K");
        assert_eq!(most(limits(1.0, 1024)), "4 M");
        assert_eq!(most(limits(1e-9, 1)), "4 K");
        assert!(cases(&limits(0.5, 4096))[0].arguments.contains(&"8000000".to_string()));
    }

    #[test]
    fn the_flattest_peer_sets_the_bound_and_the_fastest_the_other() {
        let rows = |own_last: f64| {
            [
                speed("live_1K", "hakmem", 100.0),
                speed("live_1K", "flat", 40.0),
                speed("live_1K", "steep", 200.0),
                speed("live_16M", "hakmem", own_last),
                speed("live_16M", "flat", 10.0),
                speed("live_16M", "steep", 20.0),
            ]
        };
        let met = |own_last| judge(&rows(own_last)).into_iter().map(|verdict| verdict.met).collect::<Vec<_>>();
        assert_eq!(met(25.0), [Some(true), Some(true)]);
        assert_eq!(met(24.0), [Some(false), Some(true)]);
        assert_eq!(met(19.0), [Some(false), Some(false)]);
    }

    #[test]
    fn alone_nothing_is_judged() {
        let verdicts = judge(&[speed("live_1K", "hakmem", 9.0), speed("live_16M", "hakmem", 1.0)]);
        assert!(verdicts.iter().all(|verdict| verdict.met.is_none()));
        assert!(judge(&[]).is_empty());
    }
}
