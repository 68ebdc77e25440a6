//! What the meaning of an instruction is written over. Each engine brings its own algebra: concrete values that are
//! computed now, or values of generated code.
//!
//! The rules of the game, which the semantics keep and an algebra may rely on:
//! - a value of width `w` is clean: its bits above `w` are zero;
//! - only [`Algebra::probe`], and what is named `..._or_stop`, may stop an instruction; all of them come before the first
//!   change of state, so a stopped instruction can be started again;
//! - a semantic function ends in exactly one [`Algebra::Flow`].

use crate::exception::Exception;
use crate::flags::{Flags, rflags};
use crate::op::{Form, Ins, Op, Width};

/// Operations on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Bin {
    Add,
    Sub,
    And,
    Or,
    Xor,
    /// The low half of the product.
    Mul,
    /// Shifts and rotates: the right operand is below the width's number of bits.
    Shl,
    Shr,
    Sar,
    Rol,
    Ror,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Cmp {
    Eq,
    Ne,
    Ult,
    Ule,
    Slt,
    Sle,
}

/// Values and truths: arithmetic that depends on nothing but its operands.
pub trait Arith {
    /// A number of up to 64 bits.
    type V: Copy;
    /// A truth.
    type C: Copy;

    /// A constant.
    fn k(&mut self, w: Width, value: u64) -> Self::V;
    /// An operation on two values of one width.
    fn bin(&mut self, op: Bin, w: Width, l: Self::V, r: Self::V) -> Self::V;
    /// A comparison.
    fn cmp(&mut self, cmp: Cmp, w: Width, l: Self::V, r: Self::V) -> Self::C;
    /// Bit number `bit` of a value.
    fn bit(&mut self, v: Self::V, bit: u32) -> Self::C;
    /// The low bits of a value.
    fn truncate(&mut self, w: Width, v: Self::V) -> Self::V;
    /// Sign extension.
    fn sign_extend(&mut self, from: Width, to: Width, v: Self::V) -> Self::V;
    /// How many bits are set.
    fn popcount(&mut self, w: Width, v: Self::V) -> Self::V;
    /// How many zeros stand above the highest one; the width's bits if there is none.
    fn leading_zeros(&mut self, w: Width, v: Self::V) -> Self::V;
    /// How many zeros stand below the lowest one; the width's bits if there is none.
    fn trailing_zeros(&mut self, w: Width, v: Self::V) -> Self::V;
    /// Bytes in reverse order.
    fn swap_bytes(&mut self, w: Width, v: Self::V) -> Self::V;
    /// The full product: low and high half.
    fn mul_wide(&mut self, signed: bool, w: Width, l: Self::V, r: Self::V) -> (Self::V, Self::V);
    /// One step of CRC-32C (reflected polynomial 82F63B78h) over a value of width `w`.
    fn crc32c(&mut self, w: Width, crc: Self::V, v: Self::V) -> Self::V;
    /// One of two values.
    fn select(&mut self, w: Width, c: Self::C, yes: Self::V, no: Self::V) -> Self::V;
    /// A constant truth.
    fn truth(&mut self, c: bool) -> Self::C;
    /// 1 or 0.
    fn value(&mut self, c: Self::C) -> Self::V;
    /// Both.
    fn and(&mut self, l: Self::C, r: Self::C) -> Self::C;
    /// Either.
    fn or(&mut self, l: Self::C, r: Self::C) -> Self::C;
    /// One, but not both.
    fn xor(&mut self, l: Self::C, r: Self::C) -> Self::C;
    /// The opposite.
    fn not(&mut self, c: Self::C) -> Self::C;

