//! Where the beam is: computed from the guest's time, the dot clock and the CRT controller's registers, so that software
//! that waits for the retrace sees the right frequencies without anybody counting.

use super::chip::{Chip, crtc, sequencer};
use lyrebird_core::{Frequency, VmTime};

/// One frame's lengths: dots in a line, lines in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    clock: Frequency,
    /// Dots in a line, and in its visible part.
    line: u32,
    visible_dots: u32,
    /// Lines in a frame, and in its visible part.
    frame: u32,
    visible_lines: u32,
    /// The lines of the vertical retrace.
    retrace: (u32, u32),
}

/// What the beam does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beam {
    /// Frames since power-on, as if the present timing had always been.
    pub frame: u64,
    /// It is inside the picture.
    pub displays: bool,
    /// It flies back to the top.
    pub retraces: bool,
}

/// The CRT controller's vertical numbers have 10 bits; those from the eighth are in the overflow register.
pub fn vertical(chip: &Chip, register: usize, bit8: u8, bit9: u8) -> u32 {
    let overflow = u32::from(chip.crtc[crtc::OVERFLOW]);
    u32::from(chip.crtc[register]) | (overflow >> bit8 & 1) << 8 | (overflow >> bit9 & 1) << 9
}

impl Timing {
    /// The timing that the registers say. Numbers that no monitor could follow are bent such that every part of a frame is
    /// there: a guest that waits for one waits in vain on no setting.
    pub fn of(chip: &Chip) -> Timing {
        if let Some(mode) = chip.dispi.geometry() {
            // No monitor limits these modes: 60 frames a second, with usual blanking.
            let (line, frame) = (mode.width * 5 / 4, mode.height + mode.height / 20 + 4);
            let clock = Frequency::hertz(60 * u64::from(line) * u64::from(frame));
            let retrace = (mode.height + 1, frame - 1);
            return Timing { clock, line, visible_dots: mode.width, frame, visible_lines: mode.height, retrace };
        }
        let registers = &chip.crtc;
        let clocking = chip.sequencer[sequencer::CLOCKING_MODE];
        let dots = if clocking & 1 != 0 { 8 } else { 9 };
        let hertz = if chip.misc >> 2 & 3 == 1 { 28_322_000 } else { 25_175_000 };
        // Halved for 320 dots in a line.
        let clock = Frequency::ratio(hertz, if clocking & 8 != 0 { 2 } else { 1 });
        // Every vertical unit is two lines?
        let double = u32::from(registers[crtc::MODE_CONTROL] >> 2 & 1);
        let line = u32::from(registers[crtc::HORIZONTAL_TOTAL]) + 5;
        let visible = (u32::from(registers[crtc::HORIZONTAL_DISPLAY_END]) + 1).min(line - 1);
        let frame = (vertical(chip, crtc::VERTICAL_TOTAL, 0, 5) + 2) << double;
        let visible_lines = ((vertical(chip, crtc::VERTICAL_DISPLAY_END, 1, 6) + 1) << double).min(frame - 1);
        let start = (vertical(chip, crtc::RETRACE_START, 2, 7) << double).min(frame - 1);
        // The end is a comparison of four bits.
        let lines = (u32::from(registers[crtc::RETRACE_END]).wrapping_sub(start >> double) & 15) << double;
        let retrace = (start, (start + if lines == 0 { 16 } else { lines }).min(frame));
        Timing { clock, line: line * dots, visible_dots: visible * dots, frame, visible_lines, retrace }
    }

    /// What the beam does.
    pub fn beam(&self, now: VmTime) -> Beam {
        let dots = self.clock.ticks_at(now);
        let whole = u64::from(self.line) * u64::from(self.frame);
        let (line, dot) = ((dots % whole) as u32 / self.line, (dots % whole) as u32 % self.line);
        Beam {
            frame: dots / whole,
            displays: line < self.visible_lines && dot < self.visible_dots,
            retraces: (self.retrace.0..self.retrace.1).contains(&line),
        }
    }
}
