//! Page 8: the disk that all this came from, read whole and checked, and written to where nothing is.

use super::{BUFFERS, DRIVE, PAGE, Result, Tour};
use iced_x86::code_asm::*;

/// The BIOS's disk address packet.
const PACKET: u16 = PAGE;
/// The sum of all that was read; sectors to go.
const SUM: u16 = PAGE + 16;
const LEFT: u16 = PAGE + 20;
/// The BIOS's tick when it began.
const BEGAN: u16 = PAGE + 24;
/// The first sector that is nobody's.
const FREE: u32 = 2048;
/// Sectors at a time.
const CHUNK: u32 = 64;
/// How much is written and read back.
const TRIED: u32 = 1024;

pub fn write(t: &mut Tour) -> Result {
    t.page("The disk", "Any key goes back")?;
    let (mut bad, mut end) = (t.label(), t.label());
    t.say(3, 4, 0x1e, "The program, read again and added up:")?;
    check(t, bad)?;
    t.say(4, 6, 0x1a, "every word is right")?;
    t.say(7, 4, 0x1e, "512 KB behind it, written with numbers of chance and read back:")?;
    t.mov(eax, dword_ptr(0x46c))?;
    t.mov(dword_ptr(BEGAN), eax)?;
    write_and_read(t, bad)?;
    t.say(8, 6, 0x1a, "every word is right")?;
    t.mov(eax, dword_ptr(0x46c))?;
    t.sub(eax, dword_ptr(BEGAN))?;
    t.imul_3(eax, eax, 55)?;
    t.say_number(10, 6, 0x1f)?;
    t.say(10, 14, 0x17, "milliseconds for that, in steps of 55")?;
    t.jmp(end)?;
    t.bind(&mut bad)?;
    t.say(14, 6, 0x1c, "The disk is WRONG, or the BIOS cannot reach it.")?;
    t.bind(&mut end)?;
    t.xor(ah, ah)?;
    t.int(0x16)?;
    t.ret()
}

/// Reads or writes (INT 13h AH=42h, 43h) the sectors that the packet names; goes to `bad` if that fails.
fn transfer(t: &mut Tour, write: bool, bad: CodeLabel) -> Result {
    t.mov(si, u32::from(PACKET))?;
    t.mov(dl, byte_ptr(DRIVE))?;
    t.mov(ax, if write { 0x4300 } else { 0x4200 })?;
    t.int(0x13)?;
    t.jc(bad)
}

fn packet(t: &mut Tour, segment: u16, first: u32) -> Result {
    t.mov(dword_ptr(PACKET), CHUNK << 16 | 16)?;
    t.mov(word_ptr(PACKET + 4), 0)?;
    t.mov(word_ptr(PACKET + 6), u32::from(segment))?;
    t.mov(dword_ptr(PACKET + 8), first)?;
    t.mov(dword_ptr(PACKET + 12), 0)
}

/// Adds up everything from sector 1 to the free ones: the sum is zero.
pub fn check(t: &mut Tour, bad: CodeLabel) -> Result {
    packet(t, BUFFERS[0], 1)?;
    t.mov(dword_ptr(SUM), 0)?;
    t.mov(word_ptr(LEFT), FREE / CHUNK - 1)?;
    let chunk = t.here()?;
    transfer(t, false, bad)?;
    t.push(ds)?;
    t.mov(eax, dword_ptr(SUM))?;
    t.mov(bx, u32::from(BUFFERS[0]))?;
    t.mov(ds, bx)?;
    t.xor(si, si)?;
    t.mov(cx, CHUNK * 512 / 4)?;
    let word = t.here()?;
    t.add(eax, dword_ptr(si))?;
    t.add(si, 4)?;
    t.loop_(word)?;
    t.pop(ds)?;
    t.mov(dword_ptr(SUM), eax)?;
    t.add(dword_ptr(PACKET + 8), CHUNK)?;
    t.dec(word_ptr(LEFT))?;
    t.jnz(chunk)?;
    t.test(eax, eax)?;
    t.jnz(bad)
}

/// Writes numbers of chance, reads them into another buffer and compares.
pub fn write_and_read(t: &mut Tour, bad: CodeLabel) -> Result {
    packet(t, BUFFERS[0], FREE)?;
    t.mov(word_ptr(LEFT), TRIED / CHUNK)?;
    let chunk = t.here()?;
    // Knuth's generator, begun anew from the sector's number and the time.
    t.mov(eax, dword_ptr(PACKET + 8))?;
    t.add(eax, dword_ptr(0x46c))?;
    t.es_is_kept(BUFFERS[0])?;
    t.xor(di, di)?;
    t.mov(cx, CHUNK * 512 / 4)?;
    let word = t.here()?;
    t.imul_3(eax, eax, 1_664_525)?;
    t.add(eax, 1_013_904_223)?;
    t.stosd()?;
    t.loop_(word)?;
    t.mov(word_ptr(PACKET + 6), u32::from(BUFFERS[0]))?;
    transfer(t, true, bad)?;
    t.mov(word_ptr(PACKET + 2), CHUNK)?;
    t.mov(word_ptr(PACKET + 6), u32::from(BUFFERS[1]))?;
    transfer(t, false, bad)?;
    t.push(ds)?;
    t.es_is(BUFFERS[0])?;
    t.mov(ax, u32::from(BUFFERS[1]))?;
    t.mov(ds, ax)?;
    t.xor(si, si)?;
    t.xor(di, di)?;
    t.mov(cx, CHUNK * 512 / 4)?;
    t.repe().cmpsd()?;
    t.pop(ds)?;
    t.jne(bad)?;
    t.add(dword_ptr(PACKET + 8), CHUNK)?;
    t.dec(word_ptr(LEFT))?;
    t.jnz(chunk)
}

impl Tour {
    /// ES becomes this segment; EAX stays.
    fn es_is_kept(&mut self, segment: u16) -> Result {
        self.mov(bx, u32::from(segment))?;
        self.mov(es, bx)
    }
}
