use super::*;
use lyrebird_core::chars::KeptOutput;

fn port() -> (Parallel, KeptOutput) {
    let paper = KeptOutput::default();
    (Parallel::new(Line::unconnected(), Timer::unconnected(), Box::new(paper.clone())), paper)
}

#[test]
fn prints_what_is_strobed() {
    let (mut port, paper) = port();
    for (n, byte) in b"Hi".iter().enumerate() {
        let now = VmTime(n as u64 * 100_000);
        assert_eq!(port.read(0x379, 1, now), 0xde, "ready");
        port.write(0x378, 1, u32::from(*byte), now);
        assert_eq!(port.read(0x378, 1, now), u32::from(*byte));
        port.write(0x37a, 1, 0x0d, now);
        port.write(0x37a, 1, 0x0d, now);
        port.write(0x37a, 1, 0x0c, now);
        assert_eq!(port.read(0x379, 1, now), 0x5e, "busy");
        assert_eq!(port.read(0x379, 1, now + 6_000), 0x1e, "acknowledges");
        assert_eq!(port.read(0x379, 1, now + 10_000), 0xde);
    }
    assert_eq!(*paper.0.lock().unwrap(), b"Hi");
    assert_eq!(port.read(0x37a, 1, VmTime::ZERO), 0xcc);
    port.write(0x37a, 1, 0x2c, VmTime::ZERO);
    assert_eq!(port.read(0x378, 1, VmTime::ZERO), 0xff, "turned round");
}

#[test]
fn interrupts_when_the_printer_has_acknowledged() {
    let (mut port, _) = port();
    let bus = lyrebird_core::LineBus::new();
    port.irq = bus.line(7);
    port.write(0x37a, 1, 0x1d, VmTime::ZERO);
    assert_eq!(port.timer.deadline(), VmTime(BUSY_TIME));
    port.timer(0, VmTime(BUSY_TIME));
    assert_eq!(bus.take(), [(7, true), (7, false)]);
    port.write(0x37a, 1, 0x0c, VmTime::ZERO);
    port.write(0x37a, 1, 0x0d, VmTime::ZERO);
    port.timer(0, VmTime(BUSY_TIME));
    assert_eq!(bus.take(), []);
}

#[test]
fn a_state_survives() {
    let (mut port, _) = port();
    for (n, value) in (0..2000u32).zip((0u32..).map(|n| n.wrapping_mul(0x9e37_79b9) >> 13)) {
        port.write(0x378 + (value % 4) as u16, 1, value >> 8, VmTime(u64::from(n) * 1_000));
        let saved = port.save(VmTime::ZERO);
        let (mut other, _) = self::port();
        other.restore(&saved, VmTime::ZERO).unwrap();
        assert_eq!((other.save(VmTime::ZERO), other.timer.deadline()), (saved, port.state.busy));
    }
}
