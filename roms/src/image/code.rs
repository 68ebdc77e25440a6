//! The code of the ROMs: how a stub calls the host, and the few interrupt handlers that are more than that.

use crate::bda;
use crate::firmware::{FRAME_PORT, PORTS};
use crate::frame::BYTES;
use iced_x86::code_asm::*;
use iced_x86::{BlockEncoderOptions, IcedError};

/// The numbers by which stubs say what they are for. Below 100h it is the number of the interrupt.
pub mod service {
    #![allow(missing_docs, reason = "the names say it")]
    pub const POST: u16 = 0x100;
    pub const BOOT: u16 = 0x101;
    pub const NO_BOOT: u16 = 0x102;
    pub const VIDEO_POST: u16 = 0x103;
    pub const KEY: u16 = 0x109;
    pub const CLOCK: u16 = 0x170;
    pub const MOUSE: u16 = 0x174;
    pub const PCI32: u16 = 0x1b1;
    pub const APM32: u16 = 0x153;
}

/// Below the place where a boot sector is loaded.
pub const STACK_TOP: u32 = 0x7c00;
const DATA_SEGMENT: u32 = (bda::BASE >> 4) as u32;
/// Ticks of a day.
const DAY: u32 = 0x18_00b0;

type Asm = Result<(), IcedError>;

/// Pieces of code that were assembled together, and where each begins.
pub struct Code {
    /// The bytes, for the address that was asked for.
    pub bytes: Vec<u8>,
    /// Offsets of the pieces in the segment.
    pub at: Vec<u16>,
}

/// Assembles 16-bit code for this offset; the function gives the labels whose addresses are wanted.
pub fn assemble(
    origin: u16,
    write: impl FnOnce(&mut CodeAssembler) -> Result<Vec<CodeLabel>, IcedError>,
) -> Result<Code, IcedError> {
    let mut a = CodeAssembler::new(16)?;
    let labels = write(&mut a)?;
    let result = a.assemble_options(origin.into(), BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS)?;
    let at = labels.iter().map(|label| result.label_ip(label).map(|ip| ip as u16)).collect::<Result<_, _>>()?;
    Ok(Code { bytes: result.inner.code_buffer, at })
}

/// The way to the host, for code that has pushed flags, CS, IP and the number of the service, as `entry` does. It returns
/// by IRET.
pub fn gate(a: &mut CodeAssembler) -> Result<CodeLabel, IcedError> {
    let mut labels = [(); 6].map(|()| a.create_label());
    let [gate, again, halt, done, transfer, from] = &mut labels;
    a.set_label(gate)?;
    a.cli()?;
    // PUSH dword 0: the scratch field. With an immediate of four bytes: interpreters of BIOSes take a byte's for a word.
    a.db(&[0x66, 0x68, 0, 0, 0, 0])?;
    a.pushad()?;
    a.push(ds)?;
    a.push(es)?;
    a.push(fs)?;
    a.push(gs)?;
    a.cld()?;
    a.set_label(again)?;
    a.mov(ax, ss)?;
    a.mov(ds, ax)?;
    a.mov(es, ax)?;
    // The frame to the host; the write to the second port makes sure that it begins at its beginning.
    a.mov(dx, u32::from(PORTS) + 1)?;
    a.out(dx, al)?;
    a.mov(dx, u32::from(FRAME_PORT))?;
    a.mov(si, sp)?;
    a.mov(cx, BYTES as u32)?;
    a.rep().outsb()?;
    a.xor(eax, eax)?;
    a.mov(ax, ss)?;
    a.shl(eax, 4)?;
    a.movzx(ecx, sp)?;
    a.add(eax, ecx)?;
    a.mov(dx, u32::from(PORTS))?;
    a.out(dx, eax)?;
    a.in_(al, dx)?;
    // And back.
    a.mov(dx, u32::from(FRAME_PORT))?;
    a.mov(di, sp)?;
    a.mov(cx, BYTES as u32)?;
    a.rep().insb()?;
    a.cmp(al, 1)?;
    a.jb(*done)?;
    a.je(*halt)?;
    a.cmp(al, 2)?;
    a.ja(*transfer)?;
    a.sti()?;
    a.nop()?;
    a.cli()?;
    a.jmp(*again)?;
    a.set_label(halt)?;
    a.sti()?;
    a.hlt()?;
    a.cli()?;
    a.jmp(*again)?;
    // A piece of the caller's memory, by the caller's addresses: where it is (offset and segment), how long, its bytes.
    a.set_label(transfer)?;
    a.cmp(al, 4)?;
    a.ja(*done)?; // nobody answers: an interpreter lets no port through
    a.mov(bl, al)?;
    a.in_(eax, dx)?;
    a.mov(si, ax)?;
    a.mov(di, ax)?;
    a.shr(eax, 16)?;
    a.mov(ds, ax)?;
    a.mov(es, ax)?;
    a.in_(eax, dx)?;
    a.mov(cx, ax)?;
    a.cmp(bl, 3)?;
    a.jne(*from)?;
    a.rep().insb()?;
    a.jmp(*again)?;
    a.set_label(from)?;
    a.rep().outsb()?;
    a.jmp(*again)?;
    a.set_label(done)?;
    a.pop(gs)?;
    a.pop(fs)?;
    a.pop(es)?;
    a.pop(ds)?;
    a.popad()?;
    a.add(sp, 6)?;
    a.iret()?;
    Ok(*gate)
}

