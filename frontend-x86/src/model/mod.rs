//! CPU models: what CPUID says and what raises #UD. A model is fixed when the machine is made; engines, the decoder and
//! the system instructions ask it, nobody asks the host.

mod cpuid;
mod feature;
mod table;

pub use cpuid::View;
pub use feature::{Feature, Place};

use feature::Need;
use iced_x86::{Code, Instruction};

/// Who made the CPU, as CPUID tells; it decides a few habits (SYSCALL in compatibility mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// "GenuineIntel".
    Intel,
    /// "AuthenticAMD".
    Amd,
}

/// The frequencies that leaf 15h tells; all zero if the model does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// The core crystal clock, which also counts the local APIC's timer (before its divider).
    pub crystal_hz: u32,
    /// TSC ticks for each [`Clock::denominator`] ticks of the crystal.
    pub numerator: u32,
    /// See [`Clock::numerator`].
    pub denominator: u32,
}

/// A CPU model.
#[derive(Clone, Debug)]
pub struct Model {
    /// The name by which users ask for it.
    pub name: &'static str,
    /// Its maker.
    pub vendor: Vendor,
    /// CPUID leaf 1's EAX: family, model, stepping.
    pub signature: u32,
    /// Width of a physical address.
    pub physical_bits: u32,
    /// The brand string, up to 48 bytes; empty if the model has none.
    pub brand: &'static str,
    /// How many CPUs the machine has, each a core of one package.
    pub cpus: u32,
    /// For leaf 15h.
    pub clock: Clock,
    features: u128,
    /// By iced-x86's code: whether the model lacks the instruction.
    lacking: Vec<bool>,
}

impl Model {
    fn new(
        name: &'static str,
        vendor: Vendor,
        signature: u32,
        physical_bits: u32,
        brand: &'static str,
        features: u128,
        clock: Clock,
    ) -> Model {
        let mut model =
            Model { name, vendor, signature, physical_bits, brand, cpus: 1, clock, features, lacking: Vec::new() };
        model.derive();
        model
    }

    /// A model by name, with adjustments behind it: `max`, `qemu64,+popcnt,-nx`, `x86-64-v2,umip=on`.
    pub fn by_name(text: &str) -> Option<Model> {
        let mut parts = text.split(',');
        let mut model = table::find(parts.next()?)?;
        for part in parts.map(str::trim).filter(|p| !p.is_empty()) {
            let (name, on) = match (part.strip_prefix('+'), part.strip_prefix('-'), part.split_once('=')) {
                (Some(name), _, _) => (name, true),
                (_, Some(name), _) => (name, false),
                (_, _, Some((name, value))) => (name, matches!(value, "on" | "true" | "yes" | "1")),
                _ => (part, true),
            };
            model.set(Feature::by_text(name)?, on);
        }
        model.derive();
        Some(model)
    }

    /// The names by which models can be asked for, aliases not counted.
    pub fn names() -> Vec<&'static str> {
        table::names()
    }

    /// Whether the emulator can execute what the feature promises.
    pub fn implemented(feature: Feature) -> bool {
        feature != Feature::Monitor
    }

    fn set(&mut self, feature: Feature, on: bool) {
        if on && Self::implemented(feature) {
            self.features |= feature.bit();
        } else {
            self.features &= !feature.bit();
        }
    }

    fn derive(&mut self) {
        self.lacking = Code::values()
            .map(|code| {
                code.cpuid_features().iter().any(|f| match feature::need(*f) {
                    Need::Nothing => false,
                    Need::Feature(f) => !self.has(f),
                    Need::Never => true,
                })
            })
            .collect();
    }

    /// The same for a machine with so many CPUs.
    pub fn with_cpus(mut self, cpus: u32) -> Model {
        self.cpus = cpus.max(1);
        self
    }

    /// The same with these clocks in leaf 15h.
    pub fn with_clock(mut self, clock: Clock) -> Model {
        self.clock = clock;
        self
    }

    /// Whether the model has a feature.
    #[inline]
    pub fn has(&self, feature: Feature) -> bool {
        self.features & feature.bit() != 0
    }

    /// Whether the model does not know an instruction, so that it raises #UD.
    pub fn lacks(&self, instr: &Instruction) -> bool {
        self.lacking.get(instr.code() as usize).copied().unwrap_or(true)
    }

    /// 1 GiB pages.
    pub fn has_1g_pages(&self) -> bool {
        self.has(Feature::Pdpe1gb)
    }

    /// The family in CPUID's signature.
    pub fn family(&self) -> u32 {
        match self.signature >> 8 & 15 {
            15 => 15 + (self.signature >> 20 & 255),
            family => family,
        }
    }

    /// Bits of a physical address that the model does not have.
    pub fn reserved_physical(&self) -> u64 {
        !((1u64 << self.physical_bits) - 1)
    }

    /// The components that XCR0 may enable.
    pub fn xcr0_mask(&self) -> u64 {
        match (self.has(Feature::Xsave), self.has(Feature::Avx)) {
            (false, _) => 0,
            (true, false) => 3,
            (true, true) => 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions};

    fn lacks(model: &str, bytes: &[u8]) -> bool {
        let instr = Decoder::new(64, bytes, DecoderOptions::NONE).decode();
        Model::by_name(model).unwrap().lacks(&instr)
    }

    #[test]
    fn names_aliases_and_adjustments() {
        for name in Model::names() {
            assert_eq!(Model::by_name(name).unwrap().name, name);
        }
        assert_eq!(Model::by_name("qemu64").unwrap().name, "x86-64-v1");
        assert!(Model::by_name("z80").is_none());
        assert!(Model::by_name("max,+warp-drive").is_none());
        let model = Model::by_name("x86-64-v2,-popcnt,+smep,pcid=on").unwrap();
        assert!(!model.has(Feature::Popcnt) && model.has(Feature::Smep) && model.has(Feature::Pcid));
        assert!(!Model::by_name("max,+monitor").unwrap().has(Feature::Monitor), "nothing that does not work");
    }

    #[test]
    fn instructions_follow_features() {
        let (popcnt, cmov, endbr) = ([0xf3, 0x0f, 0xb8, 0xc0], [0x0f, 0x44, 0xc0], [0xf3, 0x0f, 0x1e, 0xfa]);
        assert!(lacks("qemu64", &popcnt) && !lacks("x86-64-v2", &popcnt));
        assert!(lacks("pentium", &cmov) && !lacks("pentium3", &cmov));
        assert!(!lacks("max", &endbr));
        let vaddps = [0xc5, 0xf8, 0x58, 0xc0];
        assert!(lacks("x86-64-v2", &vaddps) && !lacks("x86-64-v3", &vaddps) && !lacks("max", &vaddps));
        let zmm = [0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0];
        assert!(lacks("max", &zmm), "vaddps of 512 bits");
        assert!(!lacks("max", &[0xc4, 0xe2, 0xf8, 0xf2, 0xc0]), "andn");
        assert!(lacks("max", &[0x0f, 0x01, 0xc1]), "vmcall");
    }
}
