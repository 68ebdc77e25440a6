//! Characters, attributes, fonts, cursor and blinking.

use super::*;
use modes::{MODE_1, MODE_3, MODE_7, shown};

const BLACK: u32 = 0;

/// Mode 3 with a character and its attribute at the upper left.
fn with(character: u8, attribute: u8) -> Rig {
    let mut rig = Rig::text();
    rig.set(0x3d4, 0x0a, 0x20); // no cursor
    rig.poke(0xb_8000, character);
    rig.poke(0xb_8001, attribute);
    assert!(rig.draw());
    rig
}

/// A row of a character, ninth dot last, as the foreground's dots.
fn dots(rig: &Rig, column: u32, y: u32, foreground: u32) -> u16 {
    (0..9).fold(0, |bits, dot| bits << 1 | u16::from(rig.pixel(column * 9 + dot, y) == foreground))
}

#[test]
fn characters_have_nine_dots() {
    let rig = with(0x41, 0x1e);
    assert_eq!((rig.frame.width, rig.frame.height), (720, 400));
    let (yellow, blue) = (0xff_ff55, 0x00_00aa);
    assert_eq!(dots(&rig, 0, 0, yellow), 0x41 << 1, "the ninth is background");
    assert_eq!(rig.pixel(0, 15), blue);
    assert_eq!(rig.pixel(9, 0), BLACK);
    let text = rig.frame.text.as_ref().unwrap();
    assert_eq!((text.columns, text.rows, text.cells[0], text.cells[1]), (80, 25, (0x41, 0x1e), (0x20, 7)));
    assert_eq!(text.cursor, None);
    // Lines go on into the ninth dot, and other characters do not.
    let white = 0xaa_aaaa;
    assert_eq!(dots(&with(0xc1, 7), 0, 3, white), 0xc1 << 1 | 1);
    assert_eq!(dots(&with(0xdf, 7), 0, 3, white), 0xdf << 1 | 1);
    assert_eq!(dots(&with(0xe1, 7), 0, 3, white), 0xe1 << 1);
    let mut rig = with(0xc1, 7);
    rig.attribute(0x10, 8);
    rig.draw();
    assert_eq!(dots(&rig, 0, 3, white), 0xc1 << 1, "line graphics off");
    rig.set(0x3c4, 1, 1);
    rig.draw();
    assert_eq!(rig.frame.width, 640);
}

#[test]
fn forty_columns_are_twice_as_wide() {
    let mut rig = Rig::mode(&MODE_1);
    rig.set(0x3c4, 4, 6);
    rig.set(0x3ce, 5, 0);
    rig.set(0x3ce, 6, 4);
    rig.set(0x3c4, 2, 4);
    rig.poke(0xa_0000 + 32 * 5, 0b1010_0000);
    MODE_1.set(&mut rig);
    rig.poke(0xb_8000, 5);
    rig.poke(0xb_8001, 7);
    rig.draw();
    let row: Vec<bool> = (0..8).map(|x| rig.pixel(x, 0) == shown(7)).collect();
    assert_eq!(row, [true, true, false, false, true, true, false, false]);
    assert_eq!(rig.frame.text.as_ref().unwrap().columns, 40);
}

#[test]
fn attribute_bit_3_chooses_between_two_fonts() {
    let mut rig = Rig::text();
    rig.set(0x3c4, 4, 6);
    rig.set(0x3ce, 5, 0);
    rig.set(0x3ce, 6, 4);
    rig.set(0x3c4, 2, 4);
    // Map 5, which begins at 24 KiB.
    rig.poke(0xa_6000 + 32 * 0x41, 0x3c);
    rig.set(0x3c4, 4, 2);
    rig.set(0x3ce, 5, 0x10);
    rig.set(0x3ce, 6, 0x0e);
    rig.set(0x3c4, 2, 3);
    rig.poke(0xb_8000, 0x41);
    rig.poke(0xb_8002, 0x41);
    rig.poke(0xb_8003, 0x0f);
    // Map A, for bit 3 set, is map 5: bit 5, and bits 3 and 2.
    rig.set(0x3c4, 3, 0x20 | 1 << 2);
    rig.draw();
    assert_eq!(dots(&rig, 0, 0, 0xaa_aaaa), 0x41 << 1);
    assert_eq!(dots(&rig, 1, 0, 0xff_ffff), 0x3c << 1);
    // Map B, for bit 3 clear.
    rig.set(0x3c4, 3, 0x10 | 1);
    rig.draw();
    assert_eq!(dots(&rig, 0, 0, 0xaa_aaaa), 0x3c << 1);
    assert_eq!(dots(&rig, 1, 0, 0xff_ffff), 0x41 << 1);
}

