//! A second build of this program, which counts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Builds this example with `HAKMEM_STATS=1`, apart from the first build, and returns the program.
pub fn build() -> Result<PathBuf, String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    if !manifest.is_file() {
        return Err("not available here: hakmem's sources are not where this program was built".into());
    }
    let target = target_directory();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--release",
        "--quiet",
        "--example",
        "bench",
        "--message-format",
        "json-render-diagnostics",
    ]);
    command.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(&target);
    command.env("HAKMEM_STATS", "1").stdin(Stdio::null()).stderr(Stdio::piped());
    if !target.exists() {
        eprintln!("bench: building once more, with counters; this first time it takes a minute or two");
    }
    let output = command.output().map_err(|error| format!("not available here: cannot run cargo: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let why = text.lines().find(|line| line.starts_with("error")).unwrap_or("cargo build failed");
        return Err(format!("not available here: {why}"));
    }
    executable(&output.stdout).ok_or_else(|| "not available here: cargo named no program".into())
}

/// In the target directory that this program is in, so that what cleans the one cleans the other.
fn target_directory() -> PathBuf {
    // TARGET_DIR/[TRIPLE/]PROFILE/examples/bench
    let own = std::env::current_exe().unwrap_or_default();
    let beside =
        own.parent().filter(|folder| folder.ends_with("examples")).and_then(|folder| folder.ancestors().nth(2));
    beside.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from).join("bench-counting")
}

/// Cargo prints a line of JSON for each thing that it made; the last program is the example.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    serde_json::Deserializer::from_slice(messages)
        .into_iter::<Value>()
        .map_while(Result::ok)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .last()
}
