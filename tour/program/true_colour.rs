//! Page 4: 800 by 600 in true colour through VBE 2.0's linear frame buffer, which lies far above the first megabyte: GS gets
//! a limit of 4 GiB in protected mode and keeps it afterwards ("unreal mode").

use super::data::{FAR, HEIGHT, NEAR, SHORE, SKY, WIDTH};
use super::{PAGE, Result, TABLES, Tour};
use iced_x86::code_asm::*;

/// VBE's blocks: the controller's, and that of a mode.
const CONTROLLER: u16 = 0x0800;
const MODE: u16 = 0x0a00;
/// The frame buffer's address, and the bytes of a row.
const BASE: u16 = PAGE;
const PITCH: u16 = PAGE + 4;
/// Where the sun stands, and the square of its radius.
const SUN: (u32, u32) = (560, 300);
const RADIUS_2: u32 = 62 * 62;

pub fn write(t: &mut Tour) -> Result {
    let (mut none, mut wait) = (t.label(), t.label());
    find_mode(t, none)?;
    t.push(gs)?;
    reach_everything(t)?;
    t.push(fs)?;
    t.mov(ax, u32::from(TABLES))?;
    t.mov(fs, ax)?;
    draw(t)?;
    t.pop(fs)?;
    t.pop(gs)?;
    t.jmp(wait)?;
    t.bind(&mut none)?;
    t.page("A picture in true colour", "Any key goes back")?;
    t.say(12, 12, 0x1e, "The video BIOS offers no mode of 800 by 600 in 32 bits.")?;
    t.bind(&mut wait)?;
    t.xor(ah, ah)?;
    t.int(0x16)?;
    t.ret()
}

/// Looks through the list of modes and sets the one that fits; goes to `none` if there is none.
fn find_mode(t: &mut Tour, none: CodeLabel) -> Result {
    t.xor(ax, ax)?;
    t.mov(es, ax)?;
    t.mov(di, u32::from(CONTROLLER))?;
    t.mov(dword_ptr(di), u32::from_le_bytes(*b"VBE2"))?;
    t.mov(ax, 0x4f00)?;
    t.int(0x10)?;
    t.cmp(ax, 0x004f)?;
    t.jne(none)?;
    t.mov(si, word_ptr(CONTROLLER + 14))?;
    let (next, mut found) = (t.here()?, t.label());
    t.mov(ax, word_ptr(CONTROLLER + 16))?;
    t.mov(es, ax)?;
    t.mov(cx, word_ptr(si).es())?;
    t.add(si, 2)?;
    t.cmp(cx, 0xffff)?;
    t.je(none)?;
    t.xor(ax, ax)?;
    t.mov(es, ax)?;
    t.mov(di, u32::from(MODE))?;
    t.mov(ax, 0x4f01)?;
    t.push(si)?;
    t.push(cx)?;
    t.int(0x10)?;
    t.pop(cx)?;
    t.pop(si)?;
    t.cmp(ax, 0x004f)?;
    t.jne(next)?;
    t.test(byte_ptr(MODE), 0x80)?; // a linear frame buffer
    t.jz(next)?;
    t.cmp(word_ptr(MODE + 18), WIDTH as u32)?;
    t.jne(next)?;
    t.cmp(word_ptr(MODE + 20), HEIGHT as u32)?;
    t.jne(next)?;
    t.cmp(byte_ptr(MODE + 25), 32)?;
    t.je(found)?;
    t.jmp(next)?;
    t.bind(&mut found)?;
    t.mov(eax, dword_ptr(MODE + 40))?;
    t.mov(dword_ptr(BASE), eax)?;
    t.movzx(eax, word_ptr(MODE + 16))?;
    t.mov(dword_ptr(PITCH), eax)?;
    t.mov(bx, cx)?;
    t.or(bx, 0x4000)?;
    t.mov(ax, 0x4f02)?;
    t.int(0x10)?;
    t.cmp(ax, 0x004f)?;
    t.jne(none)
}

