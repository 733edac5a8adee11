//! The core's build switches: what they refuse, and what assertions cost.
#![cfg(not(miri))] // starts processes

mod common;

use std::process::Command;

use common::{build_program, cargo_apart, must_run, target_dir, Build};

#[test]
fn a_switch_with_another_value_stops_the_build_and_is_named() {
    for (switch, value) in [
        ("HAKMEM_USE_DUAL_LISTS", "2"),
        ("HAKMEM_STATS", "yes"),
        ("HAKMEM_DELAYS", "on"),
        ("HAKMEM_DIRECT_PAGES", "128"),
    ] {
        let output = cargo_apart(&target_dir("switches")).args(["build", "--lib"]).env(switch, value).output().unwrap();
        let error = common::text(&output.stderr);
        assert!(!output.status.success(), "{switch}={value} was built");
        assert!(error.contains(&format!("{switch}={value:?}")), "{error}");
    }
}

#[test]
fn the_crate_needs_no_std() {
    must_run(cargo_apart(&target_dir("switches")).args(["check", "--lib", "--quiet", "--no-default-features"]));
}

/// What the core's assertions cost is measured on an optimised program, where it shows most. The debug build is printed
/// beside it: there the program's own code is not optimised either.
#[test]
fn assertions_cost_less_than_three_times() {
    let nanoseconds = |build| -> f64 {
        let program = build_program("churn", build);
        let once = || must_run(&mut Command::new(&program)).trim().parse().expect("the program prints a number");
        (0..5).map(|_| once()).fold(f64::INFINITY, f64::min)
    };
    let release = nanoseconds(Build::Release);
    let asserting = nanoseconds(Build::ReleaseWithAssertions);
    let debug = nanoseconds(Build::Debug);
    println!("an operation: {release:.1} ns, {asserting:.1} ns with assertions, {debug:.1} ns in a debug build");
    assert!(asserting <= 3.0 * release, "{asserting:.1} ns with assertions, {release:.1} ns without");
}
