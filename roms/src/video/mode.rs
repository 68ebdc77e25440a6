//! INT 10h AH=00h: a mode's registers, fonts, colours and data.

use super::modes::{self, Kind, Mode};
use super::{ATTRIBUTE, GRAPHICS, MISC_WRITE, SEQUENCER, fonts, palette, vbe};
use crate::bda;
use crate::call::{Call, linear};
use crate::image::{VIDEO_SEGMENT, video_place};

/// Sets a mode. Bit 7 keeps the memory's content.
pub fn set(call: &mut Call<'_>, number: u8) {
    let keep = number & 0x80 != 0;
    let Some(mode) = modes::find(number & 0x7f) else { return };
    vbe::disable(call);
    let lines = call.bda(bda::VIDEO_MODESET);
    call.regs.set_al(if mode.number == 6 {
        0x3f
    } else if mode.number > 7 {
        0x20
    } else {
        0x30
    });
    registers(call, mode);
    if lines & 0x08 == 0 {
        palette::reset(call, mode.colours);
    }
    data(call, mode, keep);
    if !keep {
        clear(call, mode);
    }
    if !mode.is_graphics() {
        fonts::load_default(call, 16);
        fonts::scan_lines(call, lines);
    }
    // And on.
    let status = call.bda_word(bda::CRTC_PORT) + 6;
    call.inb(status);
    call.outb(ATTRIBUTE, 0x20);
}

/// Programs the adapter.
pub fn registers(call: &mut Call<'_>, mode: &Mode) {
    let crtc: u16 = if mode.misc & 1 != 0 { 0x3d4 } else { 0x3b4 };
    call.inb(crtc + 6);
    call.outb(ATTRIBUTE, 0); // the picture goes off
    call.out_indexed(SEQUENCER, 0, 1);
    for (register, value) in (1..).zip(mode.sequencer) {
        call.out_indexed(SEQUENCER, register, value);
    }
    call.outb(MISC_WRITE, mode.misc);
    call.out_indexed(SEQUENCER, 0, 3);
    call.out_indexed(crtc, 0x11, 0); // registers 0 to 7 can be written
    for (register, value) in (0..).zip(mode.crtc) {
        call.out_indexed(crtc, register, value);
    }
    for (register, value) in (0..).zip(mode.graphics) {
        call.out_indexed(GRAPHICS, register, value);
    }
    call.inb(crtc + 6);
    for (register, value) in (0..).zip(mode.attribute) {
        call.outb(ATTRIBUTE, register);
        call.outb(ATTRIBUTE, value);
    }
    call.outb(ATTRIBUTE, 0x14);
    call.outb(ATTRIBUTE, 0);
    call.set_bda_word(bda::CRTC_PORT, crtc);
}

/// The BIOS data area.
fn data(call: &mut Call<'_>, mode: &Mode, keep: bool) {
    call.set_bda(bda::VIDEO_MODE, mode.number);
    call.set_bda_word(bda::COLUMNS, mode.columns.into());
    call.set_bda_word(bda::PAGE_BYTES, mode.page);
    call.set_bda_word(bda::PAGE_START, 0);
    (0..8).for_each(|page| call.set_bda_word(bda::CURSORS + 2 * page, 0));
    call.set_bda(bda::ACTIVE_PAGE, 0);
    call.set_bda(bda::ROWS, mode.rows - 1);
    call.set_bda_word(bda::CHAR_HEIGHT, mode.height.into());
    let options = call.bda(bda::VIDEO_OPTIONS) & 0x7f;
    call.set_bda(bda::VIDEO_OPTIONS, options | if keep { 0x80 } else { 0 });
    call.set_bda_word(bda::CURSOR_SHAPE, if mode.is_graphics() { 0 } else { 0x0d0e });
    const CGA: [u8; 8] = [0x2c, 0x28, 0x2d, 0x29, 0x2a, 0x2e, 0x1e, 0x29];
    call.set_bda(bda::CGA_MODE, CGA.get(usize::from(mode.number)).copied().unwrap_or(0x29));
    call.set_bda(bda::CGA_PALETTE, if mode.number == 6 { 0x3f } else { 0x30 });
    let font = match mode.height {
        8 => video_place::FONT_8X8,
        14 => video_place::FONT_8X14,
        _ => video_place::FONT_8X16,
    };
    call.set_vector(0x43, VIDEO_SEGMENT, font);
}

fn clear(call: &mut Call<'_>, mode: &Mode) {
    let start = linear(mode.segment, 0);
    match mode.kind {
        Kind::Text => call.write(start, &[0x20, 0x07].repeat(0x4000)),
        Kind::Cga4 | Kind::Cga2 => call.write(start, &[0; 0x4000]),
        Kind::Planar | Kind::Linear => call.write(start, &[0; 0x1_0000]),
    }
}
