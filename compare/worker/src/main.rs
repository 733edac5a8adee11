//! Runs one workload under one allocator, in a process of its own, and prints what it took as one line of JSON.
//!
//! One process a measurement, so that what one workload leaves behind (fragments, caches, mappings) is never the
//! starting point of the next. The allocator is chosen when the worker is built; `compare` builds one for each.

mod allocator;
mod arguments;
mod block;
mod catalog;
mod counters;
mod job;
mod json;
mod latency;
mod report;
mod rng;
mod rss;
mod settle;
mod stats;
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments::parse(std::env::args().skip(1)) {
        Ok(arguments::Request::Run(run)) => report::measure(&run),
        Ok(arguments::Request::List) => report::list(),
        Err(message) => {
            eprintln!("worker: {message}");
            ExitCode::from(2)
        }
    }
}
