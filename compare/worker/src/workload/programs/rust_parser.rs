//! A Rust parser over real sources. The trees of a pass are kept until it ends, as a tool that looks at a crate does.

use std::path::{Path, PathBuf};

use crate::job::Job;
use crate::latency::timed_piece;

/// Where `compare` says that a crate's sources lie.
const VARIABLE: &str = "COMPARE_RUST_SOURCES";
const MOST_BYTES: usize = 4 << 20;

/// This worker's own files, for a worker that is run by hand.
const OWN: &[&str] = &[
    include_str!("rust_parser.rs"),
    include_str!("../larson.rs"),
    include_str!("../slots.rs"),
    include_str!("../../block.rs"),
    include_str!("../../latency.rs"),
    include_str!("../../report.rs"),
    include_str!("../../rss.rs"),
];

pub fn run(job: &Job) -> Result<u64, String> {
    let sources = sources()?;
    let mut trees = Vec::with_capacity(sources.len());
    job.timed(|| {
        for number in 0..job.ops as usize {
            let at = number % sources.len();
            if at == 0 {
                trees.clear();
            }
            if let Ok(tree) = timed_piece(job.sampling, || syn::parse_file(&sources[at])) {
                trees.push(tree);
            }
        }
    });
    if trees.is_empty() {
        return Err("none of the sources could be parsed".into());
    }
    drop(trees);
    Ok(job.ops)
}

fn sources() -> Result<Vec<String>, String> {
    let Some(directory) = std::env::var_os(VARIABLE) else {
        return Ok(OWN.iter().map(|text| String::from(*text)).collect());
    };
    let mut paths = Vec::new();
    collect(Path::new(&directory), &mut paths).map_err(|error| format!("cannot read {directory:?}: {error}"))?;
    // In order of name: every allocator parses the same files one after another.
    paths.sort();
    let mut texts = Vec::new();
    let mut bytes = 0;
    for text in paths.iter().filter_map(|path| std::fs::read_to_string(path).ok()) {
        bytes += text.len();
        texts.push(text);
        if bytes > MOST_BYTES {
            break;
        }
    }
    match texts.is_empty() {
        true => Err(format!("{VARIABLE} names {directory:?}, which holds no Rust sources")),
        false => Ok(texts),
    }
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}
