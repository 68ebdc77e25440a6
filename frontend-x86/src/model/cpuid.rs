//! CPUID: what a model says of itself (Intel SDM vol. 2, CPUID).

use super::{Feature, Model, Place, Vendor};

/// What CPUID shows beside the model itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// Which CPU is asked: its APIC id.
    pub index: u32,
    /// CR4.
    pub cr4: u64,
    /// XCR0.
    pub xcr0: u64,
    /// The local APIC is enabled in IA32_APIC_BASE.
    pub apic: bool,
    /// IA32_MISC_ENABLE.
    pub misc_enable: u64,
}

/// IA32_MISC_ENABLE bit 22: firmware hides the leaves above 2.
const LIMIT_CPUID: u64 = 1 << 22;
const CR4_OSXSAVE: u64 = 1 << 18;

impl Model {
    /// EAX, EBX, ECX, EDX of a leaf.
    pub fn cpuid(&self, leaf: u32, subleaf: u32, view: &View) -> [u32; 4] {
        let basic = self.highest_basic(view);
        match leaf {
            0x4000_0000..=0x4fff_ffff if self.has(Feature::Hypervisor) => return hypervisor(leaf),
            0x8000_0000.. if leaf <= self.highest_extended() => return self.extended(leaf),
            _ => {}
        }
        // Beyond the end Intel shows the highest basic leaf, AMD zeros.
        let leaf = match (leaf <= basic, self.vendor) {
            (true, _) => leaf,
            (false, Vendor::Intel) => basic,
            (false, Vendor::Amd) => return [0; 4],
        };
        self.basic(leaf, subleaf, view)
    }

    fn highest_basic(&self, view: &View) -> u32 {
        if view.misc_enable & LIMIT_CPUID != 0 && self.has(Feature::LongMode) {
            return 2;
        }
        match () {
            () if !self.has(Feature::Mca) => 1,
            () if !self.has(Feature::LongMode) => 2,
            () if self.clock.crystal_hz != 0 && self.vendor == Vendor::Intel => 0x15,
            () if self.has(Feature::Xsave) => 0xd,
            () if self.vendor == Vendor::Intel => 0xb,
            () => 7,
        }
    }

    fn highest_extended(&self) -> u32 {
        match (self.has(Feature::LongMode), self.brand.is_empty()) {
            (true, _) => 0x8000_0008,
            (false, false) => 0x8000_0004,
            _ => 0,
        }
    }

    /// The bits of a register that lists features.
    fn bits(&self, place: Place) -> u32 {
        Feature::ALL
            .iter()
            .filter(|f| self.has(**f))
            .filter_map(|f| Some(f.place()).filter(|(p, _)| *p == place))
            .fold(0, |all, (_, bit)| all | 1 << bit)
    }

    fn basic(&self, leaf: u32, subleaf: u32, view: &View) -> [u32; 4] {
        match leaf {
            0 => {
                let [b, d, c] = self.vendor.words();
                [self.highest_basic(view), b, c, d]
            }
            1 => self.leaf_1(view),
            2 if self.vendor == Vendor::Intel => {
                // One read is enough; 4 KiB pages in a 64-entry data TLB, 32 KiB L1, 2 MiB L2.
                [0x665b_5001, 0, 0, 0x007a_7000 | 0x2c]
            }
            4 if self.vendor == Vendor::Intel => self.cache(subleaf),
            5 if self.has(Feature::Monitor) => [64, 64, 3, 0],
            6 => [self.bits(Place::Eax6), 0, 0, 0],
            7 => self.leaf_7(subleaf),
            0xb => self.topology(subleaf, view),
            0xd => self.xsave_leaf(subleaf, view),
            0x15 => [self.clock.denominator, self.clock.numerator, self.clock.crystal_hz, 0],
            _ => [0; 4],
        }
    }

