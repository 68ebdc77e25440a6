//! x87 operations against the processor the tests run on: values, exceptions
//! and C1, masked and unmasked.
#![cfg(target_arch = "x86_64")]

mod support;

use core::arch::asm;
use lyrebird_float::{Constant, Env, F80, Flags, Relation, Remainder, Rounding};
use support::{Rng, cases};

/// What FNSAVE leaves, with the operands of `after` in memory.
#[derive(Clone, Copy, Debug)]
struct State {
    status: u16,
    st: [F80; 2],
    memory: [u8; 16],
}

impl State {
    fn new(image: &[u8; 128], memory: [u8; 16]) -> State {
        let st = |i: usize| {
            let at = 28 + 10 * i;
            F80::from_bytes(core::array::from_fn(|k| image[at + k]))
        };
        State { status: u16::from_le_bytes([image[4], image[5]]), st: [st(0), st(1)], memory }
    }

    fn flags(&self) -> Flags {
        Flags(self.status as u8 & 63)
    }

    fn c1(&self) -> bool {
        self.status & 0x200 != 0
    }

    fn relation(&self) -> Relation {
        match (self.status >> 8) & 0x45 {
            0 => Relation::Greater,
            1 => Relation::Less,
            0x40 => Relation::Equal,
            _ => Relation::Unordered,
        }
    }
}

/// Defines a function that runs an instruction with `a` in ST(0) and `b` in ST(1)
/// under a control word.  `{m}` in the instruction is 16 bytes of memory.
macro_rules! native {
    ($($name:ident = $code:expr;)*) => {$(
        fn $name(control: u16, a: F80, b: F80, mut memory: [u8; 16]) -> State {
            let (a, b) = (a.to_bytes(), b.to_bytes());
            let mut image = [0u8; 128];
            // SAFETY: the instructions touch only the x87 state, which FNSAVE
            // resets to its default, and the arrays they are given.
            unsafe {
                asm!(
                    "fninit",
                    "fld tbyte ptr [{b}]",
                    "fld tbyte ptr [{a}]",
                    "fldcw word ptr [{control}]",
                    $code,
                    "fnsave [{image}]",
                    a = in(reg) &a,
                    b = in(reg) &b,
                    m = in(reg) &mut memory,
                    control = in(reg) &control,
                    image = in(reg) &mut image,
                    out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                    out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
                );
            }
            State::new(&image, memory)
        }
    )*};
}

native! {
    fadd = "fadd st(0), st(1) /* {m} */";
    fsub = "fsub st(0), st(1) /* {m} */";
    fmul = "fmul st(0), st(1) /* {m} */";
    fdiv = "fdiv st(0), st(1) /* {m} */";
    fsqrt = "fsqrt /* {m} */";
    frndint = "frndint /* {m} */";
    fscale = "fscale /* {m} */";
    fprem = "fprem /* {m} */";
    fprem1 = "fprem1 /* {m} */";
    fxtract = "fxtract /* {m} */";
    fcom = "fcom st(1) /* {m} */";
    fucom = "fucom st(1) /* {m} */";
    f2xm1 = "f2xm1 /* {m} */";
    fyl2x = "fyl2x /* {m} */";
    fyl2xp1 = "fyl2xp1 /* {m} */";
    fpatan = "fpatan /* {m} */";
    fptan = "fptan /* {m} */";
    fsin = "fsin /* {m} */";
    fcos = "fcos /* {m} */";
    fsincos = "fsincos /* {m} */";
    fst32 = "fst dword ptr [{m}]";
    fst64 = "fst qword ptr [{m}]";
    fist16 = "fist word ptr [{m}]";
    fist32 = "fist dword ptr [{m}]";
    fistp64 = "fistp qword ptr [{m}]";
    fisttp16 = "fisttp word ptr [{m}]";
    fisttp32 = "fisttp dword ptr [{m}]";
    fisttp64 = "fisttp qword ptr [{m}]";
    fbstp = "fbstp [{m}]";
    fbld = "fbld [{m}]";
    fld32 = "fld dword ptr [{m}]";
    fld64 = "fld qword ptr [{m}]";
    fild64 = "fild qword ptr [{m}]";
    fldl2t = "fldl2t /* {m} */";
    fldl2e = "fldl2e /* {m} */";
    fldpi = "fldpi /* {m} */";
    fldlg2 = "fldlg2 /* {m} */";
    fldln2 = "fldln2 /* {m} */";
}

type Native = fn(u16, F80, F80, [u8; 16]) -> State;

