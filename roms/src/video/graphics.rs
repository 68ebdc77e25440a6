//! Pixels, and characters made of them.

use super::modes::{Kind, Mode};
use super::text::Scroll;
use super::{GRAPHICS, SEQUENCER, present};
use crate::bda;
use crate::call::{Call, linear};

/// A place in a mode's memory, in a line's bytes.
fn row_start(call: &mut Call<'_>, mode: &Mode, y: u16) -> u64 {
    let y = u64::from(y);
    match mode.kind {
        Kind::Text => linear(mode.segment, 0),
        Kind::Cga4 | Kind::Cga2 => linear(mode.segment, 0) + y / 2 * 80 + (y & 1) * 0x2000,
        Kind::Linear => linear(mode.segment, 0) + y * 320,
        Kind::Planar => {
            let page = u64::from(call.bda_word(bda::PAGE_START));
            linear(mode.segment, 0) + ((page + y * u64::from(mode.columns)) & 0xffff)
        }
    }
}

fn write_planes(call: &mut Call<'_>, at: u64, colour: u8, bits: u8, xor: bool) {
    call.out_indexed(GRAPHICS, 0, colour & 15);
    call.out_indexed(GRAPHICS, 1, 0x0f);
    call.out_indexed(GRAPHICS, 3, if xor { 0x18 } else { 0 });
    call.out_indexed(GRAPHICS, 8, bits);
    call.byte(at); // fills the latches
    call.set_byte(at, bits);
}

fn restore_planes(call: &mut Call<'_>) {
    for (register, value) in [(0, 0), (1, 0), (3, 0), (8, 0xff)] {
        call.out_indexed(GRAPHICS, register, value);
    }
}

fn set_pixel(call: &mut Call<'_>, mode: &Mode, x: u16, y: u16, colour: u8) {
    let row = row_start(call, mode, y);
    let xor = colour & 0x80 != 0;
    match mode.kind {
        Kind::Text => {}
        Kind::Linear => call.set_byte(row + u64::from(x), colour),
        Kind::Planar => {
            call.out_indexed(SEQUENCER, 2, 0x0f);
            write_planes(call, row + u64::from(x / 8), colour, 0x80 >> (x & 7), xor);
            restore_planes(call);
        }
        Kind::Cga4 | Kind::Cga2 => {
            let bits = if mode.kind == Kind::Cga4 { 2 } else { 1 };
            let per_byte = 8 / bits;
            let shift = bits * (per_byte - 1 - x % per_byte);
            let mask = ((1u16 << bits) - 1) as u8;
            let at = row + u64::from(x / per_byte);
            let old = call.byte(at);
            let value = (colour & mask) << shift;
            call.set_byte(at, if xor { old ^ value } else { old & !(mask << shift) | value });
        }
    }
}

fn pixel(call: &mut Call<'_>, mode: &Mode, x: u16, y: u16) -> u8 {
    let row = row_start(call, mode, y);
    match mode.kind {
        Kind::Text => 0,
        Kind::Linear => call.byte(row + u64::from(x)),
        Kind::Planar => {
            let mut colour = 0;
            for plane in 0..4 {
                call.out_indexed(GRAPHICS, 4, plane);
                let byte = call.byte(row + u64::from(x / 8));
                colour |= (byte >> (7 - (x & 7)) & 1) << plane;
            }
            call.out_indexed(GRAPHICS, 4, 0);
            colour
        }
        Kind::Cga4 => call.byte(row + u64::from(x / 4)) >> (6 - 2 * (x & 3)) & 3,
        Kind::Cga2 => call.byte(row + u64::from(x / 8)) >> (7 - (x & 7)) & 1,
    }
}

/// AH=0Ch.
pub fn write_pixel(call: &mut Call<'_>) {
    let mode = present(call);
    let (x, y) = (call.regs.cx(), call.regs.dx());
    let (wide, high) = mode.pixels();
    if mode.is_graphics() && x < wide && y < high {
        let colour = call.regs.al();
        set_pixel(call, mode, x, y, colour);
    }
}

/// AH=0Dh.
pub fn read_pixel(call: &mut Call<'_>) {
    let mode = present(call);
    let (x, y) = (call.regs.cx(), call.regs.dx());
    let (wide, high) = mode.pixels();
    if mode.is_graphics() && x < wide && y < high {
        let colour = pixel(call, mode, x, y);
        call.regs.set_al(colour);
    }
}

/// The lines of a character, from the font that the vectors point to.
fn glyph(call: &mut Call<'_>, height: u8, character: u8) -> Vec<u8> {
    // CGA's modes have the upper half of the font elsewhere.
    let (number, index) = match (height, character) {
        (8, 0x80..) if call.bda(bda::VIDEO_MODE) < 7 => (0x1f, character - 0x80),
        _ => (0x43, character),
    };
    let (segment, offset) = call.vector(number);
    let at = linear(segment, offset) + u64::from(index) * u64::from(height);
    call.bytes(at, height.into())
}