    fn leaf_1(&self, view: &View) -> [u32; 4] {
        let mut edx = self.bits(Place::Edx1);
        let mut ecx = self.bits(Place::Ecx1);
        if !view.apic {
            edx &= !(1 << 9);
        }
        if view.cr4 & CR4_OSXSAVE != 0 {
            ecx |= 1 << 27;
        }
        let mut ebx = view.index << 24;
        if self.has(Feature::Clflush) {
            ebx |= 8 << 8; // lines of 8 quadwords
        }
        if self.cpus > 1 {
            edx |= 1 << 28; // HTT: the number of logical processors in EBX is valid
            ebx |= (self.cpus.next_power_of_two().min(255)) << 16;
        }
        [self.signature, ebx, ecx, edx]
    }

    fn leaf_7(&self, subleaf: u32) -> [u32; 4] {
        let second = self.bits(Place::Edx72);
        match subleaf {
            0 => {
                let highest = if second != 0 { 2 } else { 0 };
                [highest, self.bits(Place::Ebx7), self.bits(Place::Ecx7), self.bits(Place::Edx7)]
            }
            2 => [0, 0, 0, second],
            _ => [0; 4],
        }
    }

    /// Leaf 4: L1 data and code, L2 a core; L3 shared.
    fn cache(&self, subleaf: u32) -> [u32; 4] {
        let cores = (self.cpus.next_power_of_two().min(64) - 1) << 26;
        let share = (self.cpus.next_power_of_two().min(4096) - 1) << 14;
        let cache = |kind: u32, level: u32, ways: u32, sets: u32, share: u32| {
            [kind | level << 5 | 1 << 8 | share | cores, (ways - 1) << 22 | 63, sets - 1, 0]
        };
        match subleaf {
            0 => cache(1, 1, 8, 64, 0),
            1 => cache(2, 1, 8, 64, 0),
            2 => cache(3, 2, 8, 4096, 0),
            3 => cache(3, 3, 16, 16384, share),
            _ => [0; 4],
        }
    }

    /// Leaf 0Bh: one thread a core, all cores in one package.
    fn topology(&self, subleaf: u32, view: &View) -> [u32; 4] {
        let bits = self.cpus.next_power_of_two().trailing_zeros();
        match subleaf {
            0 => [0, 1, 1 << 8, view.index],
            1 => [bits, self.cpus, 2 << 8 | 1, view.index],
            n => [0, 0, n & 0xff, view.index],
        }
    }

    fn xsave_leaf(&self, subleaf: u32, view: &View) -> [u32; 4] {
        if !self.has(Feature::Xsave) {
            return [0; 4];
        }
        let all = self.xcr0_mask();
        let size = |mask: u64| if mask & 4 != 0 { 832 } else { 576 };
        match subleaf {
            0 => [all as u32, size(view.xcr0), size(all), 0],
            1 => [self.bits(Place::EaxD1), size(view.xcr0), 0, 0],
            2 if all & 4 != 0 => [256, 576, 0, 0],
            _ => [0; 4],
        }
    }

    fn extended(&self, leaf: u32) -> [u32; 4] {
        match leaf {
            0x8000_0000 => {
                let [b, d, c] = if self.vendor == Vendor::Amd { self.vendor.words() } else { [0; 3] };
                [self.highest_extended(), b, c, d]
            }
            0x8000_0001 => {
                let mut ecx = self.bits(Place::Ecx81);
                let mut edx = self.bits(Place::Edx81);
                if self.vendor == Vendor::Amd {
                    // AMD repeats leaf 1's bits that its first CPUs had; and "the threads are cores".
                    edx |= self.bits(Place::Edx1) & 0x0183_f3ff;
                    if self.cpus > 1 {
                        ecx |= 1 << 1;
                    }
                    return [self.signature, 0, ecx, edx];
                }
                [0, 0, ecx, edx]
            }
            0x8000_0002..=0x8000_0004 => self.brand_words(leaf - 0x8000_0002),
            // L1 64 KiB data and code, 2 ways, lines of 64 bytes; L2 512 KiB, 16 ways.
            0x8000_0005 if self.vendor == Vendor::Amd => [0x01ff_01ff, 0x01ff_01ff, 0x4002_0140, 0x4002_0140],
            0x8000_0006 if self.vendor == Vendor::Amd => [0, 0x4200_4200, 0x0200_8140, 0],
            0x8000_0006 => [0, 0, 0x0800_6040, 0],
            0x8000_0007 => [0, 0, 0, self.bits(Place::Edx87)],
            0x8000_0008 => {
                let cores = if self.vendor == Vendor::Amd { self.cpus.min(256) - 1 } else { 0 };
                [self.physical_bits | 48 << 8, 0, cores, 0]
            }
            _ => [0; 4],
        }
    }

