//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measure hakmem beside the system's allocator, mimalloc 2 and 3, jemalloc, snmalloc, rpmalloc and tcmalloc.
///
/// Builds one worker program for each allocator, runs every workload in a process of its own, the allocators in turn and
/// round by round, and ends with a table, JSON, CSV, Markdown and one HTML page of plots.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Print the workloads and the allocators, and end.
    #[arg(long)]
    pub list: bool,

    #[command(flatten)]
    pub suite: Suite,
}

const AFTER_HELP: &str = "\
hakmem-lto and hakmem-pgo are hakmem built with cross-language link-time optimisation and with a profile of its own \
runs. They take longer to build and need more tools (clang; gcc), so they run only when --against names them:

    cargo run --release -p compare -- --against all,hakmem-lto,hakmem-pgo

compare/README.md has the commands that build a program of your own that way, and says how everything is measured.";

#[derive(Subcommand)]
pub enum Command {
    /// The three switches of hakmem's page allocator in all eight combinations, and everything on.
    Phases(Phases),
    /// Instructions per operation under callgrind, and whether they grew since the baseline.
    Instructions(Instructions),
    /// What grows with live blocks and with threads, the slowest calls, and what a start costs.
    Growth(Growth),
    /// Whether two runs put the allocators in the same order; fails where they do not.
    Agree(Agree),
}

#[derive(Args)]
pub struct Suite {
    /// Workloads to run; a name that ends in * stands for all that begin so.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOADS")]
    pub only: Vec<String>,

    #[command(flatten)]
    pub workers: Workers,

    /// How often each workload runs under each allocator.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,

    /// How many more rounds at most, of the workloads in which the order of two allocators is not sure: their medians differ by over
    /// 15 %, but their rounds do not tell them apart [default: twice --rounds].
    #[arg(long, value_name = "ROUNDS", value_parser = clap::value_parser!(u32).range(..=1000))]
    pub more_rounds: Option<u32>,

    /// How many rounds at most of hakmem and the peers that may be the best of a row, after those, until its ratio to the best is sure
    /// within --within.
    #[arg(long, default_value_t = 20, value_name = "ROUNDS", value_parser = clap::value_parser!(u32).range(..=1000))]
    pub contests: u32,

    /// How sure: half of the interval in which that ratio lies with a certainty of 95 %.
    #[arg(long, default_value_t = 3.0, value_name = "PERCENT", value_parser = positive)]
    pub within: f64,

    /// Where the JSON, CSV, Markdown and HTML files go [default: compare-results in the target directory].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// How long to wait, after everything is freed, before settled memory is read.
    #[arg(long, default_value_t = 1000, value_name = "MS")]
    pub settle_ms: u64,

    #[command(flatten)]
    pub limits: Limits,
}

/// Who runs.
#[derive(Args)]
pub struct Workers {
    /// Allocators to run beside hakmem, "all" or "none".
    #[arg(long, value_delimiter = ',', value_name = "ALLOCATORS", default_value = "all")]
    pub against: Vec<String>,

    /// Do not build the workers, but run those that an earlier run left in the target directory.
    #[arg(long)]
    pub no_build: bool,
}

/// How long a run may be, and what it may take.
#[derive(Args, Clone)]
pub struct Limits {
    /// Multiplies every workload's number of operations.
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub scale: f64,

    /// The seed of the workloads' random numbers.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,

    /// A run that takes longer is ended and reported as hung.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub timeout: u64,

    /// A run that takes more memory is ended and reported [default: four fifths of what is available].
    #[arg(long, value_name = "MIB")]
    pub memory_limit: Option<u64>,
}

#[derive(Args)]
pub struct Phases {
    /// How often each build runs.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,

    /// Where phases.json goes [default: compare-results in the target directory].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// End with a failure when a target is missed.
    #[arg(long)]
    pub check: bool,

    #[command(flatten)]
    pub limits: Limits,
}

#[derive(Args)]
pub struct Instructions {
    /// Workloads to count; a name that ends in * stands for all that begin so.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOADS")]
    pub only: Vec<String>,

    /// Allocators to count beside hakmem, "all" or "none".
    #[arg(long, value_delimiter = ',', value_name = "ALLOCATORS", default_value = "none")]
    pub against: Vec<String>,

    /// End with a failure when hakmem's count grew by over 2 % against compare/baseline.json.
    #[arg(long)]
    pub check: bool,

    /// Write hakmem's counts to compare/baseline.json.
    #[arg(long, conflicts_with = "check")]
    pub update: bool,

    /// A run that takes longer is ended and reported as hung.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub timeout: u64,
}

/// Each part ends with its targets: what was wanted, what was measured, and whether that is met.
#[derive(Args)]
pub struct Growth {
    /// Parts to measure [default: all].
    #[arg(long, value_delimiter = ',', value_name = "PARTS")]
    pub only: Vec<Part>,

    #[command(flatten)]
    pub workers: Workers,

    /// How often each run is repeated.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,

    /// Where growth.md, growth.json and growth.csv go [default: compare-results in the target directory].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// End with a failure when a target is missed.
    #[arg(long)]
    pub check: bool,

    #[command(flatten)]
    pub limits: Limits,
}

#[derive(Args)]
pub struct Agree {
    /// A compare.json, or the directory that has one.
    pub first: PathBuf,

    /// Another run's.
    pub second: PathBuf,

    /// By how much two allocators' medians must differ in both runs for their order to count.
    #[arg(long, default_value_t = 15.0, value_name = "PERCENT", value_parser = positive)]
    pub over: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Time of a call with 1 K to 16 M live blocks; below a scale of 1, the most are fewer as well
    Live,
    /// Calls a second on 1 to 64 threads
    Threads,
    /// The slowest calls, in steady work and in waves
    Tail,
    /// System calls and resident memory of a program that does nothing
    Start,
}

fn positive(word: &str) -> Result<f64, String> {
    match word.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("it must be a number above 0".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let cli = Cli::parse_from(["compare", "--only", "box,larson", "--against", "system"]);
        assert_eq!(cli.suite.only, ["box", "larson"]);
        assert_eq!(cli.suite.workers.against, ["system"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [["--rounds", "0"], ["--scale", "0"], ["--scale", "nan"], ["--timeout", "-1"]] {
            assert!(Cli::try_parse_from(["compare", line[0], line[1]]).is_err(), "{line:?}");
        }
    }
}
