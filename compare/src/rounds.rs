//! Rounds: every worker in turn, and again, so that a machine that slows down or warms up treats all alike.

use serde::Serialize;

use crate::builder::Built;
use crate::cli::Limits;
use crate::measurement::Measurement;
use crate::order;
use crate::processors::{Ended, Processors};
use crate::progress::{self, Progress};
use crate::ranking::{self, best_peer, Row, HAKMEM};
use crate::warm::Warmth;
use crate::worker::{self, Case};

/// Where hakmem is surely so far above the best peer, nobody asks by how much.
const CLEAR: f64 = 1.15;

/// All runs of one case under one allocator.
#[derive(Clone, Debug, Serialize)]
pub struct Runs {
    /// The case's name.
    pub workload: String,
    pub allocator: String,
    pub runs: Vec<Measurement>,
    /// Why there are no more of them.
    pub failure: Option<String>,
}

impl Runs {
    /// A run that failed makes no row half measured: what came before it is in the JSON.
    pub fn good(&self) -> &[Measurement] {
        if self.failure.is_none() {
            &self.runs
        } else {
            &[]
        }
    }
}

/// How often: `rounds` for all, up to `more` for the workloads in which the order of some allocators is not sure by then, and up to
/// `contests` of hakmem and the peers that may be the best, until its ratio to that one is sure `within` a share of it.
#[derive(Clone, Copy)]
pub struct Rounds {
    pub rounds: u32,
    pub more: u32,
    pub contests: u32,
    pub within: f64,
}

impl Rounds {
    pub fn exactly(rounds: u32) -> Self {
        Self { rounds, more: 0, contests: 0, within: 0.0 }
    }
}

/// All runs, and what a report should say of the machine while they ran.
pub fn run(built: &[Built], cases: &[Case], often: Rounds, limits: &Limits) -> (Vec<Runs>, Vec<String>) {
    let mut series = Series::new(built, cases, limits);
    series.rounds("measuring", often.rounds, |series| series.everyone(|_| true));
    series.rounds("unsure", often.more, |series| series.everyone(order_is_unsure));
    series.rounds("contests", often.contests, |series| series.contests(often.within));
    let seen = [series.processors.and_then(|processors| processors.line()), series.warmth.line()];
    (series.all, seen.into_iter().flatten().collect())
}

/// What is measured, and what came of it so far.
struct Series<'a> {
    built: &'a [Built],
    cases: &'a [Case],
    limits: &'a Limits,
    /// A case's stand together, in the order of `built`.
    all: Vec<Runs>,
    /// How many have been.
    round: u32,
    processors: Option<Processors>,
    warmth: Warmth,
}

impl<'a> Series<'a> {
    fn new(built: &'a [Built], cases: &'a [Case], limits: &'a Limits) -> Self {
        let none = |case: &Case, built: &Built| Runs {
            workload: case.name.clone(),
            allocator: built.variant.name.clone(),
            runs: Vec::new(),
            failure: None,
        };
        Self {
            built,
            cases,
            limits,
            all: cases.iter().flat_map(|case| built.iter().map(move |built| none(case, built))).collect(),
            round: 0,
            processors: cases.iter().any(|case| case.threads).then(Processors::survey),
            warmth: Warmth::default(),
        }
    }

    /// Rounds of what `turns` names, until that is nothing.
    fn rounds(&mut self, what: &'static str, most: u32, turns: impl Fn(&Self) -> Vec<Turns>) {
        for _ in 0..most {
            let turns = turns(self);
            if turns.is_empty() {
                return;
            }
            let bar = progress::bar(turns.iter().map(|turns| turns.allocators.len() as u64).sum(), what);
            for turns in turns {
                self.take(&turns, &bar);
            }
            bar.end();
            self.round += 1;
        }
    }

    /// The runs of one case.
    fn of_case(&self, case: usize) -> &[Runs] {
        &self.all[case * self.built.len()..][..self.built.len()]
    }

    /// All allocators, so that the good minutes of a machine and the bad ones are everyone's, in the cases that need it.
    fn everyone(&self, needs: impl Fn(&[Runs]) -> bool) -> Vec<Turns> {
        let allocators = || (0..self.built.len()).collect();
        let cases = (0..self.cases.len()).filter(|case| needs(self.of_case(*case)));
        cases.map(|case| Turns { case, allocators: allocators(), contest: false }).collect()
    }

    /// Only hakmem and who may be the best of its peers, where that takes more rounds: what is slow by a factor takes most of the time.
    fn contests(&self, within: f64) -> Vec<Turns> {
        let turns = |case| Some(Turns { case, allocators: contenders(self.of_case(case), within)?, contest: true });
        (0..self.cases.len()).filter_map(turns).collect()
    }

