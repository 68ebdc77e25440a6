//! Page 7: three clocks against one another: a second of the real-time clock, which interrupts at its end, in ticks of the
//! interval timer and of the processor's time-stamp counter.

use super::{ESCAPE, PAGE, Result, Tour};
use iced_x86::code_asm::*;

/// The 8254's clocks in a second: 105/88 MHz, as the PC has them.
const HERTZ: u32 = 1_193_182;
/// More than this in a second off is wrong (0.2 %).
const TOLERANCE: u32 = 2_400;
/// The clocks of the timer and the ticks of the time-stamp counter, at the end of the last second.
const CLOCKS: u16 = PAGE;
const STAMP: u16 = PAGE + 4;
/// How many seconds were measured.
const SECONDS: u16 = PAGE + 12;
/// The real-time clock has interrupted.
const RANG: u16 = PAGE + 16;
/// The BIOS's handler of that interrupt, and the mask of the interrupt controller.
const BEFORE: u16 = PAGE + 20;
const MASK: u16 = PAGE + 24;
/// Where the stack was before.
const STACK: u16 = PAGE + 26;
/// Ticks of the time-stamp counter in the last second.
const TICKS: u16 = PAGE + 28;

pub fn write(t: &mut Tour) -> Result {
    t.page("The timers", "Esc goes back")?;
    t.say(3, 4, 0x1e, "In one second of the real-time clock there are so many")?;
    t.say(6, 6, 0x17, "clocks of the interval timer")?;
    t.say(6, 50, 0x13, &format!("(a PC has {HERTZ})"))?;
    t.say(8, 6, 0x17, "ticks of the time-stamp counter")?;
    t.say(10, 6, 0x17, "interrupts of the timer since midnight")?;
    t.say(12, 6, 0x17, "seconds measured")?;
    t.say(16, 6, 0x13, "Please wait for the first second...")?;
    t.mov(dword_ptr(SECONDS), 0)?;
    t.mov(word_ptr(STACK), sp)?;
    prepare(t)?;
    let (again, mut leave) = (t.here()?, t.label());
    second(t, leave)?;
    t.push(eax)?;
    t.say_number(6, 40, 0x1f)?;
    t.mov(eax, dword_ptr(TICKS))?;
    t.say_number(8, 40, 0x1f)?;
    t.mov(eax, dword_ptr(0x46c))?;
    t.say_number(10, 46, 0x1f)?;
    t.inc(dword_ptr(SECONDS))?;
    t.mov(eax, dword_ptr(SECONDS))?;
    t.say_number(12, 40, 0x1f)?;
    t.pop(eax)?;
    let (mut wrong, mut said) = (t.label(), t.label());
    verdict(t, wrong)?;
    t.say(16, 6, 0x1a, "The clocks agree.                        ")?;
    t.jmp(said)?;
    t.bind(&mut wrong)?;
    t.say(16, 6, 0x1c, "They do not agree: guest time is uneven. ")?;
    t.bind(&mut said)?;
    t.jmp(again)?;
    t.bind(&mut leave)?;
    t.mov(sp, word_ptr(STACK))?; // whatever is on it
    finish(t)?;
    t.ret()
}

/// Counter 0 becomes a rate generator with the longest period, whose count is clocks (mode 2; BIOSes use mode 3). The
/// real-time clock interrupts after each update (register B, bit 4).
pub fn prepare(t: &mut Tour) -> Result {
    t.cli()?;
    t.outb(0x43, 0x34)?;
    t.outb(0x40, 0)?;
    t.outb(0x40, 0)?;
    t.mov(eax, dword_ptr(0x70 * 4))?;
    t.mov(dword_ptr(BEFORE), eax)?;
    t.address_of(handler)?;
    t.mov(word_ptr(0x70 * 4), ax)?;
    t.mov(word_ptr(0x70 * 4 + 2), 0)?;
    t.in_(al, 0xa1)?;
    t.mov(byte_ptr(MASK), al)?;
    t.and(al, 0xfe)?;
    t.out(0xa1, al)?;
    update_interrupt(t, true)?;
    t.sti()
}

