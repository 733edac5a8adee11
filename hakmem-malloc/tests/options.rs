//! The options of the environment.

mod common;

use common::{in_small_space, preloaded, run, Run, Workshop};

/// A program that allocates, with these options.
fn with(options: &[(&str, &str)]) -> Run {
    run(preloaded("/bin/ls").arg("/dev/null").envs(options.iter().copied()))
}

#[test]
fn without_options_nothing_is_said() {
    let run = with(&[]).succeeded();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("/dev/null\n", ""));
}

#[test]
fn a_summary_at_exit() {
    let run = with(&[("HAKMEM_SHOW_STATS", "1")]).succeeded();
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(lines[0].starts_with("hakmem: statistics of process "), "{run:#?}");
    assert!(lines[1].starts_with("hakmem:   live ") && lines[1].contains(" blocks"), "{run:#?}");
    assert!(lines[2].starts_with("hakmem:   committed ") && lines[2].ends_with(" reserved"), "{run:#?}");
    assert_eq!(run.stdout, "/dev/null\n");
    assert_eq!(with(&[("HAKMEM_SHOW_STATS", "0")]).succeeded().stderr, "");
}

#[test]
fn verbose_tells_what_is_set_and_what_was_refused() {
    let set = with(&[("HAKMEM_VERBOSE", "1"), ("HAKMEM_PURGE_MS", "7")]).succeeded().stderr;
    assert_eq!(set.lines().count(), 1, "{set}");
    assert!(set.starts_with("hakmem: serves process ") && set.contains(" purge_ms=7 "), "{set}");
    let workshop = Workshop::new();
    let program = workshop.compile("cc", "small_space.c", &[""; 0]);
    let refused = run(in_small_space(program).env("HAKMEM_VERBOSE", "1")).succeeded().stderr;
    assert!(refused.lines().any(|line| line == "hakmem: refused 67108864 bytes aligned to 1"), "{refused}");
}

#[test]
fn a_bad_value_costs_one_line_and_changes_nothing() {
    for (name, bad, standard) in [
        ("HAKMEM_PURGE_MS", "soon", "100"),
        ("HAKMEM_PURGE_MS", "-1", "100"),
        ("HAKMEM_PURGE_MS", "10 ", "100"),
        ("HAKMEM_PURGE_MS", "", "100"),
        ("HAKMEM_PURGE_MS", "86400001", "100"),
        ("HAKMEM_PURGE_MS", "99999999999999999999999999", "100"),
        ("HAKMEM_SHOW_STATS", "yes", "0"),
        ("HAKMEM_CRASH_REPORT", "2", "0"),
        ("HAKMEM_VERBOSE", "-", "0"),
        ("HAKMEM_LOCK_STATS", "yes", "0"),
    ] {
        let run = with(&[(name, bad)]).succeeded();
        let line = format!("hakmem: {name} takes a number from 0 to ");
        assert!(run.stderr.starts_with(&line), "{run:#?}");
        assert!(run.stderr.ends_with(&format!("; it stays {standard}, not \"{bad}\"\n")), "{run:#?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:#?}");
    }
    let long = "x".repeat(1000);
    let run = with(&[("HAKMEM_PURGE_MS", &long)]).succeeded();
    assert!(run.stderr.len() <= 256 && run.stderr.ends_with("x\n"), "{run:#?}");
}

#[test]
fn every_purge_period_works() {
    for period in ["0", "1", "100", "86400000"] {
        with(&[("HAKMEM_PURGE_MS", period)]).succeeded();
    }
}

#[test]
fn a_crash_is_reported_when_asked_for() {
    let workshop = Workshop::new();
    let program = workshop.compile("cc", "crash.c", &[""; 0]);
    let silent = run(&mut preloaded(&program));
    assert_eq!((silent.signal, silent.stderr.as_str()), (Some(11), ""));
    let told = run(preloaded(&program).env("HAKMEM_CRASH_REPORT", "1"));
    assert_eq!(told.signal, Some(11), "{told:#?}");
    let line = told.stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("hakmem: crash: SIGSEGV at address 0x0 in process "), "{told:#?}");
}

#[test]
fn lock_statistics_are_found_although_the_first_heap_comes_before_the_environment() {
    let run = with(&[("HAKMEM_LOCK_STATS", "1")]).succeeded();
    assert!(run.stderr.contains("hakmem: lock stats: stage 3: "), "{run:#?}");
}
