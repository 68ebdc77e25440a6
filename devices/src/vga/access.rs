//! A CPU's way into the display memory through the window at A0000h: which window, which planes, and what the graphics controller
//! makes of the data (PS/2 Hardware Interface Technical Reference, Video Subsystem, "Graphics Controller").

use super::chip::{Chip, graphics, sequencer};
use super::vram::Vram;

/// The memory answers.
const RAM_ENABLE: u8 = 2;
/// Addresses are spread over the four planes.
const CHAIN_4: u8 = 8;
/// Even and odd addresses are not different planes.
const ODD_EVEN_OFF: u8 = 4;
/// Reads see odd and even addresses as different planes.
const READ_ODD_EVEN: u8 = 0x10;
const READ_COMPARES: u8 = 8;

/// Each bit of a nibble, over the byte of its plane.
pub fn spread(nibble: u8) -> u32 {
    let bits = u32::from(nibble);
    (bits & 1 | (bits & 2) << 7 | (bits & 4) << 14 | (bits & 8) << 21) * 0xff
}

/// A byte for every plane.
fn all(byte: u8) -> u32 {
    u32::from(byte) * 0x0101_0101
}

impl Chip {
    /// The window over the memory: its first address, from A0000h, and its length.
    pub fn window(&self) -> Option<(u32, u32)> {
        if self.dispi.enabled() {
            return Some((0, 0x1_0000));
        }
        if self.misc & RAM_ENABLE == 0 {
            return None;
        }
        Some(match self.graphics[graphics::MISCELLANEOUS] >> 2 & 3 {
            0 => (0, 0x2_0000),
            1 => (0, 0x1_0000),
            2 => (0x1_0000, 0x8000),
            _ => (0x1_8000, 0x8000),
        })
    }

    fn inside(&self, address: u32) -> Option<u32> {
        let (first, bytes) = self.window()?;
        address.checked_sub(first).filter(|offset| *offset < bytes)
    }

    /// Whether bytes in the window are bytes in a row of the memory.
    fn linear(&self) -> bool {
        match self.dispi.geometry() {
            Some(mode) => mode.bits != 4,
            None => self.sequencer[sequencer::MEMORY_MODE] & CHAIN_4 != 0,
        }
    }

    /// Whether stores go to the memory as they are.
    fn plain(&self) -> bool {
        let registers = &self.graphics;
        registers[graphics::MODE] & 3 == 0
            && registers[graphics::ENABLE_SET_RESET] == 0
            && registers[graphics::ROTATE] == 0
            && registers[graphics::BIT_MASK] == 0xff
    }

    /// The memory that may stand in the window for loads and stores alike: its first byte, if it is so simple now.
    pub fn direct(&self) -> Option<u32> {
        if self.dispi.enabled() {
            return self.linear().then(|| self.dispi.bank_offset());
        }
        let simple = self.linear()
            && self.plain()
            && self.sequencer[sequencer::MAP_MASK] == 0xf
            && self.graphics[graphics::MODE] & READ_COMPARES == 0
            && self.window() == Some((0, 0x1_0000));
        simple.then_some(0)
    }

    /// The offset in the planes of an address in the window.
    fn offset(&self, address: u32) -> u32 {
        if self.dispi.enabled() { address + self.dispi.bank_offset() } else { address & 0xffff }
    }

    /// A load of a byte. `address` counts from A0000h.
    pub fn load(&mut self, address: u32, vram: &Vram) -> u8 {
        let Some(address) = self.inside(address) else { return 0xff };
        let offset = self.offset(address);
        if self.dispi.enabled() && self.linear() {
            let mut byte = [0];
            vram.read(offset, &mut byte);
            return byte[0];
        }
        let mode = self.graphics[graphics::MODE];
        let (plane, offset) = if self.linear() {
            (offset & 3, offset & !3)
        } else if mode & READ_ODD_EVEN != 0 {
            (u32::from(self.graphics[graphics::READ_MAP] & 2) | offset & 1, offset & !1)
        } else {
            (self.graphics[graphics::READ_MAP].into(), offset)
        };
        self.latch = vram.word(offset);
        if mode & READ_COMPARES == 0 {
            return (self.latch >> (8 * plane)) as u8;
        }
        // A bit is set where every plane that somebody cares for has the colour's bit.
        let different = self.latch ^ spread(self.graphics[graphics::COLOUR_COMPARE]);
        let different = different & spread(self.graphics[graphics::COLOUR_DONT_CARE]);
        !(different | different >> 8 | different >> 16 | different >> 24) as u8
    }

    /// A store of a byte.
    pub fn store(&mut self, address: u32, value: u8, vram: &Vram) {
        let Some(address) = self.inside(address) else { return };
        let offset = self.offset(address);
        if self.dispi.enabled() && self.linear() {
            vram.write(offset, &[value]);
            return;
        }
        let map_mask = self.sequencer[sequencer::MAP_MASK];
        let (planes, offset) = if self.linear() {
            (map_mask & 1 << (offset & 3), offset & !3)
        } else if self.sequencer[sequencer::MEMORY_MODE] & ODD_EVEN_OFF == 0 && !self.dispi.enabled() {
            (map_mask & if offset & 1 == 0 { 0b0101 } else { 0b1010 }, offset & !1)
        } else {
            (map_mask, offset)
        };
        match planes {
            0 => {}
            // One plane and nothing to compute: text, mostly.
            1 | 2 | 4 | 8 if self.plain() => vram.write(Vram::place(offset) + planes.trailing_zeros(), &[value]),
            _ => vram.set_word(offset, self.data(value), spread(planes)),
        }
    }

    /// What the graphics controller makes of a byte: write modes 0 to 3.
    fn data(&self, value: u8) -> u32 {
        let registers = &self.graphics;
        let rotate = u32::from(registers[graphics::ROTATE] & 7);
        let set_reset = spread(registers[graphics::SET_RESET]);
        let mut mask = registers[graphics::BIT_MASK];
        let data = match registers[graphics::MODE] & 3 {
            0 => {
                let enable = spread(registers[graphics::ENABLE_SET_RESET]);
                all(value.rotate_right(rotate)) & !enable | set_reset & enable
            }
            1 => return self.latch,
            2 => spread(value & 0xf),
            _ => {
                mask &= value.rotate_right(rotate);
                set_reset
            }
        };
        let data = match registers[graphics::ROTATE] >> 3 & 3 {
            0 => data,
            1 => data & self.latch,
            2 => data | self.latch,
            _ => data ^ self.latch,
        };
        data & all(mask) | self.latch & !all(mask)
    }
}
