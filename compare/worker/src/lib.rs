//! Runs one workload under one allocator, in a process of its own, and prints what it took as one line of JSON.
//!
//! One process a measurement, so that what one workload leaves behind (fragments, caches, mappings) is never the
//! starting point of the next. The allocator is chosen when the crate is built, and declared in it, so that its shim is
//! inlined in the workloads: `compare` builds one program for each, and hakmem's example `bench` links this crate.

mod allocator;
mod arguments;
mod block;
pub mod catalog;
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

/// Does what the words of a command line ask for; 2 when they cannot be understood.
pub fn run(words: impl Iterator<Item = String>) -> ExitCode {
    match arguments::parse(words) {
        Ok(arguments::Request::Run(run)) => report::measure(&run),
        Ok(arguments::Request::List) => report::list(),
        Err(message) => {
            eprintln!("worker: {message}");
            ExitCode::from(2)
        }
    }
}
