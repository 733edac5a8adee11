//! Two ways to build hakmem that ask more of the machine: link-time optimisation across languages, and a profile of its
//! own runs. README.md has the same as commands.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::builder::{cargo, Extra};
use crate::places;
use crate::variant::Variant;

/// The C core is compiled to LLVM's intermediate code and optimised together with the Rust code. That takes a linker
/// whose LLVM reads both: Rust's own, since clang's is most often the older one.
pub fn cross_language_lto() -> Result<Extra, String> {
    let host = rustc(&["-vV"])?
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(String::from))
        .ok_or("rustc -vV names no host")?;
    let linker =
        Path::new(rustc(&["--print", "sysroot"])?.trim()).join("lib/rustlib").join(&host).join("bin/gcc-ld/ld.lld");
    let choice = if linker.is_file() { format!("--ld-path={}", linker.display()) } else { "-fuse-ld=lld".into() };
    let flags = rust_flags(&format!("-Clinker-plugin-lto -Clinker=clang -Clink-arg={choice}"));
    Ok(Extra {
        environment: vec![("CC", "clang".into()), ("CFLAGS", "-flto".into()), ("RUSTFLAGS", flags.into())],
        // With a target named, the flags above are not for build scripts.
        arguments: vec!["--config".into(), "profile.release.lto=\"fat\"".into(), "--target".into(), host],
    })
}

/// What a profile is gathered from: hot paths, remote frees, threads' ends, large blocks.
const TRAINING: &[(&str, &str)] = &[
    ("random_mixed", "0.1"),
    ("tiny_hot", "0.05"),
    ("mixed_256", "0.05"),
    ("mixed_256k", "0.3"),
    ("mid_large", "0.2"),
    ("pipe_small", "0.2"),
    ("random_owner", "0.2"),
    ("threads_churn", "0.2"),
    ("large", "0.1"),
    ("realloc_steps", "0.2"),
];

/// The C core alone is profiled, with gcc, so that the row differs from hakmem's in nothing else.
pub fn profile_guided(variant: &Variant) -> Result<Extra, String> {
    let profile = places::workers().join("profile");
    if profile.exists() {
        std::fs::remove_dir_all(&profile).map_err(|error| format!("cannot empty {}: {error}", profile.display()))?;
    }
    places::make(&profile)?;
    // The same flags for Rust in both builds: gcc finds a profile by the object's path, and Cargo puts a hash of the
    // flags into it. The library that the first one needs does nothing in the second.
    let with = |c_flags: String| Extra {
        environment: vec![
            ("CC", "gcc".into()),
            ("CFLAGS", c_flags.into()),
            ("RUSTFLAGS", rust_flags("-Clink-arg=-lgcov").into()),
        ],
        arguments: Vec::new(),
    };
    let instrumented =
        cargo(variant, &with(format!("-fprofile-generate={} -fprofile-update=atomic", profile.display())))?;
    for (workload, scale) in TRAINING {
        let status = Command::new(&instrumented)
            .args([workload, "--scale", scale, "--settle-ms", "0", "--no-latency"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .map_err(|error| format!("cannot run {}: {error}", instrumented.display()))?;
        if !status.success() {
            return Err(format!("the instrumented build failed in {workload}: {status}"));
        }
    }
    Ok(with(format!("-fprofile-use={} -fprofile-partial-training", profile.display())))
}

/// The user's own flags stay.
fn rust_flags(more: &str) -> String {
    match std::env::var("RUSTFLAGS") {
        Ok(flags) if !flags.is_empty() => format!("{flags} {more}"),
        _ => more.into(),
    }
}

fn rustc(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    String::from_utf8(output.stdout).map_err(|_| "rustc printed what is no text".into())
}
