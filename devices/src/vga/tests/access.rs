//! The graphics controller's data path, by the manual's chapter on it.

use super::*;
use modes::{MODE_3, MODE_4, MODE_12, MODE_13, MODE_X};

/// The four planes at an offset, by read mode 0.
fn planes(rig: &mut Rig, offset: u32) -> [u8; 4] {
    std::array::from_fn(|plane| {
        rig.set(0x3ce, 4, plane as u8);
        rig.peek(0xa_0000 + offset)
    })
}

#[test]
fn write_mode_0_rotates_sets_combines_and_masks() {
    let mut rig = Rig::mode(&MODE_12);
    rig.poke(0xa_0000, 0b1100_0001);
    assert_eq!(planes(&mut rig, 0), [0b1100_0001; 4]);
    rig.set(0x3c4, 2, 0b0101);
    rig.poke(0xa_0000, 0xff);
    assert_eq!(planes(&mut rig, 0), [0xff, 0xc1, 0xff, 0xc1], "map mask");
    rig.set(0x3c4, 2, 0xf);
    rig.set(0x3ce, 3, 1);
    rig.poke(0xa_0001, 0b1100_0001);
    assert_eq!(planes(&mut rig, 1), [0b1110_0000; 4], "rotated to the right by one");
    rig.set(0x3ce, 3, 0);
    rig.set(0x3ce, 0, 0b0011);
    rig.set(0x3ce, 1, 0b0110);
    rig.poke(0xa_0002, 0x5a);
    assert_eq!(planes(&mut rig, 2), [0x5a, 0xff, 0, 0x5a], "set/reset where it is enabled");
    rig.set(0x3ce, 1, 0);
    rig.set(0x3ce, 8, 0x0f);
    rig.peek(0xa_0000);
    rig.poke(0xa_0003, 0);
    assert_eq!(planes(&mut rig, 3), [0xf0, 0xc0, 0xf0, 0xc0], "the latch, where the bit mask is clear");
    rig.set(0x3ce, 8, 0xff);
    for (function, expected) in [(1, 0x41), (2, 0xd3), (3, 0x92)] {
        rig.set(0x3ce, 3, function << 3);
        rig.set(0x3ce, 4, 1);
        assert_eq!(rig.peek(0xa_0000), 0xc1);
        rig.poke(0xa_0004, 0x53);
        assert_eq!(planes(&mut rig, 4)[1], expected, "function {function}");
    }
}

#[test]
fn write_modes_1_to_3() {
    let mut rig = Rig::mode(&MODE_12);
    for plane in 0..4 {
        rig.set(0x3c4, 2, 1 << plane);
        rig.poke(0xa_0000, 0x11 << plane);
    }
    rig.set(0x3c4, 2, 0xf);
    rig.set(0x3ce, 5, 1);
    rig.peek(0xa_0000);
    rig.poke(0xa_1000, 0);
    assert_eq!(planes(&mut rig, 0x1000), [0x11, 0x22, 0x44, 0x88], "mode 1 copies the latches");

    rig.set(0x3ce, 5, 2);
    rig.set(0x3ce, 8, 0x80);
    rig.peek(0xa_2000);
    rig.poke(0xa_2000, 0b1010);
    assert_eq!(planes(&mut rig, 0x2000), [0, 0x80, 0, 0x80], "mode 2: a colour in the data's low bits");

    rig.set(0x3ce, 5, 3);
    rig.set(0x3ce, 0, 0b0101);
    rig.set(0x3ce, 8, 0x3c);
    rig.peek(0xa_2000);
    rig.poke(0xa_2000, 0xf8);
    assert_eq!(planes(&mut rig, 0x2000), [0x38, 0x80, 0x38, 0x80], "mode 3: the data is a bit mask too");
}

