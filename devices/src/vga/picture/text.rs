//! Text: characters and attributes from planes 0 and 1, their shapes from plane 2, the cursor, and what blinks.

use super::raster::{Raster, Row};
use super::{Task, colour};
use crate::vga::chip::{Chip, attribute, crtc, sequencer};
use crate::vga::vram::Vram;
use lyrebird_core::{Frame, TextScreen};

/// A font: 32 rows for each of 256 characters.
const FONT_BYTES: usize = 0x2000;
/// In the cell: the cursor stands here and is lit.
const CURSOR: u32 = 1 << 16;
/// In the cell: it blinks, and is dark.
const DARK: u32 = 1 << 17;

/// A picture of this kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    raster: Raster,
    /// The lines of each row of characters.
    bands: Vec<std::ops::Range<usize>>,
    /// Where the fonts are, for attribute bit 3 clear and set.
    fonts: [u32; 2],
    /// Characters C0h to DFh go on into their ninth dot.
    line_graphics: bool,
    blinks: bool,
    underline: u8,
    cursor: Option<Cursor>,
    colours: [u32; 16],
}

#[derive(Clone, Debug, PartialEq)]
struct Cursor {
    address: u16,
    first: u8,
    last: u8,
}

/// What was drawn of it.
#[derive(Default)]
pub struct Drawn {
    cells: Vec<u32>,
    fonts: [Vec<u8>; 2],
    /// Whether cursor and characters were lit.
    phases: (bool, bool),
    /// Some character blinks.
    any_blinks: bool,
}

impl Text {
    pub fn of(chip: &Chip, raster: Raster) -> Text {
        let mode = chip.attribute[attribute::MODE];
        let map = chip.sequencer[sequencer::CHARACTER_MAP];
        let font = |low: u8, high: u8| u32::from(low & 3) * 0x4000 + u32::from(high & 1) * 0x2000;
        let registers = &chip.crtc;
        let (start, end) = (registers[crtc::CURSOR_START], registers[crtc::CURSOR_END]);
        let address = u16::from_be_bytes([registers[crtc::CURSOR_HIGH], registers[crtc::CURSOR_LOW]]);
        let cursor = Cursor { address: address.wrapping_add((end >> 5 & 3).into()), first: start & 31, last: end & 31 };
        Text {
            bands: bands(&raster.rows),
            raster,
            fonts: [font(map, map >> 4), font(map >> 2, map >> 5)],
            line_graphics: mode & 4 != 0,
            blinks: mode & 8 != 0,
            underline: registers[crtc::UNDERLINE] & 31,
            cursor: (start & 0x20 == 0 && cursor.first <= cursor.last).then_some(cursor),
            colours: std::array::from_fn(|number| colour(chip, number as u8)),
        }
    }

    pub fn size(&self) -> (u32, u32) {
        (self.raster.width(), self.raster.height())
    }

    pub fn draw(&self, drawn: &mut Drawn, task: &Task, frame: &mut Frame) -> bool {
        // The cursor blinks with a sixteenth of the frame rate, characters with half of that.
        let phases = (task.frames >> 3 & 1 == 0, task.frames >> 4 & 1 == 0);
        let blinked =
            self.cursor.is_some() && phases.0 != drawn.phases.0 || drawn.any_blinks && phases.1 != drawn.phases.1;
        let mut whole = task.whole || frame.text.is_none();
        let written = task.dirty.plane_pages() != 0;
        if !whole && !written && !blinked {
            return false;
        }
        drawn.phases = phases;
        if whole || written {
            let fonts = self.fonts.map(|offset| read_font(task.vram, offset));
            if fonts != drawn.fonts {
                (drawn.fonts, whole) = (fonts, true);
            }
        }
        self.draw_cells(drawn, whole, task, frame)
    }

