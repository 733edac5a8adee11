//! Keeps hakmem busy for as long as it is asked to, in random phases, and looks at every block's contents and at
//! the memory that the process holds. `cargo run --release --example soak -- --seconds 600`; `--help` has the rest.

mod block;
mod memory;
mod phases;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Barrier;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;

use memory::{Check, Memory};
use phases::{Phase, Rng, Store};

#[global_allocator]
static GLOBAL: hakmem_alloc::Hakmem = hakmem_alloc::Hakmem::new();

/// Use hakmem from many threads in random phases, and check contents and resident memory.
///
/// Threads begin with nothing, grow to some target, go through random phases (churn, hand-over, short-lived threads
/// that leave blocks behind, large and huge blocks, growth by realloc, shrinking) and free everything; then others
/// begin anew. Every block holds a pattern that is checked when it is freed, and at random before. After each
/// phase, and half a second of ordinary allocation, resident memory must follow what is live;
/// examples/soak/memory.rs says how closely, and why.
#[derive(Parser)]
#[command(name = "soak")]
struct Options {
    /// How long
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Threads, besides those that come and go
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,
    /// Of the random numbers; without one, the clock's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

static CYCLE: AtomicU32 = AtomicU32::new(0);
static PHASE: AtomicU32 = AtomicU32::new(0);

/// Whatever fails, in whichever thread, says where and ends the process: others wait for that thread.
fn report_failures(seed: u64) {
    let standard = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        standard(panic);
        let phase = Phase::ALL[PHASE.load(Ordering::Relaxed) as usize];
        eprintln!("soak: failed in cycle {}, phase {phase:?}; --seed {seed}", CYCLE.load(Ordering::Relaxed));
        std::process::exit(1);
    }));
}

/// Ordinary allocation for half a second, 25,000 blocks: it notices time passing, and what is empty goes back.
fn settle() {
    for round in 0..25 {
        drop((0..1000).map(|i| vec![1_u8; 16 + (round * 131 + i * 37) % 1000]).collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The phases of one cycle: everything begins with growth and ends with nothing.
fn plan(rng: &mut Rng) -> Vec<Phase> {
    let middle = (0..2 + rng.below(5)).map(|_| Phase::MIDDLE[rng.below(Phase::MIDDLE.len())]);
    [Phase::Grow].into_iter().chain(middle).chain([Phase::Empty]).collect()
}

fn main() {
    let options = Options::parse();
    let from_clock =
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64 % 1_000_000_007);
    let seed = options.seed.unwrap_or_else(from_clock);
    println!("soak: {} s, {} threads, --seed {seed}", options.seconds, options.threads);
    report_failures(seed);
    let mut rng = Rng(seed);
    let store = Store::new();
    let mut memory = Memory::at_start(options.threads);
    let began = Instant::now();
    let mut cycle = 0;
    while began.elapsed() < Duration::from_secs(options.seconds) {
        cycle += 1;
        CYCLE.store(cycle, Ordering::Relaxed);
        let phases = plan(&mut rng);
        store.aim_at((8 << 20) + rng.below(184 << 20));
        let barrier = Barrier::new(options.threads as usize + 1);
        std::thread::scope(|scope| {
            for _ in 0..options.threads {
                let (store, barrier, phases, mut rng) = (&store, &barrier, &phases, Rng(rng.next()));
                scope.spawn(move || {
                    for phase in phases {
                        barrier.wait();
                        phase.run(store, &mut rng);
                        while {
                            barrier.wait();
                            settle();
                            barrier.wait();
                            barrier.wait(); // resident memory was looked at
                            !store.is_settled()
                        } {}
                    }
                });
            }
            for &phase in &phases {
                PHASE.store(phase as u32, Ordering::Relaxed);
                if phase == Phase::Shrink {
                    store.aim_at(store.live() / (2 + rng.below(6)));
                }
                store.end_phase_in(Duration::from_millis(200 + rng.below(600) as u64));
                barrier.wait();
                let check = match phase {
                    Phase::Grow => Check::Live,
                    Phase::Empty => Check::Nothing,
                    _ => Check::Held,
                };
                let mut turn = 0;
                while {
                    barrier.wait();
                    settle();
                    barrier.wait();
                    turn += 1;
                    let settled = memory.look(&store, phase, check, turn);
                    store.note_settled(settled);
                    barrier.wait();
                    !settled
                } {}
            }
        });
        println!("soak: {} s, {cycle} cycles, {} blocks kept", began.elapsed().as_secs(), store.blocks_kept());
    }
    println!("soak: passed; {}", memory.summary());
}
