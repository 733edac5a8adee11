//! Compiles the C core in `csrc/` and, behind the features `bindgen` and `cbindgen`, makes the two generated interfaces
//! anew in `OUT_DIR` (tests/bindings.rs compares them with the committed ones).
//!
//! The core's switches come from the environment, not from Cargo features: features are united across a dependency tree,
//! and a switch that is off must stay off.

use std::env;
use std::path::{Path, PathBuf};

/// The core's sources, besides the headers that `csrc` holds next to them.
const SOURCES: &[&str] = &[
    "abandoned.c",
    "adopt.c",
    "cache.c",
    "delay.c",
    "early.c",
    "failure.c",
    "fatal.c",
    "find.c",
    "flush.c",
    "free.c",
    "frees.c",
    "heap.c",
    "heap_slots.c",
    "huge.c",
    "idle.c",
    "large.c",
    "lock.c",
    "malloc.c",
    "mapping.c",
    "memcheck.c",
    "meta.c",
    "notice.c",
    "options.c",
    "os_unix.c",
    "page.c",
    "page_arena.c",
    "park.c",
    "purge.c",
    "recent.c",
    "realloc.c",
    "report.c",
    "retire.c",
    "shared_pool.c",
    "slot_bits.c",
    "slot_blocks.c",
    "stats.c",
    "thread.c",
    "tiny.c",
    "trace.c",
    "unload.c",
];

/// What the feature `override` adds, from `csrc/override`.
const OVERRIDE_SOURCES: &[&str] = &["info.c", "malloc.c", "new.c"];

/// A build switch: its name, the values it takes, and what it is when the environment does not say.
struct Switch {
    name: &'static str,
    values: &'static [&'static str],
    default: &'static str,
}

const BOOL: &[&str] = &["0", "1"];

fn switches() -> [Switch; 9] {
    let release = match env::var("PROFILE").as_deref() {
        Ok("debug") => "0",
        _ => "1",
    };
    [
        Switch { name: "HAKMEM_USE_DIRECT_CACHE", values: BOOL, default: "1" },
        Switch { name: "HAKMEM_USE_DUAL_LISTS", values: BOOL, default: "1" },
        Switch { name: "HAKMEM_USE_BRANCH_HINTS", values: BOOL, default: "1" },
        Switch { name: "HAKMEM_USE_BLOCK_CACHE", values: BOOL, default: "1" },
        Switch { name: "HAKMEM_BUILD_RELEASE", values: BOOL, default: release },
        Switch { name: "HAKMEM_STATS", values: BOOL, default: "0" },
        Switch { name: "HAKMEM_VALGRIND", values: BOOL, default: "0" },
        Switch { name: "HAKMEM_DELAYS", values: BOOL, default: "0" },
        Switch { name: "HAKMEM_DIRECT_PAGES", values: &["129", "65"], default: "129" },
    ]
}

/// The switch's value, or an end to the build that says which switch is wrong and what it takes.
fn value_of(switch: &Switch) -> String {
    println!("cargo::rerun-if-env-changed={}", switch.name);
    let value = env::var(switch.name).unwrap_or_else(|_| switch.default.to_owned());
    if !switch.values.contains(&value.as_str()) {
        println!("cargo::error={}={value:?} is not one of {}", switch.name, switch.values.join(", "));
        std::process::exit(1);
    }
    value
}

/// Whether the program is built with `-Zsanitizer=address` (or whatever rustc will call it).
fn is_address_sanitized() -> bool {
    env::var("CARGO_CFG_SANITIZE").is_ok_and(|names| names.split(',').any(|name| name == "address"))
}

/// Whether a thread-local cell of Rust's needs no memory from the allocator: the targets whose linker and loader know such cells.
fn has_native_thread_locals() -> bool {
    let is = |name: &str, values: &[&str]| env::var(name).is_ok_and(|value| values.contains(&value.as_str()));
    is("CARGO_CFG_TARGET_OS", &["linux", "macos", "ios", "freebsd"]) && !is("CARGO_CFG_TARGET_ENV", &["ohos"])
}

/// The inlined path is the block cache's; it needs a thread-local cell, hence `std`, and neither counts nor asserts nor
/// tells a memory checker.
fn choose_fast_path() {
    let wanted = value_of(&Switch { name: "HAKMEM_USE_RUST_FAST_PATH", values: BOOL, default: "1" }) == "1";
    let possible = switches().iter().all(|switch| match switch.name {
        "HAKMEM_USE_BLOCK_CACHE" | "HAKMEM_BUILD_RELEASE" => value_of(switch) == "1",
        "HAKMEM_STATS" | "HAKMEM_VALGRIND" => value_of(switch) == "0",
        _ => true,
    });
    let has_cell = has_native_thread_locals() && env::var_os("CARGO_FEATURE_STD").is_some();
    if wanted && possible && has_cell && !is_address_sanitized() {
        println!("cargo::rustc-cfg=hakmem_rust_fast_path");
    }
}

