//! Rounds: every worker in turn, and again, so that a machine that slows down or warms up treats all alike.

use serde::Serialize;

use crate::builder::Built;
use crate::cli::Limits;
use crate::measurement::Measurement;
use crate::order;
use crate::processors::{Ended, Processors};
use crate::progress::{self, Progress};
use crate::worker::{self, Case};

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

/// How often: `rounds` for all, and up to `more` for those allocators of a workload whose order is not sure by then.
#[derive(Clone, Copy)]
pub struct Rounds {
    pub rounds: u32,
    pub more: u32,
}

impl Rounds {
    pub fn exactly(rounds: u32) -> Self {
        Self { rounds, more: 0 }
    }
}

/// All runs, and what a report should say of the machine while they ran.
pub fn run(built: &[Built], cases: &[Case], often: Rounds, limits: &Limits) -> (Vec<Runs>, Option<String>) {
    let mut series = Series::new(built, cases, limits);
    let everyone = vec![(0..built.len()).collect(); cases.len()];
    let bar = progress::bar(u64::from(often.rounds) * series.all.len() as u64, "measuring");
    for round in 0..often.rounds as usize {
        series.round(round, &everyone, &bar);
    }
    bar.end();
    for round in often.rounds..often.rounds + often.more {
        let turns = series.unsure();
        let runs: usize = turns.iter().map(Vec::len).sum();
        if runs == 0 {
            break;
        }
        let bar = progress::bar(runs as u64, "unsure");
        series.round(round as usize, &turns, &bar);
        bar.end();
    }
    (series.all, series.processors.and_then(|processors| processors.line()))
}

/// What is measured, and what came of it so far.
struct Series<'a> {
    built: &'a [Built],
    cases: &'a [Case],
    limits: &'a Limits,
    /// A case's stand together, in the order of `built`.
    all: Vec<Runs>,
    processors: Option<Processors>,
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
            processors: cases.iter().any(|case| case.threads).then(Processors::survey),
        }
    }

    /// For each case, which allocators need another round.
    fn unsure(&self) -> Vec<Vec<usize>> {
        let speeds = |runs: &Runs| match runs.failure {
            None => runs.runs.iter().map(|run| run.ops_per_second).collect(),
            Some(_) => Vec::new(),
        };
        self.all
            .chunks(self.built.len())
            .map(|group| order::unsure(&group.iter().map(speeds).collect::<Vec<_>>()))
            .collect()
    }

    /// `turns`: for each case, which allocators run.
    fn round(&mut self, round: usize, turns: &[Vec<usize>], bar: &Progress) {
        for (c, (case, turns)) in self.cases.iter().zip(turns).enumerate() {
            for turn in 0..turns.len() {
                // Each round begins with another allocator: whoever comes after a heavy neighbour, it is not always the same.
                let a = turns[(turn + round) % turns.len()];
                let runs = &mut self.all[c * self.built.len() + a];
                bar.say(&format!("round {}, {}, {}", round + 1, case.name, runs.allocator));
                if runs.failure.is_none() {
                    let run = |ended: &mut Ended| worker::run(&self.built[a], case, self.limits, ended);
                    let measured = match &mut self.processors {
                        Some(processors) if case.threads => processors.in_place(run),
                        _ => run(&mut || {}),
                    };
                    match measured {
                        Ok(measurement) => runs.runs.push(measurement),
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
}
