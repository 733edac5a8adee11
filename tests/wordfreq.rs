//! The example `wordfreq` counts the same with hakmem as with the system's allocator.
#![cfg(not(miri))] // starts processes

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::rng::Rng;
use serde_json::Value;

struct Programs {
    hakmem: Command,
    system: Command,
}

fn programs() -> Programs {
    let folder = common::build_examples(&["wordfreq", "wordfreq_system"]);
    Programs { hakmem: Command::new(folder.join("wordfreq")), system: Command::new(folder.join("wordfreq_system")) }
}

fn run(program: &mut Command, arguments: &[&str], tree: &Path) -> Output {
    Command::new(program.get_program()).args(arguments).arg(tree).output().unwrap()
}

fn json(program: &mut Command, arguments: &[&str], tree: &Path) -> Value {
    let output = run(program, arguments, tree);
    assert!(output.status.success(), "{}", common::text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Everything but what may differ from run to run.
fn counts(report: &Value) -> Vec<&Value> {
    ["files", "not_text", "unreadable", "bytes", "words", "distinct", "top"].map(|name| &report[name]).to_vec()
}

fn compare(tree: &Path) -> Value {
    let mut programs = programs();
    let arguments = ["--json", "--top", "1000000", "--threads", "4"];
    let with_hakmem = json(&mut programs.hakmem, &arguments, tree);
    let with_system = json(&mut programs.system, &arguments, tree);
    assert_eq!(counts(&with_hakmem), counts(&with_system));
    assert_eq!((&with_hakmem["allocator"], &with_system["allocator"]), (&"hakmem".into(), &"system".into()));
    assert!(with_hakmem["stats"]["live_blocks"].as_u64() > Some(0));
    with_hakmem
}

/// 600 files in 30 folders, some of them not text, with a few thousand distinct words.
fn make_tree(root: &Path) {
    let mut rng = Rng(7);
    for folder in 0..30 {
        let folder = root.join(format!("folder{folder}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..20 {
            let mut text = String::new();
            for _ in 0..rng.log_between(10, 3000) {
                let word = rng.log_between(1, 5000);
                text.push_str(&format!("Word{word}{}", [" ", "\n", ", ", "ÄÖ "][rng.below(4)]));
            }
            fs::write(folder.join(format!("file{file}.txt")), text).unwrap();
        }
    }
    fs::write(root.join("zeros"), [0; 100]).unwrap();
    fs::write(root.join("latin"), b"caf\xe9").unwrap();
    fs::write(root.join(".hidden"), "hidden words").unwrap();
    fs::write(root.join("known"), "one Two two THREE three three\nunder_score x2").unwrap();
}

#[test]
fn both_allocators_count_the_same_in_a_generated_tree() {
    let tree = tempfile::tempdir().unwrap();
    make_tree(tree.path());
    let report = compare(tree.path());
    assert_eq!(report["files"], 601);
    assert_eq!(report["not_text"], 2);
    let count_of = |word: &str| {
        let top = report["top"].as_array().unwrap();
        top.iter().find(|entry| entry["word"] == word).map(|entry| entry["count"].as_u64().unwrap())
    };
    assert_eq!(["one", "two", "three", "under_score", "x2"].map(count_of), [1, 2, 3, 1, 1].map(Some));
    assert_eq!(count_of("hidden"), None);
    let sum: u64 = report["top"].as_array().unwrap().iter().map(|entry| entry["count"].as_u64().unwrap()).sum();
    assert_eq!(Some(sum), report["words"].as_u64());
}

#[test]
fn both_allocators_count_the_same_in_the_sources() {
    for folder in ["csrc", "src"] {
        let report = compare(&common::root().join(folder));
        assert!(report["words"].as_u64() > Some(1000), "{report}");
    }
}

#[test]
fn text_output_names_words_totals_and_the_allocator() {
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("a"), "b a b c c b").unwrap();
    let output = run(&mut programs().hakmem, &["--top", "2"], tree.path());
    let text = common::text(&output.stdout);
    let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0], ["3", "b"]);
    assert_eq!(lines[1], ["2", "c"]);
    assert!(lines[2].is_empty());
    assert!(lines.iter().any(|line| line == &["words", "6"]), "{text}");
    assert!(lines.iter().any(|line| line == &["allocator", "hakmem"]), "{text}");
    assert!(lines.iter().any(|line| line.first() == Some(&"committed")), "{text}");
}

#[test]
fn a_missing_directory_is_named_and_ends_with_2() {
    let output = run(&mut programs().hakmem, &[], Path::new("/no/such/folder"));
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let error = common::text(&output.stderr);
    assert!(error.contains("/no/such/folder") && error.lines().count() == 1, "{error}");
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_counted() {
    use std::os::unix::fs::PermissionsExt;
    let tree = tempfile::tempdir().unwrap();
    let secret = tree.path().join("secret");
    fs::write(&secret, "word").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    let readable = fs::read(&secret).is_ok(); // the superuser may read everything
    std::os::unix::fs::symlink("/no/such/file", tree.path().join("dangling")).unwrap();
    let report = json(&mut programs().hakmem, &["--json"], tree.path());
    assert_eq!(report["unreadable"], u64::from(!readable));
    assert_eq!(report["files"], u64::from(readable));
}
