//! INT 10h AH=10h and 0Bh: the palette and the DAC; and what they begin with.

use super::modes::Colours;
use super::{ATTRIBUTE, DAC_DATA, DAC_MASK, DAC_READ, DAC_WRITE};
use crate::bda;
use crate::call::{Call, linear};

/// Red, green and blue, six bits each.
pub type Rgb = [u8; 3];

/// What the DAC begins with.
pub fn initial(colours: Colours) -> Vec<Rgb> {
    let cga = |n: u8, bright: bool| -> Rgb {
        let add = if bright { 0x15 } else { 0 };
        let part = |bit: u8| if n & bit != 0 { 0x2a + add } else { add };
        match n & 7 {
            6 if !bright => [0x2a, 0x15, 0x00], // brown
            _ => [part(4), part(2), part(1)],
        }
    };
    match colours {
        Colours::Mono => (0..64u8).map(|n| [[0x00, 0x2a, 0x00, 0x3f][usize::from(n >> 3 & 3)]; 3]).collect(),
        Colours::Cga => (0..64).map(|n| cga(n, n & 0x10 != 0)).collect(),
        Colours::Ega => (0..64u8)
            .map(|n| {
                let part = |strong: u8, weak: u8| {
                    (if n & strong != 0 { 0x2a } else { 0 }) + if n & weak != 0 { 0x15 } else { 0 }
                };
                [part(4, 0x20), part(2, 0x10), part(1, 0x08)]
            })
            .collect(),
        Colours::Vga => {
            const GREY: [u8; 16] = [0, 5, 8, 11, 14, 17, 20, 24, 28, 32, 36, 40, 45, 50, 56, 63];
            // From the least to the most of a colour, in three intensities of three saturations.
            const STEPS: [[u8; 5]; 9] = [
                [0x00, 0x10, 0x1f, 0x2f, 0x3f],
                [0x1f, 0x27, 0x2f, 0x37, 0x3f],
                [0x2d, 0x31, 0x36, 0x3a, 0x3f],
                [0x00, 0x07, 0x0e, 0x15, 0x1c],
                [0x0e, 0x11, 0x15, 0x18, 0x1c],
                [0x14, 0x16, 0x18, 0x1a, 0x1c],
                [0x00, 0x04, 0x08, 0x0c, 0x10],
                [0x08, 0x0a, 0x0c, 0x0e, 0x10],
                [0x0b, 0x0c, 0x0d, 0x0f, 0x10],
            ];
            let mut all: Vec<Rgb> = (0..16).map(|n| cga(n, n & 8 != 0)).collect();
            all.extend(GREY.map(|grey| [grey; 3]));
            for steps in STEPS {
                // Around the circle from blue: one part rises or falls while the others stand.
                for hue in 0..24 {
                    let (low, high) = (steps[0], steps[4]);
                    let (up, down) = (steps[hue % 4], steps[4 - hue % 4]);
                    all.push(match hue / 4 {
                        0 => [up, low, high],
                        1 => [high, low, down],
                        2 => [high, up, low],
                        3 => [down, high, low],
                        4 => [low, high, up],
                        _ => [low, down, high],
                    });
                }
            }
            all
        }
    }
}

/// Loads the DAC from an entry on.
pub fn load(call: &mut Call<'_>, first: u8, colours: &[Rgb]) {
    call.outb(DAC_WRITE, first);
    for part in colours.iter().flatten() {
        call.outb(DAC_DATA, *part);
    }
}

/// Loads it with what a mode begins with.
pub fn reset(call: &mut Call<'_>, colours: Colours) {
    call.outb(DAC_MASK, 0xff);
    let mut all = initial(colours);
    all.resize(256, [0; 3]);
    if call.bda(bda::VIDEO_MODESET) & 2 != 0 {
        all.iter_mut().for_each(|colour| *colour = grey(*colour));
    }
    load(call, 0, &all);
}

fn grey([red, green, blue]: Rgb) -> Rgb {
    // 30 % red, 59 % green, 11 % blue.
    [((77 * u16::from(red) + 151 * u16::from(green) + 28 * u16::from(blue) + 128) >> 8).min(63) as u8; 3]
}

/// Switches the attribute controller's port to its index.
fn index(call: &mut Call<'_>) {
    let status = call.bda_word(bda::CRTC_PORT) + 6;
    call.inb(status);
}

/// Sets a register of the attribute controller; the picture stays on.
pub fn set_attribute(call: &mut Call<'_>, register: u8, value: u8) {
    index(call);
    call.outb(ATTRIBUTE, register & 0x1f);
    call.outb(ATTRIBUTE, value);
    call.outb(ATTRIBUTE, 0x20);
}

/// Reads one.
pub fn attribute(call: &mut Call<'_>, register: u8) -> u8 {
    index(call);
    call.outb(ATTRIBUTE, register & 0x1f);
    let value = call.inb(ATTRIBUTE + 1);
    index(call);
    call.outb(ATTRIBUTE, 0x20);
    value
}

fn read_dac(call: &mut Call<'_>, entry: u8) -> Rgb {
    call.outb(DAC_READ, entry);
    [(); 3].map(|()| call.inb(DAC_DATA) & 0x3f)
}

