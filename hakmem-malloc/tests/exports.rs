//! What the shared library shows, and what it needs.

mod common;

use std::collections::BTreeSet;
use std::process::Command;

/// The functions of the list, `hakmem_*` apart.
const EXPORTS: &[&str] = &[
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "free",
    "free_sized",
    "free_aligned_sized",
    "aligned_alloc",
    "posix_memalign",
    "memalign",
    "valloc",
    "pvalloc",
    "malloc_usable_size",
    "malloc_trim",
    "malloc_stats",
    "mallinfo2",
    "mallopt",
    // operator new and new[]: plain, nothrow, aligned, aligned and nothrow
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    // operator delete and delete[]: plain, sized, nothrow, aligned, sized and aligned, aligned and nothrow
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
];

/// The functions that a header declares: a name of hakmem's right before a parenthesis, outside of comments.
fn declared(header: &str) -> BTreeSet<String> {
    let path = common::package_root().join("../csrc/include").join(header);
    let text = std::fs::read_to_string(path).expect("the header is there");
    let without_comments: String = text
        .split("/*")
        .map(|part| part.split_once("*/").map_or(part, |(_, rest)| rest))
        .flat_map(str::lines)
        .filter(|line| !line.starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut names = BTreeSet::new();
    for (at, _) in without_comments.match_indices("hakmem_") {
        let name: String = without_comments[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if without_comments[at + name.len()..].starts_with('(') {
            names.insert(name);
        }
    }
    names
}

fn defined_symbols() -> BTreeSet<String> {
    let output = Command::new("nm")
        .args(["-D", "--defined-only", "--format=posix"])
        .arg(common::shared_library())
        .output()
        .expect("binutils has nm");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("symbols are text");
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn just_the_listed_functions_are_visible() {
    let mut expected: BTreeSet<String> = EXPORTS.iter().map(|name| (*name).to_owned()).collect();
    expected.extend(declared("hakmem.h"));
    expected.extend(declared("hakmem_rust.h"));
    assert!(expected.contains("hakmem_stats_json") && expected.contains("hakmem_malloc"));
    assert_eq!(defined_symbols(), expected);
}

#[test]
fn it_needs_no_cxx_library_and_uses_the_fast_kind_of_thread_local_storage() {
    let output = Command::new("readelf").args(["-dW"]).arg(common::shared_library()).output().expect("binutils");
    let text = String::from_utf8_lossy(&output.stdout);
    for line in text.lines().filter(|line| line.contains("(NEEDED)")) {
        assert!(["libc.so", "libgcc_s.so", "ld-linux"].iter().any(|known| line.contains(known)), "{line}");
    }
    assert!(text.contains("STATIC_TLS") && text.contains("NODELETE"), "{text}");
}
