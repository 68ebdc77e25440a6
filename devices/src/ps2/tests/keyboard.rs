use super::*;

const A: u8 = 0x04;
const LEFT_CTRL: u8 = 0xe0;
const LEFT_ALT: u8 = 0xe2;

#[test]
fn the_three_sets() {
    let mut b = Bench::new();
    assert_eq!(b.tap(A), (vec![0x1e], vec![0x9e]), "set 2, translated");
    assert_eq!(b.tap(0x52), (vec![0xe0, 0x48], vec![0xe0, 0xc8]));
    let mut b = Bench::new().raw();
    assert_eq!(b.tap(A), (vec![0x1c], vec![0xf0, 0x1c]));
    assert_eq!(b.tap(0x52), (vec![0xe0, 0x75], vec![0xe0, 0xf0, 0x75]));
    assert_eq!(b.keyboard(&[0xf0, 1]), [0xfa, 0xfa]);
    assert_eq!(b.tap(A), (vec![0x1e], vec![0x9e]));
    assert_eq!(b.tap(0xe4), (vec![0xe0, 0x1d], vec![0xe0, 0x9d]));
    assert_eq!(b.keyboard(&[0xf0, 0]), [0xfa, 0xfa, 1]);
    assert_eq!(b.keyboard(&[0xf0, 3]), [0xfa, 0xfa]);
    assert_eq!(b.tap(A), (vec![0x1c], vec![]));
    assert_eq!(b.tap(0xe1), (vec![0x12], vec![0xf0, 0x12]), "Shift says both");
    assert_eq!(b.tap(0x48), (vec![0x62], vec![]));
    assert_eq!(b.keyboard(&[0xfa]), [0xfa]);
    assert_eq!(b.tap(A), (vec![0x1c], vec![0xf0, 0x1c]));
    assert_eq!(b.keyboard(&[0xfd, 0x1c, 0xf4]), [0xfa; 3]);
    assert_eq!(b.tap(A), (vec![0x1c], vec![]));
}

#[test]
fn pause_and_print_screen() {
    let mut b = Bench::new();
    assert_eq!(b.tap(0x48), (vec![0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5], vec![]));
    assert_eq!(b.tap(0x46), (vec![0xe0, 0x2a, 0xe0, 0x37], vec![0xe0, 0xb7, 0xe0, 0xaa]));
    b.key(LEFT_CTRL, true);
    b.all();
    assert_eq!(b.tap(0x48), (vec![0xe0, 0x46, 0xe0, 0xc6], vec![]));
    assert_eq!(b.tap(0x46), (vec![0xe0, 0x37], vec![0xe0, 0xb7]));
    b.key(LEFT_CTRL, false);
    b.key(LEFT_ALT, true);
    b.all();
    assert_eq!(b.tap(0x46), (vec![0x54], vec![0xd4]));
}

#[test]
fn commands() {
    let mut b = Bench::new().raw();
    assert_eq!(b.keyboard(&[0xee]), [0xee]);
    assert_eq!(b.keyboard(&[0xf2]), [0xfa, 0xab, 0x83]);
    assert_eq!(b.keyboard(&[0xed, 0x05]), [0xfa, 0xfa]);
    assert_eq!(b.ps2.leds(), 5);
    assert_eq!(b.keyboard(&[0xed, 0xf4]), [0xfa, 0xfa], "a command instead of the parameter");
    assert_eq!(b.ps2.leds(), 5);
    assert_eq!(b.keyboard(&[0xf1]), [0xfe]);
    assert_eq!(b.keyboard(&[0xf5]), [0xfa]);
    assert_eq!(b.tap(A), (vec![], vec![]));
    assert_eq!(b.keyboard(&[0xf4]), [0xfa]);
    assert_eq!(b.tap(A).0, [0x1c]);
    assert_eq!(b.keyboard(&[0xfe]), [0x1c], "resend");
    assert_eq!(b.keyboard(&[0xff]), [0xfa, 0xaa]);
    assert_eq!(b.ps2.leds(), 0);
    let mut b = Bench::new();
    assert_eq!(b.keyboard(&[0xf2]), [0xfa, 0xab, 0x41], "translated");
    assert_eq!(b.keyboard(&[0xf0, 0]), [0xfa, 0xfa, 0x41]);
}

#[test]
fn a_held_key_repeats() {
    let mut b = Bench::new();
    b.key(A, true);
    assert_eq!(b.all(), [0x1e]);
    b.wait(490 * MS);
    assert_eq!(b.get(0x64) & 1, 0);
    b.wait(10 * MS);
    assert_eq!(b.get(0x60), 0x1e);
    b.wait(92 * MS);
    assert_eq!(b.get(0x64) & 1, 1, "10.9 times a second");
    assert_eq!(b.get(0x60), 0x1e);
    b.key(0x05, true);
    assert_eq!(b.all(), [0x30]);
    b.wait(2_000 * MS);
    assert_eq!(b.all(), [0x30, 0x30], "only the key that went down last, and hardly more than is read");
    b.key(0x05, false);
    assert_eq!(b.all(), [0xb0]);
    b.wait(2_000 * MS);
    assert_eq!(b.all(), []);
    // The fastest: 250 ms, then 30 a second.
    b.keyboard(&[0xf3, 0]);
    b.key(0x06, true);
    b.all();
    let start = b.now;
    let mut count = 0;
    while b.now.since(start) < 1_250 * MS {
        b.wait(MS);
        if b.get(0x64) & 1 != 0 {
            assert_eq!(b.get(0x60), 0x2e);
            count += 1;
        }
    }
    assert!((29..=31).contains(&count), "{count}");
}

#[test]
fn a_full_buffer_says_so_and_no_key_stays_down() {
    let mut b = Bench::new();
    for key in A..A + 26 {
        b.key(key, true);
    }
    for key in A..A + 26 {
        b.key(key, false);
    }
    let bytes = b.all();
    let overrun = bytes.iter().position(|byte| *byte == 0xff).expect("overrun");
    assert_eq!(overrun, 17, "one in the output buffer, sixteen in the keyboard's");
    for code in &bytes[..overrun] {
        assert!(bytes.contains(&(code | 0x80)), "{code:x} came up");
    }
}
