//! What a CPU may or may not have: one name a feature, with its CPUID bit, and which instructions need it.

use iced_x86::CpuidFeature;

/// A register of a CPUID leaf that lists features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Leaf 1, EDX.
    Edx1,
    /// Leaf 1, ECX.
    Ecx1,
    /// Leaf 7 subleaf 0, EBX.
    Ebx7,
    /// Leaf 7 subleaf 0, ECX.
    Ecx7,
    /// Leaf 7 subleaf 0, EDX.
    Edx7,
    /// Leaf 7 subleaf 2, EDX.
    Edx72,
    /// Leaf 0Dh subleaf 1, EAX.
    EaxD1,
    /// Leaf 80000001h, EDX.
    Edx81,
    /// Leaf 80000001h, ECX.
    Ecx81,
    /// Leaf 80000007h, EDX.
    Edx87,
    /// Leaf 6, EAX.
    Eax6,
    /// No bit: known by the family.
    Nowhere,
}

macro_rules! features {
    ($($name:ident = $text:literal, $place:ident, $bit:literal;)+) => {
        /// A feature of a CPU model.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the manual's names")]
        pub enum Feature { $($name),+ }

        impl Feature {
            /// All of them.
            pub const ALL: &'static [Feature] = &[$(Feature::$name),+];

            /// The name that users write, as QEMU spells it.
            pub fn text(self) -> &'static str {
                match self { $(Feature::$name => $text),+ }
            }

            /// Where CPUID shows it.
            pub fn place(self) -> (Place, u32) {
                match self { $(Feature::$name => (Place::$place, $bit)),+ }
            }
        }
    };
}

features! {
    I486 = "i486", Nowhere, 0;
    LongNop = "long-nop", Nowhere, 0;
    Rdpmc = "rdpmc", Nowhere, 0;
    Fpu = "fpu", Edx1, 0;
    Vme = "vme", Edx1, 1;
    De = "de", Edx1, 2;
    Pse = "pse", Edx1, 3;
    Tsc = "tsc", Edx1, 4;
    Msr = "msr", Edx1, 5;
    Pae = "pae", Edx1, 6;
    Mce = "mce", Edx1, 7;
    Cx8 = "cx8", Edx1, 8;
    Apic = "apic", Edx1, 9;
    Sep = "sep", Edx1, 11;
    Mtrr = "mtrr", Edx1, 12;
    Pge = "pge", Edx1, 13;
    Mca = "mca", Edx1, 14;
    Cmov = "cmov", Edx1, 15;
    Pat = "pat", Edx1, 16;
    Pse36 = "pse36", Edx1, 17;
    Clflush = "clflush", Edx1, 19;
    Mmx = "mmx", Edx1, 23;
    Fxsr = "fxsr", Edx1, 24;
    Sse = "sse", Edx1, 25;
    Sse2 = "sse2", Edx1, 26;
    Sse3 = "sse3", Ecx1, 0;
    Pclmulqdq = "pclmulqdq", Ecx1, 1;
    Monitor = "monitor", Ecx1, 3;
    Ssse3 = "ssse3", Ecx1, 9;
    Fma = "fma", Ecx1, 12;
    Cx16 = "cx16", Ecx1, 13;
    Pcid = "pcid", Ecx1, 17;
    Sse41 = "sse4.1", Ecx1, 19;
    Sse42 = "sse4.2", Ecx1, 20;
    X2apic = "x2apic", Ecx1, 21;
    Movbe = "movbe", Ecx1, 22;
    Popcnt = "popcnt", Ecx1, 23;
    TscDeadline = "tsc-deadline", Ecx1, 24;
    Aes = "aes", Ecx1, 25;
    Xsave = "xsave", Ecx1, 26;
    Avx = "avx", Ecx1, 28;
    F16c = "f16c", Ecx1, 29;
    Rdrand = "rdrand", Ecx1, 30;
    Hypervisor = "hypervisor", Ecx1, 31;
    Arat = "arat", Eax6, 2;
    Fsgsbase = "fsgsbase", Ebx7, 0;
    TscAdjust = "tsc-adjust", Ebx7, 1;
    Bmi1 = "bmi1", Ebx7, 3;
    Avx2 = "avx2", Ebx7, 5;
    Smep = "smep", Ebx7, 7;
    Bmi2 = "bmi2", Ebx7, 8;
    Erms = "erms", Ebx7, 9;
    Invpcid = "invpcid", Ebx7, 10;
    Rdseed = "rdseed", Ebx7, 18;
    Adx = "adx", Ebx7, 19;
    Smap = "smap", Ebx7, 20;
    Clflushopt = "clflushopt", Ebx7, 23;
    Clwb = "clwb", Ebx7, 24;
    Sha = "sha-ni", Ebx7, 29;
    Umip = "umip", Ecx7, 2;
    Vaes = "vaes", Ecx7, 9;
    Vpclmulqdq = "vpclmulqdq", Ecx7, 10;
    Rdpid = "rdpid", Ecx7, 22;
    Fsrm = "fsrm", Edx7, 4;
    BhiCtrl = "bhi-ctrl", Edx72, 4;
    SpecCtrl = "spec-ctrl", Edx7, 26;
    ArchCapabilities = "arch-capabilities", Edx7, 29;
    SpecCtrlSsbd = "ssbd", Edx7, 31;
    Xsaveopt = "xsaveopt", EaxD1, 0;
    Xsavec = "xsavec", EaxD1, 1;
    Xgetbv1 = "xgetbv1", EaxD1, 2;
    Syscall = "syscall", Edx81, 11;
    Nx = "nx", Edx81, 20;
    Pdpe1gb = "pdpe1gb", Edx81, 26;
    Rdtscp = "rdtscp", Edx81, 27;
    LongMode = "lm", Edx81, 29;
    Lahf64 = "lahf-lm", Ecx81, 0;
    Lzcnt = "abm", Ecx81, 5;
    Prefetchw = "3dnowprefetch", Ecx81, 8;
    InvariantTsc = "invtsc", Edx87, 8;
}

