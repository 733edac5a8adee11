//! The command line.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use compare_worker::catalog::{self, Entry};

pub const PROGRAMS: [&str; 6] = ["random_mixed", "tiny_hot", "mid_large", "mid_large_mt", "fragment_stress", "larson"];

/// Run one of six benchmark programs, or all, on hakmem.
///
/// random_mixed, tiny_hot, mid_large, mid_large_mt, fragment_stress, larson; --list says what they do. larson takes the
/// original's arguments, all seven or none: seconds, min size, max size, chunks a thread, rounds, seed, threads.
///
/// An operation is a call: an allocation and its free are two. Some 16,000 calls of a run are timed, one at a time, and the
/// clock's own cost is taken off each. Atomic operations are counted in a second build (with HAKMEM_STATS=1, in a target
/// directory of its own; the first time takes a minute or two). Cache misses and mispredicted branches come from the
/// processor's counters, else from cachegrind on two short runs, whose difference is divided by that of their operations.
#[derive(Parser)]
#[command(name = "bench", override_usage = "bench [OPTIONS] NAME [ARGS]...")]
pub struct Options {
    /// One of the six, or `all`
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// larson's arguments: 1 5 1 1000 100 10000 42, say
    #[arg(value_name = "ARGS", allow_negative_numbers = true, conflicts_with_all = ["ops", "scale", "seed", "threads"])]
    pub arguments: Vec<f64>,
    /// Operations to do (larson: milliseconds to run)
    #[arg(long, value_name = "N", conflicts_with = "scale", value_parser = clap::value_parser!(u64).range(1..))]
    pub ops: Option<u64>,
    /// The same as a multiple of the usual
    #[arg(long, value_name = "F", value_parser = factor)]
    pub scale: Option<f64>,
    /// Of the random numbers; larson has its own among its ARGS
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Threads of mid_large_mt or larson
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub threads: Option<u64>,
    /// Slots of random_mixed, mid_large or mid_large_mt (there for each thread)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub slots: Option<u64>,
    /// How long after the last free resident memory counts as settled
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub settle_ms: u64,
    /// No second build and no simulation: what these would tell is left out
    #[arg(long)]
    pub quick: bool,
    /// Print one JSON object, on one line, for each program
    #[arg(long)]
    pub json: bool,
    /// Print what the programs do, and end
    #[arg(long)]
    pub list: bool,
}

pub fn entries() -> impl Iterator<Item = &'static Entry> {
    PROGRAMS.iter().map(|name| catalog::find(name).expect("the worker has all six"))
}

/// The options; does not return when they are wrong.
pub fn parse() -> Options {
    let options = Options::parse();
    if let Err(message) = options.check() {
        Options::command().error(ErrorKind::ValueValidation, message).exit();
    }
    options
}

impl Options {
    pub fn chooses(&self, entry: &Entry) -> bool {
        self.name.as_deref().is_some_and(|name| name == "all" || name == entry.name)
    }

    /// What depends on the program that is named. The programs themselves would pass over what they have no use for.
    fn check(&self) -> Result<(), String> {
        let Some(name) = self.name.as_deref() else { return Ok(()) };
        if name != "all" && !PROGRAMS.contains(&name) {
            return Err(format!("no program is called {name:?}; there are {} and all", PROGRAMS.join(", ")));
        }
        let given = [
            ("arguments", !self.arguments.is_empty(), &["larson"][..]),
            ("--threads", self.threads.is_some(), &["mid_large_mt", "larson"]),
            ("--slots", self.slots.is_some(), &["random_mixed", "mid_large", "mid_large_mt"]),
        ];
        for (what, is_given, takers) in given {
            if is_given && !takers.contains(&name) {
                return Err(format!("{name} takes no {what}; {} would", takers.join(", ")));
            }
        }
        if name == "all" && self.ops.is_some() {
            return Err("all takes no --ops, since its programs differ in length; --scale does for all".into());
        }
        Ok(())
    }
}

fn factor(word: &str) -> Result<f64, String> {
    match word.parse() {
        Ok(factor) if (1e-6..=1e6).contains(&factor) => Ok(factor),
        _ => Err("it must be a number from 0.000001 to 1000000".into()),
    }
}
