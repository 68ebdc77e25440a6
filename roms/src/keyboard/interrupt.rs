//! INT 09h: from scan codes of set 1 to the flags and the buffer.

use super::layout::{self, NOTHING};
use super::put;
use crate::bda;
use crate::call::Call;

// Shift flags, 40:17h.
const RIGHT_SHIFT: u8 = 0x01;
const LEFT_SHIFT: u8 = 0x02;
const CTRL: u8 = 0x04;
const ALT: u8 = 0x08;
const SCROLL_LOCK: u8 = 0x10;
const NUM_LOCK: u8 = 0x20;
const CAPS_LOCK: u8 = 0x40;
const INSERT: u8 = 0x80;
// 40:18h.
const LEFT_CTRL: u8 = 0x01;
const LEFT_ALT: u8 = 0x02;
const SYSTEM_REQUEST: u8 = 0x04;
const PAUSED: u8 = 0x08;
// 40:96h.
const AFTER_E1: u8 = 0x01;
const AFTER_E0: u8 = 0x02;
const RIGHT_CTRL: u8 = 0x04;
const RIGHT_ALT: u8 = 0x08;

/// What the stub does after a key, in AH.
mod then {
    pub const NOTHING: u8 = 0;
    pub const PRINT_SCREEN: u8 = 0x05;
    pub const BREAK: u8 = 0x1b;
    pub const SYSTEM_REQUEST: u8 = 0x85;
    pub const PAUSE: u8 = 0xff;
}

/// Reads an answer of the keyboard away, if there is one.
pub fn swallow(call: &mut Call<'_>) {
    if call.inb(0x64) & 0x21 == 0x01 {
        call.inb(0x60);
    }
}

/// A byte from the keyboard, in AL.
pub fn interrupt(call: &mut Call<'_>) {
    let byte = call.regs.al();
    let after = key(call, byte);
    call.regs.set_ah(after);
}

fn set_bit(call: &mut Call<'_>, offset: u64, bit: u8, on: bool) {
    let flags = call.bda(offset);
    call.set_bda(offset, if on { flags | bit } else { flags & !bit });
}

fn key(call: &mut Call<'_>, byte: u8) -> u8 {
    let prefix = call.bda(bda::KEY_FLAGS_3);
    match byte {
        0xe0 => {
            set_bit(call, bda::KEY_FLAGS_3, AFTER_E0, true);
            return then::NOTHING;
        }
        0xe1 => {
            set_bit(call, bda::KEY_FLAGS_3, AFTER_E1, true);
            return then::NOTHING;
        }
        // Answers of the keyboard: acknowledged, send again, self-test passed, overrun.
        0xfa | 0xfe | 0xee | 0x00 | 0xff => return then::NOTHING,
        _ => {}
    }
    let (scan, down) = (byte & 0x7f, byte & 0x80 == 0);
    if prefix & AFTER_E1 != 0 {
        // Pause is E1 1D 45 E1 9D C5: what counts is the 45h.
        if scan != 0x1d {
            set_bit(call, bda::KEY_FLAGS_3, AFTER_E1, false);
            if byte == 0x45 && call.bda(bda::SHIFT_FLAGS_2) & PAUSED == 0 {
                set_bit(call, bda::SHIFT_FLAGS_2, PAUSED, true);
                return then::PAUSE;
            }
        }
        return then::NOTHING;
    }
    set_bit(call, bda::KEY_FLAGS_3, AFTER_E0, false);
    let extended = prefix & AFTER_E0 != 0;
    if shift(call, scan, extended, down) {
        return then::NOTHING;
    }
    if scan == 0x54 || scan == 0x37 && call.bda(bda::SHIFT_FLAGS) & ALT != 0 && extended {
        set_bit(call, bda::SHIFT_FLAGS_2, SYSTEM_REQUEST, down);
        call.regs.set_al(u8::from(!down));
        return then::SYSTEM_REQUEST;
    }
    if !down {
        return then::NOTHING;
    }
    if call.bda(bda::SHIFT_FLAGS_2) & PAUSED != 0 {
        // The key that ends the pause is not seen by anybody.
        set_bit(call, bda::SHIFT_FLAGS_2, PAUSED, false);
        return then::NOTHING;
    }
    press(call, scan, extended)
}

