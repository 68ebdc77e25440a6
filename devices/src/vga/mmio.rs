//! The registers in memory, behind BAR 2 (QEMU's docs/specs/standard-vga): the monitor's description, the VGA's ports, the DISPI registers, and the order of
//! the bytes in pixels.

use super::chip::{Chip, register_port};
use super::edid::{EDID_BYTES, edid};
use super::vram::Vram;
use lyrebird_core::VmTime;

/// How large the window is.
pub const MMIO_BYTES: u32 = 0x1000;
/// The monitor's description.
const EDID: std::ops::Range<u64> = 0..EDID_BYTES as u64;
/// The ports 3C0h to 3DFh.
const PORTS: std::ops::Range<u64> = 0x400..0x420;
/// The DISPI registers, two bytes each.
const DISPI: std::ops::Range<u64> = 0x500..0x516;
/// Bytes in the extended registers, and the order of the bytes in pixels.
const SIZE: u64 = 0x600;
const ENDIANNESS: u64 = 0x604;
const BIG_ENDIAN: u32 = 0xbebe_bebe;
const LITTLE_ENDIAN: u32 = 0x1e1e_1e1e;

/// A load.
pub fn read(chip: &mut Chip, offset: u64, bytes: u8, now: VmTime) -> u64 {
    match offset {
        _ if EDID.contains(&offset) => {
            let block = edid();
            (offset..EDID.end.min(offset + u64::from(bytes)))
                .fold(0, |value, at| value | u64::from(block[at as usize]) << (8 * (at - offset)))
        }
        _ if PORTS.contains(&offset) => (offset..offset + u64::from(bytes))
            .filter(|offset| PORTS.contains(offset))
            .fold(0, |value, at| value | u64::from(chip.read(register_port(chip, at), now)) << (8 * (at - offset))),
        _ if DISPI.contains(&offset) => {
            // Registers in a row, for loads of more than one.
            let first = (offset - DISPI.start) / 2;
            let value = (0..4).fold(0, |value, n| value | u64::from(chip.read_dispi((first + n) as u16)) << (16 * n));
            value >> (8 * (offset & 1))
        }
        SIZE => 8,
        ENDIANNESS => u64::from(if chip.big_endian() { BIG_ENDIAN } else { LITTLE_ENDIAN }),
        _ => 0,
    }
}

/// A store.
pub fn write(chip: &mut Chip, vram: &Vram, offset: u64, bytes: u8, value: u64) {
    match offset {
        _ if PORTS.contains(&offset) => {
            for n in (0..u64::from(bytes)).filter(|n| PORTS.contains(&(offset + n))) {
                chip.write(register_port(chip, offset + n), (value >> (8 * n)) as u8);
            }
        }
        _ if DISPI.contains(&offset) && offset & 1 == 0 => {
            let first = (offset - DISPI.start) / 2;
            for n in 0..u64::from(bytes).div_ceil(2) {
                chip.write_dispi((first + n) as u16, (value >> (16 * n)) as u16, vram);
            }
        }
        ENDIANNESS => match value as u32 {
            BIG_ENDIAN => chip.set_big_endian(true),
            LITTLE_ENDIAN => chip.set_big_endian(false),
            _ => {}
        },
        _ => {}
    }
}