/// Calls a service from code in the ROM, whose registers it reads and changes.
fn call(a: &mut CodeAssembler, gate: CodeLabel, service: u16) -> Asm {
    let (mut stub, mut over) = (a.create_label(), a.create_label());
    a.pushf()?;
    a.push(cs)?;
    a.call(stub)?;
    a.jmp(over)?;
    a.set_label(&mut stub)?;
    entry(a, gate, service)?;
    a.set_label(&mut over)?;
    a.nop()
}

/// What stands at an interrupt's entry.
pub fn entry(a: &mut CodeAssembler, gate: CodeLabel, service: u16) -> Asm {
    let [low, high] = service.to_le_bytes();
    a.db(&[0x68, low, high])?; // PUSH imm16
    a.jmp(gate)
}

fn end_of_interrupt(a: &mut CodeAssembler, slave: bool) -> Asm {
    a.mov(al, 0x20)?;
    if slave {
        a.out(0xa0, al)?;
    }
    a.out(0x20, al)
}

/// Power-on: a stack, and POST; then whatever there is to boot.
pub fn power_on(a: &mut CodeAssembler, gate: CodeLabel, boot: CodeLabel) -> Result<CodeLabel, IcedError> {
    let mut start = a.create_label();
    a.set_label(&mut start)?;
    a.cli()?;
    a.xor(ax, ax)?;
    a.mov(ss, ax)?;
    a.mov(sp, STACK_TOP)?;
    call(a, gate, service::POST)?;
    a.jmp(boot)?;
    Ok(start)
}

/// INT 18h and 19h: a new stack, and a service whose return is the jump to the boot sector.
pub fn boot(a: &mut CodeAssembler, gate: CodeLabel, service: u16) -> Result<CodeLabel, IcedError> {
    let mut start = a.create_label();
    a.set_label(&mut start)?;
    a.cli()?;
    a.xor(ax, ax)?;
    a.mov(ss, ax)?;
    a.mov(sp, STACK_TOP)?;
    a.pushf()?;
    a.push(ax)?;
    a.push(ax)?;
    entry(a, gate, service)?;
    Ok(start)
}

