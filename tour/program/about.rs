//! Page 9: what the processor and the BIOS say of themselves.

use super::library::place;
use super::{ATTRIBUTE, PAGE, Result, Tour};
use iced_x86::code_asm::*;

/// A text from CPUID, and an entry of the memory map.
const NAME: u16 = PAGE;
const ENTRY: u16 = PAGE + 64;

pub fn write(t: &mut Tour) -> Result {
    t.page("About this machine", "Any key goes back")?;
    t.say(2, 4, 0x1e, "Processor")?;
    name(t)?;
    features(t)?;
    t.say(9, 4, 0x1e, "Memory, as the BIOS has it (INT 15h AX=E820h)")?;
    memory(t)?;
    t.xor(ah, ah)?;
    t.int(0x16)?;
    t.ret()
}

/// The maker's twelve letters and, where there are such, the 48 of the model's name.
fn name(t: &mut Tour) -> Result {
    let print = t.library.print;
    t.xor(eax, eax)?;
    t.cpuid()?;
    t.mov(dword_ptr(NAME), ebx)?;
    t.mov(dword_ptr(NAME + 4), edx)?;
    t.mov(dword_ptr(NAME + 8), ecx)?;
    t.mov(byte_ptr(NAME + 12), 0)?;
    show(t, 3, print)?;
    let mut none = t.label();
    t.mov(eax, 0x8000_0000u32)?;
    t.cpuid()?;
    t.cmp(eax, 0x8000_0004u32)?;
    t.jb(none)?;
    for part in 0..3u16 {
        t.mov(eax, 0x8000_0002u32 + u32::from(part))?;
        t.cpuid()?;
        for (register, offset) in [(eax, 0), (ebx, 4), (ecx, 8), (edx, 12)] {
            t.mov(dword_ptr(NAME + part * 16 + offset), register)?;
        }
    }
    t.mov(byte_ptr(NAME + 48), 0)?;
    show(t, 4, print)?;
    t.bind(&mut none)
}

fn show(t: &mut Tour, row: u16, print: CodeLabel) -> Result {
    t.mov(si, u32::from(NAME))?;
    t.mov(di, place(row, 6))?;
    t.mov(ah, 0x1f)?;
    t.call(print)
}

/// Leaf 1: those features that people know, bright if they are there.
fn features(t: &mut Tour) -> Result {
    t.mov(eax, 1)?;
    t.cpuid()?;
    t.mov(dword_ptr(PAGE), edx)?;
    t.mov(dword_ptr(PAGE + 4), ecx)?;
    let mut column = 6;
    for (name, register, bit) in [
        ("FPU", PAGE, 0),
        ("TSC", PAGE, 4),
        ("PAE", PAGE, 6),
        ("APIC", PAGE, 9),
        ("CMOV", PAGE, 15),
        ("MMX", PAGE, 23),
        ("SSE", PAGE, 25),
        ("SSE2", PAGE, 26),
        ("SSE3", PAGE + 4, 0),
        ("SSSE3", PAGE + 4, 9),
        ("SSE4.1", PAGE + 4, 19),
        ("SSE4.2", PAGE + 4, 20),
        ("AVX", PAGE + 4, 28u32),
    ] {
        let mut missing = t.label();
        t.say(6, column, 0x18, name)?;
        t.test(dword_ptr(register), 1 << bit)?;
        t.jz(missing)?;
        t.say(6, column, 0x1a, name)?;
        t.bind(&mut missing)?;
        column += name.len() as u16 + 1;
    }
    Ok(())
}

/// The map: where, how long, and of what kind.
fn memory(t: &mut Tour) -> Result {
    let (hex, number) = (t.library.hex, t.library.number);
    t.mov(word_ptr(PAGE + 96), place(11, 6))?;
    t.xor(ebx, ebx)?;
    let (next, mut end) = (t.here()?, t.label());
    t.xor(ax, ax)?;
    t.mov(es, ax)?;
    t.mov(di, u32::from(ENTRY))?;
    t.mov(eax, 0xe820)?;
    t.mov(edx, 0x534d_4150)?; // "SMAP"
    t.mov(ecx, 20)?;
    t.int(0x15)?;
    t.jc(end)?;
    t.push(ebx)?;
    t.es_is(0xb800)?;
    t.mov(di, word_ptr(PAGE + 96))?;
    t.mov(byte_ptr(ATTRIBUTE), 0x1f)?;
    for start in [0, 8] {
        for byte in (0..8).rev() {
            t.mov(al, byte_ptr(ENTRY + start + byte))?;
            t.call(hex)?;
        }
        t.add(di, 6)?;
    }
    t.mov(eax, dword_ptr(ENTRY + 16))?;
    t.push(eax)?;
    t.call(number)?;
    t.pop(eax)?;
    let mut other = t.label();
    t.cmp(al, 1)?;
    t.jne(other)?;
    let (text, print) = (t.data.text(" memory"), t.library.print);
    t.mov(si, u32::from(text))?;
    t.mov(ah, 0x1a)?;
    t.call(print)?;
    t.bind(&mut other)?;
    t.add(word_ptr(PAGE + 96), 160)?;
    t.pop(ebx)?;
    t.cmp(word_ptr(PAGE + 96), place(23, 0))?;
    t.jae(end)?;
    t.test(ebx, ebx)?;
    t.jnz(next)?;
    t.bind(&mut end)
}
