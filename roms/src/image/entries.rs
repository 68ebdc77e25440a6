//! The system ROM: which code and which table is where.

use super::code::{self, Code, service};
use super::{SYSTEM_ROM_BYTES, SYSTEM_SEGMENT, place};
use crate::{bda, font};
use iced_x86::IcedError;

/// The parts of the code that entries jump to.
mod part {
    pub const GATE: usize = 0;
    pub const POWER_ON: usize = 1;
    pub const BOOT: usize = 2;
    pub const NO_BOOT: usize = 3;
    pub const TICK: usize = 4;
    pub const KEY: usize = 5;
    pub const MOUSE: usize = 6;
    pub const CLOCK: usize = 7;
    pub const COPROCESSOR: usize = 8;
    pub const FLOPPY: usize = 9;
    pub const DISK: usize = 10;
}

/// Where BIOS32's directory says that the PCI BIOS is, and the entry of APM.
pub const PCI32: u16 = 0xdc00;
/// APM's entry for 32-bit callers.
pub const APM32: u16 = 0xdc80;
/// The BIOS32 Service Directory's structure.
const BIOS32_STRUCTURE: u16 = 0xdbf0;

fn common() -> Result<Code, IcedError> {
    code::assemble(place::CODE, |a| {
        let gate = code::gate(a)?;
        let boot = code::boot(a, gate, service::BOOT)?;
        Ok(vec![
            gate,
            code::power_on(a, gate, boot)?,
            boot,
            code::boot(a, gate, service::NO_BOOT)?,
            code::tick(a)?,
            code::key(a, gate)?,
            code::mouse(a, gate)?,
            code::clock(a, gate)?,
            code::coprocessor(a)?,
            code::drive(a, 0x3e, 0x80, false)?,
            code::drive(a, 0x8e, 0xff, true)?,
        ])
    })
}

/// An image of 64 KiB segments under construction, addressed in its last one.
struct Rom {
    bytes: Vec<u8>,
    /// What is taken, so that nothing is written twice.
    taken: Vec<bool>,
}

impl Rom {
    fn put(&mut self, offset: u16, bytes: &[u8]) {
        let start = SYSTEM_ROM_BYTES - 0x1_0000 + usize::from(offset);
        let range = start..start + bytes.len();
        assert!(!self.taken[range.clone()].contains(&true), "offset {offset:#x} of the ROM is taken");
        self.taken[range.clone()].fill(true);
        self.bytes[range].copy_from_slice(bytes);
    }

    fn jump(&mut self, from: u16, to: u16) {
        let [low, high] = to.wrapping_sub(from + 3).to_le_bytes();
        self.put(from, &[0xe9, low, high]);
    }

    /// The entry of a service: PUSH imm16, JMP.
    fn entry(&mut self, offset: u16, service: u16, gate: u16) {
        let [low, high] = service.to_le_bytes();
        self.put(offset, &[0x68, low, high]);
        self.jump(offset + 3, gate);
    }
}

/// The system ROM.
pub fn system_rom() -> Vec<u8> {
    // The assembler refuses only what cannot be encoded, and the code is always the same.
    build().expect("the ROM's code assembles")
}

fn build() -> Result<Vec<u8>, IcedError> {
    let mut rom = Rom { bytes: vec![0; SYSTEM_ROM_BYTES], taken: vec![false; SYSTEM_ROM_BYTES] };
    let common = common()?;
    assert!(usize::from(place::CODE) + common.bytes.len() < usize::from(BIOS32_STRUCTURE));
    rom.put(place::CODE, &common.bytes);
    let at = |part: usize| common.at[part];
    let gate = at(part::GATE);
    for (offset, number) in [
        (place::INT10, 0x10),
        (place::INT11, 0x11),
        (place::INT12, 0x12),
        (place::INT13_DISK, 0x13),
        (place::INT13_FLOPPY, 0x13),
        (place::INT14, 0x14),
        (place::INT15, 0x15),
        (place::INT16, 0x16),
        (place::INT17, 0x17),
        (place::INT1A, 0x1a),
    ] {
        rom.entry(offset, number, gate);
    }
    for (offset, part) in [
        (place::POST, part::POWER_ON),
        (place::INT19, part::BOOT),
        (place::INT18, part::NO_BOOT),
        (place::INT08, part::TICK),
        (place::INT09, part::KEY),
        (place::INT74, part::MOUSE),
        (place::INT70, part::CLOCK),
        (place::INT75, part::COPROCESSOR),
        (place::INT0E, part::FLOPPY),
        (place::INT76, part::DISK),
    ] {
        rom.jump(offset, at(part));
    }
    rom.put(PCI32, &code::flat_entry(PCI32, service::PCI32)?);
    rom.put(APM32, &code::flat_entry(APM32, service::APM32)?);
    rom.put(place::BIOS32, &code::directory(place::BIOS32, PCI32)?);
    rom.put(BIOS32_STRUCTURE, &bios32_structure());
    const IRET: u8 = 0xcf;
    rom.put(place::NMI, &[IRET]);
    rom.put(place::IRET, &[IRET]);
    rom.put(place::INT05, &[IRET]);
    // PUSH AX; MOV AL,20h; [OUT A0h,AL;] OUT 20h,AL; POP AX; IRET
    rom.put(place::EOI_MASTER, &[0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, IRET]);
    rom.put(place::EOI_SLAVE, &[0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, IRET]);
    // A program that jumps to the reset vector at 1 MiB starts the machine anew.
    let [low, high] = place::POST.to_le_bytes();
    let [segment_low, segment_high] = SYSTEM_SEGMENT.to_le_bytes();
    rom.put(place::RESET, &[0xea, low, high, segment_low, segment_high]);
    rom.put(place::RESET + 5, b"11/26/26");
    rom.put(place::RESET + 14, &[0xfc]); // the model: an AT
    rom.put(place::CONFIGURATION, &configuration());
    rom.put(place::DISKETTE, &DISKETTE_TABLE);
    rom.put(place::FONT_8X8, font::FONT_8X8[..128].as_flattened());
    Ok(rom.bytes)
}

