//! The C core's tests: each `tests/c/test_*.c` is linked with the core's objects and run. They include internal headers
//! and look at the structures themselves, so that they are compiled with the same switches as the objects.
//!
//! From the environment: the build switches that build.rs knows (here HAKMEM_BUILD_RELEASE is 0 unless set), `CC`,
//! `HAKMEM_TEST_CFLAGS` (further flags for compiler and linker, such as `-fsanitize=thread`), `HAKMEM_TEST_RUNNER` (a
//! command that runs the programs, such as valgrind), and what the programs read themselves: `HAKMEM_TEST_SANITIZER`
//! (names the tool, so that what cannot run under it is skipped) and `HAKMEM_TEST_SHORT`.
#![cfg(all(unix, not(miri)))]

use std::collections::HashMap;
use std::env;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

const SIGABRT: i32 = 6;
const SIGBUS: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 7 } else { 10 };
const SIGSEGV: i32 = 11;
/// A program that takes longer hangs. Sanitizers and valgrind are slow.
const LIMIT: Duration = Duration::from_secs(300);

const SWITCHES: [(&str, &str); 9] = [
    ("HAKMEM_USE_DIRECT_CACHE", "1"),
    ("HAKMEM_USE_DUAL_LISTS", "1"),
    ("HAKMEM_USE_BRANCH_HINTS", "1"),
    ("HAKMEM_USE_BLOCK_CACHE", "1"),
    ("HAKMEM_BUILD_RELEASE", "0"),
    ("HAKMEM_STATS", "0"),
    ("HAKMEM_VALGRIND", "0"),
    ("HAKMEM_DELAYS", "0"),
    ("HAKMEM_DIRECT_PAGES", "129"),
];

/// A configuration of the core: its definitions, in order, and further flags of the compiler.
#[derive(Clone, Hash, PartialEq, Eq)]
struct Config {
    definitions: Vec<(String, String)>,
    flags: Vec<String>,
}

impl Config {
    fn from_environment() -> Self {
        let value = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
        let definitions = SWITCHES.map(|(name, default)| (name.to_owned(), value(name, default))).to_vec();
        Self { definitions, flags: words("HAKMEM_TEST_CFLAGS") }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.definitions.retain(|(old, _)| old != name);
        self.definitions.push((name.to_owned(), value.to_owned()));
        self
    }

    fn with_flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    fn get(&self, name: &str) -> &str {
        self.definitions.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value)
    }

    fn is_debug(&self) -> bool {
        self.get("HAKMEM_BUILD_RELEASE") == "0"
    }

    /// Where this configuration's objects and programs go.
    fn directory(&self) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        (self, compiler()).hash(&mut hasher);
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("c_tests-{:016x}", hasher.finish()))
    }

    fn compile(&self) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(compiler());
        command.args(["-std=c11", "-O2", "-g", "-pthread", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"]);
        command.arg("-I").arg(root.join("csrc/include")).arg("-I").arg(root.join("csrc/src"));
        command.args(self.definitions.iter().map(|(name, value)| format!("-D{name}={value}"))).args(&self.flags);
        command
    }

    /// The core's objects, compiled at the first call.
    fn objects(&self) -> Arc<Vec<PathBuf>> {
        type Objects = Arc<OnceLock<Arc<Vec<PathBuf>>>>;
        static MADE: Mutex<Option<HashMap<Config, Objects>>> = Mutex::new(None);
        let cell = {
            let mut made = MADE.lock().unwrap_or_else(|e| e.into_inner());
            Arc::clone(made.get_or_insert_default().entry(self.clone()).or_default())
        };
        Arc::clone(cell.get_or_init(|| Arc::new(self.compile_core())))
    }

    fn compile_core(&self) -> Vec<PathBuf> {
        let directory = self.directory();
        std::fs::create_dir_all(&directory).unwrap();
        let sources = files_in("csrc/src", ".c");
        let objects: Vec<_> =
            sources.iter().map(|s| directory.join(s.file_name().unwrap()).with_extension("o")).collect();
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(source), Some(object)) = (sources.get(i), objects.get(i)) else { break };
                    succeed(self.compile().arg("-c").arg(source), object);
                });
            }
        });
        objects
    }

    /// Compiles and links `tests/c/<name>.c`.
    fn program(&self, name: &str) -> PathBuf {
        let objects = self.objects();
        let program = self.directory().join(name);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(name).with_extension("c");
        succeed(self.compile().arg(source).args(objects.iter()), &program);
        program
    }

    /// Compiles the program, runs it without arguments, and fails unless it succeeds.
    fn passes(&self, name: &str) {
        let run = run(&self.program(name), &[], &[]);
        assert!(run.status.success(), "{name}: {}\n{}{}", run.status, run.stdout, run.stderr);
        print!("{}", run.stdout);
    }
}