fn height(call: &mut Call<'_>) -> u8 {
    call.bda(bda::CHAR_HEIGHT).clamp(1, 32)
}

/// Draws a character. Bit 7 of the colour mixes it into what is there, except with 256 colours.
pub fn draw_character(call: &mut Call<'_>, mode: &Mode, column: u8, row: u8, character: u8, colour: u8) {
    let height = height(call);
    let (wide, high) = mode.pixels();
    let (x, y) = (u16::from(column) * 8, u16::from(row) * u16::from(height));
    if x + 8 > wide || y + u16::from(height) > high {
        return;
    }
    let lines = glyph(call, height, character);
    let xor = colour & 0x80 != 0 && mode.kind != Kind::Linear;
    if mode.kind == Kind::Planar {
        call.out_indexed(SEQUENCER, 2, 0x0f);
    }
    for (line, bits) in (y..).zip(lines) {
        let start = row_start(call, mode, line);
        match mode.kind {
            Kind::Planar => {
                let at = start + u64::from(column);
                if !xor {
                    write_planes(call, at, 0, 0xff, false);
                }
                write_planes(call, at, colour, bits, xor);
            }
            Kind::Linear => {
                let pixels: [u8; 8] = std::array::from_fn(|n| if bits & 0x80 >> n != 0 { colour } else { 0 });
                call.write(start + u64::from(x), &pixels);
            }
            Kind::Cga4 | Kind::Cga2 | Kind::Text => {
                for n in 0..8 {
                    if bits & 0x80 >> n != 0 {
                        set_pixel(call, mode, x + n, line, colour);
                    } else if !xor {
                        set_pixel(call, mode, x + n, line, 0);
                    }
                }
            }
        }
    }
    if mode.kind == Kind::Planar {
        restore_planes(call);
    }
}

/// Recognises a character by its pixels; zero if it is none.
pub fn read_character(call: &mut Call<'_>, mode: &Mode, column: u8, row: u8) -> u8 {
    let height = height(call);
    let (wide, high) = mode.pixels();
    let (x, y) = (u16::from(column) * 8, u16::from(row) * u16::from(height));
    if x + 8 > wide || y + u16::from(height) > high {
        return 0;
    }
    let mut seen = Vec::new();
    for line in 0..u16::from(height) {
        let byte = (0..8).fold(0u8, |byte, n| byte << 1 | u8::from(pixel(call, mode, x + n, y + line) != 0));
        seen.push(byte);
    }
    (0..=255).find(|character| glyph(call, height, *character) == seen).unwrap_or(0)
}

/// Scrolls a window of rows of characters.
pub fn scroll(call: &mut Call<'_>, mode: &Mode, window: Scroll) {
    let height = u16::from(height(call));
    let (_, high) = mode.pixels();
    let (top, bottom) = (u16::from(window.top) * height, ((u16::from(window.bottom) + 1) * height).min(high));
    let step = u16::from(window.rows) * height;
    let per_character = match mode.kind {
        Kind::Linear => 8,
        Kind::Cga4 => 2,
        _ => 1,
    };
    let left = u64::from(window.left) * per_character;
    let count = (usize::from(window.right - window.left) + 1) * per_character as usize;
    let planar = mode.kind == Kind::Planar;
    if planar {
        call.out_indexed(SEQUENCER, 2, 0x0f);
    }
    for n in 0..bottom.saturating_sub(top) {
        let line = if window.down { bottom - 1 - n } else { top + n };
        let to = row_start(call, mode, line) + left;
        let inside = n + step < bottom - top;
        if inside {
            let from = if window.down { line - step } else { line + step };
            let from = row_start(call, mode, from) + left;
            if planar {
                // Through the latches, all planes at once.
                call.out_indexed(GRAPHICS, 5, 1);
                for n in 0..count as u64 {
                    call.byte(from + n);
                    call.set_byte(to + n, 0);
                }
                call.out_indexed(GRAPHICS, 5, 0);
            } else {
                let bytes = call.bytes(from, count);
                call.write(to, &bytes);
            }
        } else if planar {
            call.out_indexed(GRAPHICS, 0, window.attribute & 15);
            call.out_indexed(GRAPHICS, 1, 0x0f);
            call.write(to, &vec![0xff; count]);
            restore_planes(call);
        } else {
            let fill = match mode.kind {
                Kind::Linear => window.attribute,
                Kind::Cga4 => (window.attribute & 3) * 0x55,
                _ => (window.attribute & 1) * 0xff,
            };
            call.write(to, &vec![fill; count]);
        }
    }
}
