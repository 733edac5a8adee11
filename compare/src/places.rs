//! Where things lie: the sources of the workers, and what is built from them.

use std::path::{Path, PathBuf};

/// The directory of this package. Cargo tells a program that it runs; the constant serves one that is run by hand.
pub fn package() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .filter(|path| path.join("worker/Cargo.toml").is_file())
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")))
}

pub fn worker_manifest() -> PathBuf {
    package().join("worker/Cargo.toml")
}

/// Cargo's target directory, as the user set it or as Cargo chooses it.
fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => absolute(Path::new(&directory)),
        None => package().parent().unwrap_or(Path::new(".")).join("target"),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Everything of the workers that is built.
pub fn workers() -> PathBuf {
    target().join("compare-workers")
}

pub fn results(chosen: Option<&Path>) -> PathBuf {
    chosen.map_or_else(|| target().join("compare-results"), absolute)
}

/// Makes a directory and what is above it.
pub fn make(directory: &Path) -> Result<(), String> {
    std::fs::create_dir_all(directory)
        .map_err(|error| format!("cannot make the directory {}: {error}", directory.display()))
}

pub fn write(path: &Path, contents: &[u8]) -> Result<(), String> {
    std::fs::write(path, contents).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
