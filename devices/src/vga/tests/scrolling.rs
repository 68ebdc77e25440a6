//! What the CRT controller does with addresses: start, offset, panning, split screen.

use super::*;
use modes::{MODE_3, MODE_12, MODE_13, MODE_D, MODE_X, shown};

fn start(rig: &mut Rig, address: u16) {
    let [high, low] = address.to_be_bytes();
    rig.set(0x3d4, 0x0c, high);
    rig.set(0x3d4, 0x0d, low);
}

#[test]
fn start_address_and_offset_move_the_picture() {
    let mut rig = Rig::mode(&MODE_12);
    rig.poke(0xa_0000 + 80 * 10 + 5, 0x80);
    rig.draw();
    assert_eq!(rig.pixel(40, 10), shown(0x3f));
    rig.set(0x3d4, 0x0c, 0);
    rig.set(0x3d4, 0x0d, 5);
    assert!(rig.draw());
    assert_eq!(rig.pixel(0, 10), shown(0x3f));
    // 100 bytes from row to row.
    rig.set(0x3d4, 0x13, 50);
    rig.draw();
    assert_eq!(rig.pixel(0, 8), shown(0x3f));
    rig.set(0x3d4, 0x0c, 0x03);
    rig.set(0x3d4, 0x0d, 0x25);
    rig.draw();
    assert_eq!(rig.pixel(0, 0), shown(0x3f));
}

#[test]
fn doublewords_count_in_mode_13() {
    let mut rig = Rig::mode(&MODE_13);
    rig.poke(0xa_0000 + 320 * 100, 9);
    // A page of the counter is four bytes.
    start(&mut rig, 80 * 100);
    rig.draw();
    assert_eq!(rig.pixel(0, 0), shown(9));
}

#[test]
fn panning_moves_by_dots() {
    let mut rig = Rig::mode(&MODE_12);
    rig.poke(0xa_0001, 0x80);
    for pan in 0..8 {
        rig.attribute(0x13, pan);
        rig.draw();
        assert_eq!(rig.pixel(8 - u32::from(pan), 0), shown(0x3f));
        assert_eq!((0..640).filter(|x| rig.pixel(*x, 0) == shown(0x3f)).count(), 1);
    }
    rig.poke(0xa_0000 + 80, 0xff);
    rig.attribute(0x13, 4);
    rig.draw();
    assert_eq!(rig.pixel(639, 0), shown(0x3f), "the next byte moves in at the right");
    // 256 colours: two dots are a pixel.
    let mut rig = Rig::mode(&MODE_X);
    rig.poke(0xa_0001, 5);
    rig.attribute(0x13, 2);
    rig.draw();
    assert_eq!([rig.pixel(4, 0), rig.pixel(6, 0)], [shown(0), shown(5)]);
    // Nine dots: 8 is none, 0 is one.
    let mut rig = Rig::mode(&MODE_3);
    rig.set(0x3d4, 0x0a, 0x20);
    rig.poke(0xb_8002, 0x20);
    rig.poke(0xb_8003, 0x70);
    for (pan, first) in [(8, 9), (0, 8), (7, 1), (15, 9)] {
        rig.attribute(0x13, pan);
        rig.draw();
        assert_eq!((0..720).position(|x| rig.pixel(x, 0) == shown(7)), Some(first), "{pan}");
    }
    // Halved dots.
    let mut rig = Rig::mode(&MODE_D);
    rig.poke(0xa_0001, 0x80);
    rig.attribute(0x13, 3);
    rig.draw();
    assert_eq!([rig.pixel(9, 0), rig.pixel(10, 0), rig.pixel(11, 0)], [shown(0), shown(0x3f), shown(0x3f)]);
}

#[test]
fn bytes_and_rows_are_panned_by_the_preset_register() {
    let mut rig = Rig::text();
    rig.set(0x3d4, 0x0a, 0x20);
    rig.poke(0xb_8000 + 160 + 4, 0xff);
    rig.poke(0xb_8000 + 160 + 5, 7);
    let top = |rig: &Rig| {
        let at = rig.frame.pixels.iter().position(|pixel| *pixel == 0xaa_aaaa).unwrap() as u32;
        (at % 720, at / 720)
    };
    rig.draw();
    assert_eq!(top(&rig), (18, 16));
    rig.set(0x3d4, 8, 5);
    rig.draw();
    assert_eq!(top(&rig), (18, 11));
    rig.set(0x3d4, 8, 0x25);
    rig.draw();
    assert_eq!(top(&rig), (9, 11));
    rig.set(0x3d4, 8, 0x45);
    rig.draw();
    assert_eq!(top(&rig), (0, 11));
    assert_eq!(rig.frame.text.as_ref().unwrap().rows, 26, "a part of one more row");
}

#[test]
fn the_screen_is_split_at_line_compare() {
    let mut rig = Rig::mode(&MODE_12);
    rig.poke(0xa_0000, 0x80);
    rig.poke(0xa_0000 + 80 * 100, 0x80);
    start(&mut rig, 80 * 100);
    // Line 299: eight bits here, one in the overflow register, one in the maximum scan line.
    rig.set(0x3d4, 0x18, (299 & 0xff) as u8);
    rig.set(0x3d4, 0x09, 0);
    rig.draw();
    let lit = |rig: &Rig| -> Vec<u32> { (0..480).filter(|y| rig.pixel(0, *y) != shown(0)).collect() };
    assert_eq!(lit(&rig), [0, 300, 400]);
    // Panning goes on below, unless it is told not to.
    rig.attribute(0x13, 1);
    rig.draw();
    assert_eq!(lit(&rig), [0u32; 0]);
    rig.attribute(0x10, 0x21);
    rig.draw();
    assert_eq!(lit(&rig), [300, 400]);
    rig.set(0x3d4, 0x09, 0x40);
    rig.attribute(0x13, 0);
    rig.draw();
    assert_eq!(lit(&rig), [0], "line 811");
}

#[test]
fn addresses_wrap_at_the_end_of_the_planes() {
    let mut rig = Rig::mode(&MODE_12);
    rig.set(0x3d4, 0x0c, 0xff);
    rig.set(0x3d4, 0x0d, 0xff);
    rig.poke(0xa_0000, 0x80);
    rig.draw();
    assert_eq!(rig.pixel(8, 0), shown(0x3f));
    rig.poke(0xa_ffff, 0x80);
    assert!(rig.draw());
    assert_eq!(rig.pixel(0, 0), shown(0x3f));
}
