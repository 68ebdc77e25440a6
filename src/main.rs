//! The program; see [`lyrebird::cli`].

fn main() -> std::process::ExitCode {
    lyrebird::cli::main()
}
