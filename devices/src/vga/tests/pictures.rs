//! Pixels of the graphics modes, and colours.

use super::*;
use modes::{MODE_4, MODE_6, MODE_10, MODE_12, MODE_13, MODE_D, MODE_X, shown};

#[test]
fn planar_modes_take_a_bit_from_each_plane() {
    for (mode, scale) in [(&MODE_D, 2), (&MODE_10, 1), (&MODE_12, 1)] {
        let mut rig = Rig::mode(mode);
        rig.set(0x3ce, 5, 2);
        for colour in 0..16 {
            rig.set(0x3ce, 8, 0x80 >> (colour % 8));
            let address = 0xa_0000 + (40 * 2 / scale) * 3 + colour / 8;
            rig.peek(address);
            rig.poke(address, colour as u8);
        }
        rig.draw();
        let y = 3 * if mode.size.1 == 400 { 2 } else { 1 };
        for colour in 0..16 {
            let expected = shown(EGA_COLOURS[colour as usize]);
            for x in colour * scale..(colour + 1) * scale {
                assert_eq!(rig.pixel(x, y), expected, "mode {:#x}, colour {colour}", mode.number);
            }
        }
        assert_eq!(rig.pixel(0, y - 1), shown(0));
    }
}

const EGA_COLOURS: [u8; 16] = [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f];

#[test]
fn cga_modes_have_their_lines_in_two_banks() {
    let mut rig = Rig::mode(&MODE_4);
    rig.poke(0xb_8000, 0b00_01_10_11);
    rig.poke(0xb_8001, 0b11_00_00_00);
    rig.poke(0xb_a000, 0b01_01_01_01);
    rig.poke(0xb_8050, 0b10_00_00_00);
    rig.draw();
    let colours = [0, 0x13, 0x15, 0x17].map(shown);
    let pixels = |rig: &Rig, y: u32| -> [usize; 5] {
        std::array::from_fn(|x| colours.iter().position(|colour| *colour == rig.pixel(2 * x as u32, y)).unwrap())
    };
    assert_eq!(pixels(&rig, 0), [0, 1, 2, 3, 3]);
    assert_eq!(pixels(&rig, 1), [0, 1, 2, 3, 3], "each line twice");
    assert_eq!(pixels(&rig, 2), [1, 1, 1, 1, 0], "the second line is in the second bank");
    assert_eq!(pixels(&rig, 4)[0], 2);

    let mut rig = Rig::mode(&MODE_6);
    rig.poke(0xb_8000, 0xa0);
    rig.poke(0xb_a000, 0x40);
    rig.draw();
    let row = |rig: &Rig, y: u32| -> Vec<bool> { (0..4).map(|x| rig.pixel(x, y) == shown(0x17)).collect() };
    assert_eq!(row(&rig, 1), [true, false, true, false]);
    assert_eq!(row(&rig, 2), [false, true, false, false]);
}

#[test]
fn mode_13_has_a_byte_for_a_pixel() {
    let mut rig = Rig::mode(&MODE_13);
    (0..320).for_each(|x| rig.poke(0xa_0000 + 320 * 7 + x, x as u8));
    assert!(rig.draw());
    for x in 0..320 {
        assert_eq!([rig.pixel(2 * x, 14), rig.pixel(2 * x + 1, 15)], [shown(x as u8); 2]);
    }
    assert_eq!(rig.pixel(2, 16), shown(0));
    rig.poke(0xa_0000 + 320 * 199 + 319, 200);
    assert!(rig.draw());
    assert_eq!(rig.pixel(639, 399), shown(200));
    rig.poke(0xa_0000 + 64000, 1);
    assert!(!rig.draw(), "behind the picture");
}

#[test]
fn mode_x_has_its_pixels_in_planes() {
    let mut rig = Rig::mode(&MODE_X);
    for plane in 0..4 {
        rig.set(0x3c4, 2, 1 << plane);
        rig.poke(0xa_0000 + 80 * 239 + 1, 100 + plane);
    }
    rig.set(0x3c4, 2, 15);
    rig.poke(0xa_0000 + 80, 77);
    rig.draw();
    for plane in 0..4u32 {
        assert_eq!(rig.pixel(8 + 2 * plane, 479), shown(100 + plane as u8));
        assert_eq!(rig.pixel(2 * plane, 2), shown(77), "one byte, four pixels");
    }
}

#[test]
fn colours_go_through_palette_and_colour_select() {
    let mut rig = Rig::mode(&MODE_12);
    rig.poke(0xa_0000, 0xff);
    rig.draw();
    assert_eq!(rig.pixel(0, 0), shown(0x3f));
    rig.attribute(0x14, 0x0c);
    rig.draw();
    assert_eq!(rig.pixel(0, 0), shown(0xff), "bits 7 and 6");
    rig.attribute(0x10, 0x81);
    rig.attribute(0x14, 0x05);
    rig.draw();
    assert_eq!(rig.pixel(0, 0), shown(0x5f), "bits 7 to 4");
    rig.attribute(0x12, 0x07);
    rig.draw();
    assert_eq!(rig.pixel(0, 0), shown(0x57), "plane 3 is switched off");
    rig.out(0x3c6, 0x0f);
    rig.draw();
    assert_eq!(rig.pixel(0, 0), shown(0x07), "the DAC's mask");
    rig.out(0x3c8, 7);
    rig.out(0x3c9, 63);
    rig.out(0x3c9, 0);
    rig.out(0x3c9, 32);
    assert!(rig.draw());
    assert_eq!(rig.pixel(0, 0), 0xff_0082);
}

#[test]
fn blank_screens() {
    let mut rig = Rig::mode(&MODE_12);
    rig.poke(0xa_0000, 0xff);
    rig.attribute(0x11, 9);
    rig.draw();
    rig.set(0x3c4, 1, 0x21);
    assert!(rig.draw());
    assert!(rig.frame.pixels.iter().all(|pixel| *pixel == 0), "the sequencer's screen off");
    rig.set(0x3c4, 1, 1);
    rig.input(0x3da);
    rig.out(0x3c0, 0);
    assert!(rig.draw());
    assert!(rig.frame.pixels.iter().all(|pixel| *pixel == shown(9)), "only the border's colour");
    rig.input(0x3da);
    rig.out(0x3c0, 0x20);
    assert!(rig.draw());
    assert_eq!(rig.pixel(0, 0), shown(0x3f));
    assert!(!Rig::new().draw(), "no signal after power-on");
}

#[test]
fn graphics_blink_in_monochrome() {
    let mut rig = Rig::mode(&MODE_12);
    rig.attribute(0x10, 9);
    rig.set(0x3c4, 2, 1);
    rig.poke(0xa_0000, 0xff);
    rig.set(0x3c4, 2, 8);
    rig.poke(0xa_0001, 0xff);
    rig.draw();
    let pair = |rig: &Rig| [rig.pixel(0, 0), rig.pixel(8, 0)];
    assert_eq!(pair(&rig), [shown(0x39), shown(0x38)]);
    rig.now = rig.now + 17 * 16_700_000;
    assert!(rig.draw());
    assert_eq!(pair(&rig), [shown(0x39), shown(0)]);
}