    fn brand_words(&self, third: u32) -> [u32; 4] {
        let mut text = [0u8; 48];
        let len = self.brand.len().min(47);
        text[..len].copy_from_slice(&self.brand.as_bytes()[..len]);
        std::array::from_fn(|i| {
            let at = third as usize * 16 + i * 4;
            u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]])
        })
    }
}

/// Leaves that CPUs leave to hypervisors: who we are, and nothing that a guest could call.
fn hypervisor(leaf: u32) -> [u32; 4] {
    match leaf {
        0x4000_0000 => {
            let [b, c, d] = words(b"LyrebirdLyre");
            [0x4000_0001, b, c, d]
        }
        _ => [0; 4],
    }
}

impl Vendor {
    /// EBX, EDX, ECX of leaf 0.
    fn words(self) -> [u32; 3] {
        words(match self {
            Vendor::Intel => b"GenuineIntel",
            Vendor::Amd => b"AuthenticAMD",
        })
    }
}

fn words(text: &[u8; 12]) -> [u32; 3] {
    std::array::from_fn(|i| u32::from_le_bytes([text[4 * i], text[4 * i + 1], text[4 * i + 2], text[4 * i + 3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(model: &str, leaf: u32) -> [u32; 4] {
        Model::by_name(model).unwrap().cpuid(leaf, 0, &View { apic: true, ..View::default() })
    }

    #[test]
    fn vendors_brands_and_the_highest_leaf() {
        let name = |[_, b, c, d]: [u32; 4]| [b, d, c].map(u32::to_le_bytes).concat();
        assert_eq!(name(leaf("max", 0)), b"GenuineIntel");
        assert_eq!(name(leaf("qemu64", 0)), b"AuthenticAMD");
        assert_eq!(leaf("max", 0)[0], 0xd);
        assert_eq!(leaf("max", 0x8000_0002).map(u32::to_le_bytes).concat(), b"Lyrebird max\0\0\0\0");
        assert_eq!(leaf("max", 0x8000_0008)[0], 0x3028);
        assert_eq!(leaf("486", 0)[0], 1);
    }

    #[test]
    fn leaf_7_has_as_many_subleaves_as_it_needs() {
        let subleaves = |model| {
            let model = Model::by_name(model).unwrap();
            [0, 1, 2, 3].map(|subleaf| model.cpuid(7, subleaf, &View::default()))
        };
        let [first, second, third, fourth] = subleaves("x86-64-v2");
        assert_eq!((first[0], second, third, fourth), (2, [0; 4], [0, 0, 0, 1 << 4], [0; 4]));
        assert_eq!(first[1] & 1 << 10, 1 << 10, "INVPCID");
        let [first, .., third, _] = subleaves("x86-64-v2,-bhi-ctrl");
        assert_eq!((first[0], third), (0, [0; 4]));
    }

    #[test]
    fn what_the_system_level_shows_in_leaf_1() {
        let model = Model::by_name("max").unwrap().with_cpus(4);
        let off = model.cpuid(1, 0, &View::default());
        let on = model.cpuid(1, 0, &View { apic: true, cr4: CR4_OSXSAVE, index: 3, ..View::default() });
        assert_eq!((off[3] ^ on[3], off[2] ^ on[2]), (1 << 9, 1 << 27));
        assert_eq!(on[1] >> 16, 0x0304);
        assert_eq!(model.cpuid(0xb, 1, &View { index: 3, ..View::default() }), [2, 4, 0x201, 3]);
    }
}
