//! The workloads, by name. A workload sets up, runs its timed part through `Job::timed`, frees everything, and returns
//! how many operations the timed part did.

mod boxes;
mod fragment;
mod huge;
mod larson;
mod owners;
mod pipe;
mod realloc;
mod rebuild;
mod sizes;
mod sleepers;
mod slots;
mod threads;
mod tiny;
mod trees;
mod zeroed;

#[cfg(feature = "programs")]
mod programs;

use crate::job::Job;

pub fn run(name: &str, job: &Job) -> Result<u64, String> {
    Ok(match name {
        "random_mixed" => slots::toggle(job, 8192, sizes::Even { low: 16, high: 1040 }),
        "mid_large" => slots::toggle(job, 1024, sizes::Even { low: 8 << 10, high: 32 << 10 }),
        "mid_large_mt" => slots::toggle_on_threads(job, 4, 256, sizes::Even { low: 8 << 10, high: 32 << 10 }),
        "mixed_256" => slots::replace(job, 256, sizes::MostlySmall),
        "mixed_8k" => slots::replace(job, 8 << 10, sizes::MostlySmall),
        "mixed_256k" => slots::replace(job, 256 << 10, sizes::MostlySmall),
        "threads_4" => slots::replace_on_threads(job, 4, 2048, sizes::MostlySmall),
        "threads_16" => slots::replace_on_threads(job, 16, 2048, sizes::MostlySmall),
        "tiny_hot" => tiny::run(job),
        "box" => boxes::run(job),
        "fragment_stress" => fragment::run(job),
        "larson" => larson::run(job, larson::ORIGINAL)?,
        "larson_sizes" => larson::run(job, larson::FOUR_THREADS)?,
        "large" => huge::run(job, 32, 64 << 10, 1 << 20),
        "huge" => huge::run(job, 8, 4 << 20, 32 << 20),
        "vec_growth" => realloc::vectors(job),
        "realloc_steps" => realloc::steps(job),
        "zeroed" => zeroed::run(job),
        "threads_churn" => threads::run(job),
        "pipe_small" => pipe::run(job, 16, 256),
        "pipe_large" => pipe::run(job, 1 << 10, 16 << 10),
        "random_owner" => owners::run(job, 4),
        "random_owner_16" => owners::run(job, 16),
        "trees" => trees::run(job),
        "rebuild" => rebuild::run(job),
        "sleepers" => sleepers::run(job),
        #[cfg(feature = "programs")]
        "json" => programs::json::run(job),
        #[cfg(feature = "programs")]
        "rust_parser" => programs::rust_parser::run(job)?,
        #[cfg(feature = "programs")]
        "markdown" => programs::markdown::run(job),
        #[cfg(feature = "programs")]
        "btree_strings" => programs::maps::ordered(job),
        #[cfg(feature = "programs")]
        "hash_strings" => programs::maps::hashed(job),
        #[cfg(feature = "programs")]
        "tokio" => programs::tokio_tasks::run(job)?,
        _ => return Err("this build does not have it".into()),
    })
}
