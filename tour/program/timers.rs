//! Page 7: three clocks against one another: a second of the real-time clock in ticks of the interval timer and of the
//! processor's time-stamp counter.

use super::{PAGE, Result, Tour};
use iced_x86::code_asm::*;

/// The 8254's clocks in a second: 105/88 MHz, as the PC has them.
const HERTZ: u32 = 1_193_182;
/// More than this in a second off is wrong (0.2 %).
const TOLERANCE: u32 = 2_400;
/// When the second began, in clocks of the timer; the counter's value then.
const CLOCKS: u16 = PAGE;
const STAMP: u16 = PAGE + 4;
/// How many seconds were measured; where the stack was before.
const SECONDS: u16 = PAGE + 12;
const STACK: u16 = PAGE + 16;

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
    prepare(t)?;
    let (again, mut leave) = (t.here()?, t.label());
    second(t, leave)?;
    t.push(eax)?;
    t.say_number(6, 40, 0x1f)?;
    t.mov(eax, dword_ptr(STAMP))?;
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
    t.ret()
}

/// Counter 0 becomes a rate generator with the longest period, whose count is clocks (mode 2; BIOSes use mode 3).
pub fn prepare(t: &mut Tour) -> Result {
    t.mov(word_ptr(STACK), sp)?;
    t.cli()?;
    t.outb(0x43, 0x34)?;
    t.outb(0x40, 0)?;
    t.outb(0x40, 0)?;
    t.sti()
}

/// Waits for a whole second of the real-time clock; then EAX and [`CLOCKS`] are the clocks of the timer in it, and [`STAMP`]
/// the ticks of the time-stamp counter. Goes to `leave` if Esc is pressed.
pub fn second(t: &mut Tour, leave: CodeLabel) -> Result {
    edge(t, leave)?;
    t.push(eax)?;
    t.rdtsc()?;
    t.push(eax)?;
    edge(t, leave)?;
    t.mov(ebx, eax)?;
    t.rdtsc()?;
    t.pop(ecx)?;
    t.sub(eax, ecx)?;
    t.mov(dword_ptr(STAMP), eax)?;
    t.pop(eax)?;
    t.sub(ebx, eax)?;
    t.mov(eax, ebx)?;
    t.mov(dword_ptr(CLOCKS), eax)
}

/// Goes to `wrong` if EAX is no second.
pub fn verdict(t: &mut Tour, wrong: CodeLabel) -> Result {
    t.sub(eax, HERTZ - TOLERANCE)?;
    t.cmp(eax, 2 * TOLERANCE)?;
    t.ja(wrong)
}

/// Waits until the clock shows another second; EAX is the timer's clocks then.
fn edge(t: &mut Tour, leave: CodeLabel) -> Result {
    t.outb(0x70, 0)?;
    t.in_(al, 0x71)?;
    t.mov(bl, al)?;
    let (same, mut changed) = (t.here()?, t.label());
    let mut no_key = t.label();
    t.outb(0x70, 0)?;
    t.in_(al, 0x71)?;
    t.cmp(al, bl)?;
    t.jne(changed)?;
    t.push(bx)?;
    t.mov(ah, 1)?;
    t.int(0x16)?;
    t.pop(bx)?;
    t.jz(no_key)?;
    t.xor(ah, ah)?;
    t.int(0x16)?;
    t.cmp(al, 0x1b)?;
    t.jne(no_key)?;
    t.mov(sp, word_ptr(STACK))?; // whatever is on it
    t.jmp(leave)?;
    t.bind(&mut no_key)?;
    t.jmp(same)?;
    t.bind(&mut changed)?;
    clocks(t)
}

/// EAX becomes the timer's clocks: its interrupts so far, and how far the count has come down.
fn clocks(t: &mut Tour) -> Result {
    t.cli()?;
    t.outb(0x43, 0)?; // latch
    t.in_(al, 0x40)?;
    t.mov(bl, al)?;
    t.in_(al, 0x40)?;
    t.mov(bh, al)?;
    t.mov(ecx, dword_ptr(0x46c))?;
    // An interrupt that has not been served yet: the count has begun anew.
    t.outb(0x20, 0x0a)?;
    t.in_(al, 0x20)?;
    t.sti()?;
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
