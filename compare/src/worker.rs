//! Runs one worker, watched: a crash, a hang or a worker that eats the machine's memory becomes a row, not the end.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::builder::Built;
use crate::cli::Limits;
use crate::measurement::Measurement;
use crate::processors::Ended;
use crate::{catalog, machine, places};

/// The status of a worker that got no memory.
const OUT_OF_MEMORY: i32 = 12;
const POLL: Duration = Duration::from_millis(10);

/// The bounds of a run.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub timeout: Duration,
    pub memory: u64,
}

impl Bounds {
    pub fn new(limits: &Limits) -> Self {
        Self::of(limits.timeout, limits.memory_limit)
    }

    pub fn of(timeout_seconds: u64, memory_mib: Option<u64>) -> Self {
        let available = machine::available_memory().map_or(u64::MAX, |bytes| bytes / 5 * 4);
        Self { timeout: Duration::from_secs(timeout_seconds), memory: memory_mib.map_or(available, |mib| mib << 20) }
    }
}

/// One thing to measure.
pub struct Case {
    /// What its row is called.
    pub name: String,
    /// The worker's, the workload first.
    pub arguments: Vec<String>,
    /// Whether several threads work at a time.
    pub threads: bool,
}

impl Case {
    /// A workload as the catalog has it.
    pub fn of(workload: &str, limits: &Limits, settle_ms: u64) -> Self {
        let words = format!("{workload} --scale {} --seed {} --settle-ms {settle_ms}", limits.scale, limits.seed);
        Self::new(workload, &words)
    }

    pub fn new(name: &str, words: &str) -> Self {
        let mut arguments: Vec<String> = words.split_whitespace().map(String::from).collect();
        let threads = arguments.first().and_then(|name| catalog::find(name)).is_some_and(|entry| entry.threads);
        if threads {
            arguments.push("--announce".into());
        }
        Self { name: name.into(), arguments, threads }
    }
}

/// Runs a case once, in a round's place in memory, and calls `ended` when the timed part is over, of one with threads.
pub fn run(built: &Built, round: u32, case: &Case, limits: &Limits, ended: &mut Ended) -> Result<Measurement, String> {
    let mut command = Command::new(built.program_of(round));
    command.args(&case.arguments);
    command.envs(built.variant.run_environment.iter().copied());
    if let Some(sources) = rust_sources() {
        command.env("COMPARE_RUST_SOURCES", sources);
    }
    let mut measurement = Measurement::parse(&output_until(command, Bounds::new(limits), ended)?)?;
    if measurement.allocator != built.variant.allocator {
        return Err(format!(
            "{} is a worker with {}; run one comparison at a time in a target directory, and this one again",
            built.program_of(round).display(),
            measurement.allocator
        ));
    }
    // A worker knows its allocator, not the variant's name.
    measurement.allocator.clone_from(&built.variant.name);
    Ok(measurement)
}

/// The standard output of a command that ended well within its bounds.
pub fn output(command: Command, bounds: Bounds) -> Result<String, String> {
    output_until(command, bounds, &mut || {})
}

/// The same, of a worker that announces the end of its timed part.
fn output_until(mut command: Command, bounds: Bounds, ended: &mut Ended) -> Result<String, String> {
    let program = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", Path::new(&program).display()))?;
    // Both pipes are emptied as they fill, or a worker that says much would wait for ever.
    let (text, errors) = (child.stdout.take(), child.stderr.take());
    let (status, text, errors) = std::thread::scope(|scope| {
        let text = scope.spawn(|| collect(text, ended));
        let errors = scope.spawn(|| collect(errors, &mut || {}));
        (wait(&mut child, bounds), text.join().unwrap_or_default(), errors.join().unwrap_or_default())
    });
    let status = status?;
    if status.success() {
        return Ok(text);
    }
    let why = reason(status);
    let said = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(if said.is_empty() { why } else { format!("{why}: {said}") })
}

