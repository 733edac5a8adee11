//! What the tests share: the libraries that cargo built beside them, C programs, and how a run went.
#![allow(dead_code)] // each test file uses a part

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Cargo puts the libraries into the folder of the test's own program.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let library = test.parent().expect("a program lies in a folder").join(name);
    assert!(library.exists(), "cargo did not build {}", library.display());
    library
}

pub fn shared_library() -> PathBuf {
    built("libhakmem_malloc.so")
}

pub fn static_library() -> PathBuf {
    built("libhakmem_malloc.a")
}

pub fn package_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether the machine has a command. A test that needs one which is not everywhere says that it was left out.
pub fn has(command: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(command).is_file());
    if !found {
        eprintln!("left out: this machine has no {command}");
    }
    found
}

/// A folder for a test's programs, gone when the test ends.
pub struct Workshop(tempfile::TempDir);

impl Workshop {
    pub fn new() -> Self {
        Workshop(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Compiles `tests/c/<source>` with `compiler` and `arguments` (behind the source, so that libraries find their users).
    pub fn compile<A: AsRef<OsStr>>(&self, compiler: &str, source: &str, arguments: &[A]) -> PathBuf {
        let program = self.path(&format!("{source}.{}", self.0.path().read_dir().map_or(0, Iterator::count)));
        let output = Command::new(compiler)
            .args(["-O1", "-g", "-Wall", "-Werror", "-fno-builtin", "-o"])
            .arg(&program)
            .arg(package_root().join("tests/c").join(source))
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("{compiler} does not start: {error}"));
        assert!(output.status.success(), "{compiler} {source}: {}", String::from_utf8_lossy(&output.stderr));
        program
    }
}

/// A run's end: what it wrote and how it ended.
#[derive(Debug)]
pub struct Run {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Run {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
            signal: output.status.signal(),
        }
    }
}

impl Run {
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// SIGABRT, after a line that begins so.
    #[track_caller]
    pub fn aborted_with(self, line: &str) -> Self {
        assert_eq!(self.signal, Some(6), "{self:#?}");
        assert!(self.stderr.lines().any(|found| found.starts_with(line)), "{self:#?}");
        self
    }
}

/// The program under the drop-in library, with no option of hakmem's set.
pub fn preloaded(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HAKMEM_") {
            command.env_remove(name);
        }
    }
    command.env("LD_PRELOAD", shared_library());
    command
}

/// The same with 24 MiB of address space, the loader's and the libraries' mappings included.
pub fn in_small_space(program: impl AsRef<OsStr>) -> Command {
    let mut command = preloaded("/bin/sh");
    // Preloaded behind the limit: the shell itself needs none of it.
    command.env_remove("LD_PRELOAD");
    command.args(["-c", "ulimit -v 24576; LD_PRELOAD=\"$0\" exec \"$@\""]).arg(shared_library()).arg(program);
    command
}

pub fn run(command: &mut Command) -> Run {
    command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}")).into()
}