impl Feature {
    /// By the name that users write; `_` and `-` are the same.
    pub fn by_text(text: &str) -> Option<Feature> {
        let wanted = text.to_ascii_lowercase().replace('_', "-");
        let alias = match wanted.as_str() {
            "sse4-1" => "sse4.1",
            "sse4-2" => "sse4.2",
            "pni" => "sse3",
            "lzcnt" => "abm",
            "sha" => "sha-ni",
            "clfsh" => "clflush",
            other => other,
        };
        Self::ALL.iter().copied().find(|f| f.text() == alias)
    }

    /// A set with this feature alone.
    pub const fn bit(self) -> u128 {
        1 << self as u8
    }
}

/// What an instruction asks for, as iced-x86 classifies it.
pub enum Need {
    /// Nothing that could be missing.
    Nothing,
    /// This feature.
    Feature(Feature),
    /// Something that no model has.
    Never,
}

/// The feature behind one of iced-x86's.
pub fn need(feature: CpuidFeature) -> Need {
    use CpuidFeature as C;
    use Feature as F;
    Need::Feature(match feature {
        C::INTEL8086 | C::INTEL186 | C::INTEL286 | C::INTEL386 => return Need::Nothing,
        // Where these are missing their encodings are NOPs or plain instructions.
        C::INTEL8086_ONLY | C::PAUSE | C::CET_IBT | C::MPX | C::CLDEMOTE | C::PREFETCHW | C::PREFETCHITI => {
            return Need::Nothing;
        }
        C::INTEL486 | C::CPUID | C::SMM => F::I486,
        C::X64 => F::LongMode,
        C::ADX => F::Adx,
        C::AES => F::Aes,
        C::AVX => F::Avx,
        C::AVX2 => F::Avx2,
        C::BMI1 => F::Bmi1,
        C::BMI2 => F::Bmi2,
        C::CLFLUSHOPT => F::Clflushopt,
        C::CLFSH => F::Clflush,
        C::CLWB => F::Clwb,
        C::CMOV => F::Cmov,
        C::CMPXCHG16B => F::Cx16,
        C::CX8 => F::Cx8,
        C::F16C => F::F16c,
        C::FMA => F::Fma,
        C::FPU | C::FPU287 | C::FPU287XL_ONLY | C::FPU387 | C::FPU387SL_ONLY => F::Fpu,
        C::FSGSBASE => F::Fsgsbase,
        C::FXSR => F::Fxsr,
        C::INVPCID => F::Invpcid,
        C::LZCNT => F::Lzcnt,
        C::MMX => F::Mmx,
        C::MONITOR => F::Monitor,
        C::MOVBE => F::Movbe,
        C::MSR => F::Msr,
        C::MULTIBYTENOP => F::LongNop,
        C::PCLMULQDQ => F::Pclmulqdq,
        C::POPCNT => F::Popcnt,
        C::RDPID => F::Rdpid,
        C::RDPMC => F::Rdpmc,
        C::RDRAND => F::Rdrand,
        C::RDSEED => F::Rdseed,
        C::RDTSCP => F::Rdtscp,
        C::SEP => F::Sep,
        C::SHA => F::Sha,
        C::SMAP => F::Smap,
        C::SSE => F::Sse,
        C::SSE2 => F::Sse2,
        C::SSE3 => F::Sse3,
        C::SSE4_1 => F::Sse41,
        C::SSE4_2 => F::Sse42,
        C::SSSE3 => F::Ssse3,
        C::SYSCALL => F::Syscall,
        C::TSC => F::Tsc,
        C::VAES => F::Vaes,
        C::VPCLMULQDQ => F::Vpclmulqdq,
        C::WBNOINVD => F::I486,
        C::XSAVE => F::Xsave,
        C::XSAVEC => F::Xsavec,
        C::XSAVEOPT => F::Xsaveopt,
        _ => return Need::Never,
    })
}
