//! What having the allocator costs a program that does next to nothing: system calls and resident memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use super::rows::find;
use super::section::Section;
use crate::builder::Built;
use crate::ranking::{Row, HAKMEM};
use crate::report::terminal::table;
use crate::statistics::Summary;
use crate::tools::{self, Tool};
use crate::verdict::{verdict, Verdict};
use crate::worker::{self, Bounds, Case};
use crate::{places, progress};

const NAME: &str = "start";
/// The Rust runtime, a command line, one block, one line of output.
const WORDS: &str = "box --bare --ops 1";
/// The allocator that a program has anyway.
const PLAIN: &str = "system";
const MORE_CALLS: u64 = 20;
const MORE_MEMORY: f64 = (256 << 10) as f64;

/// One allocator's start.
#[derive(Clone, Debug, Serialize)]
pub struct Start {
    pub allocator: String,
    /// By name. None where they cannot be counted.
    pub system_calls: Option<BTreeMap<String, u64>>,
    pub not_counted: Option<String>,
    pub resident: Option<Summary>,
    /// Of it, what is no unchanged page of a file.
    pub anonymous: Option<Summary>,
}

impl Start {
    fn calls(&self) -> Option<u64> {
        self.system_calls.as_ref().map(|calls| calls.values().sum())
    }
}

pub fn case() -> Case {
    Case::new(NAME, WORDS)
}

/// Memory is in the rows already; the calls need a run of their own, and one is enough, since they repeat.
pub fn starts(built: &[Built], rows: &[Row], timeout: u64) -> Vec<Start> {
    let bar = progress::bar(built.len() as u64, "tracing");
    let starts = built
        .iter()
        .map(|built| {
            bar.say(&built.variant.name);
            let (system_calls, not_counted) = match system_calls(built, timeout) {
                Ok(calls) => (Some(calls), None),
                Err(reason) => (None, Some(reason)),
            };
            bar.step();
            let allocator = built.variant.name.clone();
            let row = find(rows, NAME, &allocator);
            let (resident, anonymous) = (row.and_then(|row| row.start_rss), row.and_then(|row| row.start_anonymous));
            Start { allocator, system_calls, not_counted, resident, anonymous }
        })
        .collect();
    bar.end();
    starts
}

fn system_calls(built: &Built, timeout: u64) -> Result<BTreeMap<String, u64>, String> {
    tools::missing(&[Tool::Strace]).map_or(Ok(()), Err)?;
    let directory = places::workers().join("strace");
    places::make(&directory)?;
    let file = directory.join(&built.variant.name);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&file).arg(built.program()).args(case().arguments);
    command.envs(built.variant.run_environment.iter().copied());
    worker::output(command, Bounds::of(timeout, None))?;
    counts(&file)
}

fn counts(file: &Path) -> Result<BTreeMap<String, u64>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let mut counts = BTreeMap::new();
    for name in text.lines().filter_map(called) {
        *counts.entry(name.to_string()).or_default() += 1;
    }
    match counts.is_empty() {
        true => Err(format!("strace wrote no call to {}", file.display())),
        false => Ok(counts),
    }
}

/// The call that a line of strace begins: "12 mmap(NULL, ...". Signals and the second halves of calls are none.
fn called(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').split_once('(')?;
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_name && !name.is_empty()).then_some(name)
}

