//! The bench of the engines: six loops that compute (`tests/bench/loops.c`), compiled by the system's gcc, run natively and
//! on an engine without any operating system. Prints guest instructions a second and the ratio to native time; the
//! checksums must agree.
//!
//! `cargo run -p x86-tests --release --bin loops -- [--engine interp|jit] [name of a loop]`

fn main() -> anyhow::Result<()> {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    return x86_tests::bench::main(&std::env::args().skip(1).collect::<Vec<_>>());
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    anyhow::bail!("the bench compares with the host CPU, and so needs x86-64 Linux")
}
