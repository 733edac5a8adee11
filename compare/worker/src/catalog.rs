//! Every workload: its name, its length and what it stands for. `compare` reads this file too, so that the two agree.

/// The line by which a worker says that its timed part is over, where it is asked to.
pub const OVER: &str = "the timed part is over\n";

pub struct Entry {
    pub name: &'static str,
    pub about: &'static str,
    /// What one operation is.
    pub unit: &'static str,
    /// How many operations a run does: about half a second's worth on a machine of 2020. Fixed, so that every allocator
    /// does the same work. Larson runs by the clock, as the original does, and has its milliseconds here.
    pub ops: u64,
    pub kind: Kind,
    /// Whether several threads work at a time.
    pub threads: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Calls the allocator's entry points itself.
    Raw,
    /// The same, for a time instead of a count.
    ByTheClock,
    /// Does the work of a real program; needs the worker's feature `programs`.
    Program,
}

const fn raw(name: &'static str, ops: u64, unit: &'static str, about: &'static str) -> Entry {
    Entry { name, about, unit, ops, kind: Kind::Raw, threads: false }
}

const fn clocked(name: &'static str, milliseconds: u64, about: &'static str) -> Entry {
    Entry { name, about, unit: "call", ops: milliseconds, kind: Kind::ByTheClock, threads: false }
}

const fn program(name: &'static str, ops: u64, unit: &'static str, about: &'static str) -> Entry {
    Entry { name, about, unit, ops, kind: Kind::Program, threads: false }
}

const fn threaded(entry: Entry) -> Entry {
    Entry { threads: true, ..entry }
}

pub const CATALOG: &[Entry] = &[
    raw(
        "random_mixed",
        30_000_000,
        "call",
        "8,192 slots of 16 to 1,040 B: an occupied one is freed, an empty one filled",
    ),
    raw("tiny_hot", 160_000_000, "call", "runs of one tiny size, freed last in first out"),
    raw("mid_large", 12_000_000, "call", "random_mixed with 8 to 32 KiB in 1,024 slots"),
    threaded(raw("mid_large_mt", 20_000_000, "call", "mid_large on 4 threads, 256 slots each")),
    raw("fragment_stress", 10_000_000, "call", "waves of different sizes, most of each freed at random"),
    threaded(clocked(
        "larson",
        500,
        "threads replace blocks of an array that passes to a new thread: 1 5 1 1000 100 10000 42",
    )),
    threaded(clocked("larson_sizes", 500, "larson with 16 to 1,024 B on 4 threads")),
    raw("box", 160_000_000, "call", "a Box of constant size, made and dropped"),
    raw("mixed_256", 80_000_000, "call", "mixed sizes to 1 KiB, mostly small, 256 live: one freed, one made"),
    raw("mixed_8k", 50_000_000, "call", "the same with 8,192 live"),
    raw("mixed_256k", 10_000_000, "call", "the same with 262,144 live"),
    raw("trees", 40_000_000, "call", "trees of 255 to 65,535 nodes of 24 B, made and dropped"),
    raw("large", 400_000, "call", "64 KiB to 1 MiB, 32 live, a byte written in each page"),
    raw("huge", 2_000, "call", "4 to 32 MiB, 8 live, a byte written in each page"),
    raw(
        "rebuild",
        3_200,
        "MiB",
        "160 MiB built and freed in turn, each time in blocks of another size, a byte written in each page",
    ),
    raw("vec_growth", 400_000_000, "push", "vectors that grow by pushing, to 16 MiB at most"),
    raw("realloc_steps", 6_000, "realloc", "buffers that grow to 32 MiB by an eighth at a time"),
    raw("zeroed", 400_000, "call", "zeroed memory of 256 B to 1 MiB, 64 live, a byte written in each page"),
    threaded(raw(
        "threads_churn",
        5_000_000,
        "call",
        "threads that come and go, four at a time, each leaving blocks behind",
    )),
    threaded(raw("pipe_small", 20_000_000, "call", "16 to 256 B made by one thread and freed by another")),
    threaded(raw("pipe_large", 4_000_000, "call", "1 to 16 KiB made by one thread and freed by another")),
    threaded(raw("random_owner", 30_000_000, "call", "4 threads; a block is freed by whichever comes upon it")),
    threaded(raw("random_owner_16", 20_000_000, "call", "the same with 16 threads")),
    threaded(raw("threads_4", 80_000_000, "call", "mixed sizes on 4 threads, 2,048 live each")),
    threaded(raw("threads_16", 50_000_000, "call", "mixed sizes on 16 threads, 2,048 live each")),
    threaded(raw(
        "sleepers",
        4_000_000,
        "call",
        "16 threads that fill 16 MiB in turn and sleep while another frees it",
    )),
    program("json", 60, "document", "documents parsed into a tree, changed, written out; the last 16 kept"),
    program("rust_parser", 120, "file", "a Rust parser over real sources; the trees of a pass are kept"),
    program("markdown", 500, "document", "documents rendered to HTML; the last 16 kept"),
    program("btree_strings", 1_500_000, "map call", "an ordered map of strings: insert, look up, remove"),
    program("hash_strings", 2_000_000, "map call", "a hash map of strings: insert, look up, remove"),
    threaded(program("tokio", 1_500_000, "message", "asynchronous tasks that pass owned messages along channels")),
];

pub fn find(name: &str) -> Option<&'static Entry> {
    CATALOG.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::CATALOG;

    #[test]
    fn no_name_stands_twice() {
        for (index, entry) in CATALOG.iter().enumerate() {
            assert!(CATALOG[..index].iter().all(|other| other.name != entry.name), "{}", entry.name);
        }
    }
}