fn collect(pipe: Option<impl Read>, ended: &mut Ended) -> String {
    let mut bytes = Vec::new();
    let mut pipe = pipe.map(BufReader::new);
    let mut line = 0;
    // What was read before an error is still worth having.
    while pipe.as_mut().is_some_and(|pipe| pipe.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0)) {
        if bytes[line..] == *catalog::OVER.as_bytes() {
            ended();
        }
        line = bytes.len();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wait(child: &mut Child, bounds: Bounds) -> Result<ExitStatus, String> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| format!("cannot wait for the worker: {error}"))? {
            return Ok(status);
        }
        let verdict = if begin.elapsed() > bounds.timeout {
            Some(format!("hung: not done after {} s", bounds.timeout.as_secs()))
        } else if machine::resident_memory(child.id()).is_some_and(|bytes| bytes > bounds.memory) {
            Some(format!("out of memory: more than {} MiB", bounds.memory >> 20))
        } else {
            None
        };
        if let Some(verdict) = verdict {
            // It may have ended by itself since; then there is nothing to do.
            let _ = child.kill();
            let _ = child.wait();
            return Err(verdict);
        }
        std::thread::sleep(POLL);
    }
}

fn reason(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(OUT_OF_MEMORY), _) => "out of memory".into(),
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(libc::SIGKILL)) => "killed, most likely for memory".into(),
        (None, Some(libc::SIGSEGV)) => "crashed (SIGSEGV)".into(),
        (None, Some(libc::SIGBUS)) => "crashed (SIGBUS)".into(),
        (None, Some(libc::SIGABRT)) => "aborted (SIGABRT)".into(),
        (None, Some(libc::SIGILL)) => "crashed (SIGILL)".into(),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended in a way the system does not tell".into(),
    }
}

/// Sources for the parser workload: those of the parser itself, at the version that the workers' lock file names, so that
/// every machine parses the same.
fn rust_sources() -> Option<&'static Path> {
    static SOURCES: std::sync::OnceLock<Option<std::path::PathBuf>> = std::sync::OnceLock::new();
    SOURCES
        .get_or_init(|| {
            let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
                .args(["metadata", "--format-version", "1", "--features", "programs", "--manifest-path"])
                .arg(places::worker_manifest())
                .stderr(Stdio::null())
                .output()
                .ok()?;
            let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
            let parser = metadata["packages"].as_array()?.iter().find(|package| package["name"] == "syn")?;
            Some(Path::new(parser["manifest_path"].as_str()?).parent()?.join("src"))
        })
        .as_deref()
}

#[cfg(test)]
mod tests {
    use super::{output, run, Bounds, Case};
    use crate::builder::Built;
    use crate::cli::Limits;
    use crate::variant::Variant;
    use std::process::Command;

    fn shell(script: &str, seconds: u64) -> Result<String, String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        output(command, Bounds::of(seconds, Some(1 << 20)))
    }

    #[test]
    fn a_good_end_gives_the_output() {
        assert_eq!(shell("echo fine", 10).as_deref(), Ok("fine\n"));
    }

    #[test]
    fn every_bad_end_is_told() {
        assert_eq!(shell("kill -SEGV $$", 10).unwrap_err(), "crashed (SIGSEGV)");
        assert_eq!(shell("exit 12", 10).unwrap_err(), "out of memory");
        assert_eq!(shell("echo why >&2; exit 3", 10).unwrap_err(), "ended with status 3: why");
        assert!(shell("exec sleep 60", 0).unwrap_err().starts_with("hung"));
    }

    #[test]
    fn a_worker_with_another_allocator_is_refused() {
        let limits = Limits { scale: 1.0, seed: 1, timeout: 10, memory_limit: None };
        let run = |allocator: &str| {
            let words =
                format!(r#"{{"allocator":"{allocator}","workload":"","ops":1,"seconds":1.0,"ops_per_second":1.0}}"#);
            let built = Built::of(Variant::hakmem(), "echo");
            run(&built, 0, &Case::new("", &words), &limits, &mut || {})
        };
        assert!(run("hakmem").is_ok());
        assert!(run("system").unwrap_err().contains("a worker with system"));
    }

    #[test]
    fn the_end_of_the_timed_part_is_told_before_the_process_ends() {
        let (mut command, mut told) = (Command::new("sh"), None);
        command.arg("-c").arg(format!("echo before; printf '{}'; exec sleep 1", crate::catalog::OVER));
        let begin = std::time::Instant::now();
        let text = super::output_until(command, Bounds::of(10, Some(1 << 20)), &mut || told = Some(begin.elapsed()));
        assert_eq!(text, Ok(format!("before\n{}", crate::catalog::OVER)));
        assert!(told.unwrap() + std::time::Duration::from_millis(500) < begin.elapsed());
    }

    #[test]
    fn more_output_than_a_pipe_holds_does_not_block() {
        assert!(shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2", 30).is_ok());
    }
}