/// INT 08h, the timer's tick: counts, stops the floppy's motor, and calls INT 1Ch.
pub fn tick(a: &mut CodeAssembler) -> Result<CodeLabel, IcedError> {
    let (mut start, mut day, mut motor) = (a.create_label(), a.create_label(), a.create_label());
    a.set_label(&mut start)?;
    a.push(eax)?;
    a.push(dx)?;
    a.push(ds)?;
    a.mov(ax, DATA_SEGMENT)?;
    a.mov(ds, ax)?;
    a.mov(eax, dword_ptr(bda::TICKS))?;
    a.inc(eax)?;
    a.cmp(eax, DAY)?;
    a.jb(day)?;
    a.xor(eax, eax)?;
    a.mov(byte_ptr(bda::MIDNIGHT), 1)?;
    a.set_label(&mut day)?;
    a.mov(dword_ptr(bda::TICKS), eax)?;
    a.cmp(byte_ptr(bda::FLOPPY_MOTOR_COUNT), 0)?;
    a.je(motor)?;
    a.dec(byte_ptr(bda::FLOPPY_MOTOR_COUNT))?;
    a.jne(motor)?;
    a.and(byte_ptr(bda::FLOPPY_MOTOR_COUNT - 1), 0xf0u32)?;
    a.mov(dx, 0x3f2)?;
    a.mov(al, 0x0c)?;
    a.out(dx, al)?;
    a.set_label(&mut motor)?;
    a.int(0x1c)?;
    a.cli()?;
    end_of_interrupt(a, false)?;
    a.pop(ds)?;
    a.pop(dx)?;
    a.pop(eax)?;
    a.iret()?;
    Ok(start)
}

/// INT 09h, the keyboard: asks INT 15h AH=4Fh, lets the host understand the key, and does what some keys ask for.
pub fn key(a: &mut CodeAssembler, gate: CodeLabel) -> Result<CodeLabel, IcedError> {
    let mut labels = [(); 7].map(|()| a.create_label());
    let [start, skip, no_print, no_break, no_request, wait, end] = &mut labels;
    a.set_label(start)?;
    a.push(eax)?;
    a.push(ds)?;
    a.mov(al, 0xad)?;
    a.out(0x64, al)?;
    a.in_(al, 0x60)?;
    a.mov(ah, 0x4f)?;
    a.stc()?;
    a.int(0x15)?;
    a.mov(ah, 0)?;
    a.jae(*skip)?;
    call(a, gate, service::KEY)?;
    a.set_label(skip)?;
    a.push(ax)?;
    end_of_interrupt(a, false)?;
    a.mov(al, 0xae)?;
    a.out(0x64, al)?;
    a.pop(ax)?;
    a.cmp(ah, 5)?;
    a.jne(*no_print)?;
    a.int(5)?;
    a.set_label(no_print)?;
    a.cmp(ah, 0x1b)?;
    a.jne(*no_break)?;
    a.int(0x1b)?;
    a.set_label(no_break)?;
    a.cmp(ah, 0x85)?;
    a.jne(*no_request)?;
    a.int(0x15)?;
    a.jmp(*end)?;
    a.set_label(no_request)?;
    a.cmp(ah, 0xff)?;
    a.jne(*end)?;
    // Pause: until another key clears the bit.
    a.mov(ax, DATA_SEGMENT)?;
    a.mov(ds, ax)?;
    a.set_label(wait)?;
    a.sti()?;
    a.hlt()?;
    a.test(byte_ptr(bda::SHIFT_FLAGS_2), 8)?;
    a.jne(*wait)?;
    a.set_label(end)?;
    a.pop(ds)?;
    a.pop(eax)?;
    a.iret()?;
    Ok(labels[0])
}

/// INT 74h, the mouse: when a packet is whole, the program's handler gets it on the stack.
pub fn mouse(a: &mut CodeAssembler, gate: CodeLabel) -> Result<CodeLabel, IcedError> {
    let (mut start, mut end) = (a.create_label(), a.create_label());
    a.set_label(&mut start)?;
    a.pushad()?;
    a.push(ds)?;
    a.push(es)?;
    call(a, gate, service::MOUSE)?;
    a.cmp(ah, 1)?;
    a.jne(end)?;
    a.push(esi)?; // the handler's address
    a.mov(bp, sp)?;
    a.push(bx)?; // status
    a.push(cx)?; // X
    a.push(dx)?; // Y
    a.push(di)?; // Z
    a.sti()?;
    a.db(&[0xff, 0x5e, 0x00])?; // CALL FAR [BP+0]
    a.cli()?;
    a.add(sp, 12)?;
    a.set_label(&mut end)?;
    end_of_interrupt(a, true)?;
    a.pop(es)?;
    a.pop(ds)?;
    a.popad()?;
    a.iret()?;
    Ok(start)
}

