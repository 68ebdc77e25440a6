//! The VGA's graphics: 16 colours in four planes, CGA's 4 colours in pairs of bits, 256 colours in bytes.

use super::raster::{Raster, Row};
use super::{Task, colour, copy};
use crate::vga::chip::{Chip, attribute, graphics};
use lyrebird_core::Frame;

/// How the sequencer's shift registers take the four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shift {
    /// A bit of each plane is a pixel.
    Planar,
    /// Two bits of a plane, and two of the one after the next.
    Interleaved,
    /// A plane's byte after the other, half by half.
    Packed,
}

/// A picture of this kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Planes {
    raster: Raster,
    shift: Shift,
    /// Two halves make one of 256 colours, over two dots.
    wide: bool,
    blinks: bool,
    colours: Vec<u32>,
}

impl Planes {
    pub fn of(chip: &Chip, raster: Raster) -> Planes {
        let mode = chip.attribute[attribute::MODE];
        let wide = mode & 0x40 != 0;
        let enable = chip.attribute[attribute::PLANE_ENABLE] & 0xf;
        Planes {
            raster,
            shift: match chip.graphics[graphics::MODE] >> 5 & 3 {
                0 => Shift::Planar,
                1 => Shift::Interleaved,
                _ => Shift::Packed,
            },
            wide,
            blinks: mode & 8 != 0 && !wide,
            colours: match wide {
                true => (0..=255).map(|index| chip.dac.shown(index & (enable << 4 | enable))).collect(),
                false => (0..16).map(|number| colour(chip, number)).collect(),
            },
        }
    }

    pub fn size(&self) -> (u32, u32) {
        (self.raster.width(), self.raster.height())
    }

    pub fn draw(&self, blinked: &mut bool, task: &Task, frame: &mut Frame) -> bool {
        let phase = self.blinks && task.frames >> 4 & 1 != 0;
        let whole = task.whole || phase != *blinked;
        *blinked = phase;
        let pages = task.dirty.plane_pages();
        if !whole && pages == 0 {
            return false;
        }
        let (width, columns) = (self.size().0 as usize, self.raster.columns);
        let mut line = Vec::with_capacity(width + 32);
        let mut drawn: Option<Row> = None;
        let mut changed = false;
        for (row, pixels) in self.raster.rows.iter().zip(frame.pixels.chunks_exact_mut(width)) {
            let address = |column| self.raster.address(self.raster.counter(row, column), row.scan);
            // A row is shorter than a page, so its ends are on all of its pages. One that wraps around may not be.
            let (first, last) = (address(0), address(columns));
            let touched = pages >> (first >> 12) & 1 != 0 || pages >> (last >> 12) & 1 != 0 || first > last;
            if !whole && !touched {
                continue;
            }
            // Lines are often doubled, and often all rows of a "character" are the same.
            let same = |other: &Row| {
                let banked = self.raster.address(0, row.scan) != self.raster.address(0, other.scan);
                (row.base, row.pan) == (other.base, other.pan) && !banked
            };
            if !drawn.as_ref().is_some_and(same) {
                line.clear();
                self.line(row, phase, task, &mut line);
            }
            let first = (u32::from(row.pan) * self.raster.scale) as usize;
            changed |= copy(pixels, &line[first..first + width]);
            drawn = Some(*row);
        }
        changed
    }

    /// A line's dots, from the first character's on.
    fn line(&self, row: &Row, phase: bool, task: &Task, line: &mut Vec<u32>) {
        let scale = self.raster.scale as usize;
        for column in 0..=self.raster.columns {
            let word = task.vram.word(self.raster.address(self.raster.counter(row, column), row.scan));
            let halves = self.halves(word);
            for (dot, half) in halves.iter().enumerate() {
                let number = match (self.wide, self.blinks) {
                    (true, _) => usize::from(halves[dot & !1] << 4 | halves[dot | 1]),
                    (_, true) if phase => usize::from(half ^ 8),
                    (_, true) => usize::from(half | 8),
                    _ => usize::from(*half),
                };
                line.extend(std::iter::repeat_n(self.colours[number], scale));
            }
        }
    }

    /// The eight times four bits that leave the shift registers.
    fn halves(&self, word: u32) -> [u8; 8] {
        let bytes = word.to_le_bytes();
        std::array::from_fn(|dot| match self.shift {
            Shift::Planar => {
                let bits = word >> (7 - dot);
                (bits & 1 | bits >> 7 & 2 | bits >> 14 & 4 | bits >> 21 & 8) as u8
            }
            Shift::Interleaved => {
                let (plane, shift) = (dot / 4, 6 - 2 * (dot % 4));
                bytes[plane] >> shift & 3 | (bytes[plane + 2] >> shift & 3) << 2
            }
            Shift::Packed => bytes[dot / 2] >> (4 - 4 * (dot % 2)) & 0xf,
        })
    }
}
