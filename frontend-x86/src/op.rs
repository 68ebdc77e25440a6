//! Ops: decoded instructions in compact form, operands resolved.
//!
//! An [`Op`] has two parts. [`Ins`] is the *shape* (which semantic function, widths, operand kinds, how addresses are
//! formed); there are few shapes, so an interpreter can specialise its handlers by them. The rest are the particulars
//! (register numbers, displacement, immediate).
//!
//! Ops do not depend on the address at which they run: whatever is relative to the instruction pointer is held relative
//! to the start of the 4 KiB page that the instruction lies in, and the pseudo register [`RIP_BASE`] holds that page's
//! RIP while the op executes. One decoded page serves every linear address that maps it.

/// Index of the pseudo register that holds the RIP of the current page's first byte.
pub const RIP_BASE: u8 = 16;
/// Index of the pseudo register that is always zero: the base or index that an address does not have.
pub const ZERO: u8 = 17;

#[allow(missing_docs, reason = "the manual's register numbers")]
pub mod reg {
    pub const RAX: u8 = 0;
    pub const RCX: u8 = 1;
    pub const RDX: u8 = 2;
    pub const RBX: u8 = 3;
    pub const RSP: u8 = 4;
    pub const RBP: u8 = 5;
    pub const RSI: u8 = 6;
    pub const RDI: u8 = 7;
    pub const R11: u8 = 11;
}

/// How many bits an operand has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Width {
    /// 8 bits.
    B = 0,
    /// 16 bits.
    W = 1,
    /// 32 bits.
    D = 2,
    /// 64 bits.
    Q = 3,
    /// 128 bits.
    X = 4,
    /// 256 bits.
    Y = 5,
}

impl Width {
    /// Number of bits.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        8 << self as u32
    }
    /// Number of bytes.
    #[inline(always)]
    pub const fn bytes(self) -> u64 {
        1 << self as u64
    }
    /// All ones in this width; for widths up to 64 bits.
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        match self {
            Width::B => 0xff,
            Width::W => 0xffff,
            Width::D => 0xffff_ffff,
            _ => u64::MAX,
        }
    }
    /// The highest bit; for widths up to 64 bits.
    #[inline(always)]
    pub const fn sign(self) -> u64 {
        self.mask() ^ (self.mask() >> 1)
    }
    /// The width of so many bytes (1, 2, 4, 8, 16 or 32).
    pub const fn of_bytes(bytes: usize) -> Width {
        match bytes {
            1 => Width::B,
            2 => Width::W,
            4 => Width::D,
            8 => Width::Q,
            16 => Width::X,
            _ => Width::Y,
        }
    }
    const fn unpack(byte: u64) -> Width {
        match byte {
            0 => Width::B,
            1 => Width::W,
            2 => Width::D,
            3 => Width::Q,
            4 => Width::X,
            _ => Width::Y,
        }
    }
}

/// What kind of thing an operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// No operand.
    None = 0,
    /// A general register: its number stands in the op's slot.
    Reg = 1,
    /// AH, CH, DH or BH: the slot holds 0 to 3.
    High = 2,
    /// The memory operand.
    Mem = 3,
    /// The immediate.
    Imm = 4,
    /// A vector register (XMM, YMM).
    Vec = 5,
    /// An MMX register.
    Mmx = 6,
}

impl Kind {
    const fn unpack(byte: u64) -> Kind {
        match byte {
            1 => Kind::Reg,
            2 => Kind::High,
            3 => Kind::Mem,
            4 => Kind::Imm,
            5 => Kind::Vec,
            6 => Kind::Mmx,
            _ => Kind::None,
        }
    }
}

/// How an effective address becomes a linear one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Form {
    /// 64-bit mode, 64-bit addresses, a segment whose base is zero.
    A64 = 0,
    /// 64-bit mode with an FS or GS base, or 32-bit addresses.
    A64Seg = 1,
    /// 32-bit addresses, flat segments: base zero, limit 4 GiB, nothing to check.
    Flat32 = 2,
    /// 32-bit addresses through a segment that is checked.
    Seg32 = 3,
    /// 16-bit addresses through a segment that is checked.
    Seg16 = 4,
}

impl Form {
    const fn unpack(byte: u64) -> Form {
        match byte {
            0 => Form::A64,
            1 => Form::A64Seg,
            2 => Form::Flat32,
            3 => Form::Seg32,
            _ => Form::Seg16,
        }
    }
}

