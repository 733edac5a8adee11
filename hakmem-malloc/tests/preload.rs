//! C and C++ programs with `libhakmem_malloc.so` preloaded.

mod common;

use common::{has, in_small_space, preloaded, run, Workshop};

#[test]
fn calls_at_the_edges_do_what_the_standards_say() {
    let workshop = Workshop::new();
    let program = workshop.compile("cc", "hostile.c", &[""; 0]);
    let run = run(&mut preloaded(program)).succeeded();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("all as it must be\n", ""));
}

#[test]
fn each_mistake_ends_the_process_with_one_line() {
    let workshop = Workshop::new();
    let program = workshop.compile("cc", "misuse.c", &[""; 0]);
    for (mistake, line) in [
        ("stack", "hakmem: invalid free of 0x"),
        ("variable", "hakmem: invalid free of 0x"),
        ("initialised", "hakmem: invalid free of 0x"),
        ("literal", "hakmem: invalid free of 0x"),
        ("library", "hakmem: invalid free of 0x"),
        ("mapping", "hakmem: invalid free of 0x"),
        ("number", "hakmem: invalid free of 0x1234560"),
        ("middle", "hakmem: invalid free of 0x"),
        ("large-twice", "hakmem: double free of 0x"),
        ("own-twice", "hakmem: double free of 0x"),
        ("realloc-variable", "hakmem: invalid free of 0x"),
        ("realloc-stack", "hakmem: invalid free of 0x"),
    ] {
        let run = run(preloaded(&program).arg(mistake)).aborted_with(line);
        assert_eq!(run.stderr.lines().count(), 1, "{mistake}: {}", run.stderr);
    }
}

#[test]
fn memory_from_before_is_left_alone() {
    let workshop = Workshop::new();
    let program = workshop.compile("cc", "early.c", &[""; 0]);
    let run = run(&mut preloaded(program)).succeeded();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("left alone\n", ""));
}

#[test]
fn children_of_a_program_with_threads_can_allocate() {
    let workshop = Workshop::new();
    let program = workshop.compile("cc", "fork.c", &["-pthread"]);
    let run = run(&mut preloaded(program)).succeeded();
    assert_eq!(run.stdout, "every child ended well\n");
}

#[test]
fn a_signal_handler_that_forks_may_interrupt_anything() {
    let workshop = Workshop::new();
    let program = workshop.compile("cc", "fork_signal.c", &[""; 0]);
    // A deadlock must not outlive the test.
    let run = run(preloaded("timeout").arg("60").arg(program)).succeeded();
    assert_eq!(run.stdout, "no deadlock\n");
}

#[test]
fn the_c_library_itself_is_served() {
    let workshop = Workshop::new();
    let program = workshop.compile("cc", "serves.c", &[""; 0]);
    run(&mut preloaded(program)).succeeded();
}

#[test]
fn operator_new_has_every_form_and_throws() {
    let workshop = Workshop::new();
    for standard in ["-std=c++17", "-std=c++20"] {
        let program = workshop.compile("c++", "cxx.cpp", &[standard]);
        assert_eq!(run(&mut preloaded(program)).succeeded().stdout, "all forms\n");
    }
}

#[test]
fn destructors_of_threads_allocate_and_free() {
    let workshop = Workshop::new();
    let program = workshop.compile("c++", "lives.cpp", &["-std=c++17", "-pthread"]);
    assert_eq!(run(&mut preloaded(program)).succeeded().stdout, "every destructor ran\n");
}

#[test]
fn operator_new_throws_where_the_cxx_library_was_loaded_late() {
    let workshop = Workshop::new();
    let plugin = workshop.compile("c++", "plugin.cpp", &["-shared", "-fPIC"]);
    let host = workshop.compile("cc", "plugin_host.c", &[""; 0]);
    assert_eq!(run(preloaded(host).arg(plugin)).succeeded().stdout, "caught\n");
}

#[test]
fn twenty_four_mebibytes_of_address_space_are_enough() {
    let workshop = Workshop::new();
    let program = workshop.compile("cc", "small_space.c", &[""; 0]);
    let run = run(&mut in_small_space(&program)).succeeded();
    assert_eq!(run.stdout, "refused, and well again\n", "{}", run.stderr);
    common::run(in_small_space("/bin/ls").arg("/")).succeeded();
}

#[test]
fn a_preloaded_shell_runs_pipes_and_subshells() {
    let script = "for i in 1 2 3; do (echo $i; ls / >/dev/null); done | sort -r | tr '\\n' ,";
    assert_eq!(run(preloaded("/bin/sh").args(["-c", script])).succeeded().stdout, "3,2,1,");
}

#[test]
fn programs_under_valgrind_start() {
    if has("valgrind") {
        // Without valgrind's own malloc, which would take hakmem's place.
        let arguments = ["--soname-synonyms=somalloc=nouserintercepts", "-q", "/bin/echo", "started"];
        assert_eq!(run(preloaded("valgrind").args(arguments)).succeeded().stdout, "started\n");
    }
}
