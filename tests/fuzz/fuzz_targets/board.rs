//! Every device of the board, driven by what the fuzzer finds.
#![no_main]

#[path = "../../common/abuse.rs"]
mod abuse;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| abuse::abuse(bytes, 2_000));