/// Bits of [`Ins::bits`].
pub mod bits {
    /// Somebody may look at the arithmetic flags that this op sets.
    pub const FLAGS: u8 = 1;
    /// LOCK, or XCHG with memory.
    pub const LOCK: u8 = 2;
    /// REP or REPE.
    pub const REP: u8 = 4;
    /// REPNE.
    pub const REPNE: u8 = 8;
    /// Address size 32 in 64-bit mode (with [`super::Form::A64Seg`]).
    pub const ADDR32: u8 = 16;
    /// The next op is the conditional jump on the flags that this one sets: both run as one.
    pub const FUSED: u8 = 32;
    /// VEX-encoded: a vector destination is cleared above the operation's width, and memory need not be aligned.
    pub const VEX: u8 = 64;
}

/// The shape of an op: everything that a handler may be specialised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Ins {
    /// Which semantic function.
    pub func: Func,
    /// Which of the function's operations (ADD or SUB; the condition code...).
    pub sub: u8,
    /// The operation's width.
    pub w: Width,
    /// A second width: the source of MOVZX, the stack pointer's of PUSH, the address size of string instructions.
    pub w2: Width,
    /// What operand 0 (the destination, mostly) is.
    pub k0: Kind,
    /// What operand 1 is.
    pub k1: Kind,
    /// How the address of the memory operand, or of the stack, is formed.
    pub form: Form,
    /// See [`bits`].
    pub bits: u8,
}

impl Ins {
    /// The shape as a number, for constants and tables.
    pub const fn pack(self) -> u64 {
        self.func as u64
            | (self.sub as u64) << 8
            | (self.w as u64) << 16
            | (self.w2 as u64) << 24
            | (self.k0 as u64) << 32
            | (self.k1 as u64) << 40
            | (self.form as u64) << 48
            | (self.bits as u64) << 56
    }

    /// The inverse of [`Ins::pack`].
    pub const fn unpack(packed: u64) -> Ins {
        Ins {
            func: Func::unpack(packed & 0xff),
            sub: (packed >> 8) as u8,
            w: Width::unpack(packed >> 16 & 0xff),
            w2: Width::unpack(packed >> 24 & 0xff),
            k0: Kind::unpack(packed >> 32 & 0xff),
            k1: Kind::unpack(packed >> 40 & 0xff),
            form: Form::unpack(packed >> 48 & 0xff),
            bits: (packed >> 56) as u8,
        }
    }

    /// Whether a bit of [`bits`] is set.
    #[inline(always)]
    pub const fn has(self, bit: u8) -> bool {
        self.bits & bit != 0
    }
}

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Op {
    /// The shape.
    pub ins: Ins,
    /// The immediate, extended to 64 bits as the instruction says; for direct branches the target, relative to the page.
    pub imm: u64,
    /// The displacement of the memory operand, sign-extended; for RIP-relative operands, relative to the page.
    pub disp: i64,
    /// Base register, [`RIP_BASE`] or [`ZERO`].
    pub base: u8,
    /// Index register or [`ZERO`].
    pub index: u8,
    /// Shift of the index, 0 to 3.
    pub scale: u8,
    /// The memory operand's segment register (encoding number).
    pub seg: u8,
    /// Register number of operand 0.
    pub r0: u8,
    /// Register number of operand 1.
    pub r1: u8,
    /// Register number of operand 2. For vectors the first source, which is the destination unless VEX names another.
    pub r2: u8,
    /// Length of the instruction in bytes.
    pub len: u8,
    /// Offset in its page of the instruction's first byte.
    pub offset: u16,
    /// For [`Func::Helper`], which helper: a [`crate::helper::Helper`] as a number. For SSE, which vector operation.
    pub helper: u16,
    /// Instructions since the last counting op of the block, this one included.
    pub count: u8,
    /// A second immediate (ENTER's nesting level, a fourth register, the number of elements or registers).
    pub imm2: u8,
    /// The opcode as x87's FOP register wants it: the low three bits of the first byte, then the second byte.
    pub fop: u16,
}

impl Op {
    /// An instruction of which nothing is known but where it stands: it is undefined.
    pub const fn blank(offset: u16, len: u8) -> Op {
        let ins = Ins {
            func: Func::Helper,
            sub: 0,
            w: Width::D,
            w2: Width::D,
            k0: Kind::None,
            k1: Kind::None,
            form: Form::A64,
            bits: bits::FLAGS,
        };
        Op {
            ins,
            imm: 0,
            disp: 0,
            base: ZERO,
            index: ZERO,
            scale: 0,
            seg: 3,
            r0: 0,
            r1: 0,
            r2: 0,
            len,
            offset,
            helper: crate::helper::Helper::Undefined as u16,
            count: 1,
            imm2: 0,
            fop: 0,
        }
    }

    /// Offset from the page's start to the next instruction; may be 4096 or, for an instruction across pages, more.
    #[inline(always)]
    pub const fn next_offset(&self) -> u64 {
        self.offset as u64 + self.len as u64
    }