    fn draw_cells(&self, drawn: &mut Drawn, whole: bool, task: &Task, frame: &mut Frame) -> bool {
        let columns = self.raster.columns;
        let across = columns as usize + 1;
        if drawn.cells.len() != across * self.bands.len() {
            drawn.cells.clear();
            drawn.cells.resize(across * self.bands.len(), 0);
        }
        drawn.any_blinks = false;
        let mut changed = whole;
        let mut cursor = None;
        for (n, band) in self.bands.iter().enumerate() {
            let row = self.raster.rows[band.start];
            // Panning shows a part of one more.
            for column in 0..columns + u32::from(row.pan != 0) {
                let counter = self.raster.counter(&row, column);
                let [character, attribute, ..] = task.vram.word(self.raster.address(counter, row.scan)).to_le_bytes();
                let mut cell = u32::from(character) | u32::from(attribute) << 8;
                if self.cursor.as_ref().is_some_and(|cursor| cursor.address == counter) {
                    if column < columns {
                        cursor = cursor.or(Some((column, n as u32)));
                    }
                    cell |= if drawn.phases.0 { CURSOR } else { 0 };
                }
                if self.blinks && attribute & 0x80 != 0 {
                    drawn.any_blinks = true;
                    cell |= if drawn.phases.1 { 0 } else { DARK };
                }
                let place = &mut drawn.cells[n * across + column as usize];
                if whole || *place != cell {
                    *place = cell;
                    changed = true;
                    self.paint(&drawn.fonts, band, column, cell, frame);
                }
            }
        }
        if changed {
            let screen = frame.text.get_or_insert_default();
            *screen =
                TextScreen { columns, rows: self.bands.len() as u32, cells: std::mem::take(&mut screen.cells), cursor };
            screen.cells.clear();
            for row in drawn.cells.chunks_exact(across) {
                screen.cells.extend(row[..across - 1].iter().map(|cell| (*cell as u8, (cell >> 8) as u8)));
            }
        }
        changed
    }

    fn paint(&self, fonts: &[Vec<u8>; 2], band: &std::ops::Range<usize>, column: u32, cell: u32, frame: &mut Frame) {
        let (character, attribute) = (cell as u8, (cell >> 8) as u8);
        let font = &fonts[usize::from(attribute >> 3 & 1)];
        let foreground = self.colours[usize::from(attribute & 15)];
        let background = self.colours[usize::from(attribute >> 4 & if self.blinks { 7 } else { 15 })];
        let goes_on = self.line_graphics && (0xc0..=0xdf).contains(&character);
        let (width, dots, scale) = (self.size().0 as usize, self.raster.dots, self.raster.scale);
        for y in band.clone() {
            let Row { scan, pan, .. } = self.raster.rows[y];
            let glyph = font.get(usize::from(character) * 32 + usize::from(scan)).copied().unwrap_or(0);
            let mut bits = u16::from(glyph) << 1 | u16::from(goes_on && glyph & 1 != 0);
            if scan == self.underline && attribute & 0x77 == 1 {
                bits = u16::MAX;
            }
            if cell & DARK != 0 {
                bits = 0;
            }
            if cell & CURSOR != 0
                && self.cursor.as_ref().is_some_and(|cursor| (cursor.first..=cursor.last).contains(&scan))
            {
                bits = u16::MAX;
            }
            let line = &mut frame.pixels[y * width..(y + 1) * width];
            for dot in 0..dots {
                let Some(x) = (column * dots + dot).checked_sub(pan.into()) else { continue };
                let colour = if bits >> (8 - dot) & 1 != 0 { foreground } else { background };
                let first = (x * scale) as usize;
                // The part of the last column that panning does not show is cut off.
                line.iter_mut().skip(first).take(scale as usize).for_each(|pixel| *pixel = colour);
            }
        }
    }
}

/// Groups lines that show the same characters.
fn bands(rows: &[Row]) -> Vec<std::ops::Range<usize>> {
    let mut bands: Vec<std::ops::Range<usize>> = Vec::new();
    for (y, row) in rows.iter().enumerate() {
        match bands.last_mut() {
            Some(band) if continues(&rows[y - 1], row) => band.end = y + 1,
            _ => bands.push(y..y + 1),
        }
    }
    bands
}

fn continues(before: &Row, row: &Row) -> bool {
    (before.base, before.pan) == (row.base, row.pan) && before.scan <= row.scan
}

/// The bytes of plane 2 from an offset.
fn read_font(vram: &Vram, offset: u32) -> Vec<u8> {
    // Every fourth place is in a row with the others of its kind.
    let mut font = vec![0; FONT_BYTES];
    let mut places = vec![0; FONT_BYTES];
    for first in 0..4 {
        vram.read(Vram::place(offset + first), &mut places);
        for (n, place) in places.chunks_exact(4).enumerate() {
            font[4 * n + first as usize] = place[2];
        }
    }
    font
}
