//! The word counter, whichever allocator it runs on.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Parser;
use hakmem_alloc::Stats;
use walkdir::{DirEntry, WalkDir};

/// What the figures of the allocator come from; `None` for one that has none.
pub type StatsSource = Option<fn() -> Stats>;

/// Count the words in a tree of files on several threads.
///
/// A word is a run of letters, digits and underscores; upper and lower case count as the same. Files that are not UTF-8 text
/// are skipped, as are hidden files and directories, and links.
#[derive(Parser)]
struct Options {
    /// The directory (or single file) to read
    path: PathBuf,
    /// How many of the most frequent words to print
    #[arg(long, default_value_t = 20, value_name = "N")]
    top: usize,
    /// Threads that read files [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Read hidden files and directories too
    #[arg(long)]
    hidden: bool,
}

type Counts = HashMap<String, u64>;

/// What was read, by one thread or by all.
#[derive(Default)]
struct Tally {
    counts: Counts,
    files: u64,
    bytes: u64,
    words: u64,
    binary: u64,
    unreadable: u64,
}

impl Tally {
    fn merge(&mut self, other: Tally) {
        for (word, count) in other.counts {
            *self.counts.entry(word).or_insert(0) += count;
        }
        self.files += other.files;
        self.bytes += other.bytes;
        self.words += other.words;
        self.binary += other.binary;
        self.unreadable += other.unreadable;
    }

    fn count_text(&mut self, text: &str) {
        for word in text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()) {
            *self.counts.entry(word.to_lowercase()).or_insert(0) += 1;
            self.words += 1;
        }
    }

    fn count_file(&mut self, path: &Path) {
        match read_text(path) {
            Ok(Some(text)) => {
                self.files += 1;
                self.bytes += text.len() as u64;
                self.count_text(&text);
            }
            Ok(None) => self.binary += 1,
            Err(_) => self.unreadable += 1,
        }
    }
}

/// The file's text; `None` if it is not text, for which its beginning is enough most of the time.
fn read_text(path: &Path) -> io::Result<Option<String>> {
    const LOOK_AT: u64 = 8192;
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    (&mut file).take(LOOK_AT).read_to_end(&mut bytes)?;
    if bytes.contains(&0) {
        return Ok(None);
    }
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes).ok())
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
}

/// The files below `root`, and how many directories could not be read.
fn list_files(root: &Path, hidden: bool) -> (Vec<PathBuf>, u64) {
    let mut files = Vec::new();
    let mut unreadable = 0;
    for entry in WalkDir::new(root).into_iter().filter_entry(|entry| hidden || !is_hidden(entry)) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(_) => {}
            Err(_) => unreadable += 1,
        }
    }
    (files, unreadable)
}

/// Shows how far the work is, on a terminal and once it takes a while; takes its line away in the end.
struct Progress {
    began: Instant,
    shown: bool,
}

impl Progress {
    const QUIET: Duration = Duration::from_secs(1);

    fn new() -> Self {
        Progress { began: Instant::now(), shown: false }
    }

    fn show(&mut self, done: usize, files: usize) {
        if self.began.elapsed() >= Self::QUIET && io::stderr().is_terminal() {
            eprint!("\r{done} of {files} files");
            self.shown = true;
        }
    }

    fn clear(&mut self) {
        if self.shown {
            eprint!("\r\x1b[K");
            self.shown = false;
        }
    }
}

/// Adds up what the threads send, until the last of them has ended.
fn gather(tallies: &Receiver<Tally>, next: &AtomicUsize, files: usize) -> Tally {
    let mut total = Tally::default();
    let mut progress = Progress::new();
    loop {
        match tallies.recv_timeout(Duration::from_millis(200)) {
            Ok(tally) => total.merge(tally),
            Err(RecvTimeoutError::Timeout) => progress.show(next.load(Ordering::Relaxed).min(files), files),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    progress.clear();
    total
}

/// Every thread takes the next file that nobody has taken, and hands its counts over when none is left.
fn count_files(files: &[PathBuf], threads: usize) -> Tally {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            let next = &next;
            scope.spawn(move || {
                let mut tally = Tally::default();
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    tally.count_file(path);
                }
                // The receiver lives until every sender is gone.
                let _ = sender.send(tally);
            });
        }
        drop(sender);
        gather(&receiver, &next, files.len())
    })
}