pub fn section(starts: &[Start]) -> Section {
    let plain = starts.iter().find(|start| start.allocator == PLAIN);
    let header =
        ["allocator", "system calls", "more", "own KiB", "more", "resident KiB", "calls that system's has not"];
    let mut lines = table(&header);
    for start in starts {
        let number = |value: Option<i64>| value.map_or_else(|| "-".into(), |value| value.to_string());
        let more = |value: Option<i64>| value.map_or_else(|| "-".into(), |value| format!("{value:+}"));
        let calls = start.calls().map(|calls| calls as i64);
        let plain_calls = plain.and_then(Start::calls).map(|calls| calls as i64);
        let kib = |bytes: Option<Summary>| bytes.map(|bytes| (bytes.median / 1024.0) as i64);
        let above = |own: Option<i64>, plain: Option<i64>| Some(own? - plain?);
        lines.add_row([
            start.allocator.clone(),
            number(calls),
            more(above(calls, plain_calls)),
            number(kib(start.anonymous)),
            more(above(kib(start.anonymous), plain.and_then(|plain| kib(plain.anonymous)))),
            number(kib(start.resident)),
            plain.map_or_else(String::new, |plain| extra(start, plain)),
        ]);
    }
    let mut about = format!(
        "`{WORDS}`: the Rust runtime, one block, one line of output. Memory is what is resident before that block. Its \
         own is all but unchanged pages of files, which are anybody's: the kernel maps more or fewer of them around \
         each that is touched, which makes a difference of 100 KiB from build to build."
    );
    if let Some(reason) = starts.iter().find_map(|start| start.not_counted.as_ref()) {
        about += &format!(" System calls are not available here: {reason}.");
    }
    Section { title: "Start", about, table: lines, verdicts: judge(starts) }
}

/// "madvise 1, mmap 2"
fn extra(start: &Start, plain: &Start) -> String {
    let (Some(own), Some(plain)) = (&start.system_calls, &plain.system_calls) else {
        return String::new();
    };
    let more = own.iter().filter_map(|(name, count)| {
        let more = count.saturating_sub(plain.get(name).copied().unwrap_or(0));
        (more > 0).then(|| format!("{name} {more}"))
    });
    more.collect::<Vec<_>>().join(", ")
}

fn judge(starts: &[Start]) -> Vec<Verdict> {
    let find = |name| starts.iter().find(|start| start.allocator == name);
    let both = find(HAKMEM).zip(find(PLAIN));
    let calls = both.and_then(|(own, plain)| Some(own.calls()? as i64 - plain.calls()? as i64));
    let memory = both.and_then(|(own, plain)| Some(own.anonymous?.median - plain.anonymous?.median));
    vec![
        verdict(
            "start: system calls more than system's",
            format!("≤ {MORE_CALLS}"),
            calls.map(|calls| calls.to_string()),
            calls.map(|calls| calls <= MORE_CALLS as i64),
        ),
        verdict(
            "start: memory of its own more than system's",
            format!("≤ {} KiB", MORE_MEMORY / 1024.0),
            memory.map(|bytes| format!("{:.0} KiB", bytes / 1024.0)),
            memory.map(|bytes| bytes <= MORE_MEMORY),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::{called, extra, judge, Start};
    use crate::statistics::Summary;

    fn start(allocator: &str, mmaps: Option<u64>, kib: f64) -> Start {
        Start {
            allocator: allocator.into(),
            system_calls: mmaps.map(|mmaps| [("mmap".into(), mmaps), ("write".into(), 1)].into()),
            not_counted: None,
            resident: None,
            anonymous: Summary::of([kib * 1024.0]),
        }
    }

    #[test]
    fn a_line_of_strace_is_a_call_or_none() {
        assert_eq!(called("7713  execve(\"./hakmem\", [\"x\"]) = 0"), Some("execve"));
        assert_eq!(called("12 futex(0x1, FUTEX_WAIT <unfinished ...>"), Some("futex"));
        assert_eq!(called("12 <... futex resumed>) = 0"), None);
        assert_eq!(called("12 --- SIGCHLD {si_signo=SIGCHLD} (x) ---"), None);
        assert_eq!(called("12 +++ exited with 0 +++"), None);
    }

    #[test]
    fn both_bounds_are_met_up_to_their_end() {
        let met = |calls, kib| {
            let starts = [start("hakmem", calls, kib), start("system", Some(30), 1000.0)];
            judge(&starts).into_iter().map(|verdict| verdict.met).collect::<Vec<_>>()
        };
        assert_eq!(met(Some(50), 1256.0), [Some(true), Some(true)]);
        assert_eq!(met(Some(51), 1257.0), [Some(false), Some(false)]);
        assert_eq!(met(None, 900.0), [None, Some(true)]);
    }

    #[test]
    fn only_what_is_more_is_named() {
        assert_eq!(extra(&start("a", Some(5), 1.0), &start("b", Some(2), 1.0)), "mmap 3");
    }
}
