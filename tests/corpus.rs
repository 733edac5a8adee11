//! The fuzz targets' inputs again: what fuzzing has found worth keeping (tests/corpus), and random ones. fuzz/README.md has
//! the command that looks for more.
//!
//! `HAKMEM_TEST_INPUTS` says how many random inputs per target, `HAKMEM_TEST_SEED` which.
#![cfg(not(miri))] // crosses the FFI

mod common;
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use common::rng::Rng;
use common::{number_from_env, root, serial, target_dir};

const INPUTS: u64 = 300;
const LONGEST: usize = 512;

/// The files of a target's corpus, in an order that does not change.
fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = root().join("tests/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn random_input(rng: &mut Rng) -> Vec<u8> {
    (0..rng.log_between(8, LONGEST)).map(|_| rng.next() as u8).collect()
}

fn replay(target: &str, run: fn(&[u8])) {
    let _serial = serial(); // the figures are the process's
    let (seed, inputs) = (number_from_env("HAKMEM_TEST_SEED", 1), number_from_env("HAKMEM_TEST_INPUTS", INPUTS));
    let current = target_dir(&format!("corpus_{target}"));
    // Not by println!, whose text is lost if the core ends the process.
    let note = format!("corpus: {target} HAKMEM_TEST_SEED={seed:#x}; a failing input is {}\n", current.display());
    std::io::stderr().write_all(note.as_bytes()).unwrap();

    let mut rng = Rng(seed);
    let files = corpus(target).into_iter().map(|file| fs::read(file).expect("the file can be read"));
    for input in files.chain((0..inputs).map(|_| random_input(&mut rng))) {
        fs::write(&current, &input).expect("the target directory can be written");
        run(&input);
    }
}

#[test]
fn operations_of_programs() {
    replay("operations", fuzz::operations::run);
}

#[test]
fn hostile_calls_of_the_c_interface() {
    replay("c_api", fuzz::c_api::run);
}
