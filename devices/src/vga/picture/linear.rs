//! The DISPI modes: pixels of 8 to 32 bits in rows, or of 4 bits in planes.

use super::{Task, colour, copy};
use crate::vga::chip::Chip;
use crate::vga::dispi::Geometry;
use lyrebird_core::Frame;

/// A picture of this kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    mode: Geometry,
    big_endian: bool,
    /// Up to 8 bits.
    colours: Vec<u32>,
}

impl Linear {
    pub fn of(chip: &Chip, mode: Geometry) -> Linear {
        let colours = match mode.bits {
            4 => (0..16).map(|number| colour(chip, number)).collect(),
            8 => (0..=255).map(|index| chip.dac.shown(index)).collect(),
            _ => Vec::new(),
        };
        Linear { mode, big_endian: chip.big_endian, colours }
    }

    pub fn size(&self) -> (u32, u32) {
        (self.mode.width, self.mode.height)
    }

    pub fn draw(&self, task: &Task, frame: &mut Frame) -> bool {
        if !task.whole && task.dirty.is_empty() {
            return false;
        }
        let mode = &self.mode;
        let bytes = mode.bits.div_ceil(8);
        let mut data = vec![0; (mode.width * bytes) as usize];
        let mut line = Vec::with_capacity(mode.width as usize + 16);
        let mut changed = false;
        for (y, pixels) in (mode.y..).zip(frame.pixels.chunks_exact_mut(mode.width as usize)) {
            line.clear();
            if mode.bits == 4 {
                self.planes(y, task, &mut line);
                let first = (mode.x % 8) as usize;
                changed |= copy(pixels, &line[first..first + mode.width as usize]);
                continue;
            }
            let start = y * mode.pitch + mode.x * bytes;
            if task.whole || task.dirty.any(start, data.len() as u32) {
                task.vram.read(start, &mut data);
                self.convert(&data, &mut line);
                changed |= copy(pixels, &line);
            }
        }
        changed
    }

    /// 4 bits, in four planes.
    fn planes(&self, y: u32, task: &Task, line: &mut Vec<u32>) {
        let start = y * self.mode.pitch + self.mode.x / 8;
        for column in 0..=self.mode.width / 8 {
            let word = task.vram.word(start + column);
            for dot in 0..8 {
                let bits = word >> (7 - dot);
                let number = bits & 1 | bits >> 7 & 2 | bits >> 14 & 4 | bits >> 21 & 8;
                line.push(self.colours[number as usize]);
            }
        }
    }

    fn convert(&self, data: &[u8], line: &mut Vec<u32>) {
        // Five or six bits are spread such that the most is full brightness.
        let five = |value: u32| (value & 31) << 3 | (value & 31) >> 2;
        let six = |value: u32| (value & 63) << 2 | (value & 63) >> 4;
        let pairs = data.as_chunks::<2>().0.iter();
        let words = pairs
            .map(|pair| u32::from(if self.big_endian { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) }));
        match self.mode.bits {
            8 => line.extend(data.iter().map(|byte| self.colours[usize::from(*byte)])),
            15 => line.extend(words.map(|word| five(word >> 10) << 16 | five(word >> 5) << 8 | five(word))),
            16 => line.extend(words.map(|word| five(word >> 11) << 16 | six(word >> 5) << 8 | five(word))),
            24 => line.extend(data.as_chunks::<3>().0.iter().map(|[a, b, c]| match self.big_endian {
                true => u32::from_be_bytes([0, *a, *b, *c]),
                false => u32::from_le_bytes([*a, *b, *c, 0]),
            })),
            _ => line.extend(data.as_chunks::<4>().0.iter().map(|bytes| match self.big_endian {
                true => u32::from_be_bytes(*bytes) & 0xff_ffff,
                false => u32::from_le_bytes(*bytes) & 0xff_ffff,
            })),
        }
    }
}
