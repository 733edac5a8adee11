#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hakmem_fuzz::c_api::run(data));
