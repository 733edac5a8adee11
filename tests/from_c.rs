//! The C program in `examples/from_c.c` builds as its comment says, and prints what it should.
#![cfg(not(miri))] // starts processes

mod common;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

fn build() -> PathBuf {
    let target = common::target_dir("apart");
    common::must_run(common::cargo_apart(&target).args([
        "rustc",
        "--release",
        "--quiet",
        "--lib",
        "--crate-type",
        "staticlib",
    ]));
    let program = common::target_dir("from_c");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    common::must_run(
        Command::new(compiler)
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-Icsrc/include", "examples/from_c.c"])
            .arg(target.join("release/libhakmem_alloc.a"))
            .args(["-lpthread", "-lm", "-ldl", "-o"])
            .arg(&program)
            .current_dir(common::root()),
    );
    program
}

fn figures<'a>(lines: &[&'a str], moment: &str) -> Value {
    let line: &'a str =
        lines.iter().find_map(|line| line.strip_prefix(moment)).expect("the program prints its figures");
    serde_json::from_str(line).expect("the figures are JSON")
}

#[test]
fn a_c_program_runs_on_the_static_library() {
    let output = common::must_run(&mut Command::new(build()));
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[0], "last word: word 999");
    assert_eq!(lines[1], "zeroed: 0, aligned: 0, usable: enough");
    assert_eq!(lines[2], "too large: Cannot allocate memory");
    let in_use = figures(&lines, "in use: ");
    let freed = figures(&lines, "freed: ");
    assert_eq!(in_use["live_blocks"], 1002, "{in_use}");
    assert_eq!(in_use["large_blocks"], 1, "{in_use}");
    assert_eq!(freed["live_blocks"], 0, "{freed}");
    assert_eq!(freed["live_bytes"], 0, "{freed}");
    assert_eq!(freed["classes"].as_array().map(Vec::len), Some(0), "{freed}");
}
