//! Ports: what reads back, who answers where, what the beam does.

use super::*;
use modes::{MODE_3, MODE_7, MODE_12, MODE_13, Mode};

#[test]
fn registers_read_back() {
    let mut rig = Rig::mode(&MODE_12);
    assert_eq!(rig.input(0x3cc), 0xe3);
    assert_eq!((rig.get(0x3c4, 4), rig.get(0x3ce, 6), rig.get(0x3d4, 0x12)), (6, 5, 0xdf));
    assert_eq!((rig.get(0x3c4, 9), rig.get(0x3ce, 0x99), rig.get(0x3d4, 0x60)), (0, 0, 0), "no such registers");
    rig.input(0x3da);
    rig.out(0x3c0, 0x0f | 0x20);
    assert_eq!((rig.input(0x3c0), rig.input(0x3c1)), (0x2f, 0x3f));
    assert_eq!(rig.get(0x3d4, 0x24), 0x80, "data is next");
    rig.input(0x3da);
    assert_eq!(rig.get(0x3d4, 0x24), 0);
    rig.out(0x3da, 3);
    assert_eq!(rig.input(0x3ca), 3);
    assert_eq!(rig.input(0x3c2), 0x10);
}

#[test]
fn crtc_registers_0_to_7_can_be_protected() {
    let mut rig = Rig::mode(&MODE_12);
    let before = rig.get(0x3d4, 7);
    rig.set(0x3d4, 0x11, 0x8c);
    rig.set(0x3d4, 0, 1);
    rig.set(0x3d4, 7, !before);
    assert_eq!(rig.get(0x3d4, 0), 0x5f);
    assert_eq!(rig.get(0x3d4, 7), before ^ 0x10, "but for line compare");
    rig.set(0x3d4, 8, 1);
    assert_eq!(rig.get(0x3d4, 8), 1);
}

#[test]
fn colour_and_monochrome_are_at_different_ports() {
    let mut rig = Rig::mode(&MODE_3);
    assert_eq!((rig.input(0x3d4) != 0xff, rig.input(0x3b4), rig.input(0x3ba)), (true, 0xff, 0xff));
    let mut rig = Rig::mode(&MODE_7);
    assert_eq!((rig.input(0x3d4), rig.input(0x3da), rig.get(0x3b4, 1)), (0xff, 0xff, 0x4f));
}

#[test]
fn the_dac_counts_by_threes() {
    let mut rig = Rig::mode(&MODE_12);
    rig.out(0x3c8, 10);
    [1, 2, 3, 4, 5, 0xff].into_iter().for_each(|value| rig.out(0x3c9, value));
    assert_eq!(rig.input(0x3c8), 12);
    assert_eq!(rig.input(0x3c7), 0);
    rig.out(0x3c7, 10);
    assert_eq!(rig.input(0x3c7), 3);
    assert_eq!(std::array::from_fn(|_| rig.input(0x3c9)), [1, 2, 3, 4, 5, 0x3f]);
    rig.out(0x3c8, 10);
    rig.out(0x3c9, 60);
    rig.out(0x3c9, 61);
    rig.out(0x3c8, 11);
    rig.out(0x3c7, 10);
    assert_eq!(rig.input(0x3c9), 1, "a colour takes effect with its third component");
}

/// Frames a second, lines a frame, and the share of time of display and retrace, as software sees them that polls 3DAh.
fn measure(mode: &Mode) -> (f64, f64, f64, f64) {
    let mut rig = Rig::mode(mode);
    let (mut frames, mut lines, mut displays, mut retraces) = (0, 0, 0, 0);
    let (step, polls) = (1_000, 1_000_000);
    let (mut before, status) = (0u8, if mode.number == 7 { 0x3ba } else { 0x3da });
    for _ in 0..polls {
        let bits = rig.input(status);
        frames += u32::from(bits & !before & 8 != 0);
        lines += u32::from(bits & !before & 1 != 0);
        displays += u32::from(bits & 1 == 0);
        retraces += u32::from(bits & 8 != 0);
        before = bits;
        rig.now = rig.now + step;
    }
    let share = |n: u32| f64::from(n) / f64::from(polls);
    (f64::from(frames), f64::from(lines) / f64::from(frames), share(displays), share(retraces))
}

#[test]
fn software_that_polls_the_status_sees_the_right_frequencies() {
    // 25.175 MHz / 800 / 449; 28.322 MHz / 900 / 449; 25.175 MHz / 800 / 525.
    for (mode, hertz, visible, total) in
        [(&MODE_13, 70.0, 400.0, 449.0), (&MODE_3, 70.0, 400.0, 449.0), (&MODE_12, 60.0, 480.0, 525.0)]
    {
        let (frames, lines, displays, retraces) = measure(mode);
        assert!((frames - hertz).abs() <= 1.0, "{frames} frames");
        assert!((lines - visible).abs() < 8.0, "{lines} lines begin their blanking");
        assert!((displays - visible / total * 0.8).abs() < 0.01, "{displays}");
        assert!((retraces - 2.0 / total).abs() < 0.001, "{retraces}");
    }
}

#[test]
fn every_part_of_a_frame_comes_on_every_setting() {
    let mut random = super::random::Random(7);
    for _ in 0..200 {
        let mut rig = Rig::text();
        rig.set(0x3d4, 0x11, 0);
        for index in 0..25 {
            rig.set(0x3d4, index, random.next() as u8 & if random.next() & 1 == 0 { 0xff } else { 0x03 });
        }
        rig.out(0x3c2, random.next() as u8 | 1);
        rig.set(0x3c4, 1, random.next() as u8);
        let mut seen = 0u8;
        for _ in 0..200_000 {
            let bits = rig.input(0x3da);
            seen |= bits & 9 | (!bits & 9) << 1;
            if seen & 0x1b == 0x1b {
                break;
            }
            rig.now = rig.now + 997;
        }
        assert_eq!(seen & 0x1b, 0x1b, "display, blanking, retrace and none of it");
    }
}
