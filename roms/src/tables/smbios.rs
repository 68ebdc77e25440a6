//! A minimal SMBIOS table: what inventory tools and some drivers read to tell which machine they are on (DMTF DSP0134,
//! version 2.8 with the 32-bit entry point).

use super::Board;
use super::sdt::checksum;

/// Bytes of the entry point.
pub const ENTRY_POINT_BYTES: usize = 31;

/// The entry point, which a kernel finds by its signature between F0000h and FFFFFh.
pub fn entry_point(table: u32, structures: &Structures) -> Vec<u8> {
    let mut out = b"_SM_".to_vec();
    out.extend([0, ENTRY_POINT_BYTES as u8, 2, 8]);
    out.extend(structures.largest.to_le_bytes());
    out.extend([0; 6]); // entry point revision, formatted area
    let intermediate = out.len();
    out.extend(b"_DMI_\0");
    out.extend((structures.bytes.len() as u16).to_le_bytes());
    out.extend(table.to_le_bytes());
    out.extend(structures.count.to_le_bytes());
    out.push(0x28);
    out[intermediate + 5] = checksum(&out[intermediate..]);
    out[4] = checksum(&out);
    out
}

/// The structures, one behind the other.
#[derive(Default)]
pub struct Structures {
    /// The encoded table.
    pub bytes: Vec<u8>,
    /// How many structures it has.
    pub count: u16,
    /// The size of the largest with its strings.
    pub largest: u16,
}

impl Structures {
    /// Appends a structure; its handle is its number. `fields` is what follows the four header bytes.
    fn add(&mut self, kind: u8, fields: &[u8], strings: &[&str]) -> u16 {
        let handle = self.count;
        let start = self.bytes.len();
        self.bytes.extend([kind, 4 + fields.len() as u8]);
        self.bytes.extend(handle.to_le_bytes());
        self.bytes.extend(fields);
        for text in strings {
            self.bytes.extend(text.as_bytes());
            self.bytes.push(0);
        }
        self.bytes.extend(if strings.is_empty() { &[0, 0][..] } else { &[0] });
        self.count += 1;
        self.largest = self.largest.max((self.bytes.len() - start) as u16);
        handle
    }
}

const MAKER: &str = "Lyrebird";

/// All structures of a machine.
pub fn structures(board: &Board) -> Structures {
    let mut out = Structures::default();
    let version = env!("CARGO_PKG_VERSION");

    // 0: BIOS. ISA, PCI and boot from CD are supported; it is a virtual machine.
    let mut bios = vec![1, 2, 0x00, 0xf0, 3, 0];
    bios.extend((1u64 << 4 | 1 << 7 | 1 << 15).to_le_bytes());
    bios.extend([0x01, 0x10, 0, 1, 0xff, 0xff]);
    out.add(0, &bios, &[MAKER, version, "01/01/2026"]);

    // 1: system. A UUID that is not set.
    let mut system = vec![1, 2, 3, 0];
    system.extend([0; 16]);
    system.extend([6, 0, 0]); // woken by the power switch
    out.add(1, &system, &[MAKER, "Lyrebird PC (i440FX)", version]);

    // 3: chassis: other, all states safe.
    out.add(3, &[1, 1, 0, 0, 0, 3, 3, 3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[MAKER]);

    // 4: one package with all processors in it.
    let mut cpu = vec![1, 3, 1, 2]; // socket, central processor, family "other", maker
    cpu.extend(board.cpu_signature.to_le_bytes());
    cpu.extend(board.cpu_features.to_le_bytes());
    cpu.extend([3, 0]); // version string, voltage unknown
    cpu.extend([0; 6]); // clocks unknown
    cpu.extend([0x41, 1]); // populated and enabled; upgrade "other"
    cpu.extend([0xff; 6]); // no cache structures
    cpu.extend([0, 0, 0]);
    let cores = board.cpus.min(255) as u8;
    cpu.extend([cores, cores, 1]);
    cpu.extend([0; 4]); // characteristics, family 2
    out.add(4, &cpu, &["CPU 0", MAKER, "Virtual CPU"]);

    // 16, 17, 19: one memory array with one device.
    let kib = board.ram_bytes / 1024;
    let mut array = vec![1, 3, 3]; // other location, system memory, no error correction... as "none"
    array.extend(u32::try_from(kib).unwrap_or(0x8000_0000).min(0x8000_0000).to_le_bytes());
    array.extend(0xfffe_u16.to_le_bytes());
    array.extend(1u16.to_le_bytes());
    array.extend(if kib >= 0x8000_0000 { board.ram_bytes } else { 0 }.to_le_bytes());
    let array = out.add(16, &array, &[]);

    let mib = board.ram_bytes >> 20;
    let mut device = array.to_le_bytes().to_vec();
    device.extend(0xfffe_u16.to_le_bytes());
    device.extend([0xff; 4]); // widths unknown
    device.extend((if mib < 0x7fff { mib as u16 } else { 0x7fff }).to_le_bytes());
    device.extend([9, 0, 1, 0, 7]); // DIMM, no set, locator, no bank, RAM
    device.extend(2u16.to_le_bytes()); // other
    device.extend([0, 0, 2, 0, 0, 0, 0]); // speed unknown; maker
    device.extend((if mib < 0x7fff { 0 } else { mib as u32 }).to_le_bytes());
    device.extend([0; 8]); // clock and voltages unknown
    out.add(17, &device, &["DIMM 0", MAKER]);

    let mut mapped = 0u32.to_le_bytes().to_vec();
    mapped.extend((kib.saturating_sub(1) as u32).to_le_bytes());
    mapped.extend(array.to_le_bytes());
    mapped.push(1);
    mapped.extend([0; 16]);
    if kib > 0xffff_ffff {
        mapped[..8].fill(0xff);
        mapped[19..27].copy_from_slice(&(board.ram_bytes - 1).to_le_bytes());
    }
    out.add(19, &mapped, &[]);

    // 32: the last boot had no errors. 127: the end.
    out.add(32, &[0; 7], &[]);
    out.add(127, &[], &[]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_can_be_walked_to_the_end() {
        for ram_bytes in [1 << 20, 64 << 20, 40 << 30, 3 << 40] {
            let structures = structures(&Board { ram_bytes, ..Board::default() });
            let (mut at, mut kinds) = (0, Vec::new());
            while at < structures.bytes.len() {
                kinds.push(structures.bytes[at]);
                at += usize::from(structures.bytes[at + 1]);
                at += structures.bytes[at..].windows(2).position(|w| w == [0, 0]).unwrap() + 2;
            }
            assert_eq!(kinds, [0, 1, 3, 4, 16, 17, 19, 32, 127]);
            assert_eq!(kinds.len(), usize::from(structures.count));
        }
    }

    #[test]
    fn structure_lengths_are_those_of_version_2_8() {
        let structures = structures(&Board::default());
        let (mut at, mut lengths) = (0, Vec::new());
        while at < structures.bytes.len() {
            lengths.push(structures.bytes[at + 1]);
            at += usize::from(structures.bytes[at + 1]);
            at += structures.bytes[at..].windows(2).position(|w| w == [0, 0]).unwrap() + 2;
        }
        assert_eq!(lengths, [0x18, 0x1b, 0x16, 0x2a, 0x17, 0x28, 0x1f, 0x0b, 0x04]);
    }
}
