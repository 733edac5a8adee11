//! Makes the linker show the C functions of `exports.map`.
//!
//! rustc passes a version script of its own, which shows what is Rust and hides all else. LLVM's linker, rustc's own on
//! x86-64 Linux, joins it with a second one; GNU's refuses two. So this tries, with the compiler and the flags that will link
//! the library: as things are, then with whatever LLVM linker there is.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

fn version_script(map: &Path) -> String {
    format!("-Wl,--version-script={}", map.display())
}

/// Whether a library of one function links with these arguments and a version script more.
fn links(arguments: &[String], out: &Path) -> bool {
    let source = out.join("probe.rs");
    let map = out.join("probe.map");
    std::fs::write(&source, "#[no_mangle] pub extern \"C\" fn hakmem_probe() {}\n").expect("OUT_DIR can be written");
    std::fs::write(&map, "{ global: hakmem_probe; local: *; };\n").expect("OUT_DIR can be written");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--crate-type=cdylib", "--target", &variable("TARGET"), "-o"]).arg(out.join("probe.so")).arg(&source);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    rustc.arg(format!("-Clink-arg={}", version_script(&map)));
    rustc.args(arguments.iter().map(|argument| format!("-Clink-arg={argument}")));
    rustc.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The folder in which rustc's own copy of LLVM's linker goes by the name that compilers look for.
fn rust_lld_folder() -> Option<PathBuf> {
    let output = Command::new(variable("RUSTC")).args(["--print", "sysroot"]).output().ok()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    let folder = sysroot.join("lib/rustlib").join(variable("HOST")).join("bin/gcc-ld");
    folder.join("ld.lld").exists().then_some(folder)
}

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=exports.map");

    let lld = "-fuse-ld=lld".to_owned();
    let mut attempts = vec![vec![], vec![lld.clone()]];
    if let Some(folder) = rust_lld_folder() {
        attempts.push(vec![lld, format!("-B{}", folder.display())]);
    }
    let Some(arguments) = attempts.into_iter().find(|arguments| links(arguments, &out)) else {
        println!("cargo::error=libhakmem_malloc.so needs LLVM's linker, which joins version scripts: install lld");
        std::process::exit(1);
    };
    println!("cargo::rustc-cdylib-link-arg={}", version_script(&root.join("exports.map")));
    for argument in arguments {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    // Threads and exit handlers may call in at any time, so the library never leaves the process; calls within it are direct.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete,-Bsymbolic-functions,-soname,libhakmem_malloc.so");
}
