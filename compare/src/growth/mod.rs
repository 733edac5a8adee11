//! What no row of the table shows: how the cost of a call grows with the blocks that live, what threads add, the
//! slowest calls, and what a program pays for having the allocator at all.

mod live;
mod rows;
mod section;
mod start;
mod tail;
mod threads;

use std::process::ExitCode;

use clap::ValueEnum;

use crate::cli::{Growth, Limits, Part};
use crate::machine::Machine;
use crate::ranking::{self, Row, HAKMEM};
use crate::rounds::{self, Rounds};
use crate::verdict::{self, Verdict};
use crate::worker::Case;
use crate::{builder, places, report, selection};

pub fn run(options: &Growth) -> Result<ExitCode, String> {
    let out = places::results(options.out.as_deref());
    places::make(&out)?;
    let variants = selection::allocators(&options.workers.against)?;
    let (built, not_built) = builder::find_or_build_all(&variants, options.workers.no_build);
    if let Some((_, reason)) = not_built.iter().find(|(name, _)| name == HAKMEM) {
        return Err(format!("hakmem's worker: {reason}"));
    }

    let chosen = |part: &Part| options.only.is_empty() || options.only.contains(part);
    let parts: Vec<Part> = Part::value_variants().iter().copied().filter(chosen).collect();
    // All parts in one plan: a round sees them all, and one bar shows how far it is.
    let cases: Vec<Case> = parts.iter().flat_map(|part| part_cases(*part, &options.limits)).collect();
    let (runs, seen) = rounds::run(&built, &cases, Rounds::exactly(options.rounds), &options.limits);
    let rows = ranking::rows(&runs);
    let starts = match parts.contains(&Part::Start) {
        true => start::starts(&built, &rows, options.limits.timeout),
        false => Vec::new(),
    };

    let sections: Vec<_> = parts
        .iter()
        .map(|part| match part {
            Part::Live => live::section(&rows, &options.limits),
            Part::Threads => threads::section(&rows),
            Part::Tail => tail::section(&rows),
            Part::Start => start::section(&starts),
        })
        .collect();
    let verdicts: Vec<Verdict> = sections.iter().flat_map(|section| section.verdicts.clone()).collect();
    let machine = Machine { seen, ..Machine::describe() };
    let page = section::page(&machine, options, &sections, &verdicts, &failures(&rows, &not_built));
    println!("{page}");

    let contents = serde_json::json!({
        "machine": machine,
        "rounds": options.rounds,
        "scale": options.limits.scale,
        "seed": options.limits.seed,
        "rows": rows,
        "starts": starts,
        "targets": verdicts,
        "not_built": not_built,
    });
    let json = serde_json::to_vec_pretty(&contents).map_err(|error| format!("cannot write JSON: {error}"))?;
    let files = [("growth.md", page.into_bytes()), ("growth.json", json), ("growth.csv", report::csv::render(&rows)?)];
    for (name, contents) in files {
        let path = out.join(name);
        places::write(&path, &contents)?;
        println!("{}", path.display());
    }

    if let Some(broken) = rows.iter().find(|row| row.allocator == HAKMEM && row.failure.is_some()) {
        return Err(format!("{} under hakmem: {}", broken.workload, broken.failure.as_deref().unwrap_or_default()));
    }
    verdict::finish(&verdicts, options.check)
}

fn part_cases(part: Part, limits: &Limits) -> Vec<Case> {
    match part {
        Part::Live => live::cases(limits),
        Part::Threads => threads::cases(limits),
        Part::Tail => tail::cases(limits),
        Part::Start => vec![start::case()],
    }
}

/// Everything that is missing from the tables, a line each.
fn failures(rows: &[Row], not_built: &[(String, String)]) -> Vec<String> {
    let failed = rows.iter().filter_map(|row| {
        let reason = row.failure.as_ref()?;
        Some(format!("{} under {}: {reason}", row.workload, row.allocator))
    });
    let missing = not_built.iter().map(|(name, reason)| format!("{name} is not here: {reason}"));
    failed.chain(missing).collect()
}
