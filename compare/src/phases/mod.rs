//! The three switches of the page allocator, alone and together, in one run: is each worth its code?

mod arms;
mod collect;
mod print;
mod targets;

use std::process::ExitCode;

use crate::cli::{Limits, Phases};
use crate::machine::Machine;
use crate::worker::Case;
use crate::{places, verdict};

/// The workload by which the phases are judged.
const WORKLOAD: &str = "random_mixed";

/// Settled memory is none of the phases' business.
fn case(limits: &Limits) -> Case {
    Case::of(WORKLOAD, limits, 0)
}

pub fn run(options: &Phases) -> Result<ExitCode, String> {
    let out = places::results(options.out.as_deref());
    places::make(&out)?;
    let results = collect::collect(options)?;
    let verdicts = targets::judge(&results);
    print::print(&Machine::describe(), &results, &verdicts, options.rounds);

    let contents = serde_json::json!({
        "machine": Machine::describe(),
        "rounds": options.rounds,
        "workload": WORKLOAD,
        "rows": results,
        "targets": verdicts,
    });
    let path = out.join("phases.json");
    let text = serde_json::to_vec_pretty(&contents).map_err(|error| format!("cannot write JSON: {error}"))?;
    places::write(&path, &text)?;
    println!("{}", path.display());

    if let Some(broken) = results.iter().find(|row| row.arm.is_some() && row.failure.is_some()) {
        return Err(format!("{}: {}", broken.name, broken.failure.as_deref().unwrap_or_default()));
    }
    verdict::finish(&verdicts, options.check)
}
