//! `wordfreq` on the system's allocator, for comparison: the same counts, other figures.

#[path = "wordfreq/program.rs"]
mod program;

fn main() -> std::process::ExitCode {
    program::run("system", None)
}
