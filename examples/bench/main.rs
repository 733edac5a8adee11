//! Six programs that work an allocator hard, each with what it took: throughput, latency, memory, atomic operations, cache
//! misses and mispredicted branches.
//!
//! ```text
//! cargo run --release --example bench -- all
//! cargo run --release --example bench -- random_mixed --json
//! cargo run --release --example bench -- larson 1 5 1 1000 100 10000 42
//! ```
//!
//! The programs are those of `compare/worker`, which also has the line `#[global_allocator]` with hakmem. Each run is a
//! process of its own: this program starts itself again, so that nothing of one measurement is left for the next.

mod counting;
mod events;
mod options;
mod results;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use compare_worker::catalog::Entry;
use options::Options;
use results::Results;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if(|word| word == worker::MARK).is_some() {
        return compare_worker::run(words);
    }
    let options = options::parse();
    if options.list {
        for entry in options::entries() {
            println!("{:16} {}", entry.name, entry.about);
        }
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<&Entry> = options::entries().filter(|entry| options.chooses(entry)).collect();
    match run(&chosen, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {}", failure.message);
            ExitCode::from(failure.status)
        }
    }
}

/// Why there is no result, and the status that this program ends with.
pub struct Failure {
    pub status: u8,
    pub message: String,
}

fn run(chosen: &[&'static Entry], options: &Options) -> Result<(), Failure> {
    let own = std::env::current_exe()
        .map_err(|error| Failure { status: 1, message: format!("cannot find this program's own file: {error}") })?;
    let counting = Counting::new(options);
    for (index, entry) in chosen.iter().enumerate() {
        let line = worker::run(worker::command(&own, entry, options))?;
        let mut results = Results::of(entry, &line);
        if !results.has_atomic_operations() {
            results.set_atomic_operations(counting.per_operation(entry, options));
        }
        if !results.has_events() {
            results.set_events(if options.quick { Err(QUICK.into()) } else { events::simulate(&own, entry, options) });
        }
        if options.json {
            println!("{}", results.json());
        } else {
            print!("{}{}", if index > 0 { "\n" } else { "" }, results.text());
        }
    }
    Ok(())
}

/// Why `--quick` shows less.
const QUICK: &str = "left out by --quick";

/// The build that counts, made when it is first needed and then kept.
struct Counting {
    left_out: bool,
    program: std::cell::OnceCell<Result<PathBuf, String>>,
}

impl Counting {
    fn new(options: &Options) -> Self {
        Self { left_out: options.quick, program: std::cell::OnceCell::new() }
    }

    fn per_operation(&self, entry: &'static Entry, options: &Options) -> Result<f64, String> {
        if self.left_out {
            return Err(QUICK.into());
        }
        let program = self.program.get_or_init(counting::build).as_ref().map_err(Clone::clone)?;
        let line = worker::run(worker::bare(program, entry, options)).map_err(|failure| failure.message)?;
        Results::of(entry, &line).atomic_operations().ok_or_else(|| "the build that counts did not count".into())
    }
}
