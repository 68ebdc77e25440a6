//! The registers of IBM's VGA (PS/2 Hardware Interface Technical Reference, Video Subsystem): sequencer, CRT controller, graphics
//! controller, attribute controller and RAMDAC, behind the ports 3B0h to 3DFh, and the DISPI registers beside them.

pub use super::index::{attribute, crtc, graphics, sequencer};

use super::dac::Dac;
use super::dispi::{Dispi, Effect};
use super::timing::Timing;
use super::vram::Vram;
use lyrebird_core::VmTime;
use serde::{Deserialize, Serialize};

/// The port that an offset among the registers in memory stands for: those at 3Dxh, whichever monitor there is.
pub fn register_port(chip: &Chip, offset: u64) -> u16 {
    let port = 0x3c0 + (offset as u16 & 0x1f);
    if port >= 0x3d0 && chip.misc & 1 == 0 { port - 0x20 } else { port }
}

/// Which bits the sequencer's registers have.
const SEQUENCER_BITS: [u8; sequencer::COUNT] = [0x03, 0x3d, 0x0f, 0x3f, 0x0e];
/// The graphics controller's.
const GRAPHICS_BITS: [u8; graphics::COUNT] = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff];

/// The registers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chip {
    pub(super) misc: u8,
    feature: u8,
    subsystem_enable: u8,
    sequencer_index: u8,
    pub(super) sequencer: [u8; sequencer::COUNT],
    crtc_index: u8,
    pub(super) crtc: [u8; crtc::COUNT],
    graphics_index: u8,
    pub(super) graphics: [u8; graphics::COUNT],
    pub(super) attribute_index: u8,
    pub(super) attribute: [u8; attribute::COUNT],
    /// The next write to 3C0h goes to the register, not to the index.
    attribute_data: bool,
    pub(super) dac: Dac,
    pub(super) dispi: Dispi,
    /// What the last load took from the four planes.
    pub(super) latch: u32,
    /// A frame buffer of more than 8 bits has its bytes in big-endian order.
    pub(super) big_endian: bool,
    /// Something that the picture depends on was written. Not state: a restored adapter draws anew.
    #[serde(skip, default = "yes")]
    changed: bool,
    /// Something that the windows depend on was written.
    #[serde(skip, default = "yes")]
    moved: bool,
}

fn yes() -> bool {
    true
}

impl Default for Chip {
    fn default() -> Self {
        Chip {
            misc: 0,
            feature: 0,
            subsystem_enable: 1,
            sequencer_index: 0,
            sequencer: [0; sequencer::COUNT],
            crtc_index: 0,
            crtc: [0; crtc::COUNT],
            graphics_index: 0,
            graphics: [0; graphics::COUNT],
            attribute_index: 0,
            attribute: [0; attribute::COUNT],
            attribute_data: false,
            dac: Dac::default(),
            dispi: Dispi::default(),
            latch: 0,
            big_endian: false,
            changed: true,
            moved: true,
        }
    }
}

impl Chip {
    /// Whether something that the picture depends on was written since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Whether something that the memory windows depend on was written since the last call.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Makes a restored state one that the ports could have led to.
    pub fn sanitise(&mut self) {
        self.dac.sanitise();
        self.dispi.sanitise();
    }

    /// The port as the table of [`Chip::read`] has it: the CRT controller and its neighbours are at 3Dxh for a colour monitor and
    /// at 3Bxh for a monochrome one, and nobody answers at the other place.
    fn canonical(&self, port: u16) -> Option<u16> {
        let colour = self.misc & 1 != 0;
        match port {
            0x3b0..=0x3bf => (!colour).then_some(port + 0x20),
            0x3d0..=0x3df => colour.then_some(port),
            _ => Some(port),
        }
    }

    /// IN of a byte.
    pub fn read(&mut self, port: u16, now: VmTime) -> u8 {
        match self.canonical(port) {
            Some(0x3c0) => self.attribute_index,
            Some(0x3c1) => {
                let index = usize::from(self.attribute_index & 0x1f);
                self.attribute.get(index).copied().unwrap_or(0)
            }
            // Input status 0: a monitor is there.
            Some(0x3c2) => 0x10,
            Some(0x3c3) => self.subsystem_enable,
            Some(0x3c4) => self.sequencer_index,
            Some(0x3c5) => self.sequencer.get(usize::from(self.sequencer_index)).copied().unwrap_or(0),
            Some(port @ 0x3c6..=0x3c9) => self.dac.read(port),
            Some(0x3ca) => self.feature,
            Some(0x3cc) => self.misc,
            Some(0x3ce) => self.graphics_index,
            Some(0x3cf) => self.graphics.get(usize::from(self.graphics_index)).copied().unwrap_or(0),
            Some(0x3d4) => self.crtc_index,
            Some(0x3d5) => match self.crtc_index {
                // Not in the manual, but in every VGA: the latch of the plane that is read, and what 3C0h waits for.
                0x22 => (self.latch >> (8 * (self.graphics[graphics::READ_MAP] & 3))) as u8,
                0x24 => u8::from(self.attribute_data) << 7,
                index => self.crtc.get(usize::from(index)).copied().unwrap_or(0),
            },
            Some(0x3da) => {
                self.attribute_data = false;
                self.input_status_1(now)
            }
            _ => 0xff,
        }
    }