/// The most frequent words first; equally frequent ones in alphabetical order, so that every run prints the same.
fn ranked(counts: &Counts) -> Vec<(&str, u64)> {
    let mut words: Vec<_> = counts.iter().map(|(word, &count)| (word.as_str(), count)).collect();
    words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    words
}

struct Report<'a> {
    tally: &'a Tally,
    top: usize,
    threads: usize,
    took: Duration,
    allocator: &'a str,
    stats: Option<Stats>,
}

impl Report<'_> {
    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let tally = self.tally;
        for (word, count) in ranked(&tally.counts).into_iter().take(self.top) {
            writeln!(out, "{count:>10}  {word}")?;
        }
        writeln!(
            out,
            "\nfiles      {:>12}   skipped: {} not text, {} unreadable",
            tally.files, tally.binary, tally.unreadable
        )?;
        writeln!(out, "bytes      {:>12}", tally.bytes)?;
        writeln!(out, "words      {:>12}", tally.words)?;
        writeln!(out, "distinct   {:>12}", tally.counts.len())?;
        writeln!(out, "seconds    {:>12.3}   on {} threads", self.took.as_secs_f64(), self.threads)?;
        writeln!(out, "\nallocator  {:>12}", self.allocator)?;
        if let Some(stats) = &self.stats {
            writeln!(out, "{stats}")?;
            if stats.peak_bytes.is_none() {
                writeln!(out, "(build with HAKMEM_STATS=1 in the environment to count events too)")?;
            }
        }
        Ok(())
    }

    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let tally = self.tally;
        let top: Vec<_> = ranked(&tally.counts)
            .into_iter()
            .take(self.top)
            .map(|(word, count)| serde_json::json!({ "word": word, "count": count }))
            .collect();
        let allocator = self.stats.as_ref().map(|stats| {
            serde_json::json!({
                "live_bytes": stats.live_bytes,
                "live_blocks": stats.live_blocks,
                "committed_bytes": stats.committed_bytes,
                "reserved_bytes": stats.reserved_bytes,
                "peak_bytes": stats.peak_bytes,
                "direct_hit_rate": stats.direct_hit_rate(),
                "local_frees": stats.local_frees,
                "remote_frees": stats.remote_frees,
            })
        });
        let report = serde_json::json!({
            "files": tally.files,
            "not_text": tally.binary,
            "unreadable": tally.unreadable,
            "bytes": tally.bytes,
            "words": tally.words,
            "distinct": tally.counts.len(),
            "seconds": self.took.as_secs_f64(),
            "threads": self.threads,
            "top": top,
            "allocator": self.allocator,
            "stats": allocator,
        });
        writeln!(out, "{report}")
    }

    /// A reader that has seen enough (`wordfreq . | head`) is no failure.
    fn print(&self, json: bool) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        let written = if json { self.write_json(&mut out) } else { self.write_text(&mut out) };
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

fn fail(what: impl std::fmt::Display) -> ExitCode {
    eprintln!("wordfreq: {what}");
    ExitCode::from(2)
}

/// Everything from the command line to the exit code: 0, or 2 for what cannot be read at all or written.
pub fn run(allocator: &str, stats: StatsSource) -> ExitCode {
    let options = Options::parse();
    if let Err(error) = std::fs::metadata(&options.path) {
        return fail(format_args!("cannot read {}: {error}", options.path.display()));
    }
    let threads = options
        .threads
        .map(usize::from)
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    let began = Instant::now();
    let (files, unreadable) = list_files(&options.path, options.hidden);
    let mut tally = count_files(&files, threads);
    tally.unreadable += unreadable;
    let report = Report {
        tally: &tally,
        top: options.top,
        threads,
        took: began.elapsed(),
        allocator,
        stats: stats.map(|stats| stats()),
    };
    match report.print(options.json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(format_args!("cannot write the result: {error}")),
    }
}
