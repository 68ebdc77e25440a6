//! INT 1Ah: the tick count, the real-time clock (MC146818 data sheet), and the way to the PCI BIOS; INT 70h: the clock's
//! interrupt.

use crate::bda;
use crate::call::Call;

const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
pub const STATUS_A: u8 = 0x0a;
pub const STATUS_B: u8 = 0x0b;
pub const STATUS_C: u8 = 0x0c;
const CENTURY: u8 = 0x32;
/// Status B: no updates while the clock is set.
const SET: u8 = 0x80;
/// Status B: the periodic interrupt.
pub const PERIODIC: u8 = 0x40;
/// Status B: the alarm's interrupt.
const ALARM: u8 = 0x20;

/// INT 1Ah.
pub fn service(call: &mut Call<'_>) {
    match call.regs.ah() {
        0x00 => {
            let ticks = call.dword(bda::BASE + bda::TICKS);
            let midnight = call.bda(bda::MIDNIGHT);
            call.set_bda(bda::MIDNIGHT, 0);
            call.regs.set_al(midnight);
            call.regs.set_cx((ticks >> 16) as u16);
            call.regs.set_dx(ticks as u16);
            call.succeed();
        }
        0x01 => {
            let ticks = u32::from(call.regs.cx()) << 16 | u32::from(call.regs.dx());
            call.set_dword(bda::BASE + bda::TICKS, ticks);
            call.set_bda(bda::MIDNIGHT, 0);
            call.succeed();
        }
        0x02 => {
            let (hours, minutes, seconds) = (call.cmos(HOURS), call.cmos(MINUTES), call.cmos(SECONDS));
            let summer = call.cmos(STATUS_B) & 1;
            call.regs.set_cx(u16::from_be_bytes([hours, minutes]));
            call.regs.set_dx(u16::from_be_bytes([seconds, summer]));
            call.regs.set_ah(0);
            call.succeed();
        }
        0x03 => {
            let regs = *call.regs;
            set(call, &[(HOURS, regs.ch()), (MINUTES, regs.cl()), (SECONDS, regs.dh())]);
            let status = call.cmos(STATUS_B) & !1 | regs.dl() & 1;
            call.set_cmos(STATUS_B, status);
            call.succeed();
        }
        0x04 => {
            let (century, year) = (call.cmos(CENTURY), call.cmos(YEAR));
            let (month, day) = (call.cmos(MONTH), call.cmos(DAY));
            call.regs.set_cx(u16::from_be_bytes([century, year]));
            call.regs.set_dx(u16::from_be_bytes([month, day]));
            call.regs.set_ah(0);
            call.succeed();
        }
        0x05 => {
            let regs = *call.regs;
            set(call, &[(CENTURY, regs.ch()), (YEAR, regs.cl()), (MONTH, regs.dh()), (DAY, regs.dl())]);
            call.succeed();
        }
        0x06 => {
            let status = call.cmos(STATUS_B);
            if status & ALARM != 0 {
                call.regs.set_ax(0);
                return call.regs.set_flag(crate::frame::CF, true);
            }
            let regs = *call.regs;
            for (index, value) in [(HOURS + 1, regs.ch()), (MINUTES + 1, regs.cl()), (SECONDS + 1, regs.dh())] {
                call.set_cmos(index, value);
            }
            call.set_cmos(STATUS_B, status & !SET | ALARM);
            let mask = call.inb(0xa1);
            call.outb(0xa1, mask & !1);
            call.succeed();
        }
        0x07 => {
            let status = call.cmos(STATUS_B);
            call.set_cmos(STATUS_B, status & !ALARM);
            call.succeed();
        }
        0xb1 => crate::pci::service(call),
        _ => call.regs.set_flag(crate::frame::CF, true),
    }
}

fn set(call: &mut Call<'_>, values: &[(u8, u8)]) {
    let status = call.cmos(STATUS_B);
    call.set_cmos(STATUS_B, status | SET);
    for &(index, value) in values {
        call.set_cmos(index, value);
    }
    call.set_cmos(STATUS_B, status & !SET);
}

/// INT 70h. AH=1 tells the stub to call INT 4Ah.
pub fn interrupt(call: &mut Call<'_>) {
    let cause = call.cmos(STATUS_C) & call.cmos(STATUS_B);
    call.regs.set_ah(0);
    if cause & PERIODIC != 0 {
        crate::system::check_alarm(call);
    }
    if cause & ALARM != 0 {
        call.regs.set_ah(1);
    }
}

/// The tick count for the clock's time: 1,193,182 / 65,536 of them a second.
pub fn ticks_now(call: &mut Call<'_>) -> u32 {
    let mut number = |index| {
        let value = call.cmos(index);
        u64::from(value >> 4) * 10 + u64::from(value & 15)
    };
    let seconds = (number(HOURS) * 60 + number(MINUTES)) * 60 + number(SECONDS);
    ((seconds * 1_193_182) >> 16) as u32 % 0x18_00b0
}