    /// Sum.
    #[inline(always)]
    fn add(&mut self, w: Width, l: Self::V, r: Self::V) -> Self::V {
        self.bin(Bin::Add, w, l, r)
    }
    /// Difference.
    #[inline(always)]
    fn sub(&mut self, w: Width, l: Self::V, r: Self::V) -> Self::V {
        self.bin(Bin::Sub, w, l, r)
    }
    /// Whether a value is zero.
    #[inline(always)]
    fn is_zero(&mut self, w: Width, v: Self::V) -> Self::C {
        let zero = self.k(w, 0);
        self.cmp(Cmp::Eq, w, v, zero)
    }
    /// Whether it is not.
    #[inline(always)]
    fn is_nonzero(&mut self, w: Width, v: Self::V) -> Self::C {
        let zero = self.k(w, 0);
        self.cmp(Cmp::Ne, w, v, zero)
    }
}

/// What a memory access is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Load.
    Read,
    /// Store.
    Write,
    /// Load and store: faults as a store does.
    Update,
}

impl Access {
    /// Whether it stores.
    #[inline(always)]
    pub const fn writes(self) -> bool {
        !matches!(self, Access::Read)
    }
}

/// A destination or source that has been found fit for its access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<P> {
    /// A general register.
    Reg(u8),
    /// AH, CH, DH, BH.
    High(u8),
    /// Memory.
    Mem(P),
}

/// What an instruction does to a CPU.
pub trait Algebra: Arith {
    /// A vector of up to 256 bits.
    type X: Copy;
    /// Memory that has been probed.
    type P: Copy;
    /// How the instruction ends.
    type Flow;
    /// Why it does not (nothing, for engines that leave the block on a side exit).
    type Stop;

    /// The op's particulars.
    fn op(&self) -> Op;

    // ---- registers

    /// The low `w` bits of a general register.
    fn reg(&mut self, r: u8, w: Width) -> Self::V;
    /// Writes a general register: 32 bits clear the upper half, 8 and 16 leave the rest alone.
    fn set_reg(&mut self, r: u8, w: Width, v: Self::V);
    /// AH, CH, DH, BH: r is 0 to 3.
    #[inline(always)]
    fn reg_high(&mut self, r: u8) -> Self::V {
        let v = self.reg(r, Width::Q);
        let amount = self.k(Width::Q, 8);
        let v = self.bin(Bin::Shr, Width::Q, v, amount);
        self.truncate(Width::B, v)
    }
    /// Writes one of them.
    #[inline(always)]
    fn set_reg_high(&mut self, r: u8, v: Self::V) {
        let (rest, amount) = (self.k(Width::Q, !0xff00), self.k(Width::Q, 8));
        let old = self.reg(r, Width::Q);
        let kept = self.bin(Bin::And, Width::Q, old, rest);
        let v = self.truncate(Width::B, v);
        let v = self.bin(Bin::Shl, Width::Q, v, amount);
        let v = self.bin(Bin::Or, Width::Q, kept, v);
        self.set_reg(r, Width::Q, v);
    }
    /// The immediate, in this width.
    fn imm(&mut self, w: Width) -> Self::V;
    /// RIP of the next instruction, in this width.
    fn next_rip(&mut self, w: Width) -> Self::V;
    /// A vector register's low 128 (X) or all 256 (Y) bits.
    fn vector(&mut self, r: u8, w: Width) -> Self::X;
    /// Writes its low 128 or all 256 bits.
    fn set_vector(&mut self, r: u8, w: Width, v: Self::X);

    // ---- memory

    /// The memory operand's effective address: base, index, displacement, cut to the address size.
    fn address(&mut self, i: Ins) -> Self::V;
    /// Checks an access of `w` at an offset of a segment: limits, rights, canonical form, paging. The only thing that
    /// may stop.
    fn probe(&mut self, form: Form, seg: u8, offset: Self::V, w: Width, access: Access) -> Result<Self::P, Self::Stop>;
    /// Loads up to 64 bits.
    fn load(&mut self, w: Width, p: Self::P) -> Self::V;
    /// Stores up to 64 bits.
    fn store(&mut self, w: Width, p: Self::P, v: Self::V);
    /// Loads 128 or 256 bits.
    fn load_vector(&mut self, w: Width, p: Self::P) -> Self::X;
    /// Stores 128 or 256 bits.
    fn store_vector(&mut self, w: Width, p: Self::P, v: Self::X);
    /// Replaces a value in memory by a function of it, atomically if `locked`; `f` gives the new value and whatever else
    /// the instruction wants to know. It must change no state: it may run several times.
    fn update<E>(&mut self, locked: bool, w: Width, p: Self::P, f: impl Fn(&mut Self, Self::V) -> (Self::V, E)) -> E;

