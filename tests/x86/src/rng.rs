//! Random numbers that are the same on every host: what a seed found, it finds again.

/// A generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// Numbers at which x86 arithmetic changes its mind.
const EDGES: [u64; 20] = [
    0,
    1,
    2,
    0xf,
    0x10,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    i64::MAX as u64,
    i64::MIN as u64,
    u64::MAX - 1,
    u64::MAX,
];

impl Rng {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x6c62_272e_07bb_0142)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A number as instructions meet them: an edge, something near one, few bits, or any.
    pub fn number(&mut self) -> u64 {
        match self.below(8) {
            0 | 1 => self.pick(&EDGES),
            2 => self.pick(&EDGES).wrapping_add(self.below(5)).wrapping_sub(2),
            3 => self.below(64),
            4 => self.pick(&EDGES) << 32 | self.pick(&EDGES) & 0xffff_ffff,
            5 => self.bits() & 0xffff_ffff,
            _ => self.bits(),
        }
    }
}
