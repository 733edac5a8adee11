//! What `hakmem_alloc::stats()` shows at some moments of a small program:
//!
//! ```text
//! cargo run --release --example stats
//! HAKMEM_STATS=1 cargo run --release --example stats      # counts events as well
//! ```

use std::thread;

use hakmem_alloc::Stats;

#[global_allocator]
static GLOBAL: hakmem_alloc::Hakmem = hakmem_alloc::Hakmem::new();

fn kib(bytes: u64) -> u64 {
    bytes.div_ceil(1024)
}

fn count(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn print_head() {
    println!(
        "{:<44} {:>9} {:>9} {:>13} {:>12} {:>12} {:>8}",
        "", "live KiB", "blocks", "committed KiB", "local frees", "remote frees", "hits"
    );
}

fn print_line(moment: &str, stats: &Stats) {
    println!(
        "{moment:<44} {:>9} {:>9} {:>13} {:>12} {:>12} {:>8}",
        kib(stats.live_bytes),
        stats.live_blocks,
        kib(stats.committed_bytes),
        count(stats.local_frees),
        count(stats.remote_frees),
        stats.direct_hit_rate().map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", rate * 100.0)),
    );
}

/// The three classes with the most bytes.
fn print_classes(stats: &Stats) {
    let mut classes: Vec<_> = stats.classes().filter(|class| class.live_blocks != 0).collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.live_blocks * class.block_bytes as u64));
    for class in classes.iter().take(3) {
        println!("    {:>8} blocks of {:>5} B", class.live_blocks, class.block_bytes);
    }
}

fn main() {
    print_head();
    print_line("at the start", &hakmem_alloc::stats());

    let words: Vec<String> = (0..200_000).map(|i| format!("word number {i}")).collect();
    let stats = hakmem_alloc::stats();
    print_line("200,000 strings in a vector", &stats);
    print_classes(&stats);

    let half: Vec<String> = words.into_iter().step_by(2).collect();
    print_line("every second one freed", &hakmem_alloc::stats());

    thread::spawn(move || drop(half)).join().expect("dropping strings does not panic");
    print_line("the others freed by another thread", &hakmem_alloc::stats());

    hakmem_alloc::purge();
    print_line("after purge()", &hakmem_alloc::stats());

    let large = vec![1_u8; 3 << 20];
    let huge = vec![0_u8; 64 << 20];
    let stats = hakmem_alloc::stats();
    print_line("3 MiB written, 64 MiB of zeros not touched", &stats);
    println!("    {:>8} runs of slots, {} mappings of their own", stats.large_blocks, stats.huge_blocks);
    drop((large, huge));
    print_line("both freed", &hakmem_alloc::stats());

    if stats.local_frees.is_none() {
        println!("\n- is counted by a build with HAKMEM_STATS=1 in its environment only");
    }
}