/// Opens A20 and gives GS base 0 and a limit of 4 GiB.
fn reach_everything(t: &mut Tour) -> Result {
    t.in_(al, 0x92)?;
    t.or(al, 2)?;
    t.and(al, 0xfe)?;
    t.out(0x92, al)?;
    let gdt = t.data.add(&[0u64, 0x008f_9200_0000_ffff].map(u64::to_le_bytes).concat());
    let gdtr = t.data.add(&[15, 0, gdt as u8, (gdt >> 8) as u8, 0, 0]);
    t.cli()?;
    t.lgdt(word_ptr(gdtr))?;
    t.mov(eax, cr0)?;
    t.or(al, 1)?;
    t.mov(cr0, eax)?;
    let mut protected = t.label();
    t.jmp(protected)?;
    t.bind(&mut protected)?;
    t.mov(bx, 8)?;
    t.mov(gs, bx)?;
    t.and(al, 0xfe)?;
    t.mov(cr0, eax)?;
    let mut real = t.label();
    t.jmp(real)?;
    t.bind(&mut real)?;
    t.xor(ax, ax)?;
    t.mov(gs, ax)?; // the selector's base is 0 again, the limit stays
    t.sti()
}

/// A sun that sets behind hills, over water. FS is on the tables.
fn draw(t: &mut Tour) -> Result {
    t.mov(edi, dword_ptr(BASE))?;
    t.xor(ebp, ebp)?; // the row on the screen
    let row = t.here()?;
    // In the water, EBX is the row of which this is the mirror image, squeezed together and unquiet.
    let mut air = t.label();
    t.mov(ebx, ebp)?;
    t.cmp(ebx, SHORE as u32)?;
    t.jb(air)?;
    t.sub(ebx, SHORE as u32)?;
    t.mov(eax, ebx)?;
    t.add(ebx, ebx)?;
    t.neg(ebx)?;
    t.add(ebx, SHORE as u32 - 1)?;
    t.test(al, 4)?;
    t.jz(air)?;
    t.sub(ebx, 9)?;
    t.bind(&mut air)?;
    t.xor(ecx, ecx)?;
    t.push(edi)?;
    let column = t.here()?;
    let (mut store, mut far, mut sky, mut near) = (t.label(), t.label(), t.label(), t.label());
    t.mov(esi, ecx)?;
    t.add(esi, esi)?;
    t.movzx(edx, word_ptr(esi + u32::from(NEAR)).fs())?;
    t.cmp(ebx, edx)?;
    t.jge(near)?;
    t.movzx(edx, word_ptr(esi + u32::from(FAR)).fs())?;
    t.cmp(ebx, edx)?;
    t.jge(far)?;
    // The sun's disc, yellow at its top.
    t.mov(eax, ecx)?;
    t.sub(eax, SUN.0)?;
    t.imul_2(eax, eax)?;
    t.mov(edx, ebx)?;
    t.sub(edx, SUN.1)?;
    t.imul_2(edx, edx)?;
    t.add(eax, edx)?;
    t.cmp(eax, RADIUS_2)?;
    t.ja(sky)?;
    t.mov(eax, 0xff_f0b0)?;
    t.mov(edx, ebx)?;
    t.sub(edx, SUN.1 - 62)?;
    t.shl(edx, 8)?;
    t.sub(eax, edx)?;
    t.jmp(store)?;
    t.bind(&mut sky)?;
    t.mov(esi, ebx)?;
    t.mov(eax, dword_ptr(esi * 4 + u32::from(SKY)).fs())?;
    t.jmp(store)?;
    t.bind(&mut far)?;
    t.mov(eax, 0x4a_2e5e)?;
    t.jmp(store)?;
    t.bind(&mut near)?;
    t.mov(eax, 0x1c_1630)?;
    t.bind(&mut store)?;
    // Water is darker: three quarters of each part.
    let mut bright = t.label();
    t.cmp(ebp, SHORE as u32)?;
    t.jb(bright)?;
    t.mov(edx, eax)?;
    t.shr(edx, 2)?;
    t.and(edx, 0x3f_3f3f)?;
    t.sub(eax, edx)?;
    t.bind(&mut bright)?;
    t.mov(dword_ptr(edi).gs(), eax)?;
    t.add(edi, 4)?;
    t.inc(ecx)?;
    t.cmp(ecx, WIDTH as u32)?;
    t.jb(column)?;
    t.pop(edi)?;
    t.add(edi, dword_ptr(PITCH))?;
    t.inc(ebp)?;
    t.cmp(ebp, HEIGHT as u32)?;
    t.jb(row)
}