    fn take(&mut self, turns: &Turns, bar: &Progress) {
        let case = &self.cases[turns.case];
        for turn in 0..turns.allocators.len() {
            // Each round begins with another allocator: whoever comes after a heavy neighbour, it is not always the same.
            let a = turns.allocators[(turn + self.round as usize) % turns.allocators.len()];
            let runs = &mut self.all[turns.case * self.built.len() + a];
            bar.say(&format!("round {}, {}, {}", self.round + 1, case.name, runs.allocator));
            if runs.failure.is_none() {
                let warmth = &mut self.warmth;
                let mut run = |ended: &mut Ended| {
                    warmth.at_hand();
                    worker::run(&self.built[a], self.round, case, self.limits, ended)
                };
                let measured = match &mut self.processors {
                    Some(processors) if case.threads => processors.in_place(run),
                    _ => run(&mut || {}),
                };
                match measured {
                    Ok(measurement) => {
                        runs.runs.push(Measurement { round: self.round, contest: turns.contest, ..measurement });
                    }
                    Err(reason) => {
                        bar.note(&format!("{} under {}: {reason}", case.name, runs.allocator));
                        runs.failure = Some(reason);
                    }
                }
            }
            bar.step();
        }
    }
}

/// Who runs a case in a round.
struct Turns {
    case: usize,
    /// Numbers of `Series::built`.
    allocators: Vec<usize>,
    contest: bool,
}

fn order_is_unsure(group: &[Runs]) -> bool {
    let speeds = |runs: &Runs| runs.good().iter().map(|run| run.ops_per_second).collect();
    order::unsure(&group.iter().map(speeds).collect::<Vec<_>>())
}

/// hakmem and the peers of which one may be the best, by their places in the group. None where its ratio to the best is sure, or far
/// above 1, or there is nobody to race.
fn contenders(group: &[Runs], within: f64) -> Option<Vec<usize>> {
    let own = group.iter().position(|runs| runs.allocator == HAKMEM)?;
    let rows = ranking::rows(group);
    let (_, best) = best_peer(&rows, |_| true)?;
    if best.low > CLEAR || best.is_sure(within) {
        return None;
    }
    let may_be_best = |row: &Row| row.hakmem_over.is_some_and(|ratio| ratio.low <= best.high);
    let rivals = rows.iter().enumerate().filter(|(_, row)| may_be_best(row)).map(|(index, _)| index);
    Some(std::iter::once(own).chain(rivals).collect())
}

#[cfg(test)]
mod tests {
    use super::{contenders, Runs};
    use crate::measurement::Measurement;

    fn runs(allocator: &str, speeds: &[f64]) -> Runs {
        Runs {
            workload: "w".into(),
            allocator: allocator.into(),
            runs: (0..).zip(speeds).map(|(round, &speed)| Measurement::of_round(round, speed)).collect(),
            failure: None,
        }
    }

    fn speeds(runs: &Runs) -> Vec<f64> {
        runs.runs.iter().map(|run| run.ops_per_second).collect()
    }

    #[test]
    fn who_cannot_be_the_best_peer_is_out_of_the_contest() {
        let group = [
            runs("slow", &[3.0, 3.1, 2.9]),
            runs("hakmem", &[10.0, 10.0, 10.0]),
            runs("hakmem-lto", &[20.0, 20.0, 20.0]),
            runs("close", &[9.0, 11.0, 10.0]),
            runs("closer", &[10.5, 9.8, 10.2]),
        ];
        let long = group.clone().map(|one| runs(&one.allocator, &speeds(&one).repeat(2)));
        assert_eq!(contenders(&group, 0.02), Some(vec![1, 3, 4]));
        assert_eq!(contenders(&group, 0.2), Some(vec![1, 3, 4]), "by chance");
        assert_eq!(contenders(&long, 0.2), None, "sure enough");
        assert_eq!(contenders(&long, 0.02), Some(vec![1, 3, 4]));
        assert_eq!(contenders(&group[..3], 0.02), None, "clear");
        assert_eq!(contenders(&group[1..3], 0.02), None, "alone");
        assert_eq!(contenders(&group[3..], 0.02), None, "without hakmem");
    }

    #[test]
    fn one_that_failed_is_out() {
        let mut group = [runs("hakmem", &[10.0, 10.0]), runs("p", &[9.0, 11.0]), runs("q", &[9.0, 11.0])];
        group[1].failure = Some("crashed".into());
        assert_eq!(contenders(&group, 0.02), Some(vec![0, 2]));
    }
}
