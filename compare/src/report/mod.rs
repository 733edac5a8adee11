//! What a run ends with: a table, JSON, CSV, Markdown, and a page.

pub mod csv;
mod html;
mod markdown;
mod plot;
pub mod terminal;
pub mod units;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::machine::Machine;
use crate::places;
use crate::ranking::{Row, Standing};
use crate::rounds::Runs;

#[derive(Serialize)]
pub struct Report {
    pub machine: Machine,
    pub rounds: u32,
    pub scale: f64,
    pub seed: u64,
    pub standings: Vec<Standing>,
    pub rows: Vec<Row>,
    /// Name and reason.
    pub not_built: Vec<(String, String)>,
    pub runs: Vec<Runs>,
}

impl Report {
    /// How often, in words.
    fn rounds_line(&self) -> String {
        let most = self.rows.iter().map(|row| row.rounds).max().unwrap_or_default();
        let more = self.rows.iter().filter(|row| row.rounds > self.rounds as usize).count();
        match more {
            0 => self.rounds.to_string(),
            _ => format!(
                "{}, and up to {most} of an allocator in a workload whose order was not sure ({more} of {})",
                self.rounds,
                self.rows.len()
            ),
        }
    }
}

/// Writes all files and returns their names.
pub fn write(report: &Report, directory: &Path) -> Result<Vec<PathBuf>, String> {
    let json = serde_json::to_vec_pretty(report).map_err(|error| format!("cannot write JSON: {error}"))?;
    let files = [
        ("compare.json", json),
        ("compare.csv", csv::render(&report.rows)?),
        ("compare.md", markdown::render(report).into_bytes()),
        ("compare.html", html::render(report)?.into_bytes()),
    ];
    files
        .into_iter()
        .map(|(name, contents)| {
            let path = directory.join(name);
            places::write(&path, &contents)?;
            Ok(path)
        })
        .collect()
}
