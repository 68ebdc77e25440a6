//! The DISPI modes.

use super::*;
use modes::shown;

const LFB: u32 = 0xe000_0000;
const MMIO: u64 = 0x2_0000;

/// A mode that is on, with the palette of the tests.
fn mode(width: u16, height: u16, bits: u16) -> Rig {
    let mut rig = Rig::text();
    rig.dispi(1, width);
    rig.dispi(2, height);
    rig.dispi(3, bits);
    rig.dispi(4, 0x41);
    rig.out(0x3c8, 0);
    (0..=255).for_each(|index| modes::dac(index).into_iter().for_each(|value| rig.out(0x3c9, value)));
    rig
}

#[test]
fn identity_and_capabilities() {
    let mut rig = Rig::text();
    assert_eq!(rig.read_dispi(0), 0xb0c5);
    rig.dispi(0, 0xb0c2);
    assert_eq!(rig.read_dispi(0), 0xb0c2);
    rig.dispi(0, 0x1234);
    assert_eq!(rig.read_dispi(0), 0xb0c2, "no such version");
    assert_eq!(rig.read_dispi(10), 256);
    rig.dispi(4, 2);
    assert_eq!([1, 2, 3].map(|register| rig.read_dispi(register)), [2560, 1600, 32]);
    rig.dispi(4, 0);
    assert_eq!([1, 2, 3].map(|register| rig.read_dispi(register)), [0, 0, 8]);
}

#[test]
fn pixels_of_each_depth_in_the_linear_frame_buffer() {
    for (bits, bytes, expected) in [
        (8, vec![0x9c], shown(0x9c)),
        (15, vec![0x1f, 0x7c], 0xff_00ff),
        (15, vec![0xe0, 0x83], 0x00_ff00),
        (16, vec![0xe0, 0x07], 0x00_ff00),
        (16, vec![0x10, 0x80], 0x84_0084),
        (24, vec![1, 2, 3], 0x03_0201),
        (32, vec![1, 2, 3, 0xff], 0x03_0201),
    ] {
        let mut rig = mode(800, 600, bits);
        assert!(rig.draw());
        assert_eq!((rig.frame.width, rig.frame.height), (800, 600));
        assert!(!rig.draw());
        let at = LFB as usize + (599 * 800 + 799) * bytes.len();
        rig.memory.write(at as u64, &bytes).unwrap();
        assert!(rig.draw());
        assert_eq!(rig.pixel(799, 599), expected, "{bits} bits");
        assert_eq!(rig.pixel(798, 599), if bits == 8 { shown(0) } else { 0 });
    }
}

#[test]
fn four_bits_are_in_planes() {
    let mut rig = mode(800, 600, 4);
    rig.set(0x3c4, 2, 15);
    rig.set(0x3ce, 5, 2);
    rig.set(0x3ce, 8, 0x40);
    rig.poke(0xa_0000 + 100 * 599 + 99, 6);
    rig.draw();
    assert_eq!(rig.pixel(793, 599), shown(0x14), "through the palette");
    // The windows of 64 KiB reach planes of more than that.
    let mut rig = mode(1024, 768, 4);
    rig.set(0x3c4, 2, 15);
    rig.set(0x3ce, 5, 2);
    rig.set(0x3ce, 8, 0x80);
    rig.dispi(5, 1);
    rig.poke(0xa_0000 + 128 * 767 - 0x1_0000, 1);
    rig.draw();
    assert_eq!(rig.pixel(0, 767), shown(1));
    rig.dispi(8, 3);
    rig.dispi(1, 800);
    rig.dispi(6, 1024);
    rig.draw();
    assert_eq!(rig.frame.width, 800);
}

#[test]
fn banks_show_the_same_memory() {
    let mut rig = mode(1024, 768, 32);
    rig.dispi(5, 3);
    rig.poke(0xa_0004, 0x77);
    assert_eq!(rig.memory.read_uint(u64::from(LFB) + 0x3_0004, 1).unwrap(), 0x77);
    rig.dispi(5, 0);
    assert_eq!(rig.peek(0xa_0004), 0);
    rig.dispi(5, 0xffff);
    assert_eq!(rig.read_dispi(5), 255, "the last of 256");
    rig.poke(0xa_ffff, 0x55);
    assert_eq!(rig.memory.read_uint(u64::from(LFB) + 0xff_ffff, 1).unwrap(), 0x55);
}

#[test]
fn a_larger_screen_is_scrolled() {
    let mut rig = mode(640, 480, 16);
    rig.dispi(6, 1024);
    assert_eq!((rig.read_dispi(6), rig.read_dispi(7)), (1024, 8192));
    rig.memory.write(u64::from(LFB) + (100 * 1024 + 300) * 2, &[0xff, 0xff]).unwrap();
    rig.dispi(8, 300);
    rig.dispi(9, 100);
    rig.draw();
    assert_eq!(rig.pixel(0, 0), 0xff_ffff);
    rig.dispi(8, 290);
    rig.dispi(9, 95);
    rig.draw();
    assert_eq!(rig.pixel(10, 5), 0xff_ffff);
    rig.dispi(8, 0xffff);
    rig.dispi(9, 0xffff);
    assert_eq!((rig.read_dispi(8), rig.read_dispi(9)), (384, 8192 - 480), "not beyond the end");
    rig.draw();
}

