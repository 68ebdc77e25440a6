//! INT 10h AH=12h, 1Ah, 1Bh and 1Ch: what the adapter is and how it is set, and putting that away.

use super::{DAC_DATA, DAC_MASK, DAC_READ, DAC_WRITE, GRAPHICS, MISC_WRITE, SEQUENCER, crtc_port, mode, palette};
use crate::bda;
use crate::call::{Call, linear};
use crate::image::{VIDEO_SEGMENT, video_place};

/// What AH=1Bh points to: modes 0 to 13h, 200, 350 and 400 lines, eight fonts of which two show at once, and what else there is.
pub fn static_information() -> [u8; 16] {
    [0xff, 0xe0, 0x0f, 0, 0, 0, 0, 7, 2, 8, 0xff, 0x0e, 0, 0, 0, 0]
}

/// AH=12h.
pub fn alternate(call: &mut Call<'_>) {
    let regs = *call.regs;
    let modeset = call.bda(bda::VIDEO_MODESET);
    let flag = |bit: u8, on: bool| if on { modeset | bit } else { modeset & !bit };
    match regs.bl() {
        0x10 => {
            let mono = crtc_port(call) == 0x3b4;
            call.regs.set_bx(u16::from_be_bytes([mono.into(), 3])); // 256 KiB
            call.regs.set_cx(0x0009);
            return;
        }
        0x20 => return, // print screen stays
        0x30 => {
            let lines = match regs.al() {
                0 => modeset & !0x10 | 0x80,
                1 => modeset & !0x90,
                2 => modeset & !0x80 | 0x10,
                _ => return,
            };
            call.set_bda(bda::VIDEO_MODESET, lines);
        }
        0x31 => call.set_bda(bda::VIDEO_MODESET, flag(8, regs.al() == 1)),
        0x32 => {
            let misc = call.inb(0x3cc) & !2;
            call.outb(MISC_WRITE, misc | (!regs.al() & 1) << 1);
        }
        0x33 => call.set_bda(bda::VIDEO_MODESET, flag(2, regs.al() == 0)),
        0x34 => {
            let options = call.bda(bda::VIDEO_OPTIONS) & !1;
            call.set_bda(bda::VIDEO_OPTIONS, options | regs.al() & 1);
        }
        0x35 => {}
        0x36 => {
            let clocking = call.in_indexed(SEQUENCER, 1) & !0x20;
            call.out_indexed(SEQUENCER, 1, clocking | (regs.al() & 1) << 5);
        }
        _ => return,
    }
    call.regs.set_al(0x12);
}

/// AH=1Ah.
pub fn display_codes(call: &mut Call<'_>) {
    if call.regs.al() == 0 {
        let code = call.bda(bda::DISPLAY_CODE);
        call.regs.set_bx(code.into());
    } else if call.regs.al() == 1 {
        let code = call.regs.bl();
        call.set_bda(bda::DISPLAY_CODE, code);
    }
    call.regs.set_al(0x1a);
}

/// AH=1Bh.
pub fn state(call: &mut Call<'_>) {
    if call.regs.bx() != 0 {
        return;
    }
    let mut table = vec![0; 64];
    table[..2].copy_from_slice(&video_place::STATIC_INFO.to_le_bytes());
    table[2..4].copy_from_slice(&VIDEO_SEGMENT.to_le_bytes());
    let area = call.bytes(bda::BASE + bda::VIDEO_MODE, 0x1e);
    table[4..0x22].copy_from_slice(&area);
    let rows = call.bda(bda::ROWS);
    table[0x22] = rows.wrapping_add(1);
    let height = call.bda_word(bda::CHAR_HEIGHT);
    table[0x23..0x25].copy_from_slice(&height.to_le_bytes());
    table[0x25] = call.bda(bda::DISPLAY_CODE);
    let mode = super::present(call);
    let colours: u16 = match mode.number {
        7 | 0x0f => 0,
        4 | 5 => 4,
        6 | 0x11 => 2,
        0x13 => 256,
        _ => 16,
    };
    table[0x27..0x29].copy_from_slice(&colours.to_le_bytes());
    let page = call.bda_word(bda::PAGE_BYTES).max(1);
    table[0x29] = (0x8000 / u32::from(page)).clamp(1, 8) as u8;
    table[0x2a] = match mode.pixels().1 {
        200 => 0,
        350 => 1,
        480 => 3,
        _ => 2,
    };
    table[0x2d] = 0x21; // all modes on all displays; blinking
    table[0x31] = 3; // 256 KiB
    let buffer = linear(call.regs.es, call.regs.di());
    call.give(buffer, &table);
    call.regs.set_al(0x1b);
}

