//! Bytes as code in every mode: see `x86_tests::wild`. The first eight bytes are the seed of everything else.

#![no_main]

use libfuzzer_sys::fuzz_target;
use x86_tests::rng::Rng;
use x86_tests::wild;

fuzz_target!(|data: &[u8]| {
    if let Some((seed, code)) = data.split_first_chunk::<8>() {
        wild::run_code(&mut Rng::new(u64::from_le_bytes(*seed)), code);
    }
});
