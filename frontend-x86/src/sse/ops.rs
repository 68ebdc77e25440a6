//! The vector operations by name. An op carries one as a number: in [`crate::op::Op::helper`] always, and in
//! [`crate::op::Ins::sub`] if it is one of the hot ones, so that an engine can specialise a handler for it; `sub` is
//! [`DYNAMIC`] for the others.

/// `sub` of an op whose operation stands in `helper` alone.
pub const DYNAMIC: u8 = 0xff;
/// `sub` of a `VecBin` whose operation is a [`BlendOp`] under the mask in XMM0.
pub const BLEND: u8 = 0xfe;

macro_rules! operations {
    ($(#[$doc:meta])* $kind:ident: $($name:ident),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the manual's mnemonics")]
        pub enum $kind { $($name),+ }

        impl $kind {
            /// All of them, by number.
            pub const ALL: &'static [$kind] = &[$($kind::$name),+];

            /// The operation of a number; the first one if there is none.
            #[inline(always)]
            #[allow(non_upper_case_globals, reason = "one constant a mnemonic")]
            pub const fn from_number(number: u8) -> Self {
                $(const $name: u8 = $kind::$name as u8;)+
                match number {
                    $($name => $kind::$name,)+
                    _ => Self::ALL[0],
                }
            }
        }
    };
}

operations! {
    /// Integer operations on two vectors. Where both the first and the second operand matter, the first is the
    /// destination. Shifts take their count from the low quadword of the second operand, so the forms with an immediate
    /// are the same operations.
    VecOp:
    Paddb, Paddw, Paddd, Paddq, Psubb, Psubw, Psubd, Psubq,
    Paddsb, Paddsw, Paddusb, Paddusw, Psubsb, Psubsw, Psubusb, Psubusw,
    Pand, Pandn, Por, Pxor,
    Pcmpeqb, Pcmpeqw, Pcmpeqd, Pcmpeqq, Pcmpgtb, Pcmpgtw, Pcmpgtd, Pcmpgtq,
    Pminub, Pminuw, Pminud, Pminsb, Pminsw, Pminsd, Pmaxub, Pmaxuw, Pmaxud, Pmaxsb, Pmaxsw, Pmaxsd,
    Pavgb, Pavgw, Psignb, Psignw, Psignd,
    Psllw, Pslld, Psllq, Psrlw, Psrld, Psrlq, Psraw, Psrad, Pslldq, Psrldq,
    Pmullw, Pmulhw, Pmulhuw, Pmulhrsw, Pmulld, Pmuludq, Pmuldq, Pmaddwd, Pmaddubsw, Psadbw,
    Phaddw, Phaddd, Phaddsw, Phsubw, Phsubd, Phsubsw,
    Packsswb, Packssdw, Packuswb, Packusdw,
    Punpcklbw, Punpcklwd, Punpckldq, Punpcklqdq, Punpckhbw, Punpckhwd, Punpckhdq, Punpckhqdq,
    Pshufb, Movss, Movsd, Movhlps,
    Vpsllvd, Vpsllvq, Vpsrlvd, Vpsrlvq, Vpsravd, Vpermilps, Vpermilpd, Vpermd,
    Aesenc, Aesenclast, Aesdec, Aesdeclast,
    Sha1nexte, Sha1msg1, Sha1msg2, Sha256msg1, Sha256msg2,
}

impl VecOp {
    /// Whether the second operand is one count for all lanes, in its low quadword.
    #[inline(always)]
    pub const fn takes_count(self) -> bool {
        self as u8 >= VecOp::Psllw as u8 && self as u8 <= VecOp::Psrldq as u8
    }

    /// The operations that guests use all the time.
    pub const HOT: &'static [VecOp] = &[
        VecOp::Paddb,
        VecOp::Paddw,
        VecOp::Paddd,
        VecOp::Paddq,
        VecOp::Psubb,
        VecOp::Psubd,
        VecOp::Psubq,
        VecOp::Pand,
        VecOp::Pandn,
        VecOp::Por,
        VecOp::Pxor,
        VecOp::Pcmpeqb,
        VecOp::Pcmpeqw,
        VecOp::Pcmpeqd,
        VecOp::Pcmpgtb,
        VecOp::Pminub,
        VecOp::Pmaxub,
        VecOp::Psubusb,
        VecOp::Punpcklbw,
        VecOp::Punpcklwd,
        VecOp::Punpckldq,
        VecOp::Punpcklqdq,
        VecOp::Punpckhqdq,
        VecOp::Psllq,
        VecOp::Psrlq,
        VecOp::Psrldq,
        VecOp::Pslldq,
        VecOp::Movss,
        VecOp::Movsd,
    ];
}