    /// Register number of a slot.
    #[inline(always)]
    pub const fn slot(&self, slot: usize) -> u8 {
        match slot {
            0 => self.r0,
            1 => self.r1,
            _ => self.r2,
        }
    }
}

impl Func {
    /// Whether it goes to a place in the page, or relative to it, that the op says.
    #[inline(always)]
    pub const fn jumps_directly(self) -> bool {
        matches!(self, Func::Jcc | Func::Jmp | Func::Call | Func::Loop | Func::Goto)
    }

    /// Whether it is a jump that never goes on to what stands behind it.
    #[inline(always)]
    pub const fn never_goes_on(self) -> bool {
        matches!(self, Func::Jmp | Func::JmpIndirect | Func::Call | Func::CallIndirect | Func::Ret | Func::Goto)
    }
}

macro_rules! funcs {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The semantic functions: see [`crate::sem`] for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Func { $($(#[$doc])* $name),+ }
        impl Func {
            /// All of them, by number.
            pub const ALL: &'static [Func] = &[$(Func::$name),+];
            const fn unpack(byte: u64) -> Func {
                let i = byte as usize;
                if i < Self::ALL.len() { Self::ALL[i] } else { Func::Helper }
            }
        }
    };
}

funcs! {
    /// A plain function on the context: `op.helper` says which.
    Helper,
    /// Nothing: NOP, prefetches, ENDBR.
    Nop,
    /// The end of a run of ops: go on at `imm` in the page.
    Goto,
    /// Before an instruction that goes on in the next page: `disp` is the address of the host page that its rest was decoded
    /// from. If another one is mapped there now, the instruction is not what follows here.
    Across,
    /// ADD OR ADC SBB AND SUB XOR CMP TEST.
    Alu,
    /// INC DEC NEG NOT.
    Unary,
    /// MOV between registers, memory and immediates.
    Mov,
    /// MOVZX; w is the destination's width, w2 the source's.
    Movzx,
    /// MOVSX, MOVSXD.
    Movsx,
    /// LEA.
    Lea,
    /// XCHG.
    Xchg,
    /// ROL ROR RCL RCR SHL SHR SAR: sub in manual order.
    Shift,
    /// SHLD (sub 0), SHRD (sub 1).
    DoubleShift,
    /// BT BTS BTR BTC.
    BitTest,
    /// BSF BSR TZCNT LZCNT POPCNT.
    BitScan,
    /// MUL, IMUL with one operand.
    MulWide,
    /// IMUL with two and three operands.
    Imul,
    /// DIV, IDIV.
    Div,
    /// CBW CWDE CDQE.
    ExtendA,
    /// CWD CDQ CQO.
    ExtendD,
    /// SETcc: sub is the condition.
    Setcc,
    /// CMOVcc.
    Cmovcc,
    /// Jcc.
    Jcc,
    /// JMP to an immediate.
    Jmp,
    /// JMP through a register or memory.
    JmpIndirect,
    /// CALL of an immediate.
    Call,
    /// CALL through a register or memory.
    CallIndirect,
    /// RET, with or without an immediate.
    Ret,
    /// LOOPNE LOOPE LOOP JRCXZ.
    Loop,
    /// PUSH.
    Push,
    /// POP.
    Pop,
    /// LEAVE.
    Leave,
    /// MOVS.
    Movs,
    /// STOS.
    Stos,
    /// LODS.
    Lods,
    /// CMPS.
    Cmps,
    /// SCAS.
    Scas,
    /// CMPXCHG.
    Cmpxchg,
    /// XADD.
    Xadd,
    /// BSWAP.
    Bswap,
    /// CLC STC CMC.
    Carry,
    /// CLD STD.
    Direction,
    /// LAHF SAHF.
    FlagsByte,
    /// MOVBE.
    Movbe,
    /// CRC32.
    Crc32,
    /// XLAT.
    Xlat,
    /// ANDN BLSI BLSMSK BLSR BEXTR BZHI PDEP PEXT RORX SARX SHLX SHRX MULX.
    Bmi,
    /// ADCX ADOX.
    Adx,
    /// MFENCE LFENCE SFENCE.
    Fence,
    /// PUSHF.
    Pushf,
    /// POPF.
    Popf,
    /// CLI STI.
    Interrupts,
    /// SWAPGS.
    Swapgs,
    /// PUSH of a segment register.
    PushSegment,
    /// MOV from a segment register.
    MovSegment,
    /// Vector move: load, store, register to register (`op.helper` says which).
    VecMov,
    /// Vector operation on two sources.
    VecBin,
    /// Vector operation on one source.
    VecUnary,
    /// Vector operation with an immediate.
    VecImm,
    /// Vector operation whose result or source is a general register.
    VecGpr,
    /// Vector floating-point operation (MXCSR, may raise #XM).
    VecFloat,
}
