//! The worker as a program; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    compare_worker::run(std::env::args().skip(1))
}
