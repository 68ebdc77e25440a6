//! The CRT controller's way through the memory: which address and which row of a character belong to each line of the screen.

use crate::vga::chip::{Chip, attribute, crtc, graphics, sequencer};
use crate::vga::dispi::{MAX_XRES, MAX_YRES};
use crate::vga::timing::vertical;

/// A line of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The memory address counter at its left end.
    pub base: u16,
    /// The row scan counter.
    pub scan: u8,
    /// How many dots it is shifted to the left.
    pub pan: u8,
}

/// The whole way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    /// Characters, or groups of eight dots, in a line.
    pub columns: u32,
    /// Dots of one of them.
    pub dots: u32,
    /// Pixels of a dot: 2 if the dot clock is halved.
    pub scale: u32,
    /// The lines.
    pub rows: Vec<Row>,
    /// The address counter counts every character, every second or every fourth.
    count: u32,
    mode: u8,
    doubleword: bool,
}

impl Raster {
    /// What the registers say; none if there is no picture in it at all.
    pub fn of(chip: &Chip) -> Option<Raster> {
        let registers = &chip.crtc;
        if registers[crtc::HORIZONTAL_TOTAL] == 0 || registers[crtc::HORIZONTAL_DISPLAY_END] == 0 {
            return None;
        }
        let clocking = chip.sequencer[sequencer::CLOCKING_MODE];
        let text = chip.graphics[graphics::MISCELLANEOUS] & 1 == 0;
        let dots = if text && clocking & 1 == 0 { 9 } else { 8 };
        let scale = if clocking & 8 != 0 { 2 } else { 1 };
        let columns = u32::from(registers[crtc::HORIZONTAL_DISPLAY_END]) + 1;
        let (mode, underline) = (registers[crtc::MODE_CONTROL], registers[crtc::UNDERLINE]);
        let count = match (underline & 0x20, mode & 0x08) {
            (0, 0) => 0,
            (0, _) => 1,
            _ => 2,
        };
        Some(Raster {
            columns: columns.min(u32::from(MAX_XRES) / (dots * scale)),
            dots,
            scale,
            rows: rows(chip, dots),
            count,
            mode,
            doubleword: underline & 0x40 != 0,
        })
    }

    /// Pixels in a line.
    pub fn width(&self) -> u32 {
        self.columns * self.dots * self.scale
    }

    /// Lines.
    pub fn height(&self) -> u32 {
        self.rows.len() as u32
    }

    /// The address counter at a column.
    pub fn counter(&self, row: &Row, column: u32) -> u16 {
        row.base.wrapping_add((column >> self.count) as u16)
    }

    /// The address in the planes that the counter leads to.
    pub fn address(&self, counter: u16, scan: u8) -> u32 {
        let counter = u32::from(counter);
        let mut address = match (self.doubleword, self.mode & 0x40) {
            (true, _) => counter << 2 | counter >> 14,
            (_, 0) => counter << 1 | counter >> (if self.mode & 0x20 != 0 { 15 } else { 13 }) & 1,
            _ => counter,
        } & 0xffff;
        // Bits of the row scan counter stand in for address bits: CGA and Hercules have their lines in banks.
        if self.mode & 1 == 0 {
            address = address & !0x2000 | u32::from(scan & 1) << 13;
        }
        if self.mode & 2 == 0 {
            address = address & !0x4000 | u32::from(scan >> 1 & 1) << 14;
        }
        address
    }
}

fn rows(chip: &Chip, dots: u32) -> Vec<Row> {
    let registers = &chip.crtc;
    let double = u32::from(registers[crtc::MODE_CONTROL] >> 2 & 1);
    let maximum = registers[crtc::MAXIMUM_SCAN_LINE];
    let lines = ((vertical(chip, crtc::VERTICAL_DISPLAY_END, 1, 6) + 1) << double).min(MAX_YRES.into());
    let compare = u32::from(registers[crtc::LINE_COMPARE])
        | u32::from(registers[crtc::OVERFLOW] >> 4 & 1) << 8
        | u32::from(maximum >> 6 & 1) << 9;
    let compare = (compare << double) + double;
    let high_low = |high: usize, low: usize| u16::from_be_bytes([registers[high], registers[low]]);
    let preset = registers[crtc::PRESET_ROW_SCAN];
    let byte_pan = u16::from(preset >> 5 & 3);
    let panning = chip.attribute[attribute::PANNING];
    let neutral = if dots == 9 { 8 } else { 0 };
    let shift = |panning: u8| match (dots, panning) {
        (9, 8..) => 0,
        (9, _) => panning + 1,
        _ => panning & 7,
    };
    // Panning stops at the split, if so wished.
    let split_is_still = chip.attribute[attribute::MODE] & 0x20 != 0;

    let mut row = Row {
        base: high_low(crtc::START_HIGH, crtc::START_LOW).wrapping_add(byte_pan),
        scan: preset & 0x1f,
        pan: shift(panning),
    };
    let mut repeat = false;
    let mut rows = Vec::with_capacity(lines as usize);
    for line in 0..lines {
        rows.push(row);
        if line == compare {
            (row.base, row.scan, repeat) = (byte_pan, 0, false);
            if split_is_still {
                (row.base, row.pan) = (0, shift(neutral));
            }
            continue;
        }
        repeat = maximum & 0x80 != 0 && !repeat;
        if repeat {
            continue;
        }
        if row.scan == maximum & 0x1f {
            row.scan = 0;
            row.base = row.base.wrapping_add(u16::from(registers[crtc::OFFSET]) * 2);
        } else {
            row.scan = (row.scan + 1) & 0x1f;
        }
    }
    rows
}
