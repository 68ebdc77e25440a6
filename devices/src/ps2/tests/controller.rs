use super::*;

#[test]
fn self_test_and_command_byte() {
    let mut b = Bench::new();
    b.put(0x64, 0xaa);
    assert_eq!((b.get(0x64) & 1, b.get(0x60), b.get(0x64) & 1), (1, 0x55, 0));
    b.put(0x64, 0x60);
    b.put(0x60, 0x74);
    b.put(0x64, 0x20);
    assert_eq!(b.get(0x60), 0x74);
    for (command, answer) in [(0xab, 0), (0xa9, 0), (0xa4, 0xf1), (0xc0, 0x80)] {
        b.put(0x64, command);
        assert_eq!(b.all(), [answer], "{command:x}");
    }
    b.put(0x64, 0x65);
    assert_eq!(b.get(0x64) & 8, 8);
    b.put(0x60, 0x99);
    assert_eq!(b.get(0x64) & 8, 0);
    b.put(0x64, 0x25);
    assert_eq!(b.get(0x60), 0x99);
}

#[test]
fn answers_come_one_by_one_with_interrupts() {
    let mut b = Bench::new();
    b.put(0x60, 0xff);
    assert!(b.irq1.level());
    assert_eq!(b.get(0x60), 0xfa);
    assert!(!b.irq1.level());
    assert_eq!(b.get(0x60), 0xfa, "the next byte is still on its way");
    b.wait(MS);
    assert!(b.irq1.level());
    assert_eq!(b.get(0x60), 0xaa);
    assert!(!b.irq1.level());
}

#[test]
fn a_disabled_keyboard_holds_its_bytes() {
    let mut b = Bench::new();
    b.put(0x64, 0xad);
    b.key(0x04, true);
    assert_eq!(b.all(), []);
    b.put(0x64, 0x20);
    assert_eq!(b.all(), [0x57]);
    b.put(0x64, 0xae);
    assert_eq!(b.all(), [0x1e]);
}

#[test]
fn loopback_of_both_buffers() {
    let mut b = Bench::new();
    b.put(0x64, 0xd3);
    b.put(0x60, 0xa5);
    assert!(b.irq12.level() && !b.irq1.level());
    assert_eq!((b.get(0x64) & 0x21, b.get(0x60)), (0x21, 0xa5));
    b.put(0x64, 0xd2);
    b.put(0x60, 0x5a);
    assert!(b.irq1.level());
    assert_eq!((b.get(0x64) & 0x21, b.get(0x60)), (0x01, 0x5a));
    b.put(0x64, 0xa7);
    b.put(0x64, 0x20);
    assert_eq!(b.get(0x60) & 0x20, 0x20);
    b.put(0x64, 0xa8);
    b.put(0x64, 0x20);
    assert_eq!(b.get(0x60) & 0x20, 0);
}

#[test]
fn a20_and_reset() {
    let mut b = Bench::new();
    b.put(0x64, 0xd1);
    b.put(0x60, 0xdd);
    assert!(!b.memory.a20());
    b.put(0x64, 0xd0);
    assert_eq!(b.get(0x60) & 3, 1);
    b.put(0x64, 0xdf);
    assert!(b.memory.a20());
    b.put(0x64, 0xff);
    assert!(!b.requests.pending());
    b.put(0x64, 0xfe);
    assert_eq!(b.requests.take(), Some(Request::Reset));
    b.put(0x64, 0xd1);
    b.put(0x60, 0xde);
    assert_eq!(b.requests.take(), Some(Request::Reset));
}
