//! The worker's command line. Written by hand and kept small: only `compare` and people with a profiler call it.

use std::time::Duration;

use crate::catalog::{self, Entry};
use crate::latency::SAMPLES;

pub enum Request {
    Run(Run),
    List,
}

pub struct Run {
    pub entry: &'static Entry,
    pub ops: u64,
    pub seed: u64,
    pub threads: Option<usize>,
    pub slots: Option<usize>,
    pub arguments: Vec<f64>,
    /// None: no wait at the end, and no settled memory.
    pub settle: Option<Duration>,
    /// How many calls are timed; 0 for none.
    pub samples: u64,
    pub watch_memory: bool,
    /// Whether a line says that the timed part is over.
    pub announce: bool,
}

const USAGE: &str =
    "usage: NAME [--ops N] [--scale F] [--seed N] [--threads N] [--slots N] [--settle-ms N] [--no-latency] \
                     [--bare] [--samples N] [--announce] [ARGUMENTS OF larson], or --list";

pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Request, String> {
    let name = words.next().ok_or(USAGE)?;
    if name == "--list" {
        return Ok(Request::List);
    }
    let entry =
        catalog::find(&name).ok_or_else(|| format!("no workload is called {name:?}; --list names them\n{USAGE}"))?;
    let mut run = Run {
        entry,
        ops: entry.ops,
        seed: 42,
        threads: None,
        slots: None,
        arguments: Vec::new(),
        settle: Some(Duration::from_secs(1)),
        samples: SAMPLES,
        watch_memory: true,
        announce: false,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
            "--ops" => run.ops = number(&value()?)?,
            "--scale" => run.ops = scaled(entry.ops, number(&value()?)?)?,
            "--seed" => run.seed = number(&value()?)?,
            "--threads" => run.threads = Some(at_least_one(&value()?)?),
            "--slots" => run.slots = Some(at_least_one(&value()?)?),
            "--settle-ms" => run.settle = Some(Duration::from_millis(number(&value()?)?)),
            "--no-latency" => run.samples = 0,
            // After --bare it turns the timing of calls on again.
            "--samples" => run.samples = number(&value()?)?,
            "--announce" => run.announce = true,
            // Nothing but the work itself: for simulators, where a second thread and a second's sleep only cost time.
            "--bare" => (run.samples, run.watch_memory, run.settle) = (0, false, None),
            _ if entry.name.starts_with("larson") => run.arguments.push(number(&word)?),
            _ => return Err(format!("{word:?} is not an option of {name}\n{USAGE}")),
        }
    }
    if run.ops == 0 {
        return Err("a run needs at least one operation".into());
    }
    Ok(Request::Run(run))
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word:?} is not a number that fits here\n{USAGE}"))
}

fn at_least_one(word: &str) -> Result<usize, String> {
    match number(word)? {
        0 => Err(format!("it must be at least 1\n{USAGE}")),
        n => Ok(n),
    }
}

fn scaled(ops: u64, factor: f64) -> Result<u64, String> {
    if !(factor.is_finite() && factor > 0.0) {
        return Err("--scale must be above 0".into());
    }
    Ok(((ops as f64 * factor) as u64).max(1))
}

#[cfg(test)]
mod tests {
    use super::{parse, Request};

    fn words(line: &str) -> Result<Request, String> {
        parse(line.split(' ').map(String::from))
    }

    #[test]
    fn takes_options_in_any_order() {
        let Ok(Request::Run(run)) = words("random_mixed --slots 10 --scale 0.5") else { panic!("refused") };
        assert_eq!((run.slots, run.ops), (Some(10), run.entry.ops / 2));
    }

    #[test]
    fn samples_after_bare_are_taken() {
        let Ok(Request::Run(run)) = words("mixed_8k --bare --samples 100") else { panic!("refused") };
        assert_eq!((run.samples, run.watch_memory), (100, false));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in ["nothing", "box --threads 0", "box --ops", "box 1", "box --scale -1", "box --ops 0"] {
            assert!(words(line).is_err(), "{line}");
        }
    }

    #[test]
    fn larson_takes_positional_numbers() {
        let Ok(Request::Run(run)) = words("larson 1 5 1 1000 100 10000 42") else { panic!("refused") };
        assert_eq!(run.arguments.len(), 7);
    }
}
