//! x87 instructions run on the processor itself.
#![allow(dead_code)]

use core::arch::asm;
use lyrebird_float::{F80, Flags, Relation};

/// What FNSAVE leaves, with the operands of `after` in memory.
#[derive(Clone, Copy, Debug)]
pub struct State {
    pub status: u16,
    pub st: [F80; 2],
    pub memory: [u8; 16],
}

impl State {
    fn new(image: &[u8; 128], memory: [u8; 16]) -> State {
        let st = |i: usize| {
            let at = 28 + 10 * i;
            F80::from_bytes(core::array::from_fn(|k| image[at + k]))
        };
        State { status: u16::from_le_bytes([image[4], image[5]]), st: [st(0), st(1)], memory }
    }

    pub fn flags(&self) -> Flags {
        Flags(self.status as u8 & 63)
    }

    pub fn c1(&self) -> bool {
        self.status & 0x200 != 0
    }

    pub fn relation(&self) -> Relation {
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
        pub fn $name(control: u16, a: F80, b: F80, mut memory: [u8; 16]) -> State {
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

pub type Native = fn(u16, F80, F80, [u8; 16]) -> State;

/// Whether the host is one of AMD's, whose habits in the corners are its own.
pub fn is_amd() -> bool {
    std::arch::x86_64::__cpuid(0).ecx == u32::from_le_bytes(*b"cAMD")
}
