//! A part as people read it: the page is the same on the terminal and in growth.md.

use std::fmt::Display;

use comfy_table::Table;

use crate::cli::Growth;
use crate::machine::Machine;
use crate::verdict::{self, Verdict};

pub struct Section {
    pub title: &'static str,
    pub about: String,
    pub table: Table,
    pub verdicts: Vec<Verdict>,
}

pub fn page(
    machine: &Machine,
    options: &Growth,
    sections: &[Section],
    verdicts: &[Verdict],
    failures: &[String],
) -> String {
    let mut paragraphs: Vec<String> = vec!["# hakmem and growth".into()];
    paragraphs.extend(machine.lines());
    paragraphs.push(format!(
        "Rounds: {}; scale {}, seed {}; medians, a process for each run, the allocators in turn.",
        options.rounds, options.limits.scale, options.limits.seed
    ));
    for section in sections {
        paragraphs.extend([format!("## {}", section.title), section.about.clone(), text(&section.table)]);
    }
    paragraphs.extend(["## Targets".into(), text(verdict::table(verdicts))]);
    if !failures.is_empty() {
        let lines: Vec<String> = failures.iter().map(|failure| format!("- {failure}")).collect();
        paragraphs.extend(["## Failed".into(), lines.join("\n")]);
    }
    paragraphs.join("\n\n") + "\n"
}

fn text(table: impl Display) -> String {
    table.to_string()
}