operations! {
    /// Integer operations on one vector.
    VecUnaryOp:
    Movq, Pabsb, Pabsw, Pabsd,
    Pmovsxbw, Pmovsxbd, Pmovsxbq, Pmovsxwd, Pmovsxwq, Pmovsxdq,
    Pmovzxbw, Pmovzxbd, Pmovzxbq, Pmovzxwd, Pmovzxwq, Pmovzxdq,
    Phminposuw, Movddup, Movshdup, Movsldup, Aesimc,
    Pbroadcastb, Pbroadcastw, Pbroadcastd, Pbroadcastq, Broadcast128,
}

operations! {
    /// Operations on the destination, a source and an immediate. PSHUFD and its like do not look at the destination.
    VecImmOp:
    Pshufd, Pshuflw, Pshufhw, Pshufw, Shufps, Shufpd, Palignr, Pblendw, Blendps, Blendpd, Mpsadbw, Insertps,
    Pclmulqdq, Aeskeygenassist, Sha1rnds4,
    Vpblendd, Vpermilps, Vpermilpd, Vpermq, Vperm2x128, Vinsert128,
}

operations! {
    /// Operations with a third operand in a register: blends under a mask, and SHA256RNDS2, whose third operand is the
    /// message.
    BlendOp:
    Pblendvb, Blendvps, Blendvpd, Sha256rnds2,
}

operations! {
    /// Operations between vectors and general registers or flags: `sub` of `VecGpr`.
    GprOp:
    // MOVD and MOVQ between a vector register and a general one.
    MovTo, MovFrom,
    Pmovmskb, Movmskps, Movmskpd,
    // Lane width by `w2`; the lane by the immediate.
    Pextr, Pinsr,
    Ptest,
    Ucomiss, Ucomisd, Comiss, Comisd,
    Cvtsi2ss, Cvtsi2sd, Cvtss2si, Cvtsd2si, Cvttss2si, Cvttsd2si,
    Testps, Testpd,
    // Lengths in EAX and EDX, or where the operands hold a zero; an index in ECX, or a mask in XMM0.
    Pcmpestr, Pcmpistr,
    // Their destination is a vector register or memory.
    Extract128, Cvtps2ph,
}

operations! {
    /// Moves: `sub` of `VecMov`.
    MovOp:
    // MOVAPS, MOVDQA, MOVNTDQ...: memory must be aligned; MOVUPS, MOVDQU, LDDQU: need not.
    Aligned, Unaligned,
    // Loads that clear the rest of the register and stores of its low bits, `w2` wide (MOVSS, MOVSD, MOVD, MOVQ, MOVLPS).
    Low,
    // The store of the high quadword (MOVHPS).
    High,
    // VZEROUPPER and VZEROALL, of `imm2` registers.
    ZeroUpper, ZeroAll,
}

operations! {
    /// Floating-point operations: with a [`Format`], the number of a `VecFloat`.
    FloatOp:
    Add, Sub, Mul, Div, Min, Max, Sqrt, Cmp, Round, Dp, Hadd, Hsub, Addsub, Rcp, Rsqrt,
    Cvtdq2ps, Cvtps2dq, Cvttps2dq, Cvtdq2pd, Cvtpd2dq, Cvttpd2dq, Cvtps2pd, Cvtpd2ps, Cvtss2sd, Cvtsd2ss,
    Cvtpi2ps, Cvtpi2pd, Cvtps2pi, Cvttps2pi, Cvtpd2pi, Cvttpd2pi,
    Cvtph2ps, Cvtps2ph,
    Fmadd, Fmsub, Fnmadd, Fnmsub, Fmaddsub, Fmsubadd,
}

operations! {
    /// What a floating-point operation's operands are. Conversions say it themselves; theirs is `Ps`.
    Format:
    Ps, Pd, Ss, Sd,
}

impl FloatOp {
    /// Operation and format as one number, below [`BLEND`].
    pub const fn number(self, format: Format) -> u8 {
        (self as u8) << 2 | format as u8
    }

    /// The inverse of [`FloatOp::number`].
    #[inline(always)]
    pub const fn of_number(number: u8) -> (FloatOp, Format) {
        (FloatOp::from_number(number >> 2), Format::from_number(number & 3))
    }

    /// Whether it has three operands.
    #[inline(always)]
    pub const fn is_fused(self) -> bool {
        self as u8 >= FloatOp::Fmadd as u8
    }

    /// Whether it is one that guests use all the time.
    pub const fn is_hot(self, format: Format) -> bool {
        match self {
            FloatOp::Add | FloatOp::Sub | FloatOp::Mul => true,
            FloatOp::Div | FloatOp::Sqrt => matches!(format, Format::Ss | Format::Sd),
            FloatOp::Cvtss2sd | FloatOp::Cvtsd2ss => true,
            _ => false,
        }
    }
}