/// INT 15h AH=C0h: model FCh (AT), submodel 1; a second 8259A, a real-time clock, INT 15h AH=4Fh called by INT 09h, an extended
/// BIOS data area; keyboard functions of INT 16h AH=09h.
fn configuration() -> [u8; 10] {
    [8, 0, 0xfc, 0x01, 0x00, 0x74, 0x40, 0, 0, 0]
}

/// The parameters of a 1.44 MB drive (INT 1Eh): step rate and head times, motor off after 37 ticks, 512 bytes, 18 sectors, gaps,
/// fill byte, head settling, motor start.
const DISKETTE_TABLE: [u8; 11] = [0xaf, 0x02, 0x25, 2, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 8];

/// BIOS32 Service Directory 0.4, section 2.
fn bios32_structure() -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(b"_32_");
    bytes[4..8].copy_from_slice(&(0xf_0000 + u32::from(place::BIOS32)).to_le_bytes());
    bytes[9] = 1;
    bytes[10] = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    bytes
}

/// The interrupt vectors that the system BIOS answers, all in its segment.
pub fn vectors() -> Vec<(u8, u16)> {
    let mut vectors: Vec<(u8, u16)> =
        (0..=0xffu8).filter(|n| !(0x60..=0x67).contains(n)).map(|n| (n, place::IRET)).collect();
    vectors.extend((0x0a..=0x0f).map(|n| (n, place::EOI_MASTER)));
    vectors.extend((0x71..=0x77).map(|n| (n, place::EOI_SLAVE)));
    vectors.extend([
        (0x02, place::NMI),
        (0x05, place::INT05),
        (0x08, place::INT08),
        (0x09, place::INT09),
        (0x0e, place::INT0E),
        (0x10, place::INT10),
        (0x11, place::INT11),
        (0x12, place::INT12),
        (0x13, place::INT13_DISK),
        (0x14, place::INT14),
        (0x15, place::INT15),
        (0x16, place::INT16),
        (0x17, place::INT17),
        (0x18, place::INT18),
        (0x19, place::INT19),
        (0x1a, place::INT1A),
        (0x1e, place::DISKETTE),
        (0x40, place::INT13_FLOPPY),
        (0x42, place::INT10),
        (0x70, place::INT70),
        (0x74, place::INT74),
        (0x75, place::INT75),
        (0x76, place::INT76),
    ]);
    vectors
}

const _: () = assert!(bda::EBDA_SEGMENT == 0x9fc0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reset_vector_leads_to_post() {
        let rom = system_rom();
        assert_eq!(rom.len(), SYSTEM_ROM_BYTES);
        assert_eq!(rom[0x1_fff0..0x1_fff5], [0xea, 0x5b, 0xe0, 0x00, 0xf0]);
        assert_eq!(rom[0x1_0000 + usize::from(place::POST)], 0xe9);
    }

    #[test]
    fn the_bios32_directory_is_found() {
        let structure = bios32_structure();
        assert_eq!(structure.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        assert!(BIOS32_STRUCTURE.is_multiple_of(16));
    }

    #[test]
    fn nothing_overlaps_the_fixed_places() {
        // Each entry is six bytes; the places are far enough apart.
        let rom = system_rom();
        for (number, offset) in vectors() {
            assert_ne!(rom[0x1_0000 + usize::from(offset)], 0, "INT {number:02X}h");
        }
    }
}
