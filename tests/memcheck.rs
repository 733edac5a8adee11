//! A Rust program's use of freed memory is reported when it is built for valgrind or with AddressSanitizer; a correct
//! program runs without a report. The C core's own cases are in tests/c/test_memcheck.c.
#![cfg(all(target_os = "linux", not(miri)))] // starts processes

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{build_program, must_run, text, Build};

const USES: [&str; 6] = ["small", "small-middle", "medium", "large", "elsewhere", "moved"];

/// `run` starts the program with an argument. For each mistake its output must hold `report`, and its status be the tool's.
fn reports_every_use(mut run: impl FnMut(&str) -> Output, status: i32, report: &str) {
    for argument in USES {
        let output = run(argument);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{argument}: {said}");
        assert!(said.contains(report), "{argument}: {said}");
    }
    let clean = run("clean");
    assert!(clean.status.success() && clean.stderr.is_empty(), "clean: {}\n{}", clean.status, text(&clean.stderr));
}

#[test]
fn valgrind_reports_use_after_free() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed (Debian: apt-get install valgrind)");
        return;
    }
    let program = build_program("use_after_free", Build::ForValgrind);
    let run = |argument: &str| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--error-exitcode=9", "--fair-sched=yes"]).arg(&program).arg(argument);
        valgrind.output().unwrap()
    };
    reports_every_use(run, 9, "Invalid read of size 1");
}

#[test]
fn address_sanitizer_reports_use_after_free() {
    let folder = must_run(Command::new("rustc").args(["--print", "target-libdir"]));
    let mut files = Path::new(folder.trim()).read_dir().unwrap();
    if !files.any(|file| file.unwrap().file_name().to_string_lossy().ends_with("_rt.asan.a")) {
        println!("skipped: this rustc comes without the runtime of AddressSanitizer (rustup's toolchains have it)");
        return;
    }
    let program = build_program("use_after_free", Build::WithAddressSanitizer);
    let run =
        |argument: &str| Command::new(&program).arg(argument).env("ASAN_OPTIONS", "exitcode=23").output().unwrap();
    reports_every_use(run, 23, "AddressSanitizer: use-after-poison");
}