#[test]
fn read_mode_1_compares_colours() {
    let mut rig = Rig::mode(&MODE_12);
    rig.set(0x3ce, 5, 2);
    for (bit, colour) in [(0x80, 5), (0x40, 4), (0x20, 7), (0x10, 5)] {
        rig.set(0x3ce, 8, bit);
        rig.peek(0xa_0000);
        rig.poke(0xa_0000, colour);
    }
    rig.set(0x3ce, 5, 8);
    rig.set(0x3ce, 2, 5);
    assert_eq!(rig.peek(0xa_0000), 0x90);
    rig.set(0x3ce, 7, 0b1101);
    assert_eq!(rig.peek(0xa_0000), 0xb0, "plane 1 does not matter");
    rig.set(0x3ce, 7, 0);
    assert_eq!(rig.peek(0xa_0000), 0xff, "nothing matters");
}

#[test]
fn windows() {
    let mut rig = Rig::mode(&MODE_12);
    let answers = |rig: &mut Rig| -> Vec<bool> {
        rig.set(0x3ce, 5, 0x08); // all ones, whatever is there
        rig.set(0x3ce, 7, 0);
        let places = [0xa_0000, 0xa_ffff, 0xb_0000, 0xb_7fff, 0xb_8000, 0xb_ffff];
        places
            .map(|address| {
                rig.set(0x3ce, 5, 0x00);
                rig.poke(address, 0x5a);
                rig.peek(address) == 0x5a
            })
            .into()
    };
    for (select, expected) in [
        (0, [true, true, true, true, true, true]),
        (1, [true, true, false, false, false, false]),
        (2, [false, false, true, true, false, false]),
        (3, [false, false, false, false, true, true]),
    ] {
        rig.set(0x3ce, 6, 1 | select << 2);
        assert_eq!(answers(&mut rig), expected, "memory map {select}");
    }
    rig.out(0x3c2, 0xe1);
    assert_eq!(answers(&mut rig), [false; 6], "the memory does not answer");
}

#[test]
fn odd_and_even_addresses_are_planes_in_text_and_cga_modes() {
    for mode in [&MODE_3, &MODE_4] {
        let mut rig = Rig::mode(mode);
        rig.poke(0xb_8010, 0x12);
        rig.poke(0xb_8011, 0x34);
        assert_eq!((rig.peek(0xb_8010), rig.peek(0xb_8011)), (0x12, 0x34));
        rig.set(0x3c4, 4, 6);
        rig.set(0x3ce, 5, 0);
        rig.set(0x3ce, 6, 4);
        assert_eq!(planes(&mut rig, 0x10), [0x12, 0x34, 0, 0]);
        assert_eq!(planes(&mut rig, 0x11), [0; 4]);
    }
}

#[test]
fn chain_4_uses_every_fourth_place_of_each_plane() {
    let mut rig = Rig::mode(&MODE_13);
    (0..8).for_each(|n| rig.poke(0xa_0100 + n, n as u8 + 1));
    MODE_X.set(&mut rig);
    assert_eq!(planes(&mut rig, 0x100), [1, 2, 3, 4]);
    assert_eq!(planes(&mut rig, 0x101), [0; 4]);
    assert_eq!(planes(&mut rig, 0x104), [5, 6, 7, 8]);
    rig.poke(0xa_0103, 9);
    MODE_13.set(&mut rig);
    assert_eq!(rig.peek(0xa_0100), 1);
}

#[test]
fn chain_4_is_memory_in_place_until_the_data_path_does_more() {
    let mut rig = Rig::mode(&MODE_13);
    let direct = |rig: &Rig| rig.memory.read_uint(0xa_0000, 1).is_ok();
    assert!(direct(&rig));
    rig.poke(0xa_0003, 0xff);
    rig.set(0x3c4, 2, 7);
    assert!(!direct(&rig));
    rig.poke(0xa_0003, 0x11);
    rig.poke(0xa_0002, 0x22);
    assert_eq!((rig.peek(0xa_0003), rig.peek(0xa_0002)), (0xff, 0x22), "the map mask holds for chain-4 too");
    rig.set(0x3c4, 2, 15);
    assert!(direct(&rig));
    for (index, value) in [(1, 1), (3, 8), (5, 0x41), (5, 0x48), (6, 1), (8, 0xfe)] {
        let old = rig.get(0x3ce, index);
        rig.set(0x3ce, index, value);
        assert!(!direct(&rig), "{index}");
        rig.set(0x3ce, index, old);
    }
    assert!(direct(&rig));
    MODE_12.set(&mut rig);
    assert!(!direct(&rig));
}
