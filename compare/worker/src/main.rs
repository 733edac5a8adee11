//! The worker as a program; all of it but its place in memory is in the library.

use std::process::ExitCode;

mod shift;

fn main() -> ExitCode {
    shift::keep();
    compare_worker::run(std::env::args().skip(1))
}
