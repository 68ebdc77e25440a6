//! The PCI BIOS (PCI BIOS Specification 2.1), in real mode by INT 1Ah and in protected mode by BIOS32, and the way to
//! configuration space (PCI 2.3, section 3.2.2.3.2).

use crate::call::{Call, linear};
use crate::frame::CF;
use crate::tables;

const SUCCESSFUL: u8 = 0x00;
const UNSUPPORTED: u8 = 0x81;
const BAD_VENDOR: u8 = 0x83;
const NOT_FOUND: u8 = 0x86;
const BAD_REGISTER: u8 = 0x87;
const BUFFER_TOO_SMALL: u8 = 0x89;

/// Reads a register of a function on bus 0.
pub fn read(call: &mut Call<'_>, devfn: u8, register: u8, bytes: u8) -> u32 {
    select(call, devfn, register);
    call.machine.port_read(0xcfc + u16::from(register & 3), bytes)
}

/// Writes one.
pub fn write(call: &mut Call<'_>, devfn: u8, register: u8, bytes: u8, value: u32) {
    select(call, devfn, register);
    call.machine.port_write(0xcfc + u16::from(register & 3), bytes, value);
}

fn select(call: &mut Call<'_>, devfn: u8, register: u8) {
    call.machine.port_write(0xcf8, 4, 1 << 31 | u32::from(devfn) << 8 | u32::from(register & !3));
}

/// The functions that are there, by device and function number.
pub fn functions(call: &mut Call<'_>) -> Vec<u8> {
    let mut found = Vec::new();
    for device in 0..32u8 {
        for function in 0..8 {
            let devfn = device << 3 | function;
            let there = read(call, devfn, 0, 2) != 0xffff;
            if there {
                found.push(devfn);
            }
            if function == 0 && (!there || read(call, devfn, 0x0e, 1) & 0x80 == 0) {
                break;
            }
        }
    }
    found
}

/// INT 1Ah AH=B1h, and the entry of BIOS32.
pub fn service(call: &mut Call<'_>) {
    let function = call.regs.al() & 0x7f;
    let code = match function {
        0x01 => {
            call.regs.edx = u32::from_le_bytes(*b"PCI ");
            call.regs.set_al(1); // mechanism 1
            call.regs.set_bx(0x0210);
            call.regs.set_cl(0);
            SUCCESSFUL
        }
        0x02 => {
            let wanted = u32::from(call.regs.dx()) | u32::from(call.regs.cx()) << 16;
            if call.regs.dx() == 0xffff {
                BAD_VENDOR
            } else {
                find(call, |call, devfn| read(call, devfn, 0, 4) == wanted)
            }
        }
        0x03 => {
            let wanted = call.regs.ecx & 0xff_ffff;
            find(call, |call, devfn| read(call, devfn, 8, 4) >> 8 == wanted)
        }
        0x06 => {
            let data = u32::from(call.regs.dx()) << 16;
            if call.regs.bh() == 0 {
                special_cycle(call, data);
            }
            SUCCESSFUL
        }
        0x08..=0x0d => access(call, function),
        0x0e => routing(call),
        0x0f => set_interrupt(call),
        _ => UNSUPPORTED,
    };
    call.regs.set_ah(code);
    call.regs.set_flag(CF, code != SUCCESSFUL);
}

/// A broadcast that nobody here listens to.
fn special_cycle(call: &mut Call<'_>, data: u32) {
    call.machine.port_write(0xcf8, 4, 1 << 31 | 0xff00);
    call.machine.port_write(0xcfc, 4, data);
}

fn find(call: &mut Call<'_>, matches: impl Fn(&mut Call<'_>, u8) -> bool) -> u8 {
    let index = call.regs.si();
    let mut left = index;
    for devfn in functions(call) {
        if matches(call, devfn) {
            if left == 0 {
                call.regs.set_bx(devfn.into());
                return SUCCESSFUL;
            }
            left -= 1;
        }
    }
    NOT_FOUND
}

fn access(call: &mut Call<'_>, function: u8) -> u8 {
    let bytes = 1 << ((function - 8) % 3);
    let register = call.regs.di();
    if register > 0xff || !register.is_multiple_of(u16::from(bytes)) {
        return BAD_REGISTER;
    }
    let (register, devfn) = (register as u8, call.regs.bl());
    let here = call.regs.bh() == 0;
    if function >= 0x0b {
        if here {
            let value = call.regs.ecx;
            write(call, devfn, register, bytes, value);
        }
        return SUCCESSFUL;
    }
    let value = if here { read(call, devfn, register, bytes) } else { u32::MAX };
    match bytes {
        1 => call.regs.set_cl(value as u8),
        2 => call.regs.set_cx(value as u16),
        _ => call.regs.ecx = value,
    }
    SUCCESSFUL
}

/// The routing table's slots: bus, device, then for each pin its link and the interrupts that it may have, and the slot's
/// number.
pub fn routing_slots() -> Vec<u8> {
    let interrupts = tables::PCI_IRQS.iter().fold(0u16, |mask, irq| mask | 1 << irq).to_le_bytes();
    let mut slots = Vec::new();
    for device in 1..32u8 {
        slots.extend([0, device << 3]);
        for pin in 0..4 {
            // The link's value is the register of the PIIX3 that routes it.
            slots.push(0x60 + tables::pirq_of(device, pin) as u8);
            slots.extend(interrupts);
        }
        slots.extend([if device > 2 { device } else { 0 }, 0]);
    }
    slots
}

fn routing(call: &mut Call<'_>) -> u8 {
    let slots = routing_slots();
    let buffer = linear(call.regs.es, call.regs.di());
    if call.regs.service != 0x1a {
        return UNSUPPORTED; // its pointers are not ours to follow in protected mode
    }
    let Some(packet) = call.borrow(buffer, 6) else { return SUCCESSFUL };
    let word = |at: usize| u16::from_le_bytes([packet[at], packet[at + 1]]);
    let (room, offset, segment) = (usize::from(word(0)), word(2), word(4));
    call.give(buffer, &(slots.len() as u16).to_le_bytes());
    if room < slots.len() {
        return BUFFER_TOO_SMALL;
    }
    call.give(linear(segment, offset), &slots);
    call.regs.set_bx(0x0c00); // PCI alone has IRQ 10 and 11
    SUCCESSFUL
}

fn set_interrupt(call: &mut Call<'_>) -> u8 {
    let (irq, pin) = (call.regs.ch(), call.regs.cl());
    if !(0x0a..=0x0d).contains(&pin) || irq > 15 {
        return 0x88;
    }
    let pirq = tables::pirq_of(call.regs.bl() >> 3, pin - 0x0a);
    write(call, 1 << 3, 0x60 + pirq as u8, 1, irq.into());
    SUCCESSFUL
}
