//! VBE 3.0 (VESA BIOS Extension Core Functions Standard), over the DISPI interface of the adapter (ports 1CEh and 1CFh).

use super::modes::Colours;
use super::vbe_modes::{self, VbeMode};
use super::{DAC_DATA, DAC_READ, DAC_WRITE, mode, modes, palette};
use crate::bda;
use crate::call::{Call, linear};
use crate::image::{CONTROLLER_BYTES, MODE_BYTES, MONITOR_BYTES, VIDEO_ROM_BYTES, VIDEO_SEGMENT, video_place};
use crate::pci;
use lyrebird_core::dispi::enable::{EIGHT_BIT_DAC, ENABLED, LFB_ENABLED, NOCLEARMEM};
use lyrebird_core::dispi::{self, register};

const SUPPORTED: u8 = 0x4f;
const OK: u16 = 0x004f;
const FAILED: u16 = 0x014f;
const NOT_NOW: u16 = 0x034f;
/// Flags of a mode's number: linear frame buffer, memory kept.
const WANT_LINEAR: u16 = 0x4000;
const WANT_KEPT: u16 = 0x8000;

fn read(call: &mut Call<'_>, index: u16) -> u16 {
    call.machine.port_write(dispi::INDEX_PORT, 2, index.into());
    call.machine.port_read(dispi::DATA_PORT, 2) as u16
}

fn write(call: &mut Call<'_>, index: u16, value: u16) {
    call.machine.port_write(dispi::INDEX_PORT, 2, index.into());
    call.machine.port_write(dispi::DATA_PORT, 2, value.into());
}

