//! INT 15h: memory, A20, waiting, block moves, the system's configuration, and APM 1.2 as far as it takes to switch the power
//! off.

use crate::call::{Call, Flow, Pause, linear};
use crate::frame::CF;
use crate::image::{SYSTEM_SEGMENT, place};
use crate::{bda, clock, memory_map, mouse};

const UNSUPPORTED: u8 = 0x86;
const SMAP: u32 = u32::from_be_bytes(*b"SMAP");
/// The most that a block move moves: 8000h words.
const MOST_MOVED: usize = 0x1_0000;

/// INT 15h.
pub fn service(call: &mut Call<'_>) -> Flow {
    match call.regs.ah() {
        0x24 => a20(call),
        // The keyboard's hook: whoever is interested has changed the vector. Carry stays set.
        0x4f => call.regs.set_flag(CF, true),
        0x53 => apm(call),
        // Nobody listens: devices opened and closed, a program's end, SysRq, waiting and posting.
        0x80..=0x82 | 0x85 | 0x91 => {
            call.regs.set_ah(0);
            call.succeed();
        }
        0x90 => call.succeed(),
        0x83 => alarm(call),
        0x86 => return wait(call),
        0x87 => block_move(call),
        0x88 => {
            let kib = memory_map::extended_kib(call.facts);
            call.regs.set_ax(kib);
            call.succeed();
        }
        0x89 => protected_mode(call),
        0xc0 => {
            call.regs.es = SYSTEM_SEGMENT;
            call.regs.set_bx(place::CONFIGURATION);
            call.regs.set_ah(0);
            call.succeed();
        }
        0xc1 => {
            call.regs.es = bda::EBDA_SEGMENT;
            call.succeed();
        }
        0xc2 => mouse::service(call),
        0xe8 => big_memory(call),
        _ => call.fail(UNSUPPORTED),
    }
    Ok(())
}

/// AX=2400h to 2403h.
fn a20(call: &mut Call<'_>) {
    match call.regs.al() {
        on @ 0..=1 => {
            let port = call.inb(0x92) & !3;
            call.outb(0x92, port | on << 1);
            // The keyboard controller's own gate would keep it open or closed.
            call.machine.memory().set_a20(on == 1);
            call.regs.set_ah(0);
        }
        2 => {
            let open = call.machine.memory().a20();
            call.regs.set_ax(open.into());
        }
        3 => {
            call.regs.set_bx(3); // by the keyboard controller, and by port 92h
            call.regs.set_ah(0);
        }
        _ => return call.fail(UNSUPPORTED),
    }
    call.succeed();
}

fn big_memory(call: &mut Call<'_>) {
    match call.regs.al() {
        0x01 => {
            let (below, above) = memory_map::extended(call.facts);
            call.regs.set_ax(below);
            call.regs.set_bx(above);
            call.regs.set_cx(below);
            call.regs.set_dx(above);
            call.succeed();
        }
        0x81 => {
            let (below, above) = memory_map::extended(call.facts);
            (call.regs.eax, call.regs.ecx) = (below.into(), below.into());
            (call.regs.ebx, call.regs.edx) = (above.into(), above.into());
            call.succeed();
        }
        0x20 => address_map(call),
        _ => call.fail(UNSUPPORTED),
    }
}

/// AX=E820h.
fn address_map(call: &mut Call<'_>) {
    let map = memory_map::map(call.facts);
    let index = call.regs.ebx as usize;
    let room = call.regs.ecx as usize;
    let Some(&(base, bytes, kind)) = map.get(index).filter(|_| call.regs.edx == SMAP && room >= 20) else {
        return call.fail(UNSUPPORTED);
    };
    let mut entry = [&base.to_le_bytes()[..], &bytes.to_le_bytes(), &kind.to_le_bytes()].concat();
    if room >= 24 {
        entry.extend(1u32.to_le_bytes()); // ACPI 3's attributes: the entry counts
    }
    let buffer = linear(call.regs.es, call.regs.di());
    call.give(buffer, &entry);
    call.regs.eax = SMAP;
    call.regs.ebx = if index + 1 < map.len() { index as u32 + 1 } else { 0 };
    call.regs.ecx = entry.len() as u32;
    call.succeed();
}

// ---- Waiting ----

/// The clock's periodic interrupt comes so often, in nanoseconds.
const PERIOD: u64 = 976_563;

fn microseconds(call: &Call<'_>) -> u64 {
    (u64::from(call.regs.cx()) << 16 | u64::from(call.regs.dx())) * 1000
}

fn periodic(call: &mut Call<'_>, on: bool) {
    let status = call.cmos(clock::STATUS_B);
    call.set_cmos(clock::STATUS_B, if on { status | clock::PERIODIC } else { status & !clock::PERIODIC });
    if on {
        let mask = call.inb(0xa1);
        call.outb(0xa1, mask & !1);
    }
}

