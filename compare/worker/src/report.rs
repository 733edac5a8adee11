//! Runs the workload and prints its line.

use std::cell::Cell;
use std::process::ExitCode;

use crate::arguments::Run;
use crate::catalog::{Kind, CATALOG};
use crate::job::{Job, Sampling};
use crate::json::Object;
use crate::{allocator, latency, rss, settle, workload};

pub fn list() -> ExitCode {
    for entry in CATALOG {
        println!("{:16} {} (counts each {})", entry.name, entry.about, entry.unit);
    }
    ExitCode::SUCCESS
}

pub fn measure(run: &Run) -> ExitCode {
    if run.entry.kind == Kind::Program && !cfg!(feature = "programs") {
        eprintln!("worker: {} needs a build with --features programs", run.entry.name);
        return ExitCode::from(2);
    }
    let clock_ns = if run.samples > 0 { latency::clock_cost_ns() } else { 0 };
    if run.samples > 0 {
        latency::prepare();
    }
    let job = Job {
        ops: run.ops,
        seed: run.seed,
        threads: run.threads,
        slots: run.slots,
        arguments: run.arguments.clone(),
        sampling: Sampling { samples: run.samples, clock_ns, threads: 1 },
        watch_memory: run.watch_memory,
        announce: run.announce,
        outcome: Cell::new(None),
    };
    let (start_rss, start_anonymous) = (rss::now(), rss::anonymous());
    let ops = match workload::run(run.entry.name, &job) {
        Ok(ops) => ops,
        Err(message) => {
            eprintln!("worker: {}: {message}", run.entry.name);
            return ExitCode::from(2);
        }
    };
    let Some(outcome) = job.outcome.take() else {
        eprintln!("worker: {} timed nothing", run.entry.name);
        return ExitCode::FAILURE;
    };
    let peak = rss::peak().map(|peak| peak.max(outcome.peak_in_work));
    let settled = run.settle.and_then(|span| {
        settle::settle(span);
        rss::now()
    });

    let seconds = outcome.elapsed.as_secs_f64();
    let percentiles = latency::percentiles();
    let quantile = |pick: fn(&latency::Percentiles) -> u64| percentiles.as_ref().map(pick);
    let stats = outcome.stats;
    let line = Object::new()
        .name("allocator", allocator::NAME)
        .name("workload", run.entry.name)
        .count("ops", ops)
        .number("seconds", seconds)
        .number("ops_per_second", ops as f64 / seconds)
        .optional("latency_samples", quantile(|p| p.samples))
        .optional("p50_ns", quantile(|p| p.p50))
        .optional("p95_ns", quantile(|p| p.p95))
        .optional("p99_ns", quantile(|p| p.p99))
        .optional("p999_ns", quantile(|p| p.p999))
        .optional("max_ns", quantile(|p| p.max))
        .optional("clock_cost_ns", (run.samples > 0).then_some(clock_ns))
        .optional("start_rss", start_rss)
        .optional("start_anonymous", start_anonymous)
        .optional("peak_rss", peak)
        .optional("average_rss", outcome.average_rss)
        .optional("settled_rss", settled)
        .optional("instructions", outcome.counters.instructions)
        .optional("cache_misses", outcome.counters.cache_misses)
        .optional("branch_misses", outcome.counters.branch_misses)
        .optional("direct_hits", stats.and_then(|s| s.direct_hits))
        .optional("direct_misses", stats.and_then(|s| s.direct_misses))
        .optional("atomic_ops", stats.and_then(|s| s.atomic_ops))
        .optional("local_frees", stats.and_then(|s| s.local_frees))
        .optional("remote_frees", stats.and_then(|s| s.remote_frees))
        .end();
    println!("{line}");
    ExitCode::SUCCESS
}
