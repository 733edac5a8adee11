//! hakmem linked into programs: the static library with the GNU C library, dynamic and static, and the C part with musl.

mod common;

use common::{has, package_root, preloaded, run, shared_library, static_library, Workshop};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Rust's part of the static library, and what it needs of the system.
fn static_arguments(more: &[&str]) -> Vec<String> {
    let mut arguments = vec![static_library().display().to_string()];
    arguments.extend(["-lpthread", "-ldl", "-lm"].map(str::to_owned));
    arguments.extend(more.iter().map(|&argument| argument.to_owned()));
    arguments
}

#[test]
fn the_static_library_serves_a_dynamic_program() {
    let workshop = Workshop::new();
    for (source, output) in [("serves.c", "served\n"), ("hostile.c", "all as it must be\n")] {
        let program = workshop.compile("cc", source, &static_arguments(&["-lgcc_s"]));
        assert_eq!(run(&mut Command::new(program)).succeeded().stdout, output);
    }
}

#[test]
fn the_static_library_serves_a_static_program() {
    let workshop = Workshop::new();
    for (source, output) in
        [("serves.c", "served\n"), ("hostile.c", "all as it must be\n"), ("fork.c", "every child ended well\n")]
    {
        let program = workshop.compile("cc", source, &static_arguments(&["-static", "-lgcc_eh"]));
        assert_eq!(run(&mut Command::new(program)).succeeded().stdout, output);
    }
}

#[test]
fn the_static_library_serves_a_static_cxx_program() {
    let workshop = Workshop::new();
    let arguments = static_arguments(&["-static", "-std=c++17"]);
    let program = workshop.compile("c++", "cxx.cpp", &arguments);
    assert_eq!(run(&mut Command::new(program)).succeeded().stdout, "all forms\n");
}

#[test]
fn the_shared_library_can_be_linked_by_name() {
    let workshop = Workshop::new();
    let folder = shared_library().parent().expect("a library lies in a folder").display().to_string();
    let arguments = [format!("-L{folder}"), format!("-Wl,-rpath,{folder}"), "-l:libhakmem_malloc.so".to_owned()];
    let program = workshop.compile("cc", "serves.c", &arguments);
    assert_eq!(run(&mut Command::new(program)).succeeded().stdout, "served\n");
}

#[test]
fn a_program_with_foreign_rights_ignores_the_options() {
    let id = Command::new("id").arg("-u").output().expect("id");
    if id.stdout != b"0\n" || std::env::var_os("CI_NO_SETUID").is_some() {
        eprintln!("left out: only root can make a set-user-id program");
        return;
    }
    let workshop = Workshop::new();
    let program = workshop.compile("cc", "serves.c", &static_arguments(&["-lgcc_s"]));
    std::fs::set_permissions(program.parent().expect("a folder"), PermissionsExt::from_mode(0o755))
        .expect("own folder");
    let with_options = |mode: u32| {
        std::fs::set_permissions(&program, PermissionsExt::from_mode(mode)).expect("own file");
        let mut command = Command::new(&program);
        command.uid(65534).env("HAKMEM_SHOW_STATS", "1").env("HAKMEM_VERBOSE", "1").env("HAKMEM_PURGE_MS", "bad");
        run(&mut command).succeeded().stderr
    };
    assert!(with_options(0o755).contains("hakmem: statistics"), "an ordinary program heeds them");
    assert_eq!(with_options(0o4755), "");
}

/// The C part alone, as `hakmem-malloc/README.md` says: every source of the core and of `override`.
fn c_part() -> Vec<String> {
    let csrc = package_root().join("../csrc");
    let mut sources = Vec::new();
    for folder in ["src", "override"] {
        for entry in std::fs::read_dir(csrc.join(folder)).expect("the core's folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "c") {
                sources.push(path.display().to_string());
            }
        }
    }
    // The core's own build looks at its warnings; -w comes last.
    let flags = ["-w", "-std=gnu11", "-O2", "-DHAKMEM_OVERRIDE=1", "-fvisibility=hidden", "-fexceptions"];
    sources.extend(flags.map(str::to_owned));
    sources
}

#[test]
fn the_c_part_serves_static_programs_on_musl() {
    if !has("musl-gcc") {
        return;
    }
    let workshop = Workshop::new();
    for (source, output) in
        [("serves.c", "served\n"), ("hostile.c", "all as it must be\n"), ("fork.c", "every child ended well\n")]
    {
        let mut arguments = c_part();
        arguments.push("-static".to_owned());
        let program = workshop.compile("musl-gcc", source, &arguments);
        assert_eq!(run(&mut Command::new(program)).succeeded().stdout, output);
    }
}

#[test]
fn the_c_part_serves_dynamic_programs_on_musl() {
    if !has("musl-gcc") {
        return;
    }
    let workshop = Workshop::new();
    let library: PathBuf = workshop.path("libhakmem_musl.so");
    let status = Command::new("musl-gcc").args(c_part()).args(["-shared", "-fPIC", "-o"]).arg(&library).status();
    assert!(status.expect("musl-gcc").success());
    let program = workshop.compile("musl-gcc", "serves.c", &[""; 0]);
    assert_eq!(run(preloaded(program).env("LD_PRELOAD", &library)).succeeded().stdout, "served\n");
    for (source, output) in [("hostile.c", "all as it must be\n"), ("fork.c", "every child ended well\n")] {
        let program = workshop.compile("musl-gcc", source, &[&library]);
        assert_eq!(run(&mut Command::new(program)).succeeded().stdout, output);
    }
}
