//! What is stated of ordinary numbers over an algebra, compared with the arithmetic of all numbers.

use frontend_x86::concrete::Concrete;
use frontend_x86::x87::ordinary::{
    DOUBLE, Format, SINGLE, Ten, constant, fits, has_integer_bit, integer, is_normal_in, is_zero, is_zero_in,
    may_be_normal, narrow, narrow_zero, relation, round, widen, widen_zero,
};
use lyrebird_float::{Class, Constant, Env, F80, Flags, Relation, Rounding};

const CASES: u64 = 300_000;

/// Numbers with a taste for edges (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn significand(&mut self) -> u64 {
        let cut = self.next() & u64::MAX << self.below(64);
        match self.below(8) {
            0 => 0,
            1 => u64::MAX << self.below(64),
            2 => cut ^ 1 << self.below(64),
            _ => cut,
        }
    }

    /// A number of 80 bits, often near the edges of a format's exponents.
    fn ten(&mut self) -> Ten<u64> {
        let center =
            [0, 1, 16383, 16383 - 1022, 16383 + 1023, 16383 - 126, 16383 + 127, 0x7fff][self.below(8) as usize];
        let field = (center + self.below(5)).saturating_sub(2).min(0x7fff);
        let integer = if self.below(8) == 0 { 0 } else { 1 << 63 };
        Ten { significand: self.significand() | integer, top: self.below(2) << 15 | field }
    }

    fn in_memory(&mut self, f: Format) -> u64 {
        let bits = self.significand();
        let exponent = [0, 1, self.next(), self.next(), !0][self.below(5) as usize];
        if f.w.bits() == 32 {
            bits >> 41 | (exponent & 0xff) << 23 | self.below(2) << 31
        } else {
            bits >> 12 | (exponent & 0x7ff) << 52 | self.below(2) << 63
        }
    }
}

fn f80(ten: Ten<u64>) -> F80 {
    F80::new(ten.top as u16, ten.significand)
}

#[test]
fn numbers_are_widened() {
    let mut r = Random(1);
    for n in 0..CASES {
        let f = if n % 2 == 0 { DOUBLE } else { SINGLE };
        let raw = r.in_memory(f);
        let mut env = Env::x87(0x37f);
        let expected =
            if n % 2 == 0 { F80::from_double(raw, &mut env) } else { F80::from_single(raw as u32, &mut env) };
        let a = &mut Concrete;
        let (normal, zero) = (is_normal_in(a, f, raw), is_zero_in(a, f, raw));
        let zero_is = expected.significand == 0;
        let ordinary = expected.class() == Class::Normal && env.flags.is_empty();
        assert_eq!((normal, zero), (ordinary, zero_is), "{raw:x}");
        if normal {
            assert_eq!(f80(widen(a, f, raw)), expected, "{raw:x}");
        } else if zero {
            assert_eq!(f80(widen_zero(a, f, raw)), expected, "{raw:x}");
        }
    }
}

#[test]
fn numbers_are_narrowed() {
    let mut r = Random(2);
    let mut seen = [0; 3];
    for n in 0..CASES {
        let (f, ten) = (if n % 2 == 0 { DOUBLE } else { SINGLE }, r.ten());
        let mut env = Env::x87(0x37f);
        let expected = if n % 2 == 0 { f80(ten).to_double(&mut env) } else { f80(ten).to_single(&mut env).into() };
        let a = &mut Concrete;
        let set = u64::from(env.flags.bits()) | u64::from(env.rounded_up) << 9;
        if fits(a, f, ten) && has_integer_bit(a, ten) {
            let (cut, lost) = narrow(a, f, ten);
            let got = if lost == 0 { (cut, 0) } else { round(a, f, cut, lost) };
            assert_eq!(got, (expected, set), "{ten:x?}");
            seen[usize::from(lost != 0)] += 1;
        } else if is_zero(a, ten) {
            assert_eq!((narrow_zero(a, f, ten), 0), (expected, set), "{ten:x?}");
            seen[2] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times > CASES / 500), "{seen:?}");
}

#[test]
fn integers_and_constants_are_made() {
    let mut r = Random(3);
    for n in 0..CASES {
        let v = if n < 65 { (1u64 << 63).checked_shr(n as u32).unwrap_or(0) } else { r.significand() };
        assert_eq!(f80(integer(&mut Concrete, v)), F80::from_i64(v as i64), "{v:x}");
    }
    for (one, constant_is) in [(true, Constant::One), (false, Constant::Zero)] {
        assert_eq!(f80(constant(&mut Concrete, one)), F80::constant(constant_is, Rounding::from_bits(0)));
    }
}

#[test]
fn numbers_are_compared() {
    let mut r = Random(4);
    let mut seen = 0;
    for _ in 0..CASES {
        let (l, other) = (r.ten(), r.ten());
        let other = match r.below(4) {
            0 => l,
            1 => Ten { top: l.top ^ 1 << 15, ..l },
            2 => Ten { top: l.top, ..other },
            _ => other,
        };
        let zero = |ten: Ten<u64>| {
            if ten.significand << 1 == 0 && ten.top & 1 == 0 {
                Ten { significand: 0, top: ten.top & 1 << 15 }
            } else {
                ten
            }
        };
        let (l, other) = (zero(l), zero(other));
        let a = &mut Concrete;
        let ordinary = [l, other].map(|ten| may_be_normal(a, ten) && has_integer_bit(a, ten) || is_zero(a, ten));
        let mut env = Env::x87(0x37f);
        let expected = f80(l).compare(f80(other), &mut env);
        assert!(!ordinary.iter().all(|is| *is) || env.flags == Flags::NONE);
        if ordinary == [true; 2] {
            let expected = (expected == Relation::Less, expected == Relation::Equal);
            assert_eq!(relation(a, l, other), expected, "{l:x?} {other:x?}");
            seen += 1;
        }
    }
    assert!(seen > CASES / 4);
}
