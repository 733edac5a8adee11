//! What threads add: the same calls in all, shared by more and more of them.

use super::rows::{allocators, cell, find, no_slower};
use super::section::Section;
use crate::catalog;
use crate::cli::Limits;
use crate::ranking::Row;
use crate::report::terminal::table;
use crate::report::units::rate;
use crate::verdict::Verdict;
use crate::worker::Case;

const WORKLOAD: &str = "threads_16";
/// A run of the catalog's length is over in a quarter of a second: little beside what a scheduler does meanwhile.
const LONGER: f64 = 4.0;
const COUNTS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];

fn name(threads: u32) -> String {
    format!("on_{threads}_threads")
}

pub fn cases(limits: &Limits) -> Vec<Case> {
    let case = |threads| {
        let (scale, seed) = (limits.scale * LONGER, limits.seed);
        Case::new(&name(threads), &format!("{WORKLOAD} --bare --threads {threads} --scale {scale} --seed {seed}"))
    };
    COUNTS.into_iter().map(case).collect()
}

pub fn section(rows: &[Row]) -> Section {
    let labels = COUNTS.map(|threads| threads.to_string());
    let mut header = vec!["calls a second, threads:"];
    header.extend(labels.iter().map(String::as_str));
    let mut lines = table(&header);
    for allocator in allocators(rows) {
        let mut cells = vec![allocator.to_string()];
        cells.extend(
            COUNTS.map(|threads| {
                cell(find(rows, &name(threads), allocator), |row| Some(rate(row.ops_per_second?.median)))
            }),
        );
        lines.add_row(cells);
    }
    let about = catalog::find(WORKLOAD).map_or("", |entry| entry.about);
    let about = format!("{WORKLOAD} ({about}) with other numbers of threads; all threads together.");
    Section { title: "Threads", about, table: lines, verdicts: judge(rows) }
}

fn judge(rows: &[Row]) -> Vec<Verdict> {
    let target = |threads| no_slower(format!("threads: speed on {threads}"), rows, &name(threads));
    COUNTS.into_iter().map(target).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::speed;
    use super::{cases, judge, COUNTS};
    use crate::catalog;
    use crate::cli::Limits;

    #[test]
    fn every_count_is_judged_by_itself() {
        let rows = [
            speed("on_1_threads", "hakmem", 10.0),
            speed("on_1_threads", "system", 20.0),
            speed("on_64_threads", "hakmem", 10.0),
            speed("on_64_threads", "system", 5.0),
        ];
        let met: Vec<_> = judge(&rows).into_iter().map(|verdict| verdict.met).collect();
        assert_eq!(met, [Some(false), None, None, None, None, None, Some(true)]);
    }

    #[test]
    fn the_workload_exists_and_is_told_its_threads() {
        let cases = cases(&Limits { scale: 1.0, seed: 1, timeout: 1, memory_limit: None });
        assert_eq!(cases.len(), COUNTS.len());
        for (case, threads) in cases.iter().zip(COUNTS) {
            assert!(catalog::find(&case.arguments[0]).is_some());
            let at = case.arguments.iter().position(|word| word == "--threads").unwrap();
            assert_eq!(case.arguments[at + 1], threads.to_string());
        }
    }
}
