//! Every device of the board under random accesses by ports, memory, PCI and DMA; `tests/fuzz` has the same without end.

#[path = "common/abuse.rs"]
mod abuse;

/// Bytes by a generator; different seeds give different guests.
fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn no_guest_breaks_the_board() {
    for seed in 0..24 {
        abuse::abuse(&bytes(seed, 30_000), 4_000);
    }
}
