//! The stored instruction counts of hakmem.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{machine, places};

/// A count may grow by this share before a check fails.
pub const TOLERANCE: f64 = 0.02;

/// Counts depend on the compilers, so these are stored with them.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub rustc: String,
    pub cc: String,
    pub instructions: BTreeMap<String, f64>,
}

impl Baseline {
    pub fn path() -> PathBuf {
        places::package().join("baseline.json")
    }

    pub fn of(instructions: BTreeMap<String, f64>) -> Self {
        Self { rustc: machine::rustc(), cc: machine::cc(), instructions }
    }

    /// None where there is no file yet.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                format!("{} cannot be read: {error}; `instructions --update` writes it anew", path.display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        }
    }

    /// Keeps the counts of workloads that were not run now.
    pub fn write(mut self, path: &Path) -> Result<(), String> {
        if let Ok(Some(old)) = Self::read(path) {
            for (workload, count) in old.instructions {
                self.instructions.entry(workload).or_insert(count);
            }
        }
        for count in self.instructions.values_mut() {
            *count = (*count * 1000.0).round() / 1000.0;
        }
        let mut text =
            serde_json::to_string_pretty(&self).map_err(|error| format!("cannot write the baseline: {error}"))?;
        text.push('\n');
        places::write(path, text.as_bytes())
    }

    /// What was compared with other compilers than those of now cannot be told from a change of the code.
    pub fn other_compilers(&self) -> Option<String> {
        let now = Self::of(BTreeMap::new());
        (self.rustc != now.rustc || self.cc != now.cc).then(|| {
            format!(
                "the baseline was counted with {} and {}, this with {} and {}",
                self.rustc, self.cc, now.rustc, now.cc
            )
        })
    }

    /// How much a count grew, as a share; None for a workload that the baseline does not have.
    pub fn growth(&self, workload: &str, count: f64) -> Option<f64> {
        Some(count / self.instructions.get(workload)? - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Baseline, TOLERANCE};

    fn baseline(counts: &[(&str, f64)]) -> Baseline {
        Baseline::of(counts.iter().map(|(name, count)| (String::from(*name), *count)).collect())
    }

    #[test]
    fn growth_is_a_share_of_the_stored_count() {
        let stored = baseline(&[("box", 100.0)]);
        assert!(stored.growth("box", 103.0).unwrap() > TOLERANCE);
        assert!(stored.growth("box", 101.0).unwrap() < TOLERANCE);
        assert!(stored.growth("box", 50.0).unwrap() < 0.0);
        assert_eq!(stored.growth("other", 1.0), None);
    }

    #[test]
    fn an_update_of_some_keeps_the_rest() {
        let path = std::env::temp_dir().join(format!("compare-baseline-{}.json", std::process::id()));
        baseline(&[("a", 1.0), ("b", 2.0)]).write(&path).unwrap();
        baseline(&[("b", 3.0)]).write(&path).unwrap();
        let read = Baseline::read(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.instructions, baseline(&[("a", 1.0), ("b", 3.0)]).instructions);
        assert_eq!(Baseline::read(&path), Ok(None));
    }
}
