//! Random bytes as code never panic or hang the host. `WILD=n` runs so many guests, `WILD_SEED=s` begins at another seed.

use x86_tests::wild;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn wild_guests_hurt_nobody() {
    let (first, count) = (number("WILD_SEED", 1), number("WILD", 300));
    for seed in first..first + count {
        if let Err(panic) = std::panic::catch_unwind(|| wild::run(seed)) {
            eprintln!("the guest of seed {seed}: run again with WILD=1 WILD_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
