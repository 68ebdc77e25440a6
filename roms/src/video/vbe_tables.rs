//! What VBE's functions tell of adapter, modes and monitor: blocks that the code of the ROM hands out by itself, once they are
//! written into it ([`fill_tables`]), and that this file makes anew for callers whom it could not answer.

use super::vbe::{FAILED, OK, memory};
use super::vbe_modes::{self, VbeMode};
use crate::call::{Call, linear};
use crate::image::{CONTROLLER_BYTES, MODE_BYTES, MONITOR_BYTES, VIDEO_ROM_BYTES, VIDEO_SEGMENT, video_place};
use crate::pci;

/// Where the linear frame buffer is.
fn frame_buffer(call: &mut Call<'_>) -> u32 {
    let functions = pci::functions(call);
    let adapter = functions.into_iter().find(|devfn| pci::read(call, *devfn, 0x0a, 2) == 0x0300);
    adapter.map_or(0, |devfn| pci::read(call, devfn, 0x10, 4) & !15)
}

/// Where the adapter's registers in memory are; the monitor's description is at their start.
fn registers(call: &mut Call<'_>) -> Option<u64> {
    let functions = pci::functions(call);
    let adapter = functions.into_iter().find(|devfn| pci::read(call, *devfn, 0x0a, 2) == 0x0300)?;
    let base = pci::read(call, adapter, 0x18, 4) & !15;
    (base != 0).then_some(base.into())
}

/// What the monitor says of itself.
fn monitor(call: &mut Call<'_>) -> Option<Vec<u8>> {
    let base = registers(call)?;
    let block: Vec<u8> = (0..MONITOR_BYTES as u64).map(|offset| call.machine.mmio_read(base + offset)).collect();
    (block[..8] == [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]).then_some(block)
}

/// AL=15h (VBE/DDC 1.1): the monitor's description, for callers whom the ROM's own code could not answer.
pub(super) fn display_data_channel(call: &mut Call<'_>) -> u16 {
    match call.regs.bl() {
        _ if call.regs.cx() != 0 => FAILED,
        0 => {
            call.regs.set_bx(0x0002); // DDC2, and no time to speak of
            OK
        }
        1 => {
            let Some(block) = monitor(call) else { return FAILED };
            let to = linear(call.regs.es, call.regs.di());
            call.give(to, &block);
            OK
        }
        _ => FAILED,
    }
}

/// Whether a mode has room in video memory.
pub(super) fn fits(mode: &VbeMode, memory: u32) -> bool {
    u32::from(mode.pitch()) * u32::from(mode.height) <= memory
}

/// Puts what the code of the ROM answers by itself where it looks for it, which is possible until the ROM is locked.
pub fn fill_tables(call: &mut Call<'_>) {
    let Some(memory) = memory(call) else { return };
    let [_, bytes] = CONTROLLER_BYTES;
    call.write(linear(VIDEO_SEGMENT, video_place::VBE_CONTROLLER), &controller_block(memory, true)[..bytes]);
    let frame = frame_buffer(call);
    let mut table = Vec::new();
    for mode in vbe_modes::all().filter(|mode| fits(mode, memory)) {
        table.extend(mode.number.to_le_bytes());
        table.extend(&mode_block(&mode, memory, frame)[..MODE_BYTES]);
    }
    table.extend([0xff, 0xff]);
    debug_assert!(usize::from(video_place::VBE_MODES) + table.len() < usize::from(video_place::VBE_MONITOR));
    call.write(linear(VIDEO_SEGMENT, video_place::VBE_MODES), &table);
    if let Some(block) = monitor(call) {
        call.write(linear(VIDEO_SEGMENT, video_place::VBE_MONITOR), &block);
    }
    // The ROM's bytes still sum up to nothing.
    let rom = call.bytes(linear(VIDEO_SEGMENT, 0), VIDEO_ROM_BYTES);
    let last = rom.iter().fold(rom[VIDEO_ROM_BYTES - 1], |last, byte| last.wrapping_sub(*byte));
    call.set_byte(linear(VIDEO_SEGMENT, VIDEO_ROM_BYTES as u16 - 1), last);
}

