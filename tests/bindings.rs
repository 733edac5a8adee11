//! The committed interfaces are what bindgen and cbindgen write today. Runs with `--features bindgen,cbindgen`;
//! `HAKMEM_UPDATE_BINDINGS=1` writes the committed files anew instead of comparing.
#![cfg(any(feature = "bindgen", feature = "cbindgen"))]

use std::path::Path;

fn check(made: &str, committed: &str) {
    let made = Path::new(env!("OUT_DIR")).join(made);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join(committed);
    let fresh = std::fs::read_to_string(&made).unwrap();
    if std::env::var_os("HAKMEM_UPDATE_BINDINGS").is_some() {
        std::fs::write(&committed, fresh).unwrap();
        return;
    }
    assert!(
        std::fs::read_to_string(&committed).is_ok_and(|old| old == fresh),
        "{} is out of date: run HAKMEM_UPDATE_BINDINGS=1 cargo test --features bindgen,cbindgen --test bindings",
        committed.display()
    );
}

#[cfg(feature = "bindgen")]
#[test]
fn bindings_are_current() {
    check("bindings.rs", "src/bindings.rs");
}

#[cfg(feature = "cbindgen")]
#[test]
fn header_is_current() {
    check("hakmem_rust.h", "csrc/include/hakmem_rust.h");
}