/// AH=86h: for the shortest waits the stub asks again and again, for others the clock's interrupts wake it.
fn wait(call: &mut Call<'_>) -> Flow {
    let now = call.machine.now().as_nanos();
    if call.regs.scratch == 0 {
        if call.bda(bda::WAIT_ACTIVE) & 1 != 0 {
            call.fail(0x83);
            return Ok(());
        }
        // Microseconds fit 32 bits for more than an hour, which is more than CX:DX says.
        call.state.wait_end = now + microseconds(call);
        call.regs.scratch = 1;
        call.set_bda(bda::WAIT_ACTIVE, 1);
        if microseconds(call) > 2 * PERIOD {
            periodic(call, true);
            call.regs.scratch = 2;
        }
    }
    let left = call.state.wait_end.saturating_sub(now);
    if left > 0 && call.bda(bda::WAIT_ACTIVE) & 1 != 0 {
        return Err(if left > 2 * PERIOD && call.regs.scratch == 2 { Pause::Interrupt } else { Pause::Moment });
    }
    if call.regs.scratch == 2 {
        periodic(call, false);
    }
    call.set_bda(bda::WAIT_ACTIVE, 0);
    call.regs.set_ah(0);
    call.succeed();
    Ok(())
}

/// AH=83h: sets a bit of the caller's when the time is over.
fn alarm(call: &mut Call<'_>) {
    match call.regs.al() {
        0 if call.bda(bda::WAIT_ACTIVE) & 1 != 0 => return call.fail(0x83),
        0 => {
            let end = call.machine.now().as_nanos() + microseconds(call);
            let flag = linear(call.regs.es, call.regs.bx());
            call.state.alarm = Some((end, flag));
            call.set_bda(bda::WAIT_ACTIVE, 1);
            periodic(call, true);
        }
        1 => {
            call.state.alarm = None;
            call.set_bda(bda::WAIT_ACTIVE, 0);
            periodic(call, false);
        }
        _ => return call.fail(UNSUPPORTED),
    }
    call.regs.set_ah(0);
    call.succeed();
}

/// The clock's periodic interrupt came.
pub fn check_alarm(call: &mut Call<'_>) {
    let now = call.machine.now().as_nanos();
    if let Some((end, flag)) = call.state.alarm
        && now >= end
    {
        call.state.alarm = None;
        let byte = call.byte(flag);
        call.set_byte(flag, byte | 0x80);
        call.set_bda(bda::WAIT_ACTIVE, 0);
        periodic(call, false);
    }
}

// ---- Extended memory ----

/// AH=87h: ES:SI points to a descriptor table; its third and fourth say from where and to where.
fn block_move(call: &mut Call<'_>) {
    let table = linear(call.regs.es, call.regs.si());
    let count = usize::from(call.regs.cx()) * 2;
    let Some(table) = call.borrow(table, 0x20) else { return };
    // Three bytes of the base, the rights, two bits of the limit, the base's last byte.
    let base = |at: usize| u64::from(u32::from_le_bytes([table[at + 2], table[at + 3], table[at + 4], table[at + 7]]));
    let (from, to) = (base(0x10), base(0x18));
    if count > MOST_MOVED {
        return call.fail(2);
    }
    // Its addresses are the machine's own. The CPU would open A20 for it.
    let open = call.machine.memory().a20();
    call.machine.memory().set_a20(true);
    let data = call.bytes(from, count);
    call.write(to, &data);
    call.machine.memory().set_a20(open);
    call.regs.set_ah(0);
    call.succeed();
}

/// AH=89h would leave real mode with descriptors of the caller's. No program since the 286 has used it.
fn protected_mode(call: &mut Call<'_>) {
    call.fail(UNSUPPORTED);
}

// ---- APM 1.2 ----

/// AH=53h, and the entry of the 32-bit interface.
pub fn apm(call: &mut Call<'_>) {
    const NOT_CONNECTED: u8 = 0x03;
    const UNKNOWN_DEVICE: u8 = 0x09;
    const NO_EVENT: u8 = 0x80;
    match call.regs.al() {
        0x00 => {
            call.regs.set_ax(0x0102);
            call.regs.set_bx(u16::from_be_bytes(*b"PM"));
            call.regs.set_cx(0x0002); // a 32-bit interface
        }
        0x01 => call.state.apm = true,
        0x03 => {
            call.state.apm = true;
            call.regs.set_ax(SYSTEM_SEGMENT);
            call.regs.ebx = crate::image::APM32.into();
            call.regs.set_cx(SYSTEM_SEGMENT);
            call.regs.set_dx(SYSTEM_SEGMENT);
            call.regs.esi = 0xfff0_fff0;
            call.regs.set_di(0xfff0);
        }
        0x02 => return call.fail(0x06), // no 16-bit protected mode interface
        0x04 if call.state.apm => call.state.apm = false,
        0x04 => return call.fail(NOT_CONNECTED),
        // Idle and busy; the power management's switches.
        0x05 | 0x06 | 0x08 | 0x0d | 0x0f => {}
        0x07 => {
            if !matches!(call.regs.bx(), 1 | 0x01ff) {
                return call.fail(UNKNOWN_DEVICE);
            }
            if call.regs.cx() == 3 {
                // PM1a_CNT: SLP_EN, with the SLP_TYP of soft-off, which is 0.
                call.machine.port_write(crate::tables::PM_BASE + 4, 2, 0x2000);
            }
        }
        0x0a => {
            call.regs.set_bx(0x01ff); // on line, no battery
            call.regs.set_cx(0x80ff);
            call.regs.set_dx(0xffff);
        }
        0x0b => return call.fail(NO_EVENT),
        0x0c => call.regs.set_cx(0),
        0x0e => call.regs.set_ax(0x0102),
        0x10 => {
            call.regs.set_bl(0);
            call.regs.set_cx(0);
        }
        _ => return call.fail(0x0c),
    }
    if !matches!(call.regs.al(), 0x02) && call.regs.ah() == 0x53 {
        call.regs.set_ah(0);
    }
    call.succeed();
}