/// Shift keys and locks. True if it was one.
fn shift(call: &mut Call<'_>, scan: u8, extended: bool, down: bool) -> bool {
    match (scan, extended) {
        // Shifts behind E0h are the keyboard's own invention, around keys of the cursor block.
        (0x2a | 0x36, true) => {}
        (0x2a, false) => set_bit(call, bda::SHIFT_FLAGS, LEFT_SHIFT, down),
        (0x36, false) => set_bit(call, bda::SHIFT_FLAGS, RIGHT_SHIFT, down),
        (0x1d, right) => {
            let (offset, bit) = if right { (bda::KEY_FLAGS_3, RIGHT_CTRL) } else { (bda::SHIFT_FLAGS_2, LEFT_CTRL) };
            set_bit(call, offset, bit, down);
            let any = call.bda(bda::SHIFT_FLAGS_2) & LEFT_CTRL | call.bda(bda::KEY_FLAGS_3) & RIGHT_CTRL;
            set_bit(call, bda::SHIFT_FLAGS, CTRL, any != 0);
        }
        (0x38, right) => {
            let (offset, bit) = if right { (bda::KEY_FLAGS_3, RIGHT_ALT) } else { (bda::SHIFT_FLAGS_2, LEFT_ALT) };
            set_bit(call, offset, bit, down);
            let any = call.bda(bda::SHIFT_FLAGS_2) & LEFT_ALT | call.bda(bda::KEY_FLAGS_3) & RIGHT_ALT;
            set_bit(call, bda::SHIFT_FLAGS, ALT, any != 0);
            let number = call.bda(bda::ALT_NUMBER);
            if any == 0 && number != 0 {
                call.set_bda(bda::ALT_NUMBER, 0);
                put(call, number.into());
            }
        }
        (0x3a, false) => lock(call, CAPS_LOCK, down),
        // Ctrl-NumLock pauses on the old keyboard, and ScrollLock with Ctrl is Break.
        (0x45, false) => lock(call, NUM_LOCK, down),
        (0x46, false) if call.bda(bda::SHIFT_FLAGS) & CTRL == 0 => lock(call, SCROLL_LOCK, down),
        (0x52, _) => {
            set_bit(call, bda::SHIFT_FLAGS_2, INSERT, down);
            if down && (extended || call.bda(bda::SHIFT_FLAGS) & (NUM_LOCK | ALT | CTRL) == 0) {
                let flags = call.bda(bda::SHIFT_FLAGS);
                call.set_bda(bda::SHIFT_FLAGS, flags ^ INSERT);
            }
            return false;
        }
        _ => return false,
    }
    true
}

/// A lock changes at the first of a key's repetitions, and its light with it.
fn lock(call: &mut Call<'_>, bit: u8, down: bool) {
    let held = call.bda(bda::SHIFT_FLAGS_2);
    if down && held & bit == 0 {
        let flags = call.bda(bda::SHIFT_FLAGS) ^ bit;
        call.set_bda(bda::SHIFT_FLAGS, flags);
        let lights = flags >> 4 & 7;
        let leds = call.bda(bda::KEY_LEDS) & !7;
        call.set_bda(bda::KEY_LEDS, leds | lights);
        call.outb(0x60, 0xed);
        swallow(call);
        call.outb(0x60, lights);
        swallow(call);
    }
    set_bit(call, bda::SHIFT_FLAGS_2, bit, down);
}

fn press(call: &mut Call<'_>, scan: u8, extended: bool) -> u8 {
    let flags = call.bda(bda::SHIFT_FLAGS);
    let shifted = flags & (LEFT_SHIFT | RIGHT_SHIFT) != 0;
    let (ctrl, alt) = (flags & CTRL != 0, flags & ALT != 0);
    match scan {
        0x53 if ctrl && alt => {
            call.set_bda_word(bda::RESET_FLAG, 0x1234);
            call.outb(0xcf9, 0x02);
            call.outb(0xcf9, 0x06);
            return then::NOTHING;
        }
        0x46 if ctrl => {
            let start = call.bda_word(bda::KEY_BUFFER_START);
            call.set_bda_word(bda::KEY_HEAD, start);
            call.set_bda_word(bda::KEY_TAIL, start);
            call.set_bda(bda::BREAK, 0x80);
            put(call, 0);
            return then::BREAK;
        }
        0x37 if extended => {
            if ctrl {
                put(call, 0x7200);
                return then::NOTHING;
            }
            return then::PRINT_SCREEN;
        }
        _ => {}
    }
    if alt
        && !extended
        && let Some(digit) = layout::digit(scan)
    {
        let number = call.bda(bda::ALT_NUMBER);
        call.set_bda(bda::ALT_NUMBER, number.wrapping_mul(10).wrapping_add(digit));
        return then::NOTHING;
    }
    let Some(key) = layout::key(scan, extended) else { return then::NOTHING };
    let letter = (key[0] as u8).is_ascii_lowercase();
    let up = match scan {
        _ if !extended && layout::on_number_block(scan) => shifted != (flags & NUM_LOCK != 0),
        _ if letter => shifted != (flags & CAPS_LOCK != 0),
        _ => shifted,
    };
    let word = match (alt, ctrl, up) {
        (true, ..) => key[3],
        (_, true, _) => key[2],
        (.., true) => key[1],
        _ => key[0],
    };
    if word != NOTHING {
        put(call, word);
    }
    then::NOTHING
}