/// AL=00h, for callers whom the ROM's own code could not answer: another program's copy of it, say, made before POST.
pub(super) fn controller(call: &mut Call<'_>, memory: u32) -> u16 {
    let buffer = linear(call.regs.es, call.regs.di());
    let Some(wish) = call.borrow(buffer, 4) else { return OK };
    let block = controller_block(memory, wish == b"VBE2");
    call.give(buffer, &block);
    OK
}

fn controller_block(memory: u32, two: bool) -> Vec<u8> {
    let mut block = vec![0u8; if two { 512 } else { 256 }];
    let far = |offset: u16| (u32::from(VIDEO_SEGMENT) << 16 | u32::from(offset)).to_le_bytes();
    block[..4].copy_from_slice(b"VESA");
    block[4..6].copy_from_slice(&0x0300u16.to_le_bytes());
    block[6..10].copy_from_slice(&far(video_place::OEM));
    block[10..14].copy_from_slice(&1u32.to_le_bytes()); // the DAC can have 8 bits
    block[14..18].copy_from_slice(&far(video_place::MODES));
    block[18..20].copy_from_slice(&((memory >> 16) as u16).to_le_bytes());
    if two {
        block[20..22].copy_from_slice(&1u16.to_le_bytes());
        let names = [video_place::OEM, video_place::OEM + 9, video_place::OEM];
        for (at, name) in (22..).step_by(4).zip(names) {
            block[at..at + 4].copy_from_slice(&far(name));
        }
    }
    block
}

/// AL=01h, likewise.
pub(super) fn mode_information(call: &mut Call<'_>, memory: u32) -> u16 {
    let Some(mode) = vbe_modes::find(call.regs.cx() & 0x1ff).filter(|mode| fits(mode, memory)) else { return FAILED };
    let frame = frame_buffer(call);
    let buffer = linear(call.regs.es, call.regs.di());
    call.give(buffer, &mode_block(&mode, memory, frame));
    OK
}

fn mode_block(mode: &VbeMode, memory: u32, frame: u32) -> [u8; 256] {
    let mut block = [0u8; 256];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    let word = u16::to_le_bytes;
    // Supported, with all information, in colours, pixels; with a linear frame buffer if that has an address.
    put(0, &word(if frame != 0 { 0x9b } else { 0x1b }));
    put(2, &[7, 0]); // window A: there, readable, writable
    put(4, &word(64));
    put(6, &word(64));
    put(8, &word(0xa000));
    put(12, &(u32::from(VIDEO_SEGMENT) << 16 | u32::from(video_place::WINDOW)).to_le_bytes());
    put(16, &word(mode.pitch()));
    put(18, &word(mode.width));
    put(20, &word(mode.height));
    let bytes = u32::from(mode.pitch()) * u32::from(mode.height);
    let pages = (memory / bytes).clamp(1, 256) as u8;
    // Characters of 8 by 16, one plane, one bank; packed pixels or direct colours.
    put(22, &[8, 16, 1, mode.bits, 1, if mode.bits == 8 { 4 } else { 6 }, 0, pages.wrapping_sub(1), 1]);
    let masks: [u8; 9] = match mode.bits {
        15 => [5, 10, 5, 5, 5, 0, 1, 15, 0],
        16 => [5, 11, 6, 5, 5, 0, 0, 0, 0],
        24 => [8, 16, 8, 8, 8, 0, 0, 0, 0],
        32 => [8, 16, 8, 8, 8, 0, 8, 24, 2],
        _ => [0; 9],
    };
    put(31, &masks);
    put(40, &frame.to_le_bytes());
    put(50, &word(mode.pitch()));
    put(52, &[pages.wrapping_sub(1), pages.wrapping_sub(1)]);
    put(54, &masks[..8]);
    put(62, &230_000_000u32.to_le_bytes());
    block
}
