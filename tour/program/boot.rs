//! The boot sector: reads the rest by the BIOS's extended services (EDD 3.0, INT 13h AH=42h) and goes there.

use super::{CODE, DATA, DRIVE, Result, TABLES};
use iced_x86::code_asm::*;

/// Where the BIOS puts it.
const ORIGIN: u16 = 0x7c00;
/// The packet that says what to read is built here.
const PACKET: u16 = 0x0600;
/// Sectors in one go; some BIOSes do no more than 127.
const AT_ONCE: u16 = 32;

/// The sector, for so many sectors of texts and code and so many of tables behind it.
pub fn sector(low: u16, tables: u16) -> Result<Vec<u8>> {
    let mut a = CodeAssembler::new(16)?;
    let (mut read, mut failed, mut start, mut print) =
        (a.create_label(), a.create_label(), a.create_label(), a.create_label());
    // Disks' boot sectors begin with a jump; partition tables and BIOS parameter blocks are looked for behind it.
    a.jmp(start)?;
    a.db(&[0x90; 60])?;
    a.set_label(&mut start)?;
    a.cli()?;
    a.xor(ax, ax)?;
    a.mov(ds, ax)?;
    a.mov(es, ax)?;
    a.mov(ss, ax)?;
    a.mov(sp, u32::from(ORIGIN))?;
    a.sti()?;
    a.cld()?;
    a.mov(byte_ptr(DRIVE), dl)?;
    // The packet: 16 bytes long, sectors, offset and segment, the first sector in 64 bits.
    a.mov(dword_ptr(PACKET + 8), 1)?;
    a.mov(dword_ptr(PACKET + 12), 0)?;
    a.mov(word_ptr(PACKET), 16)?;
    for (count, offset, segment) in [(low, DATA, 0), (tables, 0, TABLES)] {
        a.mov(word_ptr(PACKET + 4), u32::from(offset))?;
        a.mov(word_ptr(PACKET + 6), u32::from(segment))?;
        a.mov(cx, u32::from(count))?;
        a.call(read)?;
    }
    a.jmp(u64::from(CODE))?;

    // Reads CX sectors; the packet goes on.
    a.set_label(&mut read)?;
    let mut fits = a.create_label();
    a.mov(ax, u32::from(AT_ONCE))?;
    a.cmp(cx, ax)?;
    a.jae(fits)?;
    a.mov(ax, cx)?;
    a.set_label(&mut fits)?;
    a.mov(word_ptr(PACKET + 2), ax)?;
    a.push(ax)?;
    a.push(cx)?;
    a.mov(si, u32::from(PACKET))?;
    a.mov(dl, byte_ptr(DRIVE))?;
    a.mov(ah, 0x42)?;
    a.int(0x13)?;
    a.pop(cx)?;
    a.pop(ax)?;
    a.jc(failed)?;
    a.sub(cx, ax)?;
    a.movzx(eax, ax)?;
    a.add(dword_ptr(PACKET + 8), eax)?;
    a.shl(ax, 5)?; // in paragraphs
    a.add(word_ptr(PACKET + 6), ax)?;
    a.test(cx, cx)?;
    a.jnz(read)?;
    a.ret()?;

    a.set_label(&mut failed)?;
    a.call(print)?;
    a.db(b"The disk cannot be read.\r\n\0")?;
    a.set_label(&mut print)?;
    a.pop(si)?;
    let (mut next, mut end) = (a.create_label(), a.create_label());
    a.set_label(&mut next)?;
    a.lodsb()?;
    a.test(al, al)?;
    a.jz(end)?;
    a.mov(ah, 0x0e)?;
    a.mov(bx, 7)?;
    a.int(0x10)?;
    a.jmp(next)?;
    a.set_label(&mut end)?;
    a.hlt()?;
    a.jmp(end)?;

    let mut sector = a.assemble(ORIGIN.into())?;
    assert!(sector.len() <= 446, "the partition table begins at 446, the sector has {}", sector.len());
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    Ok(sector)
}
