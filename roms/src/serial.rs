//! INT 14h, the serial ports (16550A data sheet for the registers), and INT 17h, the printer.

use crate::bda;
use crate::call::{Call, Flow, Pause};

const LSR: u16 = 5;
const MSR: u16 = 6;
/// The status by which INT 14h tells that nothing came in time.
const TIMEOUT: u8 = 0x80;
/// Ticks that are waited for a byte.
const PATIENCE: u32 = 18;

/// Divisors of INT 14h's eight rates, 110 to 9600 baud.
const DIVISORS: [u16; 8] = [1047, 768, 384, 192, 96, 48, 24, 12];

/// INT 14h.
pub fn service(call: &mut Call<'_>) -> Flow {
    let number = call.regs.dx();
    if number > 3 {
        return Ok(());
    }
    let port = call.bda_word(bda::COM_PORTS + 2 * u64::from(number));
    if port == 0 {
        return Ok(());
    }
    match call.regs.ah() {
        0 => {
            let setup = call.regs.al();
            set_line(call, port, DIVISORS[usize::from(setup >> 5)], setup & 0x1f);
            status(call, port);
        }
        1 => {
            if call.inb(port + LSR) & 0x20 == 0 {
                return wait(call, port);
            }
            let byte = call.regs.al();
            call.outb(port, byte);
            let lines = call.inb(port + LSR);
            call.regs.set_ah(lines);
        }
        2 => {
            let lines = call.inb(port + LSR);
            if lines & 1 == 0 {
                return wait(call, port);
            }
            let byte = call.inb(port);
            call.regs.set_al(byte);
            call.regs.set_ah(lines & 0x1e);
        }
        3 => status(call, port),
        // Extended initialisation: AL break, BH parity, BL stop bits, CH word length, CL rate.
        4 => {
            let regs = &call.regs;
            let parity = [0, 0x08, 0x18, 0x28, 0x38][usize::from(regs.bh().min(4))];
            let line = parity | regs.bl().min(1) << 2 | regs.ch() & 3;
            let divisor = match regs.cl() {
                rate @ 0..8 => DIVISORS[usize::from(rate)],
                _ => 6,
            };
            set_line(call, port, divisor, line);
            status(call, port);
        }
        5 => {
            if call.regs.al() == 1 {
                let value = call.regs.bl();
                call.outb(port + 4, value);
            } else {
                let value = call.inb(port + 4);
                call.regs.set_bl(value);
            }
            status(call, port);
        }
        _ => {}
    }
    Ok(())
}

fn set_line(call: &mut Call<'_>, port: u16, divisor: u16, line: u8) {
    let [low, high] = divisor.to_le_bytes();
    call.outb(port + 3, line | 0x80);
    call.outb(port, low);
    call.outb(port + 1, high);
    call.outb(port + 3, line);
}

fn status(call: &mut Call<'_>, port: u16) {
    let (line, modem) = (call.inb(port + LSR), call.inb(port + MSR));
    call.regs.set_ah(line);
    call.regs.set_al(modem);
}

/// Comes back at the next interrupt, until the time is over.
fn wait(call: &mut Call<'_>, port: u16) -> Flow {
    let ticks = call.dword(bda::BASE + bda::TICKS);
    if call.regs.scratch == 0 {
        call.regs.scratch = ticks.wrapping_add(PATIENCE) | 1 << 31;
    }
    let over = ticks.wrapping_sub(call.regs.scratch & !(1 << 31)) as i32 >= 0;
    if !over {
        return Err(Pause::Interrupt);
    }
    let lines = call.inb(port + LSR) | TIMEOUT;
    call.regs.set_ah(lines);
    Ok(())
}

/// INT 17h. A printer takes every byte at once, or is not there.
pub fn printer(call: &mut Call<'_>) {
    let number = call.regs.dx();
    let port = if number < 3 { call.bda_word(bda::LPT_PORTS + 2 * u64::from(number)) } else { 0 };
    if port == 0 || call.regs.ah() > 2 {
        call.regs.set_ah(0x29); // time-out, no paper
        return;
    }
    match call.regs.ah() {
        0 => {
            let byte = call.regs.al();
            call.outb(port, byte);
            let control = call.inb(port + 2);
            call.outb(port + 2, control | 1);
            call.outb(port + 2, control & !1);
        }
        1 => {
            let control = call.inb(port + 2);
            call.outb(port + 2, control & !4);
            call.outb(port + 2, control | 4);
        }
        _ => {}
    }
    let status = call.inb(port + 1) ^ 0x48;
    call.regs.set_ah(status & 0xf8);
}
