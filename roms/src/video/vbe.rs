//! VBE 3.0 (VESA BIOS Extension Core Functions Standard), over the DISPI interface of the adapter (ports 1CEh and 1CFh).

use super::modes::Colours;
use super::vbe_modes::{self, VbeMode};
use super::vbe_tables::{controller, display_data_channel, fits, mode_information};
use super::{DAC_DATA, DAC_READ, DAC_WRITE, SEQUENCER, mode, modes, palette};
use crate::bda;
use crate::call::{Call, linear};
use lyrebird_core::dispi::enable::{EIGHT_BIT_DAC, ENABLED, LFB_ENABLED, NOCLEARMEM};
use lyrebird_core::dispi::{self, register};

const SUPPORTED: u8 = 0x4f;
pub(super) const OK: u16 = 0x004f;
pub(super) const FAILED: u16 = 0x014f;
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
pub(super) fn memory(call: &mut Call<'_>) -> Option<u32> {
    let id = read(call, register::ID);
    if !(0xb0c0..=0xb0cf).contains(&id) {
        return None;
    }
    Some(match read(call, register::VIDEO_MEMORY_64K) {
        0 | 0xffff => 4 << 20,
        blocks => u32::from(blocks) << 16,
    })
}

/// Back to the standard registers.
pub fn disable(call: &mut Call<'_>) {
    // Any mode turns the screen on.
    call.state.video.power = 0;
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
        0x10 => power(call),
        0x15 => display_data_channel(call),
        _ => FAILED,
    };
    call.regs.set_ax(result);
    debug_assert_eq!(result as u8, SUPPORTED);
}

/// AL=10h: the monitor's power (VESA BIOS Extensions/Power Management 1.0). In all states but "on" the screen is off.
fn power(call: &mut Call<'_>) -> u16 {
    /// Standby, suspend, off: a bit each, which is the state's number, too.
    const STATES: u8 = 0b111;
    let wanted = call.regs.bh();
    match call.regs.bl() {
        0x00 => call.regs.set_bx(u16::from(STATES) << 8 | 0x10),
        0x01 if wanted == 0 || wanted & STATES == wanted && wanted.is_power_of_two() => {
            let clocking = call.in_indexed(SEQUENCER, 1) & !0x20;
            call.out_indexed(SEQUENCER, 1, clocking | if wanted == 0 { 0 } else { 0x20 });
            call.state.video.power = wanted;
        }
        0x02 => {
            let bx = u16::from(call.state.video.power) << 8 | 2;
            call.regs.set_bx(bx);
        }
        _ => return FAILED,
    }
    OK
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
