//! Rounds: every worker in turn, and again, so that a machine that slows down or warms up treats all alike.

use serde::Serialize;

use crate::builder::Built;
use crate::cli::Limits;
use crate::measurement::Measurement;
use crate::processors::{Ended, Processors};
use crate::progress;
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

/// All runs, and what a report should say of the machine while they ran.
pub fn run(built: &[Built], cases: &[Case], rounds: u32, limits: &Limits) -> (Vec<Runs>, Option<String>) {
    let mut all: Vec<Runs> = cases
        .iter()
        .flat_map(|case| {
            built.iter().map(|built| Runs {
                workload: case.name.clone(),
                allocator: built.variant.name.clone(),
                runs: Vec::new(),
                failure: None,
            })
        })
        .collect();
    let bar = progress::bar(u64::from(rounds) * all.len() as u64, "measuring");
    let mut processors = cases.iter().any(|case| case.threads).then(Processors::survey);
    for round in 0..rounds as usize {
        for (c, case) in cases.iter().enumerate() {
            for turn in 0..built.len() {
                // Each round begins with another allocator: whoever comes after a heavy neighbour, it is not always the same.
                let a = (turn + round) % built.len();
                let runs = &mut all[c * built.len() + a];
                bar.say(&format!("round {}, {}, {}", round + 1, case.name, runs.allocator));
                if runs.failure.is_none() {
                    let run = |ended: &mut Ended| worker::run(&built[a], case, limits, ended);
                    let measured = match &mut processors {
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
    bar.end();
    (all, processors.and_then(|processors| processors.line()))
}
