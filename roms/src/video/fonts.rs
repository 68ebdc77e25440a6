//! INT 10h AH=11h: fonts, in the adapter's plane 2 for text modes, and behind vectors for graphics modes.

use super::{GRAPHICS, SEQUENCER, crtc_port, present, text};
use crate::bda;
use crate::call::{Call, linear};
use crate::font;
use crate::image::{VIDEO_SEGMENT, video_place};

/// Lines that plane 2 has for each character.
const SLOT: usize = 32;

/// Writes characters into a font of plane 2.
fn load(call: &mut Call<'_>, block: u8, first: u16, height: u8, glyphs: &[u8]) {
    // Plane 2 alone at A0000h, without odd and even addresses.
    for (register, value) in [(0, 1), (2, 4), (4, 7), (0, 3)] {
        call.out_indexed(SEQUENCER, register, value);
    }
    for (register, value) in [(4, 2), (5, 0), (6, 4)] {
        call.out_indexed(GRAPHICS, register, value);
    }
    // Blocks 0 to 3 are 16 KiB apart, and 4 to 7 between them.
    let block = u64::from(block & 3) << 14 | u64::from(block & 4) << 11;
    for (index, glyph) in (usize::from(first)..256).zip(glyphs.chunks_exact(usize::from(height.clamp(1, 32)))) {
        call.write(0xa_0000 + block + (index * SLOT) as u64, glyph);
    }
    for (register, value) in [(0, 1), (2, 3), (4, 2), (0, 3)] {
        call.out_indexed(SEQUENCER, register, value);
    }
    let map = if crtc_port(call) == 0x3b4 { 0x0a } else { 0x0e };
    for (register, value) in [(4, 0), (5, 0x10), (6, map)] {
        call.out_indexed(GRAPHICS, register, value);
    }
}

fn standard(height: u8) -> &'static [u8] {
    match height {
        8 => font::FONT_8X8.as_flattened(),
        14 => font::FONT_8X14.as_flattened(),
        _ => font::FONT_8X16.as_flattened(),
    }
}

/// The font of a text mode, in block 0.
pub fn load_default(call: &mut Call<'_>, height: u8) {
    load(call, 0, 0, height, standard(height));
    call.out_indexed(SEQUENCER, 3, 0);
}

/// Text modes of 200 and 350 lines, which INT 10h AH=12h BL=30h asks for, have smaller characters.
pub fn scan_lines(call: &mut Call<'_>, flags: u8) {
    match (flags & 0x10 != 0, flags & 0x80 != 0) {
        (_, true) => {
            load_default(call, 8);
            fit(call, 8, 200);
        }
        (false, false) => {
            load_default(call, 14);
            fit(call, 14, 350);
        }
        _ => {}
    }
}

/// Fits the number of rows to the height of a character.
fn fit(call: &mut Call<'_>, height: u8, lines: u16) {
    let height = height.clamp(1, 32);
    let port = crtc_port(call);
    let scan = call.in_indexed(port, 9) & 0xe0;
    // 200 lines are shown twice.
    call.out_indexed(port, 9, (scan & 0x7f) | if lines == 200 { 0x80 } else { 0 } | (height - 1));
    let rows = (lines / u16::from(height)).clamp(1, 256);
    let shown = rows * u16::from(height) * if lines == 200 { 2 } else { 1 } - 1;
    let overflow = call.in_indexed(port, 7) & !0x42;
    call.out_indexed(port, 0x12, shown as u8);
    call.out_indexed(port, 7, overflow | ((shown >> 8 & 1) as u8 * 2) | ((shown >> 9 & 1) as u8 * 0x40));
    call.set_bda(bda::ROWS, (rows - 1) as u8);
    call.set_bda_word(bda::CHAR_HEIGHT, height.into());
    let columns = call.bda_word(bda::COLUMNS);
    call.set_bda_word(bda::PAGE_BYTES, (rows * columns * 2).next_multiple_of(0x100));
    let (start, end) = if height > 8 { (height - 3, height - 2) } else { (height - 2, height - 1) };
    call.out_indexed(port, 0x0a, start);
    call.out_indexed(port, 0x0b, end);
    call.set_bda_word(bda::CURSOR_SHAPE, u16::from_be_bytes([start, end]));
}

fn lines_shown(call: &mut Call<'_>) -> u16 {
    match call.bda(bda::VIDEO_MODESET) & 0x90 {
        0x10 => 400,
        0x00 => 350,
        _ => 200,
    }
}

/// Says that a graphics mode has so many rows of characters of this height.
fn graphics_rows(call: &mut Call<'_>, height: u8) {
    let rows = match call.regs.bl() {
        0 => call.regs.dl().max(1),
        1 => 14,
        3 => 43,
        _ => 25,
    };
    call.set_bda(bda::ROWS, rows - 1);
    call.set_bda_word(bda::CHAR_HEIGHT, height.clamp(1, 32).into());
}

/// AH=11h.
pub fn service(call: &mut Call<'_>) {
    let regs = *call.regs;
    let function = regs.al();
    match function {
        0x00 | 0x10 => {
            let height = regs.bh().clamp(1, 32);
            let count = usize::from(regs.cx().min(256));
            let from = linear(regs.es, regs.bp());
            let Some(glyphs) = call.borrow(from, count * usize::from(height)) else { return };
            load(call, regs.bl(), regs.dx(), height, &glyphs);
            if function == 0x10 {
                let lines = lines_shown(call);
                fit(call, height, lines);
            }
        }
        0x01 | 0x02 | 0x04 | 0x11 | 0x12 | 0x14 => {
            let height = match function & 15 {
                1 => 14,
                2 => 8,
                _ => 16,
            };
            load(call, regs.bl(), 0, height, standard(height));
            if function >= 0x10 {
                let lines = lines_shown(call);
                fit(call, height, lines);
            }
        }
        0x03 => call.out_indexed(SEQUENCER, 3, regs.bl()),
        0x20 => call.set_vector(0x1f, regs.es, regs.bp()),
        0x21 => {
            call.set_vector(0x43, regs.es, regs.bp());
            graphics_rows(call, regs.cx().min(32) as u8);
        }
        0x22..=0x24 => {
            let (height, place) = match function {
                0x22 => (14, video_place::FONT_8X14),
                0x23 => (8, video_place::FONT_8X8),
                _ => (16, video_place::FONT_8X16),
            };
            call.set_vector(0x43, VIDEO_SEGMENT, place);
            graphics_rows(call, height);
        }
        0x30 => information(call),
        _ => {}
    }
    if !present(call).is_graphics() && (0x10..0x20).contains(&function) {
        let page = call.bda(bda::ACTIVE_PAGE);
        let (column, row) = text::cursor(call, page);
        text::set_cursor(call, page, column, row);
    }
}

/// AL=30h: where fonts are.
fn information(call: &mut Call<'_>) {
    let (segment, offset) = match call.regs.bh() {
        0 => call.vector(0x1f),
        1 => call.vector(0x43),
        2 | 5 => (VIDEO_SEGMENT, video_place::FONT_8X14),
        3 => (VIDEO_SEGMENT, video_place::FONT_8X8),
        4 => (VIDEO_SEGMENT, video_place::FONT_8X8 + 0x400),
        6 | 7 => (VIDEO_SEGMENT, video_place::FONT_8X16),
        _ => return,
    };
    call.regs.es = segment;
    call.regs.set_bp(offset);
    let (height, rows) = (call.bda_word(bda::CHAR_HEIGHT), call.bda(bda::ROWS));
    call.regs.set_cx(height);
    call.regs.set_dl(rows);
}
