//! The last page: a test of each part, and a verdict, which also goes to COM1 so that programs can read it.

use super::{CANVAS, FAILURES, PAGE, Result, Tour, disk, timers};
use iced_x86::code_asm::*;

/// Where the stack was before the timers' test.
const STACK: u16 = PAGE + 64;

type Test = fn(&mut Tour, CodeLabel) -> Result;

/// The tests; each goes to its second argument if it fails.
const TESTS: [(&str, Test); 7] = [
    ("arithmetic", arithmetic),
    ("floating point", floating_point),
    ("memory", memory),
    ("screen memory", screen_memory),
    ("keyboard controller", keyboard_controller),
    ("timers", timer),
    ("disk", disk_test),
];

pub fn write(t: &mut Tour) -> Result {
    t.page("Self-test", "")?;
    t.mov(word_ptr(FAILURES), 0)?;
    let serial = t.library.serial;
    for (number, (name, test)) in TESTS.iter().enumerate() {
        let row = 3 + 2 * number as u16;
        t.say(row, 8, 0x1f, &format!("{name} {}", ".".repeat(32 - name.len())))?;
        let (mut wrong, mut done) = (t.label(), t.label());
        test(t, wrong)?;
        let text = t.data.text(&format!("tour: {name}: ok\r\n"));
        t.say(row, 44, 0x1a, "ok")?;
        t.mov(si, u32::from(text))?;
        t.call(serial)?;
        t.jmp(done)?;
        t.bind(&mut wrong)?;
        t.inc(word_ptr(FAILURES))?;
        let text = t.data.text(&format!("tour: {name}: FAILED\r\n"));
        t.say(row, 44, 0x1c, "FAILED")?;
        t.mov(si, u32::from(text))?;
        t.call(serial)?;
        t.bind(&mut done)?;
    }
    let (mut failed, mut end) = (t.label(), t.label());
    t.cmp(word_ptr(FAILURES), 0)?;
    t.jne(failed)?;
    t.say(19, 8, 0x2f, " Everything works as it should. ")?;
    let text = t.data.text("tour: everything works\r\n");
    t.mov(si, u32::from(text))?;
    t.call(serial)?;
    t.jmp(end)?;
    t.bind(&mut failed)?;
    t.say(19, 8, 0x4f, " Something is wrong with this machine. ")?;
    t.bind(&mut end)?;
    t.say(24, 0, 0x70, &format!(" {:<79}", "Any key goes back"))?;
    t.xor(ah, ah)?;
    t.int(0x16)?;
    t.ret()
}

/// A few known results, and that a product divides back.
fn arithmetic(t: &mut Tour, wrong: CodeLabel) -> Result {
    t.mov(eax, 0xdead_beefu32)?;
    t.mov(ebx, 0xcafe_babeu32)?;
    t.mul(ebx)?;
    t.cmp(edx, ((0xdead_beefu64 * 0xcafe_babe) >> 32) as u32)?;
    t.jne(wrong)?;
    t.cmp(eax, (0xdead_beefu64 * 0xcafe_babe) as u32)?;
    t.jne(wrong)?;
    t.div(ebx)?;
    t.cmp(eax, 0xdead_beefu32)?;
    t.jne(wrong)?;
    t.mov(al, 0x79)?;
    t.add(al, 0x35)?;
    t.daa()?;
    t.jnc(wrong)?;
    t.cmp(al, 0x14)?;
    t.jne(wrong)?;
    t.mov(eax, 0x8000_0001u32)?;
    t.rol(eax, 4)?;
    t.cmp(eax, 0x18)?;
    t.jne(wrong)
}

/// A thousand million roots of two, and of pi.
fn floating_point(t: &mut Tour, wrong: CodeLabel) -> Result {
    t.fninit()?;
    t.mov(dword_ptr(PAGE), 2)?;
    t.mov(dword_ptr(PAGE + 4), 1_000_000_000)?;
    t.fild(dword_ptr(PAGE))?;
    t.fsqrt()?;
    t.fimul(dword_ptr(PAGE + 4))?;
    t.fistp(dword_ptr(PAGE))?;
    t.cmp(dword_ptr(PAGE), 1_414_213_562)?;
    t.jne(wrong)?;
    t.mov(dword_ptr(PAGE + 4), 100_000_000)?;
    t.fldpi()?;
    t.fimul(dword_ptr(PAGE + 4))?;
    t.fistp(dword_ptr(PAGE))?;
    t.cmp(dword_ptr(PAGE), 314_159_265)?;
    t.jne(wrong)
}

/// A segment that is nobody's: numbers that are each another, up and down.
fn memory(t: &mut Tour, wrong: CodeLabel) -> Result {
    t.es_is(CANVAS)?;
    for round in 0..2 {
        t.xor(di, di)?;
        t.mov(eax, 0x1234_5678 + round)?;
        t.mov(cx, 0x4000)?;
        let fill = t.here()?;
        t.stosd()?;
        t.imul_3(eax, eax, 1_664_525)?;
        t.add(eax, 1_013_904_223)?;
        t.loop_(fill)?;
        t.xor(di, di)?;
        t.mov(eax, 0x1234_5678 + round)?;
        t.mov(cx, 0x4000)?;
        let compare = t.here()?;
        t.scasd()?;
        t.jne(wrong)?;
        t.imul_3(eax, eax, 1_664_525)?;
        t.add(eax, 1_013_904_223)?;
        t.loop_(compare)?;
    }
    Ok(())
}

/// The second half of the text page's memory keeps what is written there.
fn screen_memory(t: &mut Tour, wrong: CodeLabel) -> Result {
    t.es_is(0xb900)?;
    for pattern in [0xaa55, 0x55aa, 0x0000] {
        t.xor(di, di)?;
        t.mov(ax, pattern)?;
        t.mov(cx, 0x800)?;
        t.rep().stosw()?;
        t.xor(di, di)?;
        t.mov(cx, 0x800)?;
        t.repe().scasw()?;
        t.jne(wrong)?;
    }
    Ok(())
}

/// The controller's test of its own interface (command ABh) finds nothing.
fn keyboard_controller(t: &mut Tour, wrong: CodeLabel) -> Result {
    t.cli()?;
    for (bit, full) in [(2, false), (1, true)] {
        t.xor(cx, cx)?;
        let (again, mut done) = (t.here()?, t.label());
        t.in_(al, 0x64)?;
        t.test(al, bit)?;
        if full {
            t.jnz(done)?;
        } else {
            t.jz(done)?;
        }
        t.loop_(again)?;
        t.sti()?;
        t.jmp(wrong)?;
        t.bind(&mut done)?;
        if !full {
            t.outb(0x64, 0xab)?;
        }
    }
    t.in_(al, 0x60)?;
    t.sti()?;
    t.test(al, al)?;
    t.jnz(wrong)
}

/// The interval timer against the real-time clock. Esc ends the wait, and the test fails.
fn timer(t: &mut Tour, wrong: CodeLabel) -> Result {
    let (mut leave, mut right) = (t.label(), t.label());
    t.mov(word_ptr(STACK), sp)?;
    timers::prepare(t)?;
    timers::second(t, leave)?;
    timers::verdict(t, leave)?;
    timers::finish(t)?;
    t.jmp(right)?;
    t.bind(&mut leave)?;
    t.mov(sp, word_ptr(STACK))?;
    timers::finish(t)?;
    t.jmp(wrong)?;
    t.bind(&mut right)
}

fn disk_test(t: &mut Tour, wrong: CodeLabel) -> Result {
    disk::check(t, wrong)?;
    disk::write_and_read(t, wrong)
}
