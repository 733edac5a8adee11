//! Rounds: every worker in turn, and again, so that a machine that slows down or warms up treats all alike.

use serde::Serialize;

use crate::builder::Built;
use crate::cli::Limits;
use crate::measurement::Measurement;
use crate::{progress, worker};

/// All runs of one workload under one allocator.
#[derive(Clone, Debug, Serialize)]
pub struct Runs {
    pub workload: String,
    pub allocator: String,
    pub runs: Vec<Measurement>,
    /// Why there are no more of them.
    pub failure: Option<String>,
}

pub fn run(built: &[Built], workloads: &[&str], rounds: u32, limits: &Limits) -> Vec<Runs> {
    let mut all: Vec<Runs> = workloads
        .iter()
        .flat_map(|workload| {
            built.iter().map(|built| Runs {
                workload: String::from(*workload),
                allocator: built.variant.name.clone(),
                runs: Vec::new(),
                failure: None,
            })
        })
        .collect();
    let bar = progress::bar(u64::from(rounds) * all.len() as u64, "measuring");
    for round in 0..rounds as usize {
        for (w, workload) in workloads.iter().enumerate() {
            for turn in 0..built.len() {
                // Each round begins with another allocator: whoever comes after a heavy neighbour, it is not always the same.
                let a = (turn + round) % built.len();
                let runs = &mut all[w * built.len() + a];
                bar.say(&format!("round {}, {workload}, {}", round + 1, runs.allocator));
                if runs.failure.is_none() {
                    match worker::run(&built[a], workload, limits) {
                        Ok(measurement) => runs.runs.push(measurement),
                        Err(reason) => {
                            bar.note(&format!("{workload} under {}: {reason}", runs.allocator));
                            runs.failure = Some(reason);
                        }
                    }
                }
                bar.step();
            }
        }
    }
    bar.end();
    all
}