fn compiler() -> String {
    env::var("CC").unwrap_or_else(|_| "cc".to_owned())
}

fn words(name: &str) -> Vec<String> {
    env::var(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// The tool that the programs run under, if the caller names one.
fn tool() -> String {
    env::var("HAKMEM_TEST_SANITIZER").unwrap_or_default()
}

fn files_in(directory: &str, end: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = std::fs::read_dir(&directory).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_str().is_some_and(|name| name.ends_with(end)));
    files.sort();
    files
}

/// Runs a compiler. What it writes takes its name only when it is whole: another run of the tests may use the same one.
fn succeed(command: &mut Command, to: &Path) {
    let partial = to.with_extension(format!("{}.part", std::process::id()));
    let output = command.arg("-o").arg(&partial).output().unwrap_or_else(|e| panic!("{}: {e}", compiler()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    std::fs::rename(&partial, to).unwrap();
}

struct Run {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Run {
    fn died_of(&self, signal: i32) -> bool {
        self.status.signal() == Some(signal)
    }
}

fn run(program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let runner = words("HAKMEM_TEST_RUNNER");
    run_under(&runner.iter().map(String::as_str).collect::<Vec<_>>(), program, arguments, environment)
}

fn run_under(runner: &[&str], program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let mut command = match runner.split_first() {
        Some((tool, its_arguments)) => {
            let mut command = Command::new(tool);
            command.args(its_arguments).arg(program);
            command
        }
        None => Command::new(program),
    };
    // The core's own options are what this file says, whatever the caller has set.
    let ours = |name: &str| name.starts_with("HAKMEM_") && !name.starts_with("HAKMEM_TEST_");
    for (name, _) in env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.args(arguments).envs(environment.iter().copied());
    command.current_dir(program.parent().unwrap()); // where a core dump or a tool's log would go
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let reader = |mut from: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = reader(Box::new(child.stdout.take().unwrap()));
    let stderr = reader(Box::new(child.stderr.take().unwrap()));
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{} {arguments:?} did not end within {LIMIT:?}", program.display());
        }
        thread::sleep(Duration::from_millis(3));
    };
    Run { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

macro_rules! passing {
    ($($name:ident)* ; beneath the block cache: $($beneath:ident)*) => {
        $(#[test]
        fn $name() {
            Config::from_environment().passes(stringify!($name));
        })*

        $(#[test]
        fn $beneath() {
            Config::from_environment().with("HAKMEM_USE_BLOCK_CACHE", "0").passes(stringify!($beneath));
        })*

        /// Every C program is run by some test of this file.
        #[test]
        fn no_program_is_left_out() {
            let run_apart = [
                "test_trace",
                "test_lock_stats",
                "test_misuse",
                "test_crash_handler",
                "test_memcheck",
                "test_endings",
                "test_delays",
            ];
            for file in files_in("tests/c", ".c") {
                let name = file.file_stem().unwrap().to_str().unwrap();
                assert!([$(stringify!($name)),* $(, stringify!($beneath))*].contains(&name) || run_apart.contains(&name), "nothing runs {name}");
            }
        }
    };
}

passing! {
    test_alignment
    test_batches
    test_block_cache
    test_classic_bugs
    test_exhaustion
    test_fork
    test_fork_storm
    test_heaps
    test_huge_pages
    test_hostile
    test_large_huge
    test_lent_units
    test_medium_pages
    test_realloc
    test_refusals
    test_size_class
    test_sleepers
    test_slot_blocks
    test_threads
    test_zeroing
    ;
    beneath the block cache:
    test_branch_hints
    test_direct_cache
    test_dual_free_lists
    test_pool_stages
}

/// What each misuse must print, with the pointer that the program names; then it must abort.
#[test]
fn test_misuse() {
    let program = Config::from_environment().program("test_misuse");
    for (mode, message) in [
        ("stack", "hakmem: invalid free of "),
        ("static", "hakmem: invalid free of "),
        ("libc", "hakmem: invalid free of "),
        ("low", "hakmem: invalid free of "),
        ("middle-of-small", "hakmem: invalid free of "),
        ("middle-of-medium", "hakmem: invalid free of "),
        ("middle-of-run", "hakmem: invalid free of "),
        ("slot-of-run", "hakmem: invalid free of "),
        ("middle-of-huge", "hakmem: invalid free of "),
        ("remote-middle", "hakmem: invalid free of "),
        ("never-made-local", "hakmem: invalid free of "),
        ("never-made-cached", "hakmem: invalid free of "),
        ("never-made-remote", "hakmem: invalid free of "),
        ("never-made-remote-few", "hakmem: invalid free of "),
        ("behind-last-block", "hakmem: invalid free of "),
        ("unmade-chunk", "hakmem: invalid free of "),
        ("chunk-head", "hakmem: invalid free of "),
        ("unused-slot", "hakmem: invalid free of "),
        ("realloc-stack", "hakmem: invalid free of "),
        ("run-twice", "hakmem: double free of "),
        ("huge-twice", "hakmem: double free of "),
        ("huge-twice-later", "hakmem: double free of "),
        ("remote-twice", "hakmem: corrupted heap: "),
        ("remote-twice-few", "hakmem: double free of "),
        ("written-after-free", "hakmem: corrupted heap: "),
        ("written-after-free-medium", "hakmem: corrupted heap: "),
    ] {
        let run = run(&program, &[mode], &[]);
        let pointer = run.stdout.lines().next().unwrap_or_default(); // a tool may add lines
        if pointer == "not here" {
            continue; // what this mode shows does not exist with these switches
        }
        assert!(run.died_of(SIGABRT), "{mode}: {}\n{}{}", run.status, run.stdout, run.stderr);
        if message == "hakmem: corrupted heap: " {
            assert!(run.stderr.starts_with(message) && run.stderr.lines().count() == 1, "{mode}: {}", run.stderr);
        } else {
            assert_eq!(run.stderr, format!("{message}{pointer}\n"), "{mode}");
        }
    }
}

const TAGS: [&str; 9] = [
    "SP_ACQUIRE_STAGE0_L0",
    "SP_ACQUIRE_STAGE0.5_EMPTY",
    "SP_ACQUIRE_STAGE1_LOCKFREE",
    "SP_ACQUIRE_STAGE2_LOCKFREE",
    "SP_ACQUIRE_STAGE3",
    "SP_SLOT_RELEASE",
    "SP_SLOT_FREELIST_LOCKFREE",
    "SP_SLOT_COMPLETELY_EMPTY",
    "SP_FIX_GEOMETRY",
];

fn is_trace_of(line: &str, tag: &str) -> bool {
    line.strip_prefix("[hakmem] ").and_then(|rest| rest.strip_prefix(tag)).is_some_and(|rest| rest.starts_with(' '))
}

/// Each tag appears when asked for, and only then.
#[test]
fn test_trace() {
    let debug = Config::from_environment().with("HAKMEM_BUILD_RELEASE", "0");
    let cases: [(&str, Config, &[&str]); 3] = [
        ("stages", debug.clone(), &TAGS),
        ("capacity", debug.clone().with("HAKMEM_MAX_CHUNKS", "2"), &["SP_META_CAPACITY_ERROR"]),
        ("nodes", debug.with("HAKMEM_MAX_HUGE", "64"), &["SP_NODES_EXHAUSTED"]),
    ];
    for (mode, config, tags) in cases {
        let program = config.program("test_trace");
        let asked = run(&program, &[mode], &[("HAKMEM_TRACE", "1")]);
        assert!(asked.status.success(), "{mode}: {}\n{}", asked.status, asked.stderr);
        for tag in tags {
            let lines = asked.stderr.lines().filter(|line| is_trace_of(line, tag)).count();
            assert!(lines != 0, "{mode}: no {tag} in\n{}", asked.stderr);
        }
        let environments: [&[(&str, &str)]; 2] = [&[], &[("HAKMEM_TRACE", "0")]];
        for environment in environments {
            let silent = run(&program, &[mode], environment);
            assert!(silent.status.success() && silent.stderr.is_empty(), "{mode} {environment:?}: {}", silent.stderr);
        }
        assert_only_complains(&run(&program, &[mode], &[("HAKMEM_TRACE", "")]), "HAKMEM_TRACE");
    }
}

/// Of a program with a bad value of an option: it works, and says so in one line, and nothing else.
fn assert_only_complains(run: &Run, option: &str) {
    let line = format!("hakmem: {option} takes a number from 0 to 1; ");
    assert!(run.status.success() && run.stderr.starts_with(&line), "{}\n{}", run.status, run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
}

fn holds_tag(objects: &[PathBuf]) -> bool {
    // As a string constant begins: at the start of a section or behind another one's end.
    objects.iter().any(|object| std::fs::read(object).unwrap().windows(4).any(|w| w == b"\0SP_" || w == b"SP_A"))
}

/// A release build holds no string that begins with `SP_`, asked or not, and says nothing.
#[test]
fn release_builds_hold_no_trace() {
    let debug = Config::from_environment().with("HAKMEM_BUILD_RELEASE", "0");
    let release = Config::from_environment().with("HAKMEM_BUILD_RELEASE", "1");
    assert!(holds_tag(&debug.objects()));
    assert!(!holds_tag(&release.objects()));
    let run = run(&release.program("test_trace"), &["stages"], &[("HAKMEM_TRACE", "1")]);
    assert!(run.status.success() && run.stderr.is_empty(), "{}\n{}", run.status, run.stderr);
}

/// The table of HAKMEM_LOCK_STATS=1 shows stages 0 to 2 in use and without locks; release builds have it too.
#[test]
fn test_lock_stats() {
    for release in ["0", "1"] {
        let program = Config::from_environment().with("HAKMEM_BUILD_RELEASE", release).program("test_lock_stats");
        let asked = run(&program, &[], &[("HAKMEM_LOCK_STATS", "1")]);
        assert!(asked.status.success(), "{}\n{}", asked.status, asked.stderr);
        for stage in ["0", "0.5", "1", "2", "3"] {
            let head = format!("hakmem: lock stats: stage {stage}: ");
            let line = asked.stderr.lines().find_map(|line| line.strip_prefix(head.as_str()));
            let line = line.unwrap_or_else(|| panic!("no line for stage {stage} in\n{}", asked.stderr));
            let (acquired, locks) = line.split_once(" acquired, locks taken: ").unwrap();
            let (acquired, locks): (u64, u64) = (acquired.parse().unwrap(), locks.parse().unwrap());
            assert!(acquired > 0, "stage {stage} was never used\n{}", asked.stderr);
            assert_eq!(locks == 0, stage != "3", "stage {stage}\n{}", asked.stderr);
        }
        for environment in [None, Some(("HAKMEM_LOCK_STATS", "0"))] {
            let silent = run(&program, &[], environment.as_slice());
            assert!(silent.status.success() && silent.stderr.is_empty(), "{environment:?}\n{}", silent.stderr);
        }
        assert_only_complains(&run(&program, &[], &[("HAKMEM_LOCK_STATS", "yes")]), "HAKMEM_LOCK_STATS");
    }
}

#[test]
fn test_endings() {
    let program = Config::from_environment().program("test_endings");
    for (mode, times, said) in [("main-first", 2, "the last thread is done\n"), ("exit", 10, ""), ("signals", 1, "")] {
        for _ in 0..times {
            let run = run(&program, &[mode], &[]);
            assert!(run.status.success(), "{mode}: {}\n{}{}", run.status, run.stdout, run.stderr);
            assert!(run.stdout.ends_with(said) || tool() == "thread", "{mode}: {}", run.stdout);
        }
    }
}

/// A few storms; scripts/delays has many, and sets the processors. Their delays are part of no other build.
#[test]
fn test_delays() {
    let delayed = Config::from_environment().with("HAKMEM_DELAYS", "1");
    let program = delayed.program("test_delays");
    for seed in ["1", "2", "3", "4", "5", "6", "7", "8"] {
        let run = run(&program, &[], &[("HAKMEM_DELAY_SEED", seed)]);
        assert!(run.status.success(), "HAKMEM_DELAY_SEED={seed}: {}\n{}", run.status, run.stderr);
    }
    let names_delay = |objects: &[PathBuf]| {
        objects.iter().any(|object| std::fs::read(object).unwrap().windows(12).any(|w| w == b"hakmem_delay"))
    };
    assert!(names_delay(&delayed.objects()));
    assert!(!names_delay(&delayed.with("HAKMEM_DELAYS", "0").with("HAKMEM_BUILD_RELEASE", "1").objects()));
}

/// One line for each crash, then what would have happened without the handler.
#[test]
fn test_crash_handler() {
    if tool() == "thread" || tool() == "valgrind" {
        println!("skipped under {}: test_crash_handler (signals are the tool's)", tool());
        return;
    }
    for release in ["0", "1"] {
        let config = Config::from_environment().with("HAKMEM_BUILD_RELEASE", release);
        let program = config.program("test_crash_handler");
        let installed = if config.is_debug() { "hakmem: crash handler installed\n" } else { "" };
        for (mode, signal, name) in [
            ("segv", SIGSEGV, "SIGSEGV at address 0x10 in process "),
            ("bus", SIGBUS, "SIGBUS at address 0x"),
            ("abort", SIGABRT, "SIGABRT in process "),
            ("overflow", SIGSEGV, "SIGSEGV at address 0x"),
            ("ignored-segv", SIGSEGV, "SIGSEGV at address 0x10 in process "),
            ("ignored-abort", SIGABRT, "SIGABRT in process "),
        ] {
            let run = run(&program, &[mode], &[]);
            let said = run.stderr.strip_prefix(installed).unwrap_or_else(|| panic!("{mode}: {}", run.stderr));
            assert!(said.starts_with(&format!("hakmem: crash: {name}")), "{mode}: {said}");
            assert_eq!(said.lines().count(), 1, "{mode}: {said}");
            assert!(run.died_of(signal), "{mode}: {}", run.status);
        }
        let once = run(&program, &["once-segv"], &[]);
        let said = once.stderr.strip_prefix(installed).unwrap_or_else(|| panic!("{}", once.stderr));
        assert!(said.ends_with("\nprevious handler\n") && said.lines().count() == 2, "{said}");
        assert!(once.died_of(SIGSEGV), "{}", once.status);
        for mode in ["previous-segv", "previous-bus", "previous-abort", "previous-plain"] {
            let run = run(&program, &[mode], &[]);
            let said = run.stderr.strip_prefix(installed).unwrap_or_else(|| panic!("{mode}: {}", run.stderr));
            let (first, second) = said.split_once('\n').unwrap();
            assert!(first.starts_with("hakmem: crash: SIG"), "{mode}: {said}");
            assert_eq!(second, "previous handler\n", "{mode}");
            assert_eq!(run.status.code(), Some(42), "{mode}");
        }
    }
}

/// What `tests/c/test_memcheck.c` can do with memory that it does not hold, and what valgrind says of the address.
const USES_AFTER_FREE: [(&str, &str); 16] = [
    ("tiny-first", "0 bytes inside a block of size 48 free'd"),
    ("tiny-middle", "24 bytes inside a block of size 48 free'd"),
    ("medium", "20,000 bytes inside a block of size 40,960 free'd"),
    ("cached-first", "0 bytes inside a block of size 48 free'd"),
    ("cached-middle", "a recently re-allocated block of size 48"), // the next one; valgrind looks at live ones first
    ("remotely-freed", "0 bytes inside a block of size 48 free'd"),
    ("left-behind", "0 bytes inside a block of size 48 free'd"),
    ("run", "100,000 bytes inside a block of size 262,144 free'd"),
    ("run-purged", "0 bytes inside a block of size 262,144 free'd"),
    ("run-shrunk", ""),
    ("huge", "1,048,576 bytes inside a block of size 17,825,792 free'd"),
    ("moved", "0 bytes inside a block of size 112 free'd"),
    ("run-moved", "64 bytes inside a block of size 262,144 free'd"),
    ("huge-moved", "0 bytes inside a block of size 17,825,792 free'd"),
    ("reused", ""),
    ("never-given", "0 bytes after a block of size 48 alloc'd"),
];

/// Whether the tools that the caller has set leave room for this one; if not, says so.
fn goes_with_caller(name: &str) -> bool {
    let fits = tool().is_empty() || tool() == name;
    if !fits {
        println!("skipped under {}: the test of reports by {name}", tool());
    }
    fits
}

/// Runs test_memcheck in every mode, to read and to write: each run must end with the tool's exit status, and its
/// output must satisfy `is_right(output, mode's text, "READ" or "WRITE")`. The correct program must get no report.
fn reports_every_use(
    config: &Config,
    runner: &[&str],
    environment: &[(&str, &str)],
    status: i32,
    is_right: impl Fn(&str, &str, &str) -> bool,
) {
    let program = config.program("test_memcheck");
    for (mode, text) in USES_AFTER_FREE {
        for (arguments, access) in [(&[mode][..], "READ"), (&[mode, "write"], "WRITE")] {
            let run = run_under(runner, &program, arguments, environment);
            let said = format!("{}{}", run.stdout, run.stderr);
            if said == "not here\n" {
                continue; // what this mode shows does not exist with these switches
            }
            assert_eq!(run.status.code(), Some(status), "{arguments:?}: {said}");
            assert!(is_right(&said, text, access), "{arguments:?}: {said}");
        }
    }
    let clean = run_under(runner, &program, &["clean"], environment);
    assert!(clean.status.success() && clean.stderr.is_empty(), "clean: {}\n{}", clean.status, clean.stderr);
}

#[test]
fn address_sanitizer_reports_use_after_free() {
    if goes_with_caller("address") {
        let config = Config::from_environment().with("HAKMEM_VALGRIND", "0").with_flag("-fsanitize=address");
        reports_every_use(&config, &[], &[("ASAN_OPTIONS", "exitcode=23")], 23, |said, _, access| {
            said.contains("AddressSanitizer: use-after-poison") && said.contains(&format!("{access} of size 8"))
        });
    }
}

#[test]
fn valgrind_reports_use_after_free() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!(
            "skipped: valgrind_reports_use_after_free (valgrind is not installed; Debian: apt-get install valgrind)"
        );
    } else if goes_with_caller("valgrind") {
        let config = Config::from_environment().with("HAKMEM_VALGRIND", "1");
        let runner = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=no", "--fair-sched=yes"];
        let environment = [("HAKMEM_TEST_SHORT", "1")];
        reports_every_use(&config, &runner, &environment, 9, |said, text, access| {
            said.contains(&format!("Invalid {} of size 8", access.to_lowercase())) && said.contains(text)
        });
    }
}

/// A switch that is on where its tool cannot work stops the build, with a line that says what to do.
#[test]
fn impossible_memory_checks_do_not_compile() {
    if !tool().is_empty() {
        println!("skipped under {}: the flags of two tools cannot be tried with those of a third", tool());
        return;
    }
    let config = Config::from_environment().with("HAKMEM_VALGRIND", "0");
    // The compiler's own headers and no others.
    let output = Command::new(compiler()).arg("-print-file-name=include").output().unwrap();
    let headers = String::from_utf8(output.stdout).unwrap();
    let bare =
        ["-ffreestanding", "-nostdinc", "-isystem", headers.trim()].into_iter().fold(config.clone(), Config::with_flag);
    for (config, text) in [
        (config.clone().with("HAKMEM_VALGRIND", "1").with_flag("-fsanitize=address"), "not both"),
        (config.clone().with("HAKMEM_OVERRIDE", "1").with_flag("-fsanitize=address"), "without the feature override"),
        (bare.with("HAKMEM_VALGRIND", "1"), "Debian: package valgrind"),
    ] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("csrc/src/memcheck.c");
        let output = config.compile().arg("-fsyntax-only").arg(source).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(text), "{said}");
    }
}