/// A control word: any rounding and precision, mostly all masked.
fn control(rng: &mut Rng) -> u16 {
    let fields = (rng.below(4) << 10) | ([0, 2, 3, 3][rng.below(4) as usize] << 8);
    let masks = if rng.below(4) == 0 { rng.next() & 63 } else { 63 };
    (fields | masks) as u16
}

/// Compares an operation whose result goes to ST(0).
fn check_register(seed: u64, count: u64, native: Native, ours: impl Fn(F80, F80, &mut Env) -> F80) {
    let mut rng = Rng(seed);
    for _ in 0..cases(count) {
        let control = control(&mut rng);
        let a = rng.f80();
        let b = rng.f80_near(a);
        compare_register(control, a, b, native, &ours);
    }
}

#[track_caller]
fn compare_register(control: u16, a: F80, b: F80, native: Native, ours: impl Fn(F80, F80, &mut Env) -> F80) {
    let theirs = native(control, a, b, [0; 16]);
    let mut env = Env::x87(control);
    let value = ours(a, b, &mut env);
    let context = format!("cw {control:x} a {a:x?} b {b:x?} hardware {theirs:x?} ours {value:x?} {env:x?}");
    assert_eq!(env.flags, theirs.flags(), "flags: {context}");
    if env.suspended() {
        assert_eq!(theirs.st[0], a, "{context}");
    } else {
        assert_eq!(theirs.st[0], value, "{context}");
        assert_eq!(theirs.c1(), env.rounded_up, "C1: {context}");
    }
}

#[test]
fn add() {
    check_register(1, 1_000_000, fadd, F80::add);
}

#[test]
fn sub() {
    check_register(2, 1_000_000, fsub, F80::sub);
}

#[test]
fn mul() {
    check_register(3, 1_000_000, fmul, F80::mul);
}

#[test]
fn div() {
    check_register(4, 1_000_000, fdiv, F80::div);
}

#[test]
fn sqrt() {
    check_register(5, 500_000, fsqrt, |a, _, env| a.sqrt(env));
}

#[test]
fn round_to_integer() {
    check_register(6, 500_000, frndint, |a, _, env| a.round_to_integer(env));
}

#[test]
fn scale() {
    check_register(7, 500_000, fscale, F80::scale);
}

#[test]
fn extract() {
    let mut rng = Rng(8);
    for _ in 0..cases(300_000) {
        let (control, a) = (control(&mut rng), rng.f80());
        let theirs = fxtract(control, a, a, [0; 16]);
        let mut env = Env::x87(control);
        let (exponent, significand) = a.extract(&mut env);
        let context = format!("cw {control:x} a {a:x?} {theirs:x?}");
        assert_eq!(env.flags, theirs.flags(), "{context}");
        if !env.suspended() {
            assert_eq!([significand, exponent], theirs.st, "{context}");
            assert!(!theirs.c1());
        }
    }
}

fn check_remainder(seed: u64, native: Native, ours: impl Fn(F80, F80, &mut Env) -> Remainder) {
    let mut rng = Rng(seed);
    for _ in 0..cases(400_000) {
        let control = control(&mut rng);
        let a = rng.f80();
        let b = rng.f80_near(a);
        let theirs = native(control, a, b, [0; 16]);
        let mut env = Env::x87(control);
        let result = ours(a, b, &mut env);
        let context = format!("cw {control:x} a {a:x?} b {b:x?} hardware {theirs:x?} ours {result:x?} {env:x?}");
        assert_eq!(env.flags, theirs.flags(), "{context}");
        if env.suspended() {
            continue;
        }
        let codes = theirs.status >> 8;
        assert_eq!(codes & 4 == 0, result.complete, "{context}");
        assert_eq!(theirs.st[0], result.value, "{context}");
        let quotient = (codes & 1) << 2 | (codes & 0x40) >> 5 | (codes & 2) >> 1;
        assert_eq!(quotient as u8, result.quotient, "{context}");
    }
}

#[test]
fn rem_truncated() {
    check_remainder(9, fprem, F80::rem_truncated);
}

#[test]
fn rem_nearest() {
    check_remainder(10, fprem1, F80::rem_nearest);
}