/// INT 70h, the real-time clock: waits and alarms.
pub fn clock(a: &mut CodeAssembler, gate: CodeLabel) -> Result<CodeLabel, IcedError> {
    let (mut start, mut end) = (a.create_label(), a.create_label());
    a.set_label(&mut start)?;
    a.push(eax)?;
    call(a, gate, service::CLOCK)?;
    a.cmp(ah, 1)?;
    a.jne(end)?;
    a.sti()?;
    a.int(0x4a)?;
    a.cli()?;
    a.set_label(&mut end)?;
    end_of_interrupt(a, true)?;
    a.pop(eax)?;
    a.iret()?;
    Ok(start)
}

/// INT 75h, the coprocessor's error: to where programs of the PC expect it, the NMI.
pub fn coprocessor(a: &mut CodeAssembler) -> Result<CodeLabel, IcedError> {
    let mut start = a.create_label();
    a.set_label(&mut start)?;
    a.push(ax)?;
    a.xor(al, al)?;
    a.out(0xf0, al)?;
    end_of_interrupt(a, true)?;
    a.int(2)?;
    a.pop(ax)?;
    a.iret()?;
    Ok(start)
}

/// An interrupt that a drive raises: notes it by setting a bit of the BIOS data area.
pub fn drive(a: &mut CodeAssembler, offset: u64, bit: u32, slave: bool) -> Result<CodeLabel, IcedError> {
    let mut start = a.create_label();
    a.set_label(&mut start)?;
    a.push(ax)?;
    a.push(ds)?;
    a.mov(ax, DATA_SEGMENT)?;
    a.mov(ds, ax)?;
    a.or(byte_ptr(offset), bit)?;
    end_of_interrupt(a, slave)?;
    a.pop(ds)?;
    a.pop(ax)?;
    a.iret()?;
    Ok(start)
}

/// A service for callers in protected mode with flat segments, entered by a far call (BIOS32 Service Directory 0.4; PCI BIOS
/// 2.1; APM 1.2).
pub fn flat_entry(origin: u16, service: u16) -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(32)?;
    let [low, high] = service.to_le_bytes();
    // The same frame as in real mode: words for flags, CS, IP, service and segment registers.
    a.db(&[0x66, 0x9c, 0x66, 0x0e, 0x66, 0x6a, 0x00, 0x66, 0x68, low, high, 0x6a, 0x00])?;
    a.cli()?;
    a.pushad()?;
    a.db(&[0x66, 0x1e, 0x66, 0x06, 0x66, 0x0f, 0xa0, 0x66, 0x0f, 0xa8])?;
    a.cld()?;
    a.push(ss)?;
    a.pop(ds)?;
    a.push(ss)?;
    a.pop(es)?;
    a.mov(edx, u32::from(PORTS) + 1)?;
    a.out(dx, al)?;
    a.mov(edx, u32::from(FRAME_PORT))?;
    a.mov(esi, esp)?;
    a.mov(ecx, BYTES as u32)?;
    a.rep().outsb()?;
    a.mov(edx, u32::from(PORTS))?;
    a.mov(eax, esp)?;
    a.out(dx, eax)?;
    a.mov(edx, u32::from(FRAME_PORT))?;
    a.mov(edi, esp)?;
    a.mov(ecx, BYTES as u32)?;
    a.rep().insb()?;
    a.db(&[0x66, 0x0f, 0xa9, 0x66, 0x0f, 0xa1, 0x66, 0x07, 0x66, 0x1f])?;
    a.popad()?;
    a.add(esp, 10)?;
    a.db(&[0x66, 0x9d])?; // POPF
    a.retf()?;
    a.assemble(origin.into())
}

/// The BIOS32 service directory's entry: where the PCI BIOS is.
pub fn directory(origin: u16, pci: u16) -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(32)?;
    let mut unknown = a.create_label();
    a.cmp(eax, u32::from_le_bytes(*b"$PCI") as i32)?;
    a.jne(unknown)?;
    a.mov(ebx, 0xf_0000)?;
    a.mov(ecx, 0x1_0000)?;
    a.mov(edx, u32::from(pci))?;
    a.xor(al, al)?;
    a.retf()?;
    a.set_label(&mut unknown)?;
    a.mov(al, 0x80)?;
    a.retf()?;
    a.assemble(origin.into())
}
