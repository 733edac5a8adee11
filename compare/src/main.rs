//! Measures hakmem beside other allocators: one process for each measurement, the allocators in turn, round by round.
//!
//! Nothing here allocates with what is measured: the workers do, this program builds, runs and counts.

mod agreement;
mod baseline;
mod builder;
mod callgrind;
#[path = "../worker/src/catalog.rs"]
mod catalog;
mod cli;
mod growth;
mod instructions;
mod machine;
mod measurement;
mod optimised;
mod order;
mod paired;
mod phases;
mod places;
mod processors;
mod progress;
mod ranking;
mod report;
mod rounds;
mod selection;
mod statistics;
mod suite;
mod symbols;
mod tools;
mod variant;
mod verdict;
mod warm;
mod worker;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let outcome = match &cli.command {
        _ if cli.list => Ok(selection::print_lists()),
        None => suite::run(&cli.suite),
        Some(cli::Command::Phases(options)) => phases::run(options),
        Some(cli::Command::Instructions(options)) => instructions::run(options),
        Some(cli::Command::Growth(options)) => growth::run(options),
        Some(cli::Command::Agree(options)) => agreement::run(options),
    };
    match outcome {
        Ok(code) => code,
        Err(message) => {
            eprintln!("compare: {message}");
            ExitCode::FAILURE
        }
    }
}
