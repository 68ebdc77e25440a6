//! The models that have a name.

use super::feature::Feature::{self, *};
use super::{Clock, Model, Vendor};

/// What a named model is made of.
struct Entry {
    name: &'static str,
    aliases: &'static [&'static str],
    vendor: Vendor,
    signature: u32,
    physical_bits: u32,
    brand: &'static str,
    features: &'static [&'static [Feature]],
}

const ON_486: &[Feature] = &[I486, Fpu, Vme, Pse];
const PENTIUM: &[Feature] = &[I486, Fpu, Vme, De, Pse, Tsc, Msr, Mce, Cx8, Apic, Mmx];
const PENTIUM_3: &[Feature] = &[LongNop, Rdpmc, Pae, Sep, Mtrr, Pge, Mca, Cmov, Pat, Pse36, Fxsr, Sse];
const V1: &[Feature] = &[Clflush, Sse2, Syscall, Nx, LongMode, Hypervisor, Prefetchw, X2apic, Arat, InvariantTsc];
const V2: &[Feature] = &[Sse3, Ssse3, Cx16, Sse41, Sse42, Popcnt, Lahf64, Rdtscp, TscAdjust, TscDeadline];
/// What keeps a guest from fighting flaws of silicon that an emulator does not have: with these bits it may read in
/// IA32_ARCH_CAPABILITIES that it need not, and set BHI_DIS_S instead of clearing the branch history at each system call.
const NO_FLAWS: &[Feature] = &[SpecCtrl, SpecCtrlSsbd, ArchCapabilities, BhiCtrl];
/// What keeps translations over a switch of address spaces: the levels of x86-64 say nothing of it, and it pays.
const CONTEXTS: &[Feature] = &[Pcid, Invpcid];
/// What the x86-64 psABI's level 3 adds to its level 2.
const V3: &[Feature] = &[Avx, Avx2, Bmi1, Bmi2, F16c, Fma, Lzcnt, Movbe, Xsave];
const MAX: &[Feature] = &[
    Rdrand, Fsgsbase, Smep, Erms, Rdseed, Adx, Smap, Clflushopt, Clwb, Umip, Rdpid, Fsrm, Xsaveopt, Xsavec, Xgetbv1,
    Pdpe1gb, Aes, Pclmulqdq, Sha, Vaes, Vpclmulqdq,
];

/// Family 6, model 26: the first Intel family with SSE4.2. Guests' lists of flawed silicon are cut short by
/// IA32_ARCH_CAPABILITIES.
const NEHALEM: u32 = 0x0001_06a3;

const TABLE: &[Entry] = &[
    Entry {
        name: "486",
        aliases: &["i486"],
        vendor: Vendor::Intel,
        signature: 0x0480,
        physical_bits: 32,
        brand: "",
        features: &[ON_486],
    },
    Entry {
        name: "pentium",
        aliases: &["p5", "pentium-mmx"],
        vendor: Vendor::Intel,
        signature: 0x0543,
        physical_bits: 32,
        brand: "",
        features: &[PENTIUM],
    },
    Entry {
        name: "pentium3",
        aliases: &["pentium-3", "qemu32", "p6"],
        vendor: Vendor::Intel,
        signature: 0x0673,
        physical_bits: 36,
        brand: "",
        features: &[PENTIUM, PENTIUM_3],
    },
    Entry {
        name: "x86-64-v1",
        aliases: &["qemu64", "x86-64"],
        // A family whose silicon had none of the flaws that cost a guest most.
        vendor: Vendor::Amd,
        signature: 0x0006_0fb1,
        physical_bits: 40,
        brand: "Lyrebird x86-64-v1",
        features: &[PENTIUM, PENTIUM_3, V1, &[Sse3, Cx16, Lahf64]],
    },
    Entry {
        name: "x86-64-v2",
        aliases: &[],
        vendor: Vendor::Intel,
        signature: NEHALEM,
        physical_bits: 40,
        brand: "Lyrebird x86-64-v2",
        features: &[PENTIUM, PENTIUM_3, V1, V2, NO_FLAWS, CONTEXTS],
    },
    Entry {
        name: "x86-64-v3",
        aliases: &[],
        vendor: Vendor::Intel,
        signature: NEHALEM,
        physical_bits: 40,
        brand: "Lyrebird x86-64-v3",
        features: &[PENTIUM, PENTIUM_3, V1, V2, V3, NO_FLAWS, CONTEXTS],
    },
    Entry {
        name: "max",
        aliases: &["default"],
        vendor: Vendor::Intel,
        signature: NEHALEM,
        physical_bits: 40,
        brand: "Lyrebird max",
        features: &[PENTIUM, PENTIUM_3, V1, V2, V3, NO_FLAWS, CONTEXTS, MAX],
    },
];

/// The names by which models can be asked for, aliases not counted.
pub fn names() -> Vec<&'static str> {
    TABLE.iter().map(|e| e.name).collect()
}

/// A model by one of its names, without adjustments.
pub fn find(name: &str) -> Option<Model> {
    let wanted = name.trim().to_ascii_lowercase();
    let entry = TABLE.iter().find(|e| e.name == wanted || e.aliases.contains(&wanted.as_str()))?;
    let features = entry.features.iter().flat_map(|list| list.iter()).fold(0, |all, f| all | f.bit());
    Some(Model::new(
        entry.name,
        entry.vendor,
        entry.signature,
        entry.physical_bits,
        entry.brand,
        features,
        Clock::default(),
    ))
}
