//! A shared library with hakmem in it comes and goes; or stays to the end of the process.
#![cfg(all(target_os = "linux", target_env = "gnu", not(miri)))] // other loaders never unload

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{build_shared, must_run, number_from_env, root, serial, target_dir, Build};

/// What each instance may leave resident: a chunk's head, five threads' heaps, and the page that holds the host's block.
const MAY_STAY: i64 = 512 << 10;
/// And in address space: the chunk.
const MAY_STAY_RESERVED: i64 = 40 << 20;

fn compile(source: &str, output: &str, libraries: &[&Path]) -> PathBuf {
    let program = target_dir(output);
    let mut command = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    command.args(["-std=c11", "-D_DEFAULT_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]);
    command.arg(root().join("tests/programs").join(source)).args(libraries).args(["-ldl", "-o"]).arg(&program);
    must_run(&mut command);
    program
}

#[test]
fn a_library_can_be_unloaded_again_and_again() {
    let _serial = serial(); // the two build the same library
    let rounds = number_from_env("HAKMEM_TEST_UNLOADS", 100);
    for (build, name, rounds) in
        [(Build::Debug, "plugin_host_debug", rounds / 5), (Build::Release, "plugin_host", rounds)]
    {
        let library = build_shared("plugin", build);
        let host = compile("plugin_host.c", name, &[]);
        let printed = must_run(Command::new(host).arg(&library).arg(rounds.to_string()));
        let grown: Vec<i64> =
            printed.split_whitespace().map(|word| word.parse().expect("the host prints numbers")).collect();
        println!("{rounds} times: {} KiB resident and {} MiB reserved more each", grown[0] >> 10, grown[1] >> 20);
        assert!(grown[0] <= MAY_STAY && grown[1] <= MAY_STAY_RESERVED, "{grown:?} B a round");
    }
}

#[test]
fn a_process_ends_while_threads_are_in_the_library() {
    let _serial = serial();
    for (build, name) in [(Build::Debug, "plugin_user_debug"), (Build::Release, "plugin_user")] {
        let library = build_shared("plugin", build);
        let user = compile("plugin_user.c", name, &[&library]);
        for _ in 0..20 {
            must_run(Command::new(&user).env("LD_LIBRARY_PATH", library.parent().expect("it lies in a folder")));
        }
    }
}
