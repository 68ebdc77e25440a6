//! Operands for the tests: random ones and those at the edges, always the same.
#![allow(dead_code)]

use lyrebird_float::F80;

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn bool(&mut self) -> bool {
        self.next() & 1 != 0
    }

    /// Bits that make carries, ties and cancellations likely.
    pub fn pattern(&mut self) -> u64 {
        let a = self.below(64);
        let b = self.below(64);
        match self.below(10) {
            0 => 0,
            1 => !0,
            2 => 1 << a,
            3 => (1 << a) | (1 << b),
            4 => !0 << a,
            5 => !(!0 << a),
            6 => (!0 << a) ^ (1 << b),
            7 => self.next() << a,
            _ => self.next(),
        }
    }

    pub fn f80(&mut self) -> F80 {
        let sign = (self.next() as u16) & 0x8000;
        let field = match self.below(16) {
            0 => 0,
            1 => self.below(70) as u16,
            2 => 0x7fff,
            3 => 0x7ffe - self.below(70) as u16,
            4 => self.next() as u16 & 0x7fff,
            5 => (0x3fff - 16382) + self.below(4) as u16,
            6 => 0x3fff - 1023 - 60 + self.below(130) as u16,
            7 => 0x3fff + 1000 + self.below(30) as u16,
            8 => 0x3fff - 127 - 30 + self.below(60) as u16,
            9 => 0x3fff + 120 + self.below(10) as u16,
            _ => 0x3fff - 70 + self.below(140) as u16,
        };
        let mut significand = self.pattern();
        if self.below(50) != 0 {
            significand &= !(1 << 63);
            if field != 0 {
                significand |= 1 << 63;
            }
        }
        F80::new(sign | field, significand)
    }

    /// A value related to another: near in exponent or magnitude.
    pub fn f80_near(&mut self, other: F80) -> F80 {
        let mut value = self.f80();
        match self.below(4) {
            0 => {
                let field = (other.exponent_field() + 2).wrapping_sub(self.below(5) as u16);
                value.sign_exponent = (value.sign_exponent & 0x8000) | (field & 0x7fff);
                value.significand |= 1 << 63;
                value
            }
            1 => F80::new(
                other.sign_exponent ^ (value.sign_exponent & 0x8000),
                other.significand.wrapping_add(self.below(3)).wrapping_sub(1),
            ),
            _ => value,
        }
    }

    pub fn bits64(&mut self) -> u64 {
        let sign = self.next() & (1 << 63);
        let field = match self.below(12) {
            0 => 0,
            1 => self.below(60),
            2 => 0x7ff,
            3 => 0x7fe - self.below(60),
            4 => self.below(0x800),
            5 => 1023 - 127 - 30 + self.below(60),
            6 => 1023 + 120 + self.below(10),
            7 => 1023 + 25 + self.below(42),
            _ => 1023 - 60 + self.below(120),
        };
        sign | (field << 52) | (self.pattern() & ((1 << 52) - 1))
    }

    pub fn bits32(&mut self) -> u32 {
        let sign = self.next() as u32 & (1 << 31);
        let field = match self.below(10) {
            0 => 0,
            1 => self.below(30),
            2 => 0xff,
            3 => 0xfe - self.below(30),
            4 => self.below(0x100),
            5 => 127 - 15 - 12 + self.below(40),
            6 => 127 + 20 + self.below(46),
            _ => 127 - 30 + self.below(60),
        } as u32;
        let mut fraction = self.pattern();
        if self.bool() {
            fraction >>= 41;
        }
        sign | (field << 23) | (fraction as u32 & ((1 << 23) - 1))
    }

    pub fn near64(&mut self, other: u64) -> u64 {
        match self.below(4) {
            0 => (other ^ (self.next() & (1 << 63))).wrapping_add(self.below(3)).wrapping_sub(1),
            1 => (self.bits64() & !(0x7ff << 52)) | (other & (0x7ff << 52)),
            _ => self.bits64(),
        }
    }

    pub fn near32(&mut self, other: u32) -> u32 {
        match self.below(4) {
            0 => (other ^ (self.next() as u32 & (1 << 31))).wrapping_add(self.below(3) as u32).wrapping_sub(1),
            1 => (self.bits32() & !(0xff << 23)) | (other & (0xff << 23)),
            _ => self.bits32(),
        }
    }
}

/// How many cases to run: fewer without optimisation.
pub fn cases(release: u64) -> u64 {
    if cfg!(debug_assertions) { release / 20 } else { release }
}
