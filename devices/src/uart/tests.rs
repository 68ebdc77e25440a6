use super::*;
use lyrebird_core::chars::KeptOutput;

fn uart() -> (Uart, KeptOutput) {
    let wire = KeptOutput::default();
    (Uart::new("serial0", Line::unconnected(), Box::new(wire.clone())), wire)
}

fn put(uart: &mut Uart, register: u16, value: u8) {
    uart.write(0x3f8 + register, 1, value.into(), VmTime::ZERO);
}

fn get(uart: &mut Uart, register: u16) -> u8 {
    uart.read(0x3f8 + register, 1, VmTime::ZERO) as u8
}

#[test]
fn sends_everything() {
    let (mut uart, wire) = uart();
    for byte in b"hello" {
        assert_eq!(get(&mut uart, 5) & 0x60, 0x60);
        put(&mut uart, 0, *byte);
    }
    assert_eq!(*wire.0.lock().unwrap(), b"hello");
}

#[test]
fn divisor_latch_hides_the_data_and_enable_registers() {
    let (mut uart, wire) = uart();
    put(&mut uart, 3, 0x83);
    put(&mut uart, 0, 1);
    put(&mut uart, 1, 2);
    assert_eq!((get(&mut uart, 0), get(&mut uart, 1)), (1, 2));
    put(&mut uart, 3, 3);
    assert_eq!((get(&mut uart, 1), get(&mut uart, 3)), (0, 3));
    assert!(wire.0.lock().unwrap().is_empty());
    put(&mut uart, 7, 0xa5);
    assert_eq!(get(&mut uart, 7), 0xa5);
}

#[test]
fn received_bytes_wait_in_the_fifo() {
    let (mut uart, _) = uart();
    assert_eq!(uart.room(), 1);
    put(&mut uart, 2, 0x81);
    put(&mut uart, 1, 1);
    put(&mut uart, 4, 8);
    assert_eq!(uart.room(), 16);
    uart.receive(b"1234567");
    assert!(uart.irq.level());
    assert_eq!(get(&mut uart, 2), 0xcc, "below the trigger level: timeout");
    uart.receive(b"8");
    assert_eq!((get(&mut uart, 2), uart.room()), (0xc4, 8));
    for expected in b"12345678" {
        assert_eq!(get(&mut uart, 5) & 1, 1);
        assert_eq!(get(&mut uart, 0), *expected);
    }
    assert_eq!((get(&mut uart, 5), get(&mut uart, 2)), (0x60, 0xc1));
    assert!(!uart.irq.level());
}

#[test]
fn overrun() {
    let (mut uart, _) = uart();
    put(&mut uart, 1, 4);
    put(&mut uart, 4, 8);
    uart.receive(b"ab");
    assert_eq!(get(&mut uart, 2), 6);
    assert_eq!((get(&mut uart, 5), get(&mut uart, 5)), (0x63, 0x61));
    assert_eq!(get(&mut uart, 0), b'b');
}

#[test]
fn holding_register_empty_makes_an_edge_for_each_byte() {
    let bus = lyrebird_core::LineBus::new();
    let mut uart = Uart::new("serial0", bus.line(4), Box::new(KeptOutput::default()));
    put(&mut uart, 4, 8);
    put(&mut uart, 1, 2);
    assert_eq!(bus.take(), [(4, true)]);
    put(&mut uart, 0, b'x');
    assert_eq!(bus.take(), [(4, false), (4, true)]);
    assert_eq!((get(&mut uart, 2), get(&mut uart, 2)), (2, 1));
    assert_eq!(bus.take(), [(4, false)]);
}

#[test]
fn loopback_and_modem_status() {
    let (mut uart, wire) = uart();
    assert_eq!(get(&mut uart, 6), 0xb0);
    put(&mut uart, 4, 0x1a);
    assert_eq!(get(&mut uart, 6) & 0xf0, 0x90, "RTS is CTS, OUT2 is DCD");
    put(&mut uart, 4, 0x10);
    assert_eq!(get(&mut uart, 6), 0x09);
    put(&mut uart, 3, 3);
    put(&mut uart, 0, 0x5a);
    assert_eq!((get(&mut uart, 0), uart.room()), (0x5a, 0));
    assert!(wire.0.lock().unwrap().is_empty());
    put(&mut uart, 4, 0x14);
    assert_eq!(get(&mut uart, 6), 0x40);
    put(&mut uart, 4, 0x10);
    assert_eq!(get(&mut uart, 6), 0x04, "the ring's end counts");
}

#[test]
fn out2_gates_the_interrupt() {
    let (mut uart, _) = uart();
    put(&mut uart, 1, 1);
    uart.receive(b"a");
    assert!(!uart.irq.level());
    put(&mut uart, 4, 8);
    assert!(uart.irq.level());
}
