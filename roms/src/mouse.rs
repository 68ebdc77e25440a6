//! The PS/2 mouse: INT 15h AH=C2h, and IRQ 12 (IBM PS/2 and PC BIOS Interface Technical Reference).

use crate::bda;
use crate::call::Call;
use serde::{Deserialize, Serialize};

const DATA: u16 = 0x60;
const COMMAND: u16 = 0x64;
const OUTPUT_FULL: u8 = 1;
const ACK: u8 = 0xfa;
/// Flags of the first byte: a handler is set, and the mouse reports.
const ENABLED: u8 = 0x80;

/// Where a packet stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MouseState {
    packet: Vec<u8>,
    /// Bytes in a packet.
    size: u8,
}

/// Gives the controller's configuration byte these bits.
fn configure(call: &mut Call<'_>, clear: u8, set: u8) {
    call.outb(COMMAND, 0x20);
    let byte = read(call).unwrap_or(0x41);
    call.outb(COMMAND, 0x60);
    call.outb(DATA, byte & !clear | set);
}

fn read(call: &mut Call<'_>) -> Option<u8> {
    (call.inb(COMMAND) & OUTPUT_FULL != 0).then(|| call.inb(DATA))
}

/// Says something to the mouse and gives its answers after the acknowledgement.
fn say(call: &mut Call<'_>, bytes: &[u8], answers: usize) -> Option<Vec<u8>> {
    // Neither the keyboard's bytes nor interrupts come in between.
    call.outb(COMMAND, 0xad);
    configure(call, 0x22, 0);
    let mut result = Some(Vec::new());
    for &byte in bytes {
        call.outb(COMMAND, 0xd4);
        call.outb(DATA, byte);
        // What the mouse had to say before is older than the acknowledgement.
        let mut tries = 0;
        while let Some(answer) = read(call) {
            tries += 1;
            if answer == ACK || tries > 16 {
                break;
            }
        }
        if tries == 0 || tries > 16 {
            result = None;
            break;
        }
    }
    if let Some(list) = &mut result {
        for _ in 0..answers {
            list.extend(read(call));
        }
    }
    configure(call, 0x20, 0x02);
    call.outb(COMMAND, 0xae);
    call.state.mouse.packet.clear();
    result.filter(|list| list.len() == answers)
}

/// INT 15h AH=C2h.
pub fn service(call: &mut Call<'_>) {
    const INTERFACE_ERROR: u8 = 3;
    const BAD_INPUT: u8 = 2;
    let enable = |call: &mut Call<'_>, on: bool| say(call, &[if on { 0xf4 } else { 0xf5 }], 0).is_some();
    let flags = bda::EBDA + bda::EBDA_MOUSE_FLAGS + 1;
    let done = match call.regs.al() {
        0 => match call.regs.bh() {
            on @ 0..=1 => {
                if on == 1 && call.byte(flags) & ENABLED == 0 {
                    return call.fail(5);
                }
                enable(call, on == 1)
            }
            _ => return call.fail(BAD_INPUT),
        },
        1 | 5 => {
            let size = call.regs.bh();
            if call.regs.al() == 5 {
                if !(1..=8).contains(&size) {
                    return call.fail(BAD_INPUT);
                }
                call.state.mouse.size = size;
                let byte = call.byte(flags);
                call.set_byte(flags, byte & ENABLED | (size - 1) & 7);
            }
            let answers = say(call, &[0xff], 2);
            if let Some(answers) = &answers
                && call.regs.al() == 1
            {
                call.regs.set_bx(u16::from_be_bytes([answers[1], answers[0]]));
            }
            answers.is_some()
        }
        2 => match [10, 20, 40, 60, 80, 100, 200].get(usize::from(call.regs.bh())) {
            Some(rate) => say(call, &[0xf3, *rate], 0).is_some(),
            None => return call.fail(BAD_INPUT),
        },
        3 => match call.regs.bh() {
            resolution @ 0..=3 => say(call, &[0xe8, resolution], 0).is_some(),
            _ => return call.fail(BAD_INPUT),
        },
        4 => {
            let id = say(call, &[0xf2], 1);
            if let Some(id) = &id {
                call.regs.set_bh(id[0]);
            }
            id.is_some()
        }
        6 => match call.regs.bh() {
            0 => {
                let status = say(call, &[0xe9], 3);
                if let Some(status) = &status {
                    call.regs.set_bl(status[0]);
                    call.regs.set_cl(status[1]);
                    call.regs.set_dl(status[2]);
                }
                status.is_some()
            }
            scaling @ 1..=2 => say(call, &[0xe5 + scaling], 0).is_some(),
            _ => return call.fail(BAD_INPUT),
        },
        7 => {
            let (segment, offset) = (call.regs.es, call.regs.bx());
            call.set_word(bda::EBDA + bda::EBDA_MOUSE_HANDLER, offset);
            call.set_word(bda::EBDA + bda::EBDA_MOUSE_HANDLER + 2, segment);
            let there = segment != 0 || offset != 0;
            let byte = call.byte(flags);
            call.set_byte(flags, if there { byte | ENABLED } else { byte & !ENABLED });
            there || enable(call, false)
        }
        _ => return call.fail(1),
    };
    if done {
        call.regs.set_ah(0);
        call.succeed();
    } else {
        call.fail(INTERFACE_ERROR);
    }
}

/// INT 74h: collects packets. When one is whole and there is a handler: AH=1, and in registers what the stub pushes.
pub fn interrupt(call: &mut Call<'_>) {
    call.regs.set_ah(0);
    if call.inb(COMMAND) & 0x21 != 0x21 {
        return;
    }
    let byte = call.inb(DATA);
    let flags = call.byte(bda::EBDA + bda::EBDA_MOUSE_FLAGS + 1);
    if flags & ENABLED == 0 {
        return;
    }
    let mouse = &mut call.state.mouse;
    // Bit 3 of a packet's first byte is always set; another byte is what is left of a lost packet.
    if mouse.packet.is_empty() && byte & 8 == 0 {
        return;
    }
    mouse.packet.push(byte);
    let size = if mouse.size == 0 { 3 } else { usize::from(mouse.size) };
    if mouse.packet.len() < size {
        return;
    }
    let packet = std::mem::take(&mut mouse.packet);
    let part = |n: usize| u16::from(packet.get(n).copied().unwrap_or(0));
    let (status, x, y, z) = (part(0), part(1), part(2), part(3));
    call.regs.esi = call.dword(bda::EBDA + bda::EBDA_MOUSE_HANDLER);
    call.regs.set_ah(1);
    call.regs.set_bx(status);
    call.regs.set_cx(x);
    call.regs.set_dx(y);
    call.regs.set_di(z);
}
