//! The comparison itself: build, run, report.

use std::process::ExitCode;

use crate::cli::Suite;
use crate::machine::Machine;
use crate::rounds::{self, Rounds};
use crate::worker::Case;
use crate::{builder, places, ranking, report, selection};

pub fn run(options: &Suite) -> Result<ExitCode, String> {
    let workloads = selection::workloads(&options.only)?;
    let variants: Vec<_> = selection::allocators(&options.workers.against)?
        .into_iter()
        .map(|variant| variant.with_feature("programs"))
        .collect();
    let out = places::results(options.out.as_deref());
    places::make(&out)?;

    let (built, not_built) = builder::find_or_build_all(&variants, options.workers.no_build);
    if built.is_empty() {
        return Err("there is no worker to run".into());
    }
    let cases: Vec<Case> =
        workloads.iter().map(|entry| Case::of(entry.name, &options.limits, options.settle_ms)).collect();
    let often = Rounds {
        rounds: options.rounds,
        more: options.more_rounds.unwrap_or(2 * options.rounds),
        contests: options.contests,
        within: options.within / 100.0,
    };
    let (runs, seen) = rounds::run(&built, &cases, often, &options.limits);
    let rows = ranking::rows(&runs);
    let report = report::Report {
        machine: Machine { seen, ..Machine::describe() },
        rounds: options.rounds,
        scale: options.limits.scale,
        seed: options.limits.seed,
        standings: ranking::standings(&rows),
        rows,
        not_built,
        runs,
    };
    report::terminal::print(&report);
    for file in report::write(&report, &out)? {
        println!("{}", file.display());
    }
    // A row that failed is told, not hidden; only hakmem's own failures make the command fail.
    let failed = report.not_built.iter().any(|(name, _)| ranking::is_hakmem(name))
        || report.rows.iter().any(|row| ranking::is_hakmem(&row.allocator) && row.failure.is_some());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