#[test]
fn compare() {
    let mut rng = Rng(11);
    for _ in 0..cases(400_000) {
        let control = control(&mut rng);
        let a = rng.f80();
        let b = rng.f80_near(a);
        for (native, ours) in
            [(fcom as Native, F80::compare as fn(F80, F80, &mut Env) -> Relation), (fucom, F80::compare_unordered)]
        {
            let theirs = native(control, a, b, [0; 16]);
            let mut env = Env::x87(control);
            let relation = ours(a, b, &mut env);
            assert_eq!(env.flags, theirs.flags(), "{a:x?} {b:x?}");
            if !env.suspended() {
                assert_eq!(relation, theirs.relation(), "{a:x?} {b:x?}");
            }
            assert!(!theirs.c1());
        }
    }
}

/// Compares a store of `N` bytes.
fn check_store<const N: usize>(seed: u64, native: Native, ours: impl Fn(F80, &mut Env) -> [u8; N]) {
    let mut rng = Rng(seed);
    for _ in 0..cases(400_000) {
        let (control, a) = (control(&mut rng), rng.f80());
        let theirs = native(control, a, a, [0x5a; 16]);
        let mut env = Env::x87(control);
        let value = ours(a, &mut env);
        let context = format!("cw {control:x} a {a:x?} hardware {theirs:x?} ours {value:x?} {env:x?}");
        assert_eq!(env.flags, theirs.flags(), "{context}");
        let stops = Flags(0x1f);
        if env.unmasked().intersects(stops) {
            assert_eq!(theirs.memory, [0x5a; 16], "{context}");
        } else {
            assert_eq!(theirs.memory[..N], value, "{context}");
            assert_eq!(theirs.c1(), env.rounded_up, "{context}");
        }
    }
}

#[test]
fn store_single() {
    check_store(12, fst32, |a, env| a.to_single(env).to_le_bytes());
}

#[test]
fn store_double() {
    check_store(13, fst64, |a, env| a.to_double(env).to_le_bytes());
}

#[test]
fn store_integers() {
    check_store(14, fist16, |a, env| a.to_i16(env).to_le_bytes());
    check_store(15, fist32, |a, env| a.to_i32(env).to_le_bytes());
    check_store(16, fistp64, |a, env| a.to_i64(env).to_le_bytes());
    check_store(17, fisttp16, |a, env| a.truncate_to_i16(env).to_le_bytes());
    check_store(18, fisttp32, |a, env| a.truncate_to_i32(env).to_le_bytes());
    check_store(19, fisttp64, |a, env| a.truncate_to_i64(env).to_le_bytes());
}

#[test]
fn store_decimal() {
    check_store(20, fbstp, |a, env| a.to_bcd(env));
}

#[test]
fn loads() {
    let mut rng = Rng(21);
    for _ in 0..cases(300_000) {
        let control = control(&mut rng);
        let wide = if rng.bool() { rng.bits64() } else { rng.pattern() };
        let single = rng.bits32();
        let mut memory = [0; 16];
        let bcd: [u8; 10] =
            core::array::from_fn(|i| if i == 9 { 0x80 } else { (rng.below(10) * 16 + rng.below(10)) as u8 });
        let mut check = |native: Native, bytes: &[u8], ours: &dyn Fn(&mut Env) -> F80| {
            memory[..bytes.len()].copy_from_slice(bytes);
            let theirs = native(control, F80::ZERO, F80::ZERO, memory);
            let mut env = Env::x87(control);
            let value = ours(&mut env);
            assert_eq!(env.flags, theirs.flags(), "{bytes:x?}");
            if !env.suspended() {
                assert_eq!(value, theirs.st[0], "{bytes:x?}");
            }
        };
        check(fld32, &single.to_le_bytes(), &|env| F80::from_single(single, env));
        check(fld64, &wide.to_le_bytes(), &|env| F80::from_double(wide, env));
        check(fild64, &wide.to_le_bytes(), &|_| F80::from_i64(wide as i64));
        check(fbld, &bcd, &|_| F80::from_bcd(bcd));
    }
}

#[test]
fn constants() {
    let table: [(Native, Constant); 5] = [
        (fldl2t, Constant::Log2Ten),
        (fldl2e, Constant::Log2E),
        (fldpi, Constant::Pi),
        (fldlg2, Constant::Log10Two),
        (fldln2, Constant::LnTwo),
    ];
    for (native, constant) in table {
        for bits in 0..4 {
            let theirs = native(0x37f | (u16::from(bits) << 10), F80::ZERO, F80::ZERO, [0; 16]);
            assert_eq!(F80::constant(constant, Rounding::from_bits(bits)), theirs.st[0]);
            assert_eq!(theirs.flags(), Flags::NONE);
        }
    }
}
