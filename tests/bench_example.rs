//! The example `bench` runs its six programs, and says what is wrong with a command line.
#![cfg(not(miri))] // starts processes

mod common;

use std::process::{Command, Output};

use serde_json::Value;

fn bench(line: &str) -> Output {
    let program = common::build_examples(&["bench"]).join("bench");
    Command::new(program).args(line.split_whitespace()).output().unwrap()
}

fn results(line: &str) -> Vec<Value> {
    let output = bench(line);
    assert!(output.status.success(), "{line}: {}", common::text(&output.stderr));
    common::text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(result: &Value, name: &str) -> f64 {
    result[name].as_f64().unwrap_or_else(|| panic!("{name} in {result}"))
}

/// A figure that this machine or `--quick` leaves out is null, and the reason stands beside.
fn is_there_or_explained(result: &Value, name: &str) {
    match &result[name] {
        Value::Number(_) => assert!(result["absent"][name].is_null(), "{name} in {result}"),
        Value::Null => assert!(result["absent"][name].is_string(), "{name} in {result}"),
        other => panic!("{name} is {other}"),
    }
}

fn check(result: &Value) {
    assert_eq!(result["allocator"], "hakmem");
    for name in ["ops", "seconds", "ops_per_second", "latency_samples"] {
        assert!(number(result, name) > 0.0, "{name} in {result}");
    }
    let latency = ["p50_ns", "p95_ns", "p99_ns"].map(|name| number(result, name));
    assert!(latency.is_sorted(), "{result}");
    assert!(number(result, "clock_cost_ns") >= 0.0);
    for name in ["start_rss", "peak_rss", "settled_rss", "atomic_ops_per_op"] {
        is_there_or_explained(result, name);
    }
    for name in ["cache_misses_per_op", "branch_misses_per_op"] {
        is_there_or_explained(result, name);
        assert_eq!(result[name].is_null(), result["events_from"].is_null(), "{result}");
    }
    if cfg!(target_os = "linux") {
        assert!(number(result, "peak_rss") >= number(result, "settled_rss"), "{result}");
    }
}

#[test]
fn all_six_run_and_give_every_figure() {
    // larson runs by the clock: in a fifth of this time, with the threads of the test beside at work, it may not come to a call that is timed.
    let results = results("all --quick --json --scale 0.05 --settle-ms 20");
    let names: Vec<_> = results.iter().map(|result| result["program"].as_str().unwrap()).collect();
    assert_eq!(names, ["random_mixed", "tiny_hot", "mid_large", "mid_large_mt", "fragment_stress", "larson"]);
    results.iter().for_each(check);
}

#[test]
fn larson_takes_the_original_s_line() {
    let results = results("larson 1 5 1 1000 100 10000 42 --quick --json --settle-ms 20");
    assert_eq!(results.len(), 1);
    check(&results[0]);
    assert!(number(&results[0], "seconds") >= 1.0, "{}", results[0]);
}

#[test]
fn the_text_names_every_figure() {
    let output = bench("random_mixed --quick --ops 20000 --settle-ms 0");
    assert!(output.status.success(), "{}", common::text(&output.stderr));
    let text = common::text(&output.stdout);
    let names = [
        "operations/s",
        "latency p50/p95/p99",
        "peak RSS",
        "settled RSS",
        "atomic operations",
        "cache misses",
        "mispredicted branches",
    ];
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("random_mixed: "), "{text}");
    for (name, line) in names.iter().zip(lines.by_ref()) {
        assert!(line.trim_start().starts_with(name), "{text}");
    }
    assert_eq!(lines.next(), None, "{text}");
}

#[test]
fn wrong_command_lines_are_refused_with_2() {
    for (line, reason) in [
        ("", "NAME"),
        ("nothing", "no program is called \"nothing\""),
        ("json", "no program is called"),
        ("tiny_hot 3", "tiny_hot takes no arguments"),
        ("all --ops 3", "--scale"),
        ("all --threads 3", "all takes no --threads"),
        ("tiny_hot --slots 3", "tiny_hot takes no --slots"),
        ("random_mixed --ops 0", "--ops"),
        ("random_mixed --scale -1", "--scale"),
        ("random_mixed --scale 1 --ops 1", "--ops"),
        ("larson 1 5 1", "takes all of"),
        ("larson 1 5 1 1000 100 10000 0 --quick", "above 0"),
        ("larson 1 5 1 1000 100 10000 many", "many"),
        ("larson 1 5 1 1000 100 10000 42 --threads 2", "--threads"),
    ] {
        let output = bench(line);
        let error = common::text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        assert!(output.stdout.is_empty() && error.contains(reason), "{line}: {error}");
    }
}

#[test]
fn the_list_and_the_help_name_all_six() {
    for line in ["--list", "--help"] {
        let output = bench(line);
        assert!(output.status.success());
        let text = common::text(&output.stdout);
        for name in ["random_mixed", "tiny_hot", "mid_large", "mid_large_mt", "fragment_stress", "larson"] {
            assert!(text.contains(name), "{text}");
        }
    }
}
