//! What hakmem adds to the memory of a program that has just begun.
#![cfg(not(miri))] // starts processes

mod common;

use std::path::Path;
use std::process::Command;

use common::{build_program, Build};

const MAY_ADD: u64 = 512 * 1024;

/// The least of several runs: what else is resident varies with where the system loads things.
fn resident_at_start(program: &Path) -> u64 {
    (0..9)
        .map(|_| common::must_run(&mut Command::new(program)).trim().parse().expect("the program prints a number"))
        .min()
        .unwrap_or_default()
}

#[test]
fn a_program_starts_with_little_more_memory() {
    let with_hakmem = resident_at_start(&build_program("idle_hakmem", Build::Release));
    let with_system = resident_at_start(&build_program("idle_system", Build::Release));
    println!("resident at start: {} KiB with hakmem, {} KiB with System", with_hakmem / 1024, with_system / 1024);
    assert!(with_hakmem <= with_system + MAY_ADD, "{with_hakmem} B with hakmem, {with_system} B with System");
}
