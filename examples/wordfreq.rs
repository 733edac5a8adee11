//! Counts the words in a tree of files on several threads, and says what the allocator did:
//!
//! ```text
//! cargo run --release --example wordfreq -- .
//! cargo run --release --example wordfreq -- --top 5 --threads 4 src
//! ```
//!
//! The program itself is in `wordfreq/program.rs`, because `wordfreq_system.rs` is the same one on the system's allocator.

#[path = "wordfreq/program.rs"]
mod program;

#[global_allocator]
static GLOBAL: hakmem_alloc::Hakmem = hakmem_alloc::Hakmem::new();

fn main() -> std::process::ExitCode {
    program::run("hakmem", Some(hakmem_alloc::stats))
}
