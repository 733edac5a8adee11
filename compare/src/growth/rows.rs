//! Finding one's way in the rows of a run.

use crate::ranking::{is_hakmem, Row, HAKMEM};
use crate::report::units::percent;
use crate::statistics::Summary;
use crate::verdict::{verdict, Verdict};

pub fn find<'a>(rows: &'a [Row], case: &str, allocator: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.workload == case && row.allocator == allocator)
}

/// Every allocator once, in the order of the runs.
pub fn allocators(rows: &[Row]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.allocator.as_str()) {
            names.push(&row.allocator);
        }
    }
    names
}

/// Builds of hakmem are nobody's peers here.
pub fn peers(rows: &[Row]) -> impl Iterator<Item = &str> {
    allocators(rows).into_iter().filter(|name| !is_hakmem(name))
}

/// Nanoseconds of one call, by the median round.
pub fn nanoseconds(row: &Row) -> Option<f64> {
    Some(1e9 / row.ops_per_second?.median)
}

/// A cell, or a word where there is none.
pub fn cell(row: Option<&Row>, value: impl Fn(&Row) -> Option<String>) -> String {
    match row {
        Some(row) if row.failure.is_some() => "failed".into(),
        row => row.and_then(value).unwrap_or_else(|| "-".into()),
    }
}

fn timed(row: &Row) -> Option<(&Row, Summary)> {
    Some((row, row.ops_per_second?))
}

/// hakmem is at least as fast in a case as the fastest peer. The spread, the wider of the two, is there to be read with
/// the ratio: a smaller difference means nothing.
pub fn no_slower(target: String, rows: &[Row], case: &str) -> Verdict {
    let own = find(rows, case, HAKMEM).and_then(timed);
    let peers = rows.iter().filter(|row| row.workload == case && !is_hakmem(&row.allocator)).filter_map(timed);
    let fastest = peers.max_by(|a, b| a.1.median.total_cmp(&b.1.median));
    let judged = own.zip(fastest).map(|((own, speed), (peer, fastest))| {
        let ratio = speed.median / fastest.median;
        let spreads = [(own, speed), (peer, fastest)].into_iter().filter(|(row, _)| row.rounds > 1);
        let spread = spreads.map(|(_, speed)| speed.spread()).reduce(f64::max);
        let spread = spread.map_or_else(String::new, |spread| format!(", spread {}", percent(spread)));
        (format!("{ratio:.2} × {}{spread}", peer.allocator), ratio >= 1.0)
    });
    let (measured, met) = judged.unzip();
    verdict(target, "≥ 1.00 × the fastest peer".into(), measured, met)
}

#[cfg(test)]
pub mod tests {
    use super::no_slower;
    use crate::ranking::{self, Row};
    use crate::rounds::Runs;

    /// A row, of a worker that printed this speed in each round and `fields` beside it.
    pub fn row(case: &str, allocator: &str, speeds: &[f64], fields: &str) -> Row {
        let measured = |speed: &f64| {
            let line = format!(
                r#"{{"allocator":"","workload":"","ops":1,"seconds":1.0,"ops_per_second":{speed:.1}{fields}}}"#
            );
            serde_json::from_str(&line).unwrap()
        };
        ranking::rows(&[Runs {
            workload: case.into(),
            allocator: allocator.into(),
            runs: speeds.iter().map(measured).collect(),
            failure: speeds.is_empty().then(|| "crashed".into()),
        }])
        .remove(0)
    }

    pub fn speed(case: &str, allocator: &str, per_second: f64) -> Row {
        row(case, allocator, &[per_second], "")
    }

    pub fn failed(case: &str, allocator: &str) -> Row {
        row(case, allocator, &[], "")
    }

    #[test]
    fn the_fastest_peer_is_who_counts() {
        let rows =
            [speed("c", "hakmem", 20.0), speed("c", "slow", 10.0), speed("c", "fast", 25.0), speed("d", "e", 90.0)];
        let judged = no_slower(String::new(), &rows, "c");
        assert_eq!((judged.met, judged.measured.as_str()), (Some(false), "0.80 × fast"));
        assert_eq!(no_slower(String::new(), &rows[..2], "c").met, Some(true));
    }

    #[test]
    fn the_wider_spread_of_the_two_stands_beside_the_ratio() {
        let rows = [row("c", "hakmem", &[9.0, 10.0, 11.0], ""), row("c", "p", &[5.0, 5.0, 5.0], "")];
        assert_eq!(no_slower(String::new(), &rows, "c").measured, "2.00 × p, spread 20 %");
    }

    #[test]
    fn without_a_peer_or_after_a_crash_nothing_is_judged() {
        assert_eq!(no_slower(String::new(), &[speed("c", "hakmem", 20.0)], "c").met, None);
        assert_eq!(no_slower(String::new(), &[failed("c", "hakmem"), speed("c", "p", 1.0)], "c").met, None);
        assert_eq!(no_slower(String::new(), &[speed("c", "hakmem", 1.0), failed("c", "p")], "c").met, None);
    }
}
