//! What the monitor says of itself (VESA E-EDID Standard, release A, revision 2: EDID 1.4): any of the usual modes, best 1280 by 800.
//! QEMU's adapter shows these bytes at the start of its registers in memory, and so does this one.

/// A block, which is all there is.
pub const EDID_BYTES: usize = 128;

/// EISA's three letters, each in five bits.
const fn maker(letters: [u8; 3]) -> [u8; 2] {
    let number = (letters[0] as u16 & 0x1f) << 10 | (letters[1] as u16 & 0x1f) << 5 | letters[2] as u16 & 0x1f;
    number.to_be_bytes()
}

/// Standard timings at 60 Hz: a width in units of 8 from 256 on, and the shape (0: 16 to 10, 1: 4 to 3, 2: 5 to 4, 3: 16 to 9).
const STANDARD: [(u16, u8); 8] =
    [(1280, 2), (1600, 1), (1920, 3), (1920, 0), (1680, 0), (1440, 0), (1280, 0), (1280, 3)];

/// The preferred mode, by VESA's coordinated video timings: clock in 10 kHz, then for each direction the visible part, the
/// blank part, the front porch and the pulse.
const CLOCK: u16 = 8350;
const ACROSS: [u16; 4] = [1280, 400, 72, 128];
const DOWN: [u16; 4] = [800, 31, 3, 6];
/// The picture in millimetres.
const SIZE: [u16; 2] = [320, 200];

/// Section 3.10.2.
fn detailed_timing() -> [u8; 18] {
    let high = |a: u16, b: u16| (a >> 8 << 4 | b >> 8) as u8;
    let [clock_low, clock_high] = CLOCK.to_le_bytes();
    let ([x, x_blank, x_front, x_pulse], [y, y_blank, y_front, y_pulse]) = (ACROSS, DOWN);
    let porches = (x_front >> 8 << 6 | x_pulse >> 8 << 4 | y_front >> 4 << 2 | y_pulse >> 4) as u8;
    [
        clock_low,
        clock_high,
        x as u8,
        x_blank as u8,
        high(x, x_blank),
        y as u8,
        y_blank as u8,
        high(y, y_blank),
        x_front as u8,
        x_pulse as u8,
        (y_front << 4 | y_pulse & 15) as u8,
        porches,
        SIZE[0] as u8,
        SIZE[1] as u8,
        high(SIZE[0], SIZE[1]),
        0,
        0,
        0x1c, // digital, separate synchronisation, the vertical one positive
    ]
}

/// A display descriptor (3.10.3): its tag and up to 13 bytes.
fn descriptor(tag: u8, text: &[u8]) -> [u8; 18] {
    let mut bytes = [0; 18];
    bytes[3] = tag;
    bytes[5..5 + text.len()].copy_from_slice(text);
    bytes
}

/// The block.
pub fn edid() -> [u8; EDID_BYTES] {
    let mut bytes = vec![0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
    bytes.extend(maker(*b"LYR"));
    bytes.extend([0x01, 0, 0, 0, 0, 0]); // product 1, without a serial number
    bytes.extend([0, 36, 1, 4]); // of 2026, EDID 1.4
    bytes.extend([0xa0, 32, 20, 120, 0x06]); // digital with 8 bits, 32 by 20 cm, gamma 2.2, sRGB, the first timing is the best
    bytes.extend([0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]); // sRGB's colours
    bytes.extend([0xa1, 0x08, 0]); // 720x400 at 70 Hz; 640x480, 800x600 and 1024x768 at 60 Hz
    for (width, shape) in STANDARD {
        bytes.extend([(width / 8 - 31) as u8, shape << 6]);
    }
    bytes.extend(detailed_timing());
    bytes.extend(descriptor(0xfd, &[50, 125, 30, 160, 30, 0, 10, 32, 32, 32, 32, 32, 32])); // 50 to 125 Hz, 30 to 160 kHz, 300 MHz
    bytes.extend(descriptor(0xfc, b"Lyrebird\n    "));
    bytes.extend(descriptor(0x10, &[])); // unused
    bytes.push(0); // no other blocks
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    let mut block = [0; EDID_BYTES];
    block[..EDID_BYTES - 1].copy_from_slice(&bytes);
    block[EDID_BYTES - 1] = sum;
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_as_the_standard_has_it() {
        let block = edid();
        assert_eq!(block.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        assert_eq!(block[8..10], [0x33, 0x32], "LYR");
        assert_eq!((block[0x36], block[0x37]), (0x9e, 0x20), "83.5 MHz");
        let timing = &block[0x36..0x48];
        assert_eq!((u16::from(timing[4] >> 4) << 8 | u16::from(timing[2]), timing[3]), (1280, 400u16 as u8));
        assert_eq!(u16::from(timing[7] >> 4) << 8 | u16::from(timing[5]), 800);
        assert_eq!(&block[0x26..0x28], [0x81, 0x80], "1280 by 1024");
    }
}