#[test]
fn a_new_shape_shows_in_every_place() {
    let mut rig = with(0x41, 7);
    rig.set(0x3c4, 4, 6);
    rig.set(0x3ce, 5, 0);
    rig.set(0x3ce, 6, 4);
    rig.set(0x3c4, 2, 4);
    rig.poke(0xa_0000 + 32 * 0x41, 0x99);
    rig.set(0x3c4, 4, 2);
    rig.set(0x3ce, 5, 0x10);
    rig.set(0x3ce, 6, 0x0e);
    rig.set(0x3c4, 2, 3);
    assert!(rig.draw());
    assert_eq!(dots(&rig, 0, 0, 0xaa_aaaa), 0x99 << 1);
}

#[test]
fn underlines_are_for_the_attributes_of_monochrome() {
    let mut rig = Rig::mode(&MODE_7);
    for (place, attribute) in [(0, 1), (2, 7), (4, 9), (6, 0x81)] {
        rig.poke(0xb_0000 + place, 0x20);
        rig.poke(0xb_0001 + place, attribute);
    }
    rig.draw();
    assert_eq!([0, 1, 2, 3].map(|column| rig.pixel(column * 9 + 8, 13) != BLACK), [true, false, true, true]);
    assert_eq!(rig.pixel(0, 12), BLACK);
}

#[test]
fn the_cursor_has_shape_place_skew_and_blinks() {
    let mut rig = Rig::text();
    rig.set(0x3d4, 0x0e, 0);
    rig.set(0x3d4, 0x0f, 81);
    rig.draw();
    let lit = |rig: &Rig, column: u32| -> Vec<u32> {
        (16..32).filter(|y| dots(rig, column, *y, 0xaa_aaaa) == 0x1ff).map(|y| y - 16).collect()
    };
    assert_eq!(lit(&rig, 1), [13, 14]);
    assert_eq!(rig.frame.text.as_ref().unwrap().cursor, Some((1, 1)));
    rig.set(0x3d4, 0x0a, 0);
    rig.draw();
    assert_eq!(lit(&rig, 1).len(), 15);
    rig.set(0x3d4, 0x0b, 0x2e);
    rig.draw();
    assert_eq!((lit(&rig, 1).len(), lit(&rig, 2).len()), (0, 15), "skewed by one");
    rig.set(0x3d4, 0x0a, 0x0f);
    rig.draw();
    assert_eq!(lit(&rig, 2).len(), 0, "the start is behind the end");
    rig.set(0x3d4, 0x0a, 0x20);
    rig.draw();
    assert_eq!(rig.frame.text.as_ref().unwrap().cursor, None, "off");

    rig.set(0x3d4, 0x0a, 0x0d);
    rig.draw();
    // 70 frames a second: on for eight, off for eight.
    let frame = 14_268_100;
    let mut phases = String::new();
    for _ in 0..32 {
        let before = lit(&rig, 2).len();
        assert_eq!(rig.draw(), lit(&rig, 2).len() != before, "drawn only when it changes");
        phases.push(if lit(&rig, 2).is_empty() { '.' } else { '#' });
        rig.now = rig.now + frame;
    }
    assert_eq!(phases, "########........########........");
}

#[test]
fn attribute_bit_7_blinks_or_is_bright() {
    let mut rig = with(0xff, 0x87);
    let frame = 14_268_100;
    assert_eq!(dots(&rig, 0, 0, 0xaa_aaaa), 0x1fe);
    rig.now = rig.now + 15 * frame;
    assert!(!rig.draw());
    rig.now = rig.now + 2 * frame;
    assert!(rig.draw(), "16 frames later it is dark");
    assert_eq!(dots(&rig, 0, 0, 0xaa_aaaa), 0);
    rig.attribute(0x10, 0x04);
    rig.draw();
    assert_eq!(dots(&rig, 0, 0, 0xaa_aaaa), 0x1fe);
    assert_eq!(rig.pixel(8, 0), 0x55_5555, "the background has four bits");
    rig.now = rig.now + 16 * frame;
    assert!(!rig.draw());
}

#[test]
fn only_what_changed_is_news() {
    let mut rig = with(0x41, 7);
    rig.poke(0xb_8000, 0x41);
    assert!(!rig.draw(), "the same character again");
    rig.poke(0xb_8000 + 160 * 25, 0x42);
    assert!(!rig.draw(), "outside the screen");
    rig.poke(0xb_8000 + 160, 0x42);
    assert!(rig.draw());
    assert_eq!(rig.frame.text.as_ref().unwrap().cells[80], (0x42, 7));
    MODE_3.set(&mut rig);
    assert!(rig.draw());
    rig.frame = Frame::default();
    assert!(rig.draw(), "a new frame is drawn whole");
    assert_eq!(rig.frame.text.as_ref().unwrap().cells[80], (0x42, 7));
}
