//! What several test programs share.
#![allow(dead_code)] // each program uses its part

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod resident;
pub mod rng;

/// One test at a time: those that look at the process's figures want them to themselves.
pub fn serial() -> MutexGuard<'static, ()> {
    static SERIAL: Mutex<()> = Mutex::new(());
    SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Live bytes and blocks, once they rest: the test harness has a thread of its own, which is busy around the beginning and
/// the end of a test.
pub fn settled_figures() -> (u64, u64) {
    let figures = || {
        let stats = hakmem_alloc::stats();
        (stats.live_bytes, stats.live_blocks)
    };
    let mut last = figures();
    let mut rests = 0;
    while rests < 10 {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let now = figures();
        rests = if now == last { rests + 1 } else { 0 };
        last = now;
    }
    last
}

/// A number from the environment, decimal or with 0x; `default` if it is not set.
pub fn number_from_env(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return default };
    let number = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    number.unwrap_or_else(|_| panic!("{name}={text:?} is not a number"))
}

const CHILD_CASE: &str = "HAKMEM_TEST_CHILD";

/// The case that this process was started for by [`run_child`].
pub fn child_case() -> Option<String> {
    std::env::var(CHILD_CASE).ok()
}

/// Runs the test `entry` of this test program again, in a process of its own. There [`child_case`] is `case`.
pub fn run_child(entry: &str, case: &str) -> Output {
    child_command(entry, case).output().expect("a test program can be started again")
}

pub fn child_command(entry: &str, case: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a program knows its own path"));
    command.args(["--exact", entry, "--nocapture", "--test-threads=1"]).env(CHILD_CASE, case);
    command
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of this package's own in the target directory.
pub fn target_dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs a command that must succeed, and returns what it wrote to stdout.
pub fn must_run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, text(&output.stderr));
    text(&output.stdout)
}

/// Cargo for this package. Offline: the outer build has fetched what is needed.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    command.current_dir(root()).env("CARGO_TERM_COLOR", "never").env("CARGO_NET_OFFLINE", "true");
    command
}

/// Builds examples as the outer build does, where nearly everything is built already; returns the folder they are in.
pub fn build_examples(names: &[&str]) -> PathBuf {
    // TARGET_DIR/[TRIPLE/]PROFILE/deps/PROGRAM
    let program = std::env::current_exe().expect("a program knows its own path");
    let folder = program.ancestors().nth(2).expect("cargo puts tests in a folder of the profile");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is a folder of the target directory");
    let mut command = cargo();
    command.args(["build", "--quiet"]).arg("--target-dir").arg(target);
    command.args(["--profile", if folder.ends_with("release") { "bench" } else { "test" }]);
    if let Some(triple) = folder.parent().filter(|&parent| parent != target).and_then(Path::file_name) {
        command.arg("--target").arg(triple);
    }
    for name in names {
        command.args(["--example", name]);
    }
    must_run(&mut command);
    folder.join("examples")
}

/// Cargo for the library alone, apart from the outer build and its flags: the core's switches in the environment count.
pub fn cargo_apart(target: &Path) -> Command {
    let mut command = cargo();
    for flags in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CFLAGS"] {
        command.env_remove(flags);
    }
    command.env("CARGO_TARGET_DIR", target);
    command
}

/// How a program of `tests/programs`, and the library with it, is built.
#[derive(Clone, Copy)]
pub enum Build {
    Debug,
    Release,
    /// An optimised program on the core with its assertions.
    ReleaseWithAssertions,
    /// Optimised, on a core that tells valgrind about its blocks.
    ForValgrind,
    /// Optimised, and both program and core are instrumented.
    WithAddressSanitizer,
}

/// What rustc calls the machine that it runs on.
fn host() -> String {
    let version = must_run(Command::new("rustc").arg("-vV"));
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc -vV names its host").to_owned()
}

/// Builds the library, and with it the program in `tests/programs`; returns the program. No dependency but the library
/// is at hand there.
pub fn build_program(name: &str, build: Build) -> PathBuf {
    build_beside_library(name, build, &[], name)
}

/// The same for a shared library with C functions.
pub fn build_shared(name: &str, build: Build) -> PathBuf {
    build_beside_library(name, build, &["--crate-type=cdylib"], &format!("lib{name}.so"))
}

fn build_beside_library(name: &str, build: Build, kind: &[&str], output: &str) -> PathBuf {
    let (folder, profile, switches): (_, _, &[_]) = match build {
        Build::Debug => ("apart", "debug", &[("HAKMEM_BUILD_RELEASE", "0")]),
        Build::Release => ("apart", "release", &[("HAKMEM_BUILD_RELEASE", "1")]),
        Build::ReleaseWithAssertions => ("apart-assertions", "release", &[("HAKMEM_BUILD_RELEASE", "0")]),
        Build::ForValgrind => ("apart-valgrind", "release", &[("HAKMEM_VALGRIND", "1")]),
        // The flag is not stable yet, nor is the compiler's word to build.rs that it is set.
        Build::WithAddressSanitizer => {
            ("apart-address", "release", &[("RUSTC_BOOTSTRAP", "1"), ("HAKMEM_VALGRIND", "0")])
        }
    };
    let sanitizer = matches!(build, Build::WithAddressSanitizer).then_some("-Zsanitizer=address");
    let target = target_dir(folder);
    let (cargo_flags, rustc_flags): (&[_], &[_]) =
        if profile == "release" { (&["--release"], &["-Copt-level=3"]) } else { (&[], &[]) };
    let mut cargo = cargo_apart(&target);
    cargo.args(["build", "--lib", "--quiet"]).args(cargo_flags).envs(switches.iter().copied());
    let mut target = target;
    if let Some(flag) = sanitizer {
        let host = host(); // named, so that the flag is not for build.rs itself
        cargo.env("RUSTFLAGS", flag).args(["--target", &host]);
        target.push(host);
    }
    must_run(&mut cargo);
    target.push(profile);
    let program = target.join(output);
    let mut library = std::ffi::OsString::from("hakmem_alloc=");
    library.push(target.join("libhakmem_alloc.rlib"));
    must_run(
        Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--edition=2021", "--extern"])
            .arg(library)
            .args(rustc_flags)
            .args(sanitizer)
            .envs(switches.iter().copied())
            .args(kind)
            .arg(root().join("tests/programs").join(name).with_extension("rs"))
            .arg("-o")
            .arg(&program),
    );
    program
}
