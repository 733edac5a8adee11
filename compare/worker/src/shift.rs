//! Moves the program's code by as many bytes as `COMPARE_SHIFT` said when it was built; `compare` builds and runs several shifts
//! of each worker (its builder.rs says why). It is here and not in the library, so that another shift costs no more than this file and a link.

#[cfg(target_os = "linux")]
mod shift {
    const BYTES: usize = match option_env!("COMPARE_SHIFT") {
        Some(bytes) => match usize::from_str_radix(bytes, 10) {
            Ok(bytes) => bytes,
            Err(_) => panic!("COMPARE_SHIFT is a number of bytes"),
        },
        None => 0,
    };

    // The linker puts what a program consists of in the order that it is given, the crate with `main` first.
    std::arch::global_asm!(
        ".pushsection .text.compare_shift, \"ax\"",
        ".globl compare_shift",
        "compare_shift:",
        ".zero {}",
        ".popsection",
        const BYTES
    );

    extern "C" {
        pub fn compare_shift();
    }
}

/// Called once, or the linker drops the bytes for being nobody's.
pub fn keep() {
    #[cfg(target_os = "linux")]
    std::hint::black_box(shift::compare_shift as *const ());
}
