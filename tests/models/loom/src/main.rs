//! Models of the memory orders, searched with loom: every interleaving and every value that a load may see, up to
//! `PREEMPTIONS` preemptions. Each model is a twin of C functions that it names, has the core's orders, and fails when
//! one of them is weakened.
//!
//! loom takes seq_cst accesses for acq_rel ones, which is weaker than the core's; where the core needs seq_cst the model says
//! so with a fence, which loom knows.
//!
//! `hakmem-models [--short]` runs all models and all broken twins and prints a table.
//! `hakmem-models MODEL [SITE ORDER]` runs one, with one order changed.

mod handover;
mod lists;
mod notice;
mod pool;
mod publish;

use std::process::Command;
use std::sync::atomic::Ordering as StdOrdering;
use std::sync::OnceLock;

use loom::sync::atomic::{AtomicU64, Ordering};

/// A protocol: its name, its search, and which of its sites fails the search with which weaker order, or which check without
/// ("none").
pub struct Model {
    pub name: &'static str,
    pub run: fn(),
    pub twins: &'static [(&'static str, &'static str)],
}

static WEAKENED: OnceLock<(String, Option<Ordering>)> = OnceLock::new();
static ITERATIONS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
static PREEMPTIONS: OnceLock<usize> = OnceLock::new();

/// The order of a site: the core's, unless this run is the twin in which it is another.
pub fn order(site: &str, core: Ordering) -> Ordering {
    match WEAKENED.get() {
        Some((name, Some(weaker))) if name == site => *weaker,
        _ => core,
    }
}

/// Whether this run is the twin that leaves a check out.
pub fn left_out(check: &str) -> bool {
    matches!(WEAKENED.get(), Some((name, None)) if name == check)
}

/// An atomic word. loom's search remembers one access to a word, the last: a load hides an earlier load of another thread from the
/// store that comes after both, and their order is never tried the other way round. So each access is preceded by a relaxed
/// read-modify-write of a word beside it, which orders nothing and is dependent on each other one.
pub struct Word {
    word: AtomicU64,
    turn: AtomicU64,
}

impl Word {
    pub fn new(value: u64) -> Word {
        Word { word: AtomicU64::new(value), turn: AtomicU64::new(0) }
    }

    fn turn(&self) -> &AtomicU64 {
        self.turn.fetch_add(0, Ordering::Relaxed);
        &self.word
    }

    pub fn load(&self, order: Ordering) -> u64 {
        self.turn().load(order)
    }

    pub fn store(&self, value: u64, order: Ordering) {
        self.turn().store(value, order);
    }

    pub fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.turn().swap(value, order)
    }

    pub fn fetch_and(&self, value: u64, order: Ordering) -> u64 {
        self.turn().fetch_and(value, order)
    }

    pub fn fetch_or(&self, value: u64, order: Ordering) -> u64 {
        self.turn().fetch_or(value, order)
    }

    pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.turn().fetch_add(value, order)
    }

    pub fn compare_exchange(&self, old: u64, new: u64, success: Ordering, failure: Ordering) -> Result<u64, u64> {
        self.turn().compare_exchange(old, new, success, failure)
    }
}

/// A fence that stands for the seq_cst of the accesses around it; left out where the twin weakens that site.
pub fn seq_cst_fence(site: &str) {
    if order(site, Ordering::SeqCst) == Ordering::SeqCst {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}

/// Searches `f`.
pub fn search(f: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(*PREEMPTIONS.get().unwrap());
    builder.max_branches = 100_000;
    builder.check(move || {
        ITERATIONS.fetch_add(1, StdOrdering::Relaxed);
        f();
    });
}

/// None: a check is left out.
fn parse_order(name: &str) -> Option<Ordering> {
    match name {
        "relaxed" => Some(Ordering::Relaxed),
        "acquire" => Some(Ordering::Acquire),
        "release" => Some(Ordering::Release),
        "none" => None,
        _ => panic!("no such order: {name}"),
    }
}

/// Runs a model or a twin in a process of its own: a search that fails leaves loom in no state to go on.
fn run_apart(preemptions: usize, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .env("MODEL_PREEMPTIONS", preemptions.to_string())
        .args(arguments)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn main() {
    let models: Vec<&Model> = [lists::MODELS, notice::MODELS, handover::MODELS, pool::MODELS, publish::MODELS]
        .into_iter()
        .flatten()
        .collect();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let short = arguments.iter().any(|argument| argument == "--short");
    if let Some(name) = arguments.iter().find(|argument| !argument.starts_with("--")) {
        let preemptions = std::env::var("MODEL_PREEMPTIONS").map_or(3, |text| text.parse().unwrap());
        PREEMPTIONS.set(preemptions).unwrap();
        if let [_, site, weaker] = &arguments[..] {
            WEAKENED.set((site.clone(), parse_order(weaker))).unwrap();
        }
        let model = models.iter().find(|model| model.name == name).expect("no such model");
        (model.run)();
        println!("{}", ITERATIONS.load(StdOrdering::Relaxed));
        return;
    }
    let mut failed = false;
    for model in models {
        let (passed, iterations) = run_apart(if short { 2 } else { 3 }, &[model.name]);
        failed |= !passed;
        let result = if passed { "holds" } else { "FAILS" };
        println!("loom/{:<34} {:>12} iterations  {result}", model.name, iterations);
        for (site, weaker) in model.twins {
            let (passed, _) = run_apart(3, &[model.name, site, weaker]);
            failed |= passed;
            let result = if passed { "NOT CAUGHT" } else { "caught" };
            println!("  {:<58} {result}", format!("{site} {weaker}"));
        }
    }
    std::process::exit(i32::from(failed));
}
