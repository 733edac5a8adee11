//! A run in a process of its own.

use std::path::Path;
use std::process::{Command, Output};

use compare_worker::catalog::{Entry, Kind};
use serde_json::Value;

use crate::options::Options;
use crate::Failure;

/// The first word of a command line that is meant for `compare_worker`.
pub const MARK: &str = "--as-worker";

/// The measured run.
pub fn command(program: &Path, entry: &Entry, options: &Options) -> Command {
    let mut command = plain(program, entry, options);
    command.args(["--settle-ms", &options.settle_ms.to_string()]);
    add_length(&mut command, entry, options);
    command
}

/// The same work with nothing timed or watched.
pub fn bare(program: &Path, entry: &Entry, options: &Options) -> Command {
    let mut command = plain(program, entry, options);
    command.arg("--bare");
    add_length(&mut command, entry, options);
    command
}

/// Bare and short: a `part` of the usual length, whatever the options say, and seconds for what runs by the clock. `wrapper`
/// is a command that runs its arguments.
pub fn short(mut wrapper: Command, program: &Path, entry: &Entry, options: &Options, part: f64) -> Command {
    let command = plain(program, entry, options);
    wrapper.arg(command.get_program()).args(command.get_args()).arg("--bare");
    // A simulated processor is some fifty times slower, which a run by the clock does not see.
    let ops = entry.ops as f64 * if entry.kind == Kind::ByTheClock { part * 50.0 } else { part };
    match options.arguments.split_first() {
        None => wrapper.args(["--ops", &(ops as u64).to_string()]),
        Some((_, others)) => wrapper.arg((ops / 1000.0).to_string()).args(others.iter().map(f64::to_string)),
    };
    wrapper
}

fn plain(program: &Path, entry: &Entry, options: &Options) -> Command {
    let mut command = Command::new(program);
    command.args([MARK, entry.name, "--seed", &options.seed.to_string()]);
    for (name, value) in [("--threads", options.threads), ("--slots", options.slots)] {
        if let Some(value) = value {
            command.args([name, &value.to_string()]);
        }
    }
    command
}

fn add_length(command: &mut Command, entry: &Entry, options: &Options) {
    let ops = options.ops.unwrap_or_else(|| (entry.ops as f64 * options.scale.unwrap_or(1.0)).max(1.0) as u64);
    command.args(["--ops", &ops.to_string()]).args(options.arguments.iter().map(f64::to_string));
}

/// The line that the worker prints, understood.
pub fn run(mut command: Command) -> Result<Value, Failure> {
    let output = command.output().map_err(|error| Failure {
        status: 1,
        message: format!("cannot start {:?}: {error}", command.get_program()),
    })?;
    if output.status.success() {
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Failure { status: 1, message: format!("a run's result cannot be read: {error}") })
    } else {
        Err(failure(&output))
    }
}

/// A worker says in one line why it will not run, and the status 2 with it that it was asked wrongly.
fn failure(output: &Output) -> Failure {
    let text = String::from_utf8_lossy(&output.stderr);
    let reason = text.trim().trim_start_matches("worker: ");
    if output.status.code() == Some(2) {
        return Failure { status: 2, message: reason.into() };
    }
    let colon = if reason.is_empty() { "" } else { ": " };
    Failure { status: 1, message: format!("the run ended with {}{colon}{reason}", output.status) }
}