    // ---- flags

    /// Sets all six arithmetic flags.
    fn set_flags(&mut self, f: Flags<Self::V>);
    /// A condition code.
    fn condition(&mut self, cc: u8) -> Self::C;
    /// CF.
    fn carry(&mut self) -> Self::C;
    /// All six at their RFLAGS places.
    fn flags_word(&mut self) -> Self::V;
    /// RFLAGS without them.
    fn system_flags(&mut self) -> Self::V;
    /// Replaces that. Whoever changes TF or AC has told the engine
    /// ([`crate::system::algebra::SystemAlgebra::look_if_or_stop`]).
    fn set_system_flags(&mut self, flags: Self::V);
    /// Whether DF is set.
    #[inline(always)]
    fn direction(&mut self) -> Self::C {
        let flags = self.system_flags();
        self.bit(flags, rflags::DF.trailing_zeros())
    }
    /// Sets or clears DF.
    #[inline(always)]
    fn set_direction(&mut self, set: bool) {
        let flags = self.system_flags();
        let (op, bits) = if set { (Bin::Or, rflags::DF) } else { (Bin::And, !rflags::DF) };
        let bits = self.k(Width::Q, bits);
        let flags = self.bin(op, Width::Q, flags, bits);
        self.set_system_flags(flags);
    }

    // ---- control

    /// Does `f` only if `c` holds. `f` cannot stop.
    fn when(&mut self, c: Self::C, f: impl FnOnce(&mut Self));
    /// Stops with this exception if `c` holds.
    fn raise_if_or_stop(&mut self, c: Self::C, exception: Exception) -> Result<(), Self::Stop>;
    /// Quotient and remainder of `hi:lo / d`; stops with #DE if `d` is zero or the quotient does not fit.
    #[allow(clippy::type_complexity)]
    fn divide_or_stop(
        &mut self,
        signed: bool,
        w: Width,
        hi: Self::V,
        lo: Self::V,
        d: Self::V,
    ) -> Result<(Self::V, Self::V), Self::Stop>;

    /// On to the next instruction.
    fn next(&mut self) -> Self::Flow;
    /// To the immediate target (relative to the page), cut to the width of the instruction pointer; stops if it lies
    /// outside the code segment.
    fn jump_or_stop(&mut self, w: Width) -> Result<Self::Flow, Self::Stop>;
    /// The same if `c` holds, else on to the next.
    fn jump_if_or_stop(&mut self, w: Width, c: Self::C) -> Result<Self::Flow, Self::Stop>;
    /// Checks that a target of an indirect jump is inside the code segment, or canonical.
    fn check_target_or_stop(&mut self, w: Width, target: Self::V) -> Result<(), Self::Stop>;
    /// To a computed target, which has been checked.
    fn jump_to(&mut self, w: Width, target: Self::V) -> Self::Flow;
    /// If `c` holds the instruction is over before it began (REP with a count of zero).
    fn skip_if(&mut self, c: Self::C) -> Option<Self::Flow>;
    /// The same instruction again if `c` holds (REP), else the next.
    fn again_if(&mut self, c: Self::C) -> Self::Flow;
    /// Tells that memory of the guest is ordered here.
    fn fence(&mut self);
    /// Many iterations of a REP string instruction at once, if the engine can; false if it did none.
    /// The count is not zero. Whatever it did is whole iterations, with the registers moved on.
    fn string_block(&mut self, i: Ins) -> bool;
}

/// What semantic functions return.
pub type Outcome<A> = Result<<A as Algebra>::Flow, <A as Algebra>::Stop>;