fn compile_core(csrc: &Path) {
    let unix = env::var_os("CARGO_CFG_UNIX").is_some();
    let bits = env::var("CARGO_CFG_TARGET_POINTER_WIDTH").unwrap_or_default();
    if !unix || bits != "64" {
        let target = env::var("TARGET").unwrap_or_default();
        println!("cargo::error=hakmem-alloc supports 64-bit Unix systems so far, not {target}");
        std::process::exit(1);
    }
    let mut build = cc::Build::new();
    build.std("c11").warnings(false).flag_if_supported("-fvisibility=hidden");
    // An allocator that is not optimised makes every debug build of a program slow; assertions are a switch of their own.
    build.opt_level(2);
    // or loops that copy a few bytes become calls of memcpy
    build.flag_if_supported("-fno-tree-loop-distribute-patterns");
    for switch in switches() {
        let value = value_of(&switch);
        build.define(switch.name, value.as_str());
        if switch.name == "HAKMEM_USE_BLOCK_CACHE" && value == "1" {
            println!("cargo::rustc-cfg=hakmem_block_cache");
        }
    }
    choose_fast_path();
    if is_address_sanitized() {
        build.flag("-fsanitize=address"); // by which csrc/src/config.h knows; the runtime is rustc's
    }
    if value_of(&Switch { name: "HAKMEM_WERROR", values: BOOL, default: "0" }) == "1" {
        build.flags(["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wconversion", "-Wno-sign-conversion"]);
        build.flag("-Werror");
    }
    for source in SOURCES {
        build.file(csrc.join("src").join(source));
    }
    if env::var_os("CARGO_FEATURE_OVERRIDE").is_some() {
        add_override(&mut build, csrc);
    }
    build.compile("hakmem_core");
}

fn add_override(build: &mut cc::Build, csrc: &Path) {
    build.define("HAKMEM_OVERRIDE", "1");
    // A compiler that knows what malloc does may turn our own code into a call of itself, or leave a call out.
    build.flags(["malloc", "calloc", "realloc", "free", "aligned_alloc"].map(|name| format!("-fno-builtin-{name}")));
    // std::bad_alloc passes through operator new on its way to the caller.
    build.flag("-fexceptions");
    // In a shared library, calls among our own functions need no way round through the linker's table.
    build.flag_if_supported("-fno-semantic-interposition");
    for source in OVERRIDE_SOURCES {
        build.file(csrc.join("override").join(source));
    }
}

#[cfg(feature = "bindgen")]
fn make_bindings(csrc: &Path, out: &Path) {
    bindgen::Builder::default()
        .header(csrc.join("include/hakmem.h").to_str().expect("the path of csrc is UTF-8"))
        .allowlist_item("(hakmem|HAKMEM)_.*")
        .use_core()
        .rust_target(bindgen::RustTarget::stable(84, 0).unwrap_or_else(|_| unreachable!("1.84 is a Rust version")))
        .generate_comments(false)
        .disable_header_comment()
        .formatter(bindgen::Formatter::Prettyplease)
        .generate()
        .expect("bindgen reads csrc/include/hakmem.h")
        .write_to_file(out.join("bindings.rs"))
        .expect("OUT_DIR can be written");
}

#[cfg(feature = "cbindgen")]
fn make_header(root: &Path, out: &Path) {
    let config = cbindgen::Config::from_file(root.join("csrc/cbindgen.toml")).expect("csrc/cbindgen.toml is valid");
    cbindgen::Builder::new()
        .with_src(root.join("src/capi.rs"))
        .with_config(config)
        .generate()
        .expect("cbindgen reads src/capi.rs")
        .write_to_file(out.join("hakmem_rust.h"));
}

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let csrc = root.join("csrc");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=csrc");
    println!("cargo::rustc-check-cfg=cfg(hakmem_block_cache, hakmem_rust_fast_path)");
    // Under Miri no C can run: everything goes to `System` there.
    if env::var_os("CARGO_CFG_MIRI").is_none() {
        compile_core(&csrc);
    }
    println!("cargo::metadata=include={}", csrc.join("include").display());
    #[cfg(any(feature = "bindgen", feature = "cbindgen"))]
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    #[cfg(feature = "bindgen")]
    make_bindings(&csrc, &out);
    #[cfg(feature = "cbindgen")]
    {
        println!("cargo::rerun-if-changed=src/capi.rs");
        make_header(&root, &out);
    }
}