#[test]
fn memory_is_cleared_unless_it_is_to_stay() {
    let mut rig = mode(640, 480, 8);
    rig.memory.write(u64::from(LFB) + 1000, &[7]).unwrap();
    rig.dispi(4, 0xc1);
    assert_eq!(rig.memory.read_uint(u64::from(LFB) + 1000, 1).unwrap(), 7, "it was on already");
    rig.dispi(4, 0);
    rig.dispi(4, 0xc1);
    assert_eq!(rig.memory.read_uint(u64::from(LFB) + 1000, 1).unwrap(), 7);
    rig.dispi(4, 0);
    rig.dispi(4, 0x41);
    assert_eq!(rig.memory.read_uint(u64::from(LFB) + 1000, 1).unwrap(), 0);
}

#[test]
fn the_dac_has_8_bits_on_demand() {
    let mut rig = mode(640, 480, 8);
    rig.dispi(4, 0xe1);
    rig.out(0x3c8, 0);
    [0x12, 0x34, 0xff].into_iter().for_each(|value| rig.out(0x3c9, value));
    rig.draw();
    assert_eq!(rig.pixel(0, 0), 0x12_34ff);
    rig.out(0x3c7, 0);
    assert_eq!(rig.input(0x3c9), 0x12);
}

#[test]
fn registers_in_memory_are_the_same() {
    let mut rig = Rig::text();
    let now = rig.now;
    let write = |rig: &mut Rig, offset: u64, bytes: u8, value: u64| {
        MmioIo::write(&mut rig.vga, MMIO + offset, bytes, value, now)
    };
    let read = |rig: &mut Rig, offset: u64, bytes: u8| MmioIo::read(&mut rig.vga, MMIO + offset, bytes, now);
    assert_eq!(read(&mut rig, 0x500, 2) as u16, 0xb0c5);
    write(&mut rig, 0x502, 2, 1280);
    write(&mut rig, 0x504, 2, 1024);
    write(&mut rig, 0x506, 2, 32);
    write(&mut rig, 0x508, 2, 0x41);
    assert_eq!(rig.read_dispi(1), 1280);
    assert_eq!(read(&mut rig, 0x502, 4) as u32, 1024 << 16 | 1280);
    rig.draw();
    assert_eq!(rig.frame.width, 1280);
    assert_eq!(read(&mut rig, 0x600, 4), 8);
    assert_eq!(read(&mut rig, 0x604, 4), 0x1e1e_1e1e);
    rig.memory.write(LFB.into(), &[0, 1, 2, 3]).unwrap();
    write(&mut rig, 0x604, 4, 0xbebe_bebe);
    rig.draw();
    assert_eq!(rig.pixel(0, 0), 0x01_0203);
    // 3C0h blanks.
    write(&mut rig, 0x41a, 1, 0);
    read(&mut rig, 0x41a, 1);
    write(&mut rig, 0x400, 1, 0);
    rig.draw();
    assert_eq!(rig.pixel(0, 0), 0);
    assert_eq!(read(&mut rig, 0x40c, 1), 0x67);
    write(&mut rig, 0x414, 2, 0x5a0f);
    assert_eq!(rig.get(0x3d4, 0x0f), 0x5a);
}

#[test]
fn the_frame_buffer_follows_its_register_and_covers_no_ram() {
    let mut rig = mode(640, 480, 32);
    let there = |rig: &Rig, base: u64| rig.memory.read_uint(base, 1).is_ok();
    assert!(there(&rig, LFB.into()) && !there(&rig, 0xd000_0000));
    rig.vga.config_write(0x10, 4, 0xd000_0000, VmTime::ZERO);
    assert!(!there(&rig, LFB.into()) && there(&rig, 0xd000_0000) && there(&rig, 0xd0ff_ffff));
    rig.vga.config_write(4, 2, 1, VmTime::ZERO);
    assert!(!there(&rig, 0xd000_0000));
    assert!(rig.memory.ram_ranges().is_empty());
}

#[test]
fn the_vga_comes_back_when_the_mode_ends() {
    let mut rig = Rig::text();
    rig.draw();
    let before = rig.frame.clone();
    rig.dispi(1, 640);
    rig.dispi(2, 480);
    rig.dispi(3, 32);
    rig.dispi(4, 0xc1);
    rig.draw();
    assert_eq!((rig.frame.width, rig.frame.text.is_none()), (640, true));
    rig.dispi(4, 0);
    rig.draw();
    assert_eq!(rig.frame, before);
}
