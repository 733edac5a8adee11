//! Rounds: every worker in turn, and again, so that a machine that slows down or warms up treats all alike.

use serde::Serialize;

use crate::builder::Built;
use crate::cli::Limits;
use crate::measurement::Measurement;
use crate::order;
use crate::processors::{Ended, Processors};
use crate::progress::{self, Progress};
use crate::warm::Warmth;
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

/// How often: `rounds` for all, and up to `more` for the workloads in which the order of some allocators is not sure by then.
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
pub fn run(built: &[Built], cases: &[Case], often: Rounds, limits: &Limits) -> (Vec<Runs>, Vec<String>) {
    let mut series = Series::new(built, cases, limits);
    let everything: Vec<usize> = (0..cases.len()).collect();
    let bar = progress::bar(u64::from(often.rounds) * series.all.len() as u64, "measuring");
    for round in 0..often.rounds as usize {
        series.round(round, &everything, &bar);
    }
    bar.end();
    for round in often.rounds..often.rounds + often.more {
        let unsure = series.unsure();
        if unsure.is_empty() {
            break;
        }
        let bar = progress::bar((unsure.len() * built.len()) as u64, "unsure");
        series.round(round as usize, &unsure, &bar);
        bar.end();
    }
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
            processors: cases.iter().any(|case| case.threads).then(Processors::survey),
            warmth: Warmth::default(),
        }
    }

    /// The cases that need another round: of all allocators, so that the good minutes of a machine and the bad ones are everyone's.
    fn unsure(&self) -> Vec<usize> {
        let speeds = |runs: &Runs| match runs.failure {
            None => runs.runs.iter().map(|run| run.ops_per_second).collect(),
            Some(_) => Vec::new(),
        };
        let groups = self.all.chunks(self.built.len());
        let unsure = |group: &[Runs]| order::unsure(&group.iter().map(speeds).collect::<Vec<_>>());
        groups.enumerate().filter(|(_, group)| unsure(group)).map(|(case, _)| case).collect()
    }

    /// One of the cases with these numbers.
    fn round(&mut self, round: usize, cases: &[usize], bar: &Progress) {
        for &c in cases {
            let case = &self.cases[c];
            for turn in 0..self.built.len() {
                // Each round begins with another allocator: whoever comes after a heavy neighbour, it is not always the same.
                let a = (turn + round) % self.built.len();
                let runs = &mut self.all[c * self.built.len() + a];
                bar.say(&format!("round {}, {}, {}", round + 1, case.name, runs.allocator));
                if runs.failure.is_none() {
                    let warmth = &mut self.warmth;
                    let mut run = |ended: &mut Ended| {
                        warmth.at_hand();
                        worker::run(&self.built[a], case, self.limits, ended)
                    };
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
