use super::*;

/// Two modules whose byte n is n, and n xor FFh.
fn bus() -> SmBus {
    SmBus::new(vec![Eeprom::new(std::array::from_fn(|n| n as u8)), Eeprom::new(std::array::from_fn(|n| !(n as u8)))])
}

/// Runs a transaction; what the status says comes out, cleared.
fn run(bus: &mut SmBus, address: u8, reads: bool, protocol: u8, command: u8) -> u8 {
    bus.write(4, address << 1 | u8::from(reads));
    bus.write(3, command);
    bus.write(2, 0x40 | protocol << 2);
    let status = bus.read(0);
    bus.write(0, status);
    assert_eq!(bus.read(0), 0);
    status
}

#[test]
fn who_is_there_answers_to_every_protocol() {
    let mut bus = bus();
    assert_eq!((run(&mut bus, 0x50, false, 0, 0), run(&mut bus, 0x51, true, 0, 0)), (2, 2));
    assert_eq!((run(&mut bus, 0x52, false, 0, 0), run(&mut bus, 0x08, true, 1, 0)), (4, 4));
    // Send a byte, and receive the one there and the next.
    assert_eq!(run(&mut bus, 0x51, false, 1, 0x20), 2);
    assert_eq!((run(&mut bus, 0x51, true, 1, 0), bus.read(5)), (2, 0xdf));
    assert_eq!((run(&mut bus, 0x51, true, 1, 0), bus.read(5)), (2, 0xde));
    assert_eq!((run(&mut bus, 0x50, true, 2, 0x7f), bus.read(5)), (2, 0x7f));
    assert_eq!((run(&mut bus, 0x50, true, 3, 0xff), bus.read(5), bus.read(6)), (2, 0xff, 0x00));
    // A block: its first byte is its length.
    assert_eq!((run(&mut bus, 0x50, true, 5, 4), bus.read(5)), (2, 4));
    bus.read(2);
    assert_eq!([(); 5].map(|()| bus.read(7)), [5, 6, 7, 8, 0]);
    assert_eq!(run(&mut bus, 0x50, true, 5, 33), 4, "too long");
    assert_eq!(run(&mut bus, 0x50, true, 5, 0), 4, "empty");
    assert_eq!(run(&mut bus, 0x50, true, 7, 0), 4, "no protocol");
}

#[test]
fn modules_are_write_protected() {
    let mut bus = bus();
    bus.write(5, 0xaa);
    for protocol in [2, 3, 5] {
        assert_eq!(run(&mut bus, 0x50, false, protocol, 9), 4);
    }
    assert_eq!((run(&mut bus, 0x50, true, 2, 9), bus.read(5)), (2, 9));
}

#[test]
fn it_interrupts_if_asked_to_and_can_be_stopped() {
    let mut bus = bus();
    bus.write(4, 0xa1);
    bus.write(2, 0x48);
    assert!(!bus.interrupts());
    bus.write(2, 0x49);
    assert!(bus.interrupts() && bus.read(2) == 0x09, "START reads as zero");
    bus.write(0, 0x02);
    assert!(!bus.interrupts());
    bus.write(2, 0x02);
    assert_eq!(bus.read(0), 0x10);
}

#[test]
fn the_block_buffer_goes_round() {
    let mut bus = bus();
    bus.read(2);
    (0..33).for_each(|n| bus.write(7, n));
    bus.read(2);
    assert_eq!((bus.read(7), bus.read(7)), (32, 1));
}

#[test]
fn saved_restored_saved() {
    let mut first = bus();
    run(&mut first, 0x51, true, 5, 0xf0);
    first.write(8, 0xff);
    first.write(0xb, 0x12);
    let saved = first.save();
    let mut second = bus();
    second.restore(&saved);
    assert_eq!(format!("{:?}", second.save()), format!("{saved:?}"));
    assert_eq!(
        (run(&mut second, 0x51, true, 1, 0), second.read(5)),
        (run(&mut first, 0x51, true, 1, 0), first.read(5))
    );
    second.reset();
    assert_eq!((second.read(8), second.read(5)), (0, 0));
}