/// Bytes of the registers, of the BIOS data area, and of the colours, as AH=1Ch keeps them.
const REGISTERS: usize = 1 + 5 + 25 + 20 + 9 + 4;
const AREA: usize = 0x1e + 7 + 4 + 8;
const COLOURS: usize = 2 + 768 + 1;

/// AH=1Ch.
pub fn save_restore(call: &mut Call<'_>) {
    let parts = call.regs.cx();
    let sizes = [REGISTERS, AREA, COLOURS];
    let total: usize = (0..3).filter(|n| parts & 1 << n != 0).map(|n| sizes[n]).sum();
    let mut at = linear(call.regs.es, call.regs.bx());
    match call.regs.al() {
        0 => call.regs.set_bx(total.div_ceil(64) as u16),
        function @ 1..=2 => {
            for (n, size) in sizes.into_iter().enumerate().filter(|(n, _)| parts & 1 << n != 0) {
                match (n, function) {
                    (0, 1) => save_registers(call, at),
                    (0, _) => restore_registers(call, at),
                    (1, 1) => area(call, at, true),
                    (1, _) => area(call, at, false),
                    (_, 1) => save_colours(call, at),
                    _ => restore_colours(call, at),
                }
                at += size as u64;
            }
        }
        _ => return,
    }
    call.regs.set_al(0x1c);
}

fn save_registers(call: &mut Call<'_>, at: u64) {
    let crtc = crtc_port(call);
    let mut bytes = vec![call.inb(0x3cc)];
    bytes.extend((0..5).map(|n| call.in_indexed(SEQUENCER, n)));
    bytes.extend((0..25).map(|n| call.in_indexed(crtc, n)));
    bytes.extend((0..20).map(|n| palette::attribute(call, n)));
    bytes.extend((0..9).map(|n| call.in_indexed(GRAPHICS, n)));
    bytes.extend([call.inb(SEQUENCER), call.inb(crtc), call.inb(GRAPHICS), 0]);
    call.give(at, &bytes);
}

fn restore_registers(call: &mut Call<'_>, at: u64) {
    let Some(bytes) = call.borrow(at, REGISTERS) else { return };
    let mut registers = super::modes::MODES[3];
    registers.misc = bytes[0];
    registers.sequencer.copy_from_slice(&bytes[2..6]);
    registers.crtc.copy_from_slice(&bytes[6..31]);
    registers.attribute.copy_from_slice(&bytes[31..51]);
    registers.graphics.copy_from_slice(&bytes[51..60]);
    mode::registers(call, &registers);
    let status = crtc_port(call) + 6;
    call.inb(status);
    call.outb(super::ATTRIBUTE, 0x20);
}

/// The parts of the BIOS data area, and the two vectors.
fn area(call: &mut Call<'_>, at: u64, save: bool) {
    let mut at = at;
    for (place, count) in [
        (bda::BASE + bda::VIDEO_MODE, 0x1e),
        (bda::BASE + bda::ROWS, 7),
        (bda::BASE + bda::VIDEO_SAVE, 4),
        (4 * 0x1f, 4),
        (4 * 0x43, 4),
    ] {
        if save {
            let bytes = call.bytes(place, count);
            call.give(at, &bytes);
        } else if let Some(bytes) = call.borrow(at, count) {
            call.write(place, &bytes);
        }
        at += count as u64;
    }
}

fn save_colours(call: &mut Call<'_>, at: u64) {
    let mut bytes = vec![call.inb(DAC_MASK), call.inb(DAC_WRITE)];
    call.outb(DAC_READ, 0);
    bytes.extend((0..768).map(|_| call.inb(DAC_DATA)));
    bytes.push(palette::attribute(call, 0x14));
    call.give(at, &bytes);
}

fn restore_colours(call: &mut Call<'_>, at: u64) {
    let Some(bytes) = call.borrow(at, COLOURS) else { return };
    call.outb(DAC_MASK, bytes[0]);
    call.outb(DAC_WRITE, 0);
    bytes[2..770].iter().for_each(|byte| call.outb(DAC_DATA, *byte));
    palette::set_attribute(call, 0x14, bytes[770]);
    call.outb(DAC_WRITE, bytes[1]);
}
