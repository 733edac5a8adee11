//! The three switches of the page allocator, alone and together, in one run: is each worth its code?

mod arms;
mod collect;
mod print;
mod targets;

use std::process::ExitCode;

use crate::cli::Phases;
use crate::machine::Machine;
use crate::places;

/// The workload by which the phases are judged.
const WORKLOAD: &str = "random_mixed";

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
    let missed = verdicts.iter().filter(|verdict| verdict.met == Some(false)).count();
    if options.check && missed > 0 {
        return Err(format!("{missed} targets are missed"));
    }
    Ok(ExitCode::SUCCESS)
}
