//! The VGA BIOS: INT 10h (IBM VGA Technical Reference; Ralf Brown's Interrupt List) and VBE. It programs the adapter by its
//! registers, as programs do.

mod fonts;
mod graphics;
mod information;
mod mode;
mod modes;
mod palette;
mod text;
mod vbe;
mod vbe_modes;
mod vbe_tables;

pub use information::static_information;
pub use modes::parameter_table;
pub use text::print;
pub use vbe_modes::mode_list;

use crate::bda;
use crate::call::Call;
use crate::image::{INT10, VIDEO_SEGMENT, video_place};
use serde::{Deserialize, Serialize};

const ATTRIBUTE: u16 = 0x3c0;
const MISC_WRITE: u16 = 0x3c2;
const SEQUENCER: u16 = 0x3c4;
const DAC_MASK: u16 = 0x3c6;
const DAC_READ: u16 = 0x3c7;
const DAC_WRITE: u16 = 0x3c8;
const DAC_DATA: u16 = 0x3c9;
const GRAPHICS: u16 = 0x3ce;

/// What the VGA BIOS remembers outside of the BIOS data area.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VideoState {
    /// The present VBE mode, with its flags; zero in standard modes.
    pub vbe: u16,
    /// The DAC has eight bits a colour.
    pub dac8: bool,
    /// The monitor's power state, as VBE/PM numbers them; zero: on.
    pub power: u8,
}

/// The ROM's initialisation, called by POST: the vectors, the data area, and mode 3.
pub fn post(call: &mut Call<'_>) {
    call.set_vector(0x10, VIDEO_SEGMENT, INT10);
    call.set_vector(0x6d, VIDEO_SEGMENT, INT10);
    call.set_vector(0x1d, VIDEO_SEGMENT, video_place::PARAMETERS);
    call.set_vector(0x1f, VIDEO_SEGMENT, video_place::FONT_8X8 + 0x400);
    call.set_vector(0x43, VIDEO_SEGMENT, video_place::FONT_8X16);
    call.set_dword(bda::BASE + bda::VIDEO_SAVE, u32::from(VIDEO_SEGMENT) << 16 | u32::from(video_place::SAVE_POINTERS));
    call.set_bda(bda::VIDEO_OPTIONS, 0x60);
    call.set_bda(bda::VIDEO_SWITCHES, 0xf9);
    call.set_bda(bda::VIDEO_MODESET, 0x11); // VGA, 400 lines
    call.set_bda(bda::DISPLAY_CODE, 0x08);
    let equipment = call.bda_word(bda::EQUIPMENT) & !0x30;
    call.set_bda_word(bda::EQUIPMENT, equipment | 0x20);
    mode::set(call, 3);
    vbe_tables::fill_tables(call);
}

/// INT 10h.
pub fn service(call: &mut Call<'_>) {
    let regs = *call.regs;
    match regs.ah() {
        0x00 => mode::set(call, regs.al()),
        0x01 => text::set_cursor_shape(call, regs.cx()),
        0x02 => text::set_cursor(call, regs.bh(), regs.dl(), regs.dh()),
        0x03 => {
            let position = call.bda_word(bda::CURSORS + 2 * u64::from(regs.bh() & 7));
            let shape = call.bda_word(bda::CURSOR_SHAPE);
            call.regs.set_dx(position);
            call.regs.set_cx(shape);
        }
        0x04 => call.regs.set_ah(0), // no light pen
        0x05 => text::set_page(call, regs.al()),
        0x06 | 0x07 => text::scroll_window(call),
        0x08 => text::read_character(call),
        0x09 | 0x0a => text::write_characters(call),
        0x0b => palette::cga(call),
        0x0c => graphics::write_pixel(call),
        0x0d => graphics::read_pixel(call),
        0x0e => {
            let page = call.bda(bda::ACTIVE_PAGE);
            text::teletype(call, page, regs.al(), None, regs.bl());
        }
        0x0f => {
            let (mode, options) = (call.bda(bda::VIDEO_MODE), call.bda(bda::VIDEO_OPTIONS));
            let (columns, page) = (call.bda(bda::COLUMNS), call.bda(bda::ACTIVE_PAGE));
            call.regs.set_al(mode & 0x7f | options & 0x80);
            call.regs.set_ah(columns);
            call.regs.set_bh(page);
        }
        0x10 => palette::service(call),
        0x11 => fonts::service(call),
        0x12 => information::alternate(call),
        0x13 => text::write_string(call),
        0x1a => information::display_codes(call),
        0x1b => information::state(call),
        0x1c => information::save_restore(call),
        0x4f => vbe::service(call),
        _ => {}
    }
}

/// The CRT controller's port: 3D4h, or 3B4h in monochrome modes.
fn crtc_port(call: &mut Call<'_>) -> u16 {
    call.bda_word(bda::CRTC_PORT)
}

/// The present mode, if it is a standard one.
fn present(call: &mut Call<'_>) -> &'static modes::Mode {
    let number = call.bda(bda::VIDEO_MODE) & 0x7f;
    // A guest may write anything there.
    modes::find(number).unwrap_or(&modes::MODES[3])
}
