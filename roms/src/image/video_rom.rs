//! The VGA BIOS's ROM: its header, its two entries, and the fonts.

use super::VIDEO_SEGMENT;
use super::code::{self, service};
use super::vbe_code;
use crate::font;
use iced_x86::IcedError;

/// Its size.
pub const VIDEO_ROM_BYTES: usize = 0x8000;

/// Offsets in its segment.
pub mod place {
    #![allow(missing_docs, reason = "the names say it")]
    pub const PCI: u16 = 0x20;
    pub const NAME: u16 = 0x40;
    pub const WINDOW: u16 = 0xf0;
    pub const CODE: u16 = 0x100;
    pub const STATIC_INFO: u16 = 0x300;
    pub const SAVE_POINTERS: u16 = 0x320;
    pub const PARAMETERS: u16 = 0x400;
    pub const OEM: u16 = 0xc00;
    pub const MODES: u16 = 0xc80;
    pub const FONT_8X8: u16 = 0x1000;
    pub const FONT_8X14: u16 = 0x1800;
    pub const FONT_8X16: u16 = 0x2800;
    /// Filled by POST: the controller's description, those of the modes behind their numbers, to FFFFh, and the
    /// monitor's.
    pub const VBE_CONTROLLER: u16 = 0x3800;
    pub const VBE_MODES: u16 = 0x3840;
    pub const VBE_MONITOR: u16 = 0x7f00;
}

/// The interrupt's entry is right behind the initialisation's.
pub const INT10: u16 = place::CODE;

/// The ROM.
pub fn video_rom() -> Vec<u8> {
    build().expect("the ROM's code assembles") // as in the system ROM
}

fn build() -> Result<Vec<u8>, IcedError> {
    let mut rom = vec![0; VIDEO_ROM_BYTES];
    let mut put = |offset: u16, bytes: &[u8]| {
        rom[usize::from(offset)..usize::from(offset) + bytes.len()].copy_from_slice(bytes);
    };
    let code = code::assemble(place::CODE, |a| {
        let (mut gate, mut start, mut host) = (a.create_label(), a.create_label(), a.create_label());
        vbe_code::services(a, host)?;
        a.set_label(&mut host)?;
        code::entry(a, gate, 0x10)?;
        a.set_label(&mut start)?;
        // The system BIOS calls the ROM by a far call.
        let mut stub = a.create_label();
        a.pushf()?;
        a.push(iced_x86::code_asm::cs)?;
        a.call(stub)?;
        a.retf()?;
        a.set_label(&mut stub)?;
        code::entry(a, gate, service::VIDEO_POST)?;
        a.nop()?;
        a.set_label(&mut gate)?;
        a.nop()?;
        code::gate(a)?;
        Ok(vec![start])
    })?;
    assert!(usize::from(place::CODE) + code.bytes.len() <= usize::from(place::STATIC_INFO));
    put(place::CODE, &code.bytes);
    let [low, high] = code.at[0].wrapping_sub(6).to_le_bytes();
    put(0, &[0x55, 0xaa, (VIDEO_ROM_BYTES / 512) as u8, 0xe9, low, high]);
    put(0x18, &place::PCI.to_le_bytes());
    put(place::PCI, &pci_data());
    put(place::NAME, b"Lyrebird VGA BIOS\0IBM compatible\0");
    put(place::WINDOW, &[0xb8, 0x05, 0x4f, 0xcd, 0x10, 0xcb]); // MOV AX,4F05h; INT 10h; RETF
    put(place::STATIC_INFO, &crate::video::static_information());
    put(place::PARAMETERS, &crate::video::parameter_table());
    let parameters = u32::from(VIDEO_SEGMENT) << 16 | u32::from(place::PARAMETERS);
    put(place::SAVE_POINTERS, &parameters.to_le_bytes());
    put(place::OEM, b"Lyrebird\0Lyrebird VBE\0");
    put(place::MODES, &crate::video::mode_list());
    put(place::FONT_8X8, font::FONT_8X8.as_flattened());
    put(place::FONT_8X14, font::FONT_8X14.as_flattened());
    put(place::FONT_8X16, font::FONT_8X16.as_flattened());
    let sum = rom.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    rom[VIDEO_ROM_BYTES - 1] = sum.wrapping_neg();
    Ok(rom)
}

/// PCI Firmware Specification 3.0, section 5.1.2: the ROM of 1234:1111, a VGA.
fn pci_data() -> [u8; 24] {
    let mut data = [0; 24];
    data[..8].copy_from_slice(b"PCIR\x34\x12\x11\x11");
    data[10] = 24;
    data[13..16].copy_from_slice(&[0x00, 0x00, 0x03]);
    data[16..18].copy_from_slice(&((VIDEO_ROM_BYTES / 512) as u16).to_le_bytes());
    data[21] = 0x80; // the last image
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rom_sums_to_zero_and_has_its_header() {
        let rom = video_rom();
        assert_eq!(rom.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        assert_eq!((rom[0], rom[1], usize::from(rom[2]) * 512), (0x55, 0xaa, rom.len()));
        assert_eq!(&rom[0x20..0x24], b"PCIR");
    }
}