/// Everything as it was.
pub fn finish(t: &mut Tour) -> Result {
    t.cli()?;
    update_interrupt(t, false)?;
    t.mov(al, byte_ptr(MASK))?;
    t.out(0xa1, al)?;
    t.mov(eax, dword_ptr(BEFORE))?;
    t.mov(dword_ptr(0x70 * 4), eax)?;
    t.sti()
}

fn update_interrupt(t: &mut Tour, on: bool) -> Result {
    t.outb(0x70, 0x0b)?;
    t.in_(al, 0x71)?;
    if on {
        t.or(al, 0x10)?;
    } else {
        t.and(al, 0xef)?;
    }
    t.mov(ah, al)?;
    t.outb(0x70, 0x0b)?;
    t.mov(al, ah)?;
    t.out(0x71, al)?;
    t.outb(0x70, 0x0c)?; // what has interrupted before is forgotten
    t.in_(al, 0x71)
}

/// Waits for a whole second of the real-time clock; then EAX are the clocks of the timer in it, and [`TICKS`] the ticks of the
/// time-stamp counter. Goes to `leave` if Esc is pressed.
pub fn second(t: &mut Tour, leave: CodeLabel) -> Result {
    edge(t, leave)?;
    t.push(dword_ptr(CLOCKS))?;
    t.push(dword_ptr(STAMP))?;
    edge(t, leave)?;
    t.mov(eax, dword_ptr(STAMP))?;
    t.pop(ecx)?;
    t.sub(eax, ecx)?;
    t.mov(dword_ptr(TICKS), eax)?;
    t.mov(eax, dword_ptr(CLOCKS))?;
    t.pop(ecx)?;
    t.sub(eax, ecx)
}

/// Goes to `wrong` if EAX is no second.
pub fn verdict(t: &mut Tour, wrong: CodeLabel) -> Result {
    t.sub(eax, HERTZ - TOLERANCE)?;
    t.cmp(eax, 2 * TOLERANCE)?;
    t.ja(wrong)
}

/// Waits for the real-time clock's interrupt.
fn edge(t: &mut Tour, leave: CodeLabel) -> Result {
    t.mov(byte_ptr(RANG), 0)?;
    let (wait, mut rang, tick) = (t.here()?, t.label(), t.library.tick);
    t.call(tick)?;
    t.cmp(ax, ESCAPE)?;
    t.je(leave)?;
    t.cmp(byte_ptr(RANG), 0)?;
    t.jne(rang)?;
    t.jmp(wait)?;
    t.bind(&mut rang)
}

/// Interrupt 8: takes the time of both other clocks.
fn handler(t: &mut Tour) -> Result {
    t.pushad()?;
    t.push(ds)?;
    t.xor(ax, ax)?;
    t.mov(ds, ax)?;
    clocks(t)?;
    t.mov(dword_ptr(CLOCKS), eax)?;
    t.rdtsc()?;
    t.mov(dword_ptr(STAMP), eax)?;
    t.outb(0x70, 0x0c)?;
    t.in_(al, 0x71)?;
    t.mov(byte_ptr(RANG), 1)?;
    t.outb(0xa0, 0x20)?;
    t.outb(0x20, 0x20)?;
    t.pop(ds)?;
    t.popad()?;
    t.iret()
}

/// EAX becomes the timer's clocks: its interrupts so far, and how far the count has come down.
fn clocks(t: &mut Tour) -> Result {
    t.outb(0x43, 0)?; // latch
    t.in_(al, 0x40)?;
    t.mov(bl, al)?;
    t.in_(al, 0x40)?;
    t.mov(bh, al)?;
    t.mov(ecx, dword_ptr(0x46c))?;
    // An interrupt that has not been served yet: the count has begun anew.
    t.outb(0x20, 0x0a)?;
    t.in_(al, 0x20)?;
    let mut served = t.label();
    t.test(al, 1)?;
    t.jz(served)?;
    t.test(bh, 0x80)?;
    t.jz(served)?;
    t.inc(ecx)?;
    t.bind(&mut served)?;
    t.shl(ecx, 16)?;
    t.movzx(eax, bx)?;
    t.sub(ecx, eax)?;
    t.mov(eax, ecx)
}
