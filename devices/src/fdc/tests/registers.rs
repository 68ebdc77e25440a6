use super::*;

#[test]
fn a_reset_ends_with_an_interrupt_and_four_states() {
    let mut b = Bench::bare();
    b.fdc.connect(0, None);
    assert_eq!(b.inp(0x3f4), 0, "held in reset");
    b.out(0x3f2, 0x0c);
    assert_eq!(b.inp(0x3f4), 0);
    b.wait(MS);
    assert!(b.irq.level());
    assert_eq!(b.inp(0x3f4), 0x80);
    for n in 0..4 {
        assert_eq!(b.command(&[0x08]), [0xc0 | n, 0]);
    }
    assert!(!b.irq.level());
    assert_eq!(b.command(&[0x08]), [0x80], "nothing more");
    b.out(0x3f4, 0x80);
    b.wait(MS);
    assert!(b.irq.level(), "by the data rate register");
    // Without polling there is none.
    for _ in 0..4 {
        b.command(&[0x08]);
    }
    b.command(&[0x13, 0, 0x30, 0]);
    b.command(&[0x94]);
    b.out(0x3f2, 0x08);
    b.out(0x3f2, 0x0c);
    b.wait(MS);
    assert!(!b.irq.level());
}

#[test]
fn parameters_and_lock() {
    let mut b = Bench::new();
    assert_eq!(b.command(&[0x10]), [0x90]);
    assert_eq!(b.command(&[0x18]), [0x80], "PART ID is the 82078's");
    assert_eq!(b.command(&[0x01]), [0x80]);
    b.command(&[0x13, 0, 0x57, 9]);
    b.command(&[0x12, 0x84]);
    assert_eq!(b.command(&[0x94]), [0x10]);
    assert_eq!(b.command(&[0x0e]), [0, 0, 0, 0, 0xdf, 0x02, 0, 0x84, 0x57, 9]);
    b.out(0x3f2, 0);
    b.out(0x3f2, 0x1c);
    b.wait(MS);
    for _ in 0..4 {
        b.command(&[0x08]);
    }
    assert_eq!(b.command(&[0x0e])[8..], [0x57, 9], "locked");
    assert_eq!(b.command(&[0x14]), [0]);
    b.out(0x3f2, 0);
    b.out(0x3f2, 0x1c);
    b.wait(MS);
    for _ in 0..4 {
        b.command(&[0x08]);
    }
    assert_eq!(b.command(&[0x0e])[8..], [0x20, 0]);
}

#[test]
fn seeks_take_time_and_close_the_change_line() {
    let mut b = Bench::new();
    assert_eq!(b.inp(0x3f7) & 0x80, 0x80, "changed since power-on");
    b.command(&[0x0f, 0, 40]);
    assert_eq!(b.inp(0x3f4), 0x81, "drive 0 is busy, the controller is not");
    b.wait(MS);
    assert_eq!(b.inp(0x3f4), 0x81);
    b.wait(10 * MS);
    assert!(b.irq.level());
    assert_eq!(b.command(&[0x08]), [0x20, 40]);
    assert_eq!(b.inp(0x3f7) & 0x80, 0);
    assert_eq!(b.command(&[0x04, 0]), [0x28], "not at track 0");
    b.command(&[0x8f, 0, 10]);
    b.wait(10 * MS);
    assert_eq!(b.command(&[0x08]), [0x20, 30]);
    // A drive that is not there has no track 0.
    b.command(&[0x07, 1]);
    b.wait(10 * MS);
    assert_eq!(b.command(&[0x08]), [0x71, 0]);
    b.fdc.drive(0).unwrap().insert(None);
    b.command(&[0x0f, 0, 1]);
    b.wait(10 * MS);
    assert_eq!(b.inp(0x3f7) & 0x80, 0x80, "empty");
}

#[test]
fn the_gate_holds_the_interrupt_back() {
    let mut b = Bench::new();
    b.out(0x3f2, 0x14);
    b.command(&[0x0f, 0, 3]);
    b.wait(10 * MS);
    assert!(!b.irq.level());
    b.out(0x3f2, 0x1c);
    assert!(b.irq.level());
    assert_eq!(b.inp(0x3f2), 0x1c);
    b.out(0x3f3, 0xff);
    assert_eq!(b.inp(0x3f3) & 3, 3);
}

#[test]
fn nothing_that_a_guest_does_panics_and_states_survive() {
    const FIRST: [u8; 20] = [
        0x02, 0x03, 0x04, 0x07, 0x08, 0x0a, 0x0e, 0x0f, 0x12, 0x13, 0x45, 0xe6, 0xc6, 0x4d, 0x49, 0x11, 0x16, 0x19,
        0xe5, 0x4c,
    ];
    let mut seed = 3u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u32
    };
    let bench = || {
        let mut b = Bench::bare();
        b.fdc.connect(0, Some(floppy(1440)));
        b.fdc.connect(1, Some(Box::new(MemoryDisk::read_only("test", vec![1; 360 << 10]))));
        b
    };
    let mut b = bench();
    b.begin(0);
    for step in 0..6_000 {
        match next() % 9 {
            0..=1 => {
                b.out(0x3f5, FIRST[next() as usize % FIRST.len()]);
                for _ in 0..8 {
                    b.out(0x3f5, [0, 1, 2, 3, 18, next() as u8][next() as usize % 6]);
                }
            }
            2 => b.out(0x3f5, next() as u8),
            3 => _ = b.inp(0x3f0 + (next() % 8) as u16),
            4 => (0..next() % 600).for_each(|_| _ = b.inp(0x3f5)),
            5 => b.out(0x3f2 + (next() % 6) as u16, [0x1c, 0x3d, 0x34, 0, next() as u8][next() as usize % 5]),
            6 => b.channel([0x44, 0x48, 0x54, 0x40][next() as usize % 4], 1 + next() as usize % 40_000),
            7 => (0..next() % 600).for_each(|n| b.out(0x3f5, n as u8)),
            _ => b.wait(u64::from(next() % 2_000_000)),
        }
        if step % 100 == 0 {
            let saved = b.fdc.save(b.now);
            let mut other = bench();
            other.fdc.restore(&saved, b.now).unwrap();
            assert_eq!(other.fdc.save(b.now), saved);
            let both = [&b, &other].map(|b| (b.irq.level(), b.timers.next_deadline()));
            assert_eq!(both[0], both[1]);
        }
    }
    let saved = b.fdc.save(b.now);
    assert!(Bench::new().fdc.restore(&saved, b.now).unwrap_err().to_string().contains("720"));
}
