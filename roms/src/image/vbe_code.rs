//! The services of VBE that are real code, over tables that POST has filled: what the adapter, a mode, the monitor are. Programs
//! that interpret the BIOS ask for these with no port that answers (hwinfo does), so nothing here may need one.

use super::video_rom::place;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

/// Bytes of the controller's description that are not zero: of VBE 1.2, and of later ones.
pub const CONTROLLER_BYTES: [usize; 2] = [20, 34];
/// Bytes of a mode's description that are not zero.
pub const MODE_BYTES: usize = 66;
/// Bytes of the monitor's description.
pub const MONITOR_BYTES: usize = 128;

/// What stands before the way to the host in INT 10h: AX=4F00h, AX=4F01h and AX=4F15h return from here.
pub fn services(a: &mut CodeAssembler, host: CodeLabel) -> Result<(), IcedError> {
    let mut labels = [(); 11].map(|()| a.create_label());
    let [mode, next, found, old, copy, done, failed, ours, standard, monitor, block] = &mut labels;
    a.cmp(ah, 0x4f)?;
    a.jne(host)?;
    a.cmp(al, 1)?;
    a.jbe(*standard)?;
    a.cmp(al, 0x15)?;
    a.jne(host)?;
    a.cmp(word_ptr(place::VBE_MONITOR).cs(), 0)?; // 00h, FFh
    a.je(host)?;
    a.cmp(bl, 1)?;
    a.jbe(*ours)?;
    a.jmp(host)?;
    a.set_label(standard)?;
    a.cmp(word_ptr(place::VBE_CONTROLLER).cs(), 0)?;
    a.jne(*ours)?;
    a.jmp(host)?;
    a.set_label(ours)?;
    a.cld()?;
    a.push(ds)?;
    a.push(si)?;
    a.push(di)?;
    a.push(cx)?;
    a.push(dx)?;
    a.push(cs)?;
    a.pop(ds)?;
    a.cmp(al, 1)?;
    a.je(*mode)?;
    a.ja(*monitor)?;
    // The caller says that it wants more than VBE 1.2 by what it has put into its buffer.
    a.mov(si, u32::from(place::VBE_CONTROLLER))?;
    let [first, second] = [*b"VB", *b"E2"].map(|pair| i32::from(u16::from_le_bytes(pair)));
    a.cmp(word_ptr(di).es(), first)?;
    a.jne(*old)?;
    a.cmp(word_ptr(di + 2).es(), second)?;
    a.jne(*old)?;
    a.mov(cx, CONTROLLER_BYTES[1] as u32 / 2)?;
    a.mov(dx, (512 - CONTROLLER_BYTES[1] as u32) / 2)?;
    a.jmp(*copy)?;
    a.set_label(old)?;
    a.mov(cx, CONTROLLER_BYTES[0] as u32 / 2)?;
    a.mov(dx, (256 - CONTROLLER_BYTES[0] as u32) / 2)?;
    a.jmp(*copy)?;
    // VBE/DDC 1.1. Which of the monitor's blocks is wanted: there is one, and BIOSes with one do not ask (get-edid says 1).
    a.set_label(monitor)?;
    a.cmp(cx, 0)?; // there is one adapter, too
    a.jne(*failed)?;
    a.cmp(bl, 0)?;
    a.jne(*block)?;
    a.mov(bx, 0x0002)?; // DDC2, and no time to speak of
    a.mov(ax, 0x004f)?;
    a.jmp(*done)?;
    a.set_label(block)?;
    a.mov(si, u32::from(place::VBE_MONITOR))?;
    a.mov(cx, MONITOR_BYTES as u32 / 2)?;
    a.xor(dx, dx)?;
    a.jmp(*copy)?;
    // The mode's number is without its flags.
    a.set_label(mode)?;
    a.and(cx, 0x1ff)?;
    a.mov(si, u32::from(place::VBE_MODES))?;
    a.set_label(next)?;
    a.lodsw()?;
    a.cmp(ax, cx)?;
    a.je(*found)?;
    a.add(si, MODE_BYTES as i32)?;
    a.cmp(ax, -1)?;
    a.jne(*next)?;
    a.jmp(*failed)?;
    a.set_label(found)?;
    a.mov(cx, MODE_BYTES as u32 / 2)?;
    a.mov(dx, (256 - MODE_BYTES as u32) / 2)?;
    a.set_label(copy)?;
    a.rep().movsw()?;
    a.mov(cx, dx)?;
    a.xor(ax, ax)?;
    a.rep().stosw()?;
    a.mov(ax, 0x004f)?;
    a.set_label(done)?;
    a.pop(dx)?;
    a.pop(cx)?;
    a.pop(di)?;
    a.pop(si)?;
    a.pop(ds)?;
    a.iret()?;
    a.set_label(failed)?;
    a.mov(ax, 0x014f)?;
    a.jmp(*done)
}