/// INT 10h AH=10h.
pub fn service(call: &mut Call<'_>) {
    let regs = *call.regs;
    let table = linear(regs.es, regs.dx());
    match regs.al() {
        0x00 if regs.bl() < 0x15 => set_attribute(call, regs.bl(), regs.bh()),
        0x01 => set_attribute(call, 0x11, regs.bh()),
        0x02 => {
            let Some(bytes) = call.borrow(table, 17) else { return };
            (0..16).for_each(|n| set_attribute(call, n, bytes[usize::from(n)]));
            set_attribute(call, 0x11, bytes[16]);
        }
        0x03 => {
            let mode = attribute(call, 0x10) & !8;
            set_attribute(call, 0x10, mode | (regs.bl() & 1) << 3);
            let shadow = call.bda(bda::CGA_MODE) & !0x20;
            call.set_bda(bda::CGA_MODE, shadow | (regs.bl() & 1) << 5);
        }
        0x07 if regs.bl() < 0x15 => {
            let value = attribute(call, regs.bl());
            call.regs.set_bh(value);
        }
        0x08 => {
            let value = attribute(call, 0x11);
            call.regs.set_bh(value);
        }
        0x09 => {
            let mut bytes: Vec<u8> = (0..16).map(|n| attribute(call, n)).collect();
            bytes.push(attribute(call, 0x11));
            call.give(table, &bytes);
        }
        0x10 => load(call, regs.bl(), &[[regs.dh(), regs.ch(), regs.cl()]]),
        0x12 => {
            let count = usize::from(regs.cx().min(256));
            let Some(bytes) = call.borrow(table, count * 3) else { return };
            let colours: Vec<Rgb> = bytes.chunks_exact(3).map(|rgb| [rgb[0], rgb[1], rgb[2]]).collect();
            load(call, regs.bl(), &colours);
        }
        0x13 => {
            let mode = attribute(call, 0x10);
            if regs.bl() == 0 {
                set_attribute(call, 0x10, mode & 0x7f | regs.bh() << 7);
            } else {
                let page = if mode & 0x80 != 0 { regs.bh() & 15 } else { regs.bh() << 2 & 12 };
                set_attribute(call, 0x14, page);
            }
        }
        0x15 => {
            let [red, green, blue] = read_dac(call, regs.bl());
            call.regs.set_dh(red);
            call.regs.set_ch(green);
            call.regs.set_cl(blue);
        }
        0x17 => {
            let count = regs.cx().min(256);
            let bytes: Vec<u8> = (0..count).flat_map(|n| read_dac(call, regs.bl().wrapping_add(n as u8))).collect();
            call.give(table, &bytes);
        }
        0x18 => call.outb(DAC_MASK, regs.bl()),
        0x19 => {
            let mask = call.inb(DAC_MASK);
            call.regs.set_bl(mask);
        }
        0x1a => {
            let (mode, page) = (attribute(call, 0x10) >> 7, attribute(call, 0x14) & 15);
            call.regs.set_bl(mode);
            call.regs.set_bh(if mode == 1 { page } else { page >> 2 });
        }
        0x1b => {
            for n in 0..regs.cx().min(256) {
                let entry = regs.bl().wrapping_add(n as u8);
                let colour = grey(read_dac(call, entry));
                load(call, entry, &[colour]);
            }
        }
        _ => {}
    }
}

/// INT 10h AH=0Bh: CGA's border or background, and its two palettes.
pub fn cga(call: &mut Call<'_>) {
    let value = call.regs.bl();
    let mut shadow = call.bda(bda::CGA_PALETTE);
    if call.regs.bh() == 0 {
        shadow = shadow & 0xe0 | value & 0x1f;
        let colour = value & 7 | (value & 8) << 1;
        set_attribute(call, 0x11, colour);
        if call.bda(bda::VIDEO_MODE) > 3 {
            set_attribute(call, 0, colour);
            for n in 1..4 {
                let old = attribute(call, n) & !0x10;
                set_attribute(call, n, old | value & 0x10);
            }
        }
    } else {
        shadow = shadow & !0x20 | (value & 1) << 5;
        for n in 1..4 {
            let old = attribute(call, n) & !1;
            set_attribute(call, n, old | value & 1);
        }
    }
    call.set_bda(bda::CGA_PALETTE, shadow);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_the_technical_reference() {
        let ega = initial(Colours::Ega);
        assert_eq!((ega[0x14], ega[0x3f], ega[0x38]), ([0x2a, 0x15, 0], [0x3f; 3], [0x15; 3]));
        let cga = initial(Colours::Cga);
        assert_eq!((cga[6], cga[0x16], cga[0x17]), ([0x2a, 0x15, 0], [0x3f, 0x3f, 0x15], [0x3f; 3]));
        let vga = initial(Colours::Vga);
        assert_eq!(vga.len(), 248);
        assert_eq!((vga[32], vga[40], vga[48], vga[247]), ([0, 0, 63], [63, 0, 0], [0, 63, 0], [0x0b, 0x0c, 0x10]));
        assert_eq!((vga[14], vga[31]), ([0x3f, 0x3f, 0x15], [63; 3]));
    }
}
