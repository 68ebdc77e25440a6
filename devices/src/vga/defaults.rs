//! Text mode 3, as a video BIOS leaves it: for kernels that are started without one.

use super::chip::{Chip, attribute, crtc, graphics, sequencer};
use super::vram::Vram;

/// 80 by 25 characters of 9 by 16 dots, in 16 colours: what goes to the miscellaneous output register and the four controllers.
const MISC: u8 = 0x67;
const SEQUENCER: [u8; sequencer::COUNT] = [0x03, 0x00, 0x03, 0x00, 0x02];
const CRTC: [u8; crtc::COUNT] = [
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f,
    0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
];
const GRAPHICS: [u8; graphics::COUNT] = [0, 0, 0, 0, 0, 0x10, 0x0e, 0x0f, 0xff];
const ATTRIBUTE: [u8; attribute::COUNT] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f,
    0x08, 0x00,
];

/// Sets the mode up, with a font, the colours of the EGA, and an empty screen.
pub fn text_mode(chip: &mut Chip, vram: &Vram, font: &[[u8; 16]; 256]) {
    let mut put = |port: u16, value: u8| chip.write(port, value);
    put(0x3c2, MISC);
    let indexed = |put: &mut dyn FnMut(u16, u8), port: u16, values: &[u8]| {
        for (index, value) in (0..).zip(values) {
            put(port, index);
            put(port + 1, *value);
        }
    };
    indexed(&mut put, 0x3c4, &SEQUENCER);
    put(0x3d4, crtc::RETRACE_END as u8);
    put(0x3d5, 0); // the first eight may be written now
    indexed(&mut put, 0x3d4, &CRTC);
    indexed(&mut put, 0x3ce, &GRAPHICS);
    chip.start_attribute();
    for (index, value) in (0..).zip(ATTRIBUTE) {
        chip.write(0x3c0, index);
        chip.write(0x3c0, value);
    }
    chip.write(0x3c0, attribute::PALETTE_ADDRESS_SOURCE);
    chip.write(0x3c6, 0xff);
    chip.write(0x3c8, 0);
    for number in 0..64u8 {
        // EGA: two bits for each of red, green and blue, the strong ones in bits 2 to 0.
        for (strong, weak) in [(2, 5), (1, 4), (0, 3)] {
            chip.write(0x3c9, 0x2a * (number >> strong & 1) + 0x15 * (number >> weak & 1));
        }
    }
    for (character, rows) in (0..).zip(font) {
        for (row, bits) in (0..).zip(rows) {
            vram.set_word(character * 32 + row, u32::from(*bits) << 16, 0xff_0000);
        }
    }
    for place in (0..0x8000).step_by(2) {
        vram.set_word(place, 0x0720, 0xffff);
    }
}
