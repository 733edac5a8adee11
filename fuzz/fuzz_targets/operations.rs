#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hakmem_fuzz::operations::run(data));