    /// Input status 1: bit 0 while nothing is displayed, bit 3 during the vertical retrace, bits 4 and 5 two of the colour's bits
    /// (here the border's, as they are when software looks for the border).
    fn input_status_1(&self, now: VmTime) -> u8 {
        let beam = Timing::of(self).beam(now);
        let select = self.attribute[attribute::PLANE_ENABLE] >> 4 & 3;
        let overscan = self.attribute[attribute::OVERSCAN];
        let (low, high) = [(0, 2), (4, 5), (1, 3), (6, 7)][usize::from(select)];
        let diagnosis = (overscan >> low & 1) << 4 | (overscan >> high & 1) << 5;
        u8::from(!beam.displays) | u8::from(beam.retraces) << 3 | diagnosis
    }

    /// OUT of a byte.
    pub fn write(&mut self, port: u16, value: u8) {
        match self.canonical(port) {
            Some(0x3c0) => self.write_attribute(value),
            Some(0x3c2) => {
                self.changed |= self.misc != value;
                self.moved = true;
                self.misc = value;
            }
            Some(0x3c3) => self.subsystem_enable = value & 1,
            Some(0x3c4) => self.sequencer_index = value,
            Some(0x3c5) => {
                let index = usize::from(self.sequencer_index);
                if let Some(register) = self.sequencer.get_mut(index) {
                    let value = value & SEQUENCER_BITS[index];
                    // The map mask is written all the time, and shows nothing by itself.
                    self.changed |= index != sequencer::MAP_MASK && *register != value;
                    self.moved |= *register != value;
                    *register = value;
                }
            }
            Some(port @ 0x3c6..=0x3c9) => {
                self.dac.wide = self.dispi.wide_dac();
                self.changed |= self.dac.write(port, value);
            }
            Some(0x3ce) => self.graphics_index = value,
            Some(0x3cf) => {
                let index = usize::from(self.graphics_index);
                if let Some(register) = self.graphics.get_mut(index) {
                    let value = value & GRAPHICS_BITS[index];
                    let shows = index == graphics::MODE || index == graphics::MISCELLANEOUS;
                    self.changed |= shows && *register != value;
                    self.moved |= *register != value;
                    *register = value;
                }
            }
            Some(0x3d4) => self.crtc_index = value,
            Some(0x3d5) => self.write_crtc(value),
            Some(0x3da) => self.feature = value & 0x0b,
            _ => {}
        }
    }

    /// The next write to 3C0h is an index: what a read of 3DAh does too.
    pub(super) fn start_attribute(&mut self) {
        self.attribute_data = false;
    }

    fn write_attribute(&mut self, value: u8) {
        self.attribute_data = !self.attribute_data;
        if self.attribute_data {
            // The index. Bit 5 goes with it, so that every access to a register says whether the screen stays on.
            let value = value & 0x3f;
            self.changed |= (self.attribute_index ^ value) & attribute::PALETTE_ADDRESS_SOURCE != 0;
            self.attribute_index = value;
            return;
        }
        let index = usize::from(self.attribute_index & 0x1f);
        let bits = match index {
            attribute::MODE => 0xef,
            attribute::OVERSCAN => 0xff,
            attribute::PANNING | attribute::COLOUR_SELECT => 0x0f,
            _ => 0x3f,
        };
        if let Some(register) = self.attribute.get_mut(index) {
            self.changed |= *register != value & bits;
            *register = value & bits;
        }
    }

    fn write_crtc(&mut self, value: u8) {
        let index = usize::from(self.crtc_index);
        let Some(&old) = self.crtc.get(index) else { return };
        let protected = self.crtc[crtc::RETRACE_END] & 0x80 != 0;
        let value = match index {
            // Line compare is not protected.
            crtc::OVERFLOW if protected => old & !0x10 | value & 0x10,
            0..=crtc::OVERFLOW if protected => old,
            _ => value,
        };
        self.changed |= old != value;
        self.crtc[index] = value;
    }

    /// Reads a DISPI register.
    pub fn read_dispi(&self, register: u16) -> u16 {
        self.dispi.read(register)
    }

    /// Writes a DISPI register.
    pub fn write_dispi(&mut self, register: u16, value: u16, vram: &Vram) {
        match self.dispi.write(register, value) {
            Effect::Nothing => return,
            Effect::Changed => {}
            Effect::Clear(bytes) => vram.clear(bytes),
        }
        self.dac.wide = self.dispi.wide_dac();
        // Banks move while a picture is drawn, and show nothing.
        self.changed |= register != lyrebird_core::dispi::register::BANK;
        self.moved = true;
    }

    /// Which DISPI register the data port leads to.
    pub fn dispi_index(&self) -> u16 {
        self.dispi.index
    }

    /// Chooses it.
    pub fn set_dispi_index(&mut self, index: u16) {
        self.dispi.index = index;
    }

    /// The order of the bytes in pixels of more than 8 bits.
    pub fn big_endian(&self) -> bool {
        self.big_endian
    }

    /// Sets the order of the bytes in pixels of more than 8 bits.
    pub fn set_big_endian(&mut self, big_endian: bool) {
        self.changed |= self.big_endian != big_endian;
        self.big_endian = big_endian;
    }
}
