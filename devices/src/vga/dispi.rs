//! The DISPI interface of Bochs' and QEMU's adapters (QEMU's docs/specs/standard-vga, and Bochs' VBE extension): modes with up to
//! 2560 by 1600 pixels, set by eleven registers of 16 bits behind an index and a data port, with a linear frame buffer or
//! one in banks of 64 KiB at A0000h.

use super::vram::{PLANES_BYTES, VRAM_BYTES};
use lyrebird_core::dispi::enable::{EIGHT_BIT_DAC, ENABLED, GETCAPS, NOCLEARMEM};
use lyrebird_core::dispi::{ID0, ID5, register};
use serde::{Deserialize, Serialize};

/// The largest picture.
pub const MAX_XRES: u16 = 2560;
/// Its height.
pub const MAX_YRES: u16 = 1600;
const MAX_BPP: u16 = 32;

/// The registers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dispi {
    /// Which register the data port leads to.
    pub index: u16,
    id: u16,
    xres: u16,
    yres: u16,
    bpp: u16,
    enable: u16,
    bank: u16,
    virt_width: u16,
    x_offset: u16,
    y_offset: u16,
}

impl Default for Dispi {
    fn default() -> Self {
        Dispi {
            index: 0,
            id: ID5,
            xres: 0,
            yres: 0,
            bpp: 8,
            enable: 0,
            bank: 0,
            virt_width: 0,
            x_offset: 0,
            y_offset: 0,
        }
    }
}

/// A mode that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bits of a pixel: 4 (in four planes), 8, 15, 16, 24 or 32.
    pub bits: u32,
    /// Bytes from row to row; for 4 bits, of one plane.
    pub pitch: u32,
    /// Pixels from the start of the memory's first row to the first shown.
    pub x: u32,
    /// Rows likewise.
    pub y: u32,
}

/// What a write leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that can be seen.
    Nothing,
    /// The picture or the window is another one.
    Changed,
    /// That, and so many bytes of the memory are to be cleared.
    Clear(u32),
}

impl Dispi {
    /// Whether the modes of the VGA are out of force.
    pub fn enabled(&self) -> bool {
        self.enable & ENABLED != 0
    }

    /// Whether the palette is 8 bits wide.
    pub fn wide_dac(&self) -> bool {
        self.enable & EIGHT_BIT_DAC != 0
    }

    /// The offset that the bank adds to the window at A0000h.
    pub fn bank_offset(&self) -> u32 {
        u32::from(self.bank) << 16
    }

    /// The mode, if one is on. Whatever the registers are, it lies inside the memory.
    pub fn geometry(&self) -> Option<Geometry> {
        if !self.enabled() {
            return None;
        }
        let width = u32::from(self.xres.clamp(8, MAX_XRES) & !7);
        let bits = u32::from(self.bpp);
        let line = self.line(width);
        let rows = VRAM_BYTES / line;
        let height = u32::from(self.yres.clamp(1, MAX_YRES)).min(rows);
        let most_x = self.columns(width) - width;
        let (x, y) = (u32::from(self.x_offset).min(most_x), u32::from(self.y_offset).min(rows - height));
        let pitch = if bits == 4 { line / 4 } else { line };
        Some(Geometry { width, height, bits, pitch, x, y })
    }

    /// Pixels in a row of the memory.
    fn columns(&self, width: u32) -> u32 {
        u32::from(self.virt_width & !7).max(width)
    }

    /// Bytes in a row of the memory.
    fn line(&self, width: u32) -> u32 {
        let bits = match self.bpp {
            15 => 16,
            bits => u32::from(bits),
        };
        self.columns(width) * bits / 8
    }

    /// Reads a register.
    pub fn read(&self, register: u16) -> u16 {
        use register::*;
        let capabilities = self.enable & GETCAPS != 0;
        let geometry = self.geometry();
        match register {
            ID => self.id,
            XRES if capabilities => MAX_XRES,
            YRES if capabilities => MAX_YRES,
            BPP if capabilities => MAX_BPP,
            XRES => geometry.map_or(self.xres, |mode| mode.width as u16),
            YRES => geometry.map_or(self.yres, |mode| mode.height as u16),
            BPP => self.bpp,
            ENABLE => self.enable,
            BANK => self.bank,
            VIRT_WIDTH => geometry.map_or(self.virt_width, |mode| self.columns(mode.width) as u16),
            VIRT_HEIGHT => geometry.map_or(0, |mode| (VRAM_BYTES / self.line(mode.width)).min(u16::MAX.into()) as u16),
            X_OFFSET => geometry.map_or(self.x_offset, |mode| mode.x as u16),
            Y_OFFSET => geometry.map_or(self.y_offset, |mode| mode.y as u16),
            VIDEO_MEMORY_64K => (VRAM_BYTES >> 16) as u16,
            _ => 0,
        }
    }

    /// Writes a register.
    pub fn write(&mut self, register: u16, value: u16) -> Effect {
        use register::*;
        match register {
            ID => {
                if (ID0..=ID5).contains(&value) {
                    self.id = value;
                }
                return Effect::Nothing;
            }
            XRES => self.xres = value,
            YRES => self.yres = value,
            // What is no depth leaves the register as it is; 0 has always meant 8.
            BPP if value == 0 => self.bpp = 8,
            BPP if matches!(value, 4 | 8 | 15 | 16 | 24 | 32) => self.bpp = value,
            ENABLE => {
                let was = self.enabled();
                self.enable = value;
                self.bank = 0;
                if self.enabled() && !was {
                    (self.virt_width, self.x_offset, self.y_offset) = (0, 0, 0);
                    if value & NOCLEARMEM == 0 {
                        let (line, rows) = self.geometry().map_or((0, 0), |mode| (self.line(mode.width), mode.height));
                        // The planes' bytes are not in a row.
                        let unit = if self.bpp == 4 { PLANES_BYTES } else { 1 };
                        return Effect::Clear((line * rows).next_multiple_of(unit));
                    }
                }
            }
            BANK => self.bank = value & ((VRAM_BYTES >> 16) - 1) as u16,
            VIRT_WIDTH => self.virt_width = value,
            X_OFFSET => self.x_offset = value,
            Y_OFFSET => self.y_offset = value,
            _ => return Effect::Nothing,
        }
        Effect::Changed
    }

    /// Makes a restored state one that the ports could have led to.
    pub fn sanitise(&mut self) {
        if !matches!(self.bpp, 4 | 8 | 15 | 16 | 24 | 32) {
            self.bpp = 8;
        }
        self.bank &= ((VRAM_BYTES >> 16) - 1) as u16;
    }
}
