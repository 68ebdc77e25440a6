//! The keyboard: IRQ 1 puts keys into the buffer of the BIOS data area, INT 16h takes them out (IBM PC/AT Technical Reference,
//! "Keyboard"; the 101-key keyboard's functions from the PS/2 BIOS Interface).

mod interrupt;
mod layout;

pub use interrupt::interrupt;

use crate::bda;
use crate::call::{Call, Flow, Pause};

/// Where the buffer begins and ends, relative to segment 40h. Programs may move it.
fn bounds(call: &mut Call<'_>) -> (u16, u16) {
    (call.bda_word(bda::KEY_BUFFER_START), call.bda_word(bda::KEY_BUFFER_END))
}

fn step(call: &mut Call<'_>, place: u16) -> u16 {
    let (start, end) = bounds(call);
    let next = place.wrapping_add(2);
    if next >= end { start } else { next }
}

/// Puts a key into the buffer. False if it is full.
pub fn put(call: &mut Call<'_>, key: u16) -> bool {
    let tail = call.bda_word(bda::KEY_TAIL);
    let next = step(call, tail);
    if next == call.bda_word(bda::KEY_HEAD) {
        return false;
    }
    call.set_bda_word(tail.into(), key);
    call.set_bda_word(bda::KEY_TAIL, next);
    true
}

/// Looks at the next key.
fn peek(call: &mut Call<'_>) -> Option<u16> {
    let head = call.bda_word(bda::KEY_HEAD);
    (head != call.bda_word(bda::KEY_TAIL)).then(|| call.bda_word(head.into()))
}

/// Takes the next key: scan code in the high byte, character in the low one.
pub fn take(call: &mut Call<'_>) -> Option<u16> {
    let key = peek(call)?;
    let head = call.bda_word(bda::KEY_HEAD);
    let next = step(call, head);
    call.set_bda_word(bda::KEY_HEAD, next);
    Some(key)
}

/// What the functions of the old keyboard make of a key: `None` if it is one that they do not know.
fn as_83_keys(key: u16) -> Option<u16> {
    match (key >> 8, key & 0xff) {
        // Keys of the cursor block look like those of the number block.
        (scan, 0xe0) if scan != 0 => Some(scan << 8),
        (0xe0, 0x0d | 0x0a) => Some(0x1c00 | key & 0xff),
        (0xe0, character) => Some(0x3500 | character),
        (scan, _) if scan > 0x84 => None,
        (scan, 0xf0) if scan != 0 => None,
        _ => Some(key),
    }
}

/// Takes keys that nobody wants out, and gives the first that the caller knows.
fn next(call: &mut Call<'_>, enhanced: bool, remove: bool) -> Option<u16> {
    loop {
        let key = peek(call)?;
        let known = if enhanced {
            Some(if key & 0xff == 0xf0 && key >> 8 != 0 { key & 0xff00 } else { key })
        } else {
            as_83_keys(key)
        };
        if known.is_none() || remove {
            take(call);
        }
        if known.is_some() {
            return known;
        }
    }
}

/// INT 16h.
pub fn service(call: &mut Call<'_>) -> Flow {
    match call.regs.ah() {
        function @ (0x00 | 0x10) => match next(call, function == 0x10, true) {
            Some(key) => call.regs.set_ax(key),
            None => return Err(Pause::Interrupt),
        },
        function @ (0x01 | 0x11) => {
            let key = next(call, function == 0x11, false);
            call.set_zero(key.is_none());
            if let Some(key) = key {
                call.regs.set_ax(key);
            } else {
                // Programs ask in a loop; the interrupt that they wait for needs a chance between two questions.
                call.regs.flags |= crate::frame::IF;
            }
        }
        0x02 => {
            let flags = call.bda(bda::SHIFT_FLAGS);
            call.regs.set_al(flags);
        }
        0x03 => {
            let (delay, rate) = (call.regs.bh(), call.regs.bl());
            if call.regs.al() == 5 {
                call.outb(0x60, 0xf3);
                interrupt::swallow(call);
                call.outb(0x60, (delay & 3) << 5 | rate & 0x1f);
                interrupt::swallow(call);
            }
        }
        0x05 => {
            let key = call.regs.cx();
            let done = put(call, key);
            call.regs.set_al(u8::from(!done));
        }
        0x09 => call.regs.set_al(0x30), // functions 0Ah and 10h to 12h
        0x0a => call.regs.set_bx(0x41ab),
        0x12 => {
            let (flags, more, extended) =
                (call.bda(bda::SHIFT_FLAGS), call.bda(bda::SHIFT_FLAGS_2), call.bda(bda::KEY_FLAGS_3));
            // Right Ctrl and Alt from the flags of the 101-key keyboard; SysRq moves up.
            let high = more & 0x73 | (more & 4) << 5 | extended & 0x0c;
            call.regs.set_al(flags);
            call.regs.set_ah(high);
        }
        0x92 => call.regs.set_ah(0x80),
        0xa2 => {}
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_functions_hide_the_new_keys() {
        assert_eq!(as_83_keys(0x48e0), Some(0x4800));
        assert_eq!(as_83_keys(0xe00d), Some(0x1c0d));
        assert_eq!(as_83_keys(0xe02f), Some(0x352f));
        assert_eq!(as_83_keys(0x8500), None);
        assert_eq!(as_83_keys(0x1e61), Some(0x1e61));
        assert_eq!(as_83_keys(0x00e0), Some(0x00e0));
    }
}