/// Bytes of video memory, if the adapter has the interface.
fn memory(call: &mut Call<'_>) -> Option<u32> {
    let id = read(call, register::ID);
    if !(0xb0c0..=0xb0cf).contains(&id) {
        return None;
    }
    Some(match read(call, register::VIDEO_MEMORY_64K) {
        0 | 0xffff => 4 << 20,
        blocks => u32::from(blocks) << 16,
    })
}

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
fn display_data_channel(call: &mut Call<'_>) -> u16 {
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

/// Back to the standard registers.
pub fn disable(call: &mut Call<'_>) {
    if call.state.video.vbe != 0 {
        write(call, register::ENABLE, 0);
        call.state.video.vbe = 0;
        call.state.video.dac8 = false;
    } else if memory(call).is_some() && read(call, register::ENABLE) & ENABLED != 0 {
        write(call, register::ENABLE, 0); // a program used the interface by itself
    }
}

/// INT 10h AH=4Fh.
pub fn service(call: &mut Call<'_>) {
    let Some(memory) = memory(call) else { return };
    let result = match call.regs.al() {
        0x00 => controller(call, memory),
        0x01 => mode_information(call, memory),
        0x02 => set_mode(call, memory),
        0x03 => {
            let standard = call.bda(bda::VIDEO_MODE);
            let vbe = call.state.video.vbe;
            call.regs.set_bx(if vbe == 0 { standard.into() } else { vbe });
            OK
        }
        0x04 => state(call),
        0x05 => window(call, memory),
        0x06 => line_length(call, memory),
        0x07 => display_start(call),
        0x08 => dac_width(call),
        0x09 => colours(call),
        0x15 => display_data_channel(call),
        _ => FAILED,
    };
    call.regs.set_ax(result);
    debug_assert_eq!(result as u8, SUPPORTED);
}

fn fits(mode: &VbeMode, memory: u32) -> bool {
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
fn controller(call: &mut Call<'_>, memory: u32) -> u16 {
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
fn mode_information(call: &mut Call<'_>, memory: u32) -> u16 {
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

/// AL=02h.
fn set_mode(call: &mut Call<'_>, memory: u32) -> u16 {
    let wanted = call.regs.bx();
    let number = wanted & 0x1ff;
    if number < 0x100 {
        if modes::find(number as u8 & 0x7f).is_none() {
            return FAILED;
        }
        mode::set(call, number as u8 & 0x7f | if wanted & WANT_KEPT != 0 { 0x80 } else { 0 });
        return OK;
    }
    let Some(found) = vbe_modes::find(number).filter(|mode| fits(mode, memory)) else { return FAILED };
    disable(call);
    // Colours and registers of a mode with a byte a pixel; then the interface takes over.
    mode::registers(call, &modes::MODES[14]);
    palette::reset(call, Colours::Vga);
    let status = call.bda_word(bda::CRTC_PORT) + 6;
    call.inb(status);
    call.outb(super::ATTRIBUTE, 0x20);
    write(call, register::ENABLE, 0);
    write(call, register::XRES, found.width);
    write(call, register::YRES, found.height);
    write(call, register::BPP, found.bits.into());
    let flags =
        if wanted & WANT_LINEAR != 0 { LFB_ENABLED } else { 0 } | if wanted & WANT_KEPT != 0 { NOCLEARMEM } else { 0 };
    write(call, register::ENABLE, ENABLED | flags);
    write(call, register::BANK, 0);
    call.state.video.vbe = wanted & (0x1ff | WANT_LINEAR | WANT_KEPT);
    // Characters drawn by the standard functions have nowhere to go.
    call.set_bda(bda::VIDEO_MODE, 0x7f);
    call.set_bda_word(bda::COLUMNS, found.width / 8);
    call.set_bda(bda::ROWS, (found.height / 16 - 1) as u8);
    call.set_bda_word(bda::CHAR_HEIGHT, 16);
    OK
}

fn active(call: &Call<'_>) -> Option<VbeMode> {
    vbe_modes::find(call.state.video.vbe & 0x1ff).filter(|_| call.state.video.vbe != 0)
}

/// AL=04h: the interface's registers, behind what AH=1Ch keeps.
fn state(call: &mut Call<'_>) -> u16 {
    const KEPT: [u16; 9] = [
        register::XRES,
        register::YRES,
        register::BPP,
        register::VIRT_WIDTH,
        register::X_OFFSET,
        register::Y_OFFSET,
        register::BANK,
        register::VIRT_HEIGHT,
        register::ENABLE,
    ];
    const BYTES: u64 = 64;
    let regs = *call.regs;
    let buffer = linear(regs.es, regs.bx());
    let ours = regs.cx() & 8 != 0;
    let blocks = if ours { 1 } else { 0 };
    call.regs.set_al(regs.dl());
    call.regs.set_cx(regs.cx() & 7);
    call.regs.set_bx(regs.bx().wrapping_add(if ours { BYTES as u16 } else { 0 }));
    match regs.dl() {
        0 => {
            super::information::save_restore(call);
            let rest = if regs.cx() & 7 != 0 { call.regs.bx() } else { 0 };
            call.regs.set_bx(rest + blocks);
            call.regs.set_cx(regs.cx());
            return OK;
        }
        1 => {
            if ours {
                let words = KEPT.map(|index| read(call, index));
                let bytes: Vec<u8> =
                    words.into_iter().chain([call.state.video.vbe]).flat_map(u16::to_le_bytes).collect();
                call.give(buffer, &bytes);
            }
            super::information::save_restore(call);
        }
        2 => {
            super::information::save_restore(call);
            if ours {
                let Some(bytes) = call.borrow(buffer, 20) else { return OK };
                let words: Vec<u16> =
                    bytes.chunks_exact(2).map(|word| u16::from_le_bytes([word[0], word[1]])).collect();
                write(call, register::ENABLE, 0);
                let enable = words[8];
                if enable & ENABLED != 0 {
                    KEPT[..3].iter().zip(&words).for_each(|(index, value)| write(call, *index, *value));
                    write(call, register::ENABLE, enable | NOCLEARMEM);
                    KEPT[3..7].iter().zip(&words[3..]).for_each(|(index, value)| write(call, *index, *value));
                }
                call.state.video.vbe = words[9];
            }
        }
        _ => return FAILED,
    }
    call.regs.set_bx(regs.bx());
    call.regs.set_cx(regs.cx());
    OK
}

/// AL=05h.
fn window(call: &mut Call<'_>, memory: u32) -> u16 {
    let regs = *call.regs;
    if regs.bl() != 0 || active(call).is_none() {
        return FAILED;
    }
    if call.state.video.vbe & WANT_LINEAR != 0 {
        return NOT_NOW;
    }
    match regs.bh() {
        0 if u32::from(regs.dx()) < memory >> 16 => write(call, register::BANK, regs.dx()),
        1 => {
            let bank = read(call, register::BANK);
            call.regs.set_dx(bank);
        }
        _ => return FAILED,
    }
    OK
}

/// AL=06h.
fn line_length(call: &mut Call<'_>, memory: u32) -> u16 {
    let Some(mode) = active(call) else { return NOT_NOW };
    let bytes = u16::from(mode.bits).div_ceil(8);
    let most = (memory / u32::from(mode.height) / u32::from(bytes)).min(0xfff8) as u16;
    let pixels = match call.regs.bl() {
        0 => Some(call.regs.cx()),
        2 => Some(call.regs.cx().div_ceil(bytes)),
        1 => None,
        3 => {
            call.regs.set_bx(most.saturating_mul(bytes));
            call.regs.set_cx(most);
            call.regs.set_dx(mode.height);
            return OK;
        }
        _ => return FAILED,
    };
    if let Some(pixels) = pixels {
        if pixels < mode.width || pixels > most {
            return 0x024f;
        }
        write(call, register::VIRT_WIDTH, pixels.next_multiple_of(8));
    }
    let width = read(call, register::VIRT_WIDTH).max(1);
    let pitch = u32::from(width) * u32::from(bytes);
    call.regs.set_bx(pitch.min(0xffff) as u16);
    call.regs.set_cx(width);
    call.regs.set_dx((memory / pitch.max(1)).min(0xffff) as u16);
    OK
}

/// AL=07h.
fn display_start(call: &mut Call<'_>) -> u16 {
    if active(call).is_none() {
        return NOT_NOW;
    }
    let regs = *call.regs;
    match regs.bl() {
        0 | 0x80 => {
            write(call, register::X_OFFSET, regs.cx());
            write(call, register::Y_OFFSET, regs.dx());
        }
        1 => {
            let (x, y) = (read(call, register::X_OFFSET), read(call, register::Y_OFFSET));
            call.regs.set_bh(0);
            call.regs.set_cx(x);
            call.regs.set_dx(y);
        }
        _ => return FAILED,
    }
    OK
}

/// AL=08h.
fn dac_width(call: &mut Call<'_>) -> u16 {
    match active(call) {
        None => return NOT_NOW,
        Some(mode) if mode.bits > 8 => return NOT_NOW,
        _ => {}
    }
    match call.regs.bl() {
        0 => {
            let wide = call.regs.bh() >= 8;
            call.state.video.dac8 = wide;
            let enable = read(call, register::ENABLE) & !EIGHT_BIT_DAC;
            write(call, register::ENABLE, enable | NOCLEARMEM | if wide { EIGHT_BIT_DAC } else { 0 });
        }
        1 => {}
        _ => return FAILED,
    }
    let bits = if call.state.video.dac8 { 8 } else { 6 };
    call.regs.set_bh(bits);
    OK
}

/// AL=09h: entries of blue, green, red and a byte of nothing.
fn colours(call: &mut Call<'_>) -> u16 {
    let regs = *call.regs;
    let (first, count) = (regs.dx(), regs.cx().min(256));
    let at = linear(regs.es, regs.di());
    if first > 255 {
        return FAILED;
    }
    match regs.bl() {
        0 | 0x80 => {
            let Some(bytes) = call.borrow(at, usize::from(count) * 4) else { return OK };
            call.outb(DAC_WRITE, first as u8);
            for entry in bytes.chunks_exact(4) {
                [entry[2], entry[1], entry[0]].into_iter().for_each(|part| call.outb(DAC_DATA, part));
            }
        }
        1 => {
            call.outb(DAC_READ, first as u8);
            let mut bytes = Vec::new();
            for _ in 0..count {
                let [red, green, blue] = [(); 3].map(|()| call.inb(DAC_DATA));
                bytes.extend([blue, green, red, 0]);
            }
            call.give(at, &bytes);
        }
        _ => return 0x024f,
    }
    OK
}
