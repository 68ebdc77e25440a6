use super::*;
use crate::pci::{WindowBus, WindowHandle};
use crate::request::{Request, Requests};
use crate::smbus::{SmBus, modules};
use lyrebird_core::{Device, Line, PciConfig, PortIo, ResetKind, Timer, VmTime};

const NOW: VmTime = VmTime::ZERO;

fn device() -> (AcpiPm, Requests, Line) {
    let (requests, sci) = (Requests::default(), Line::unconnected());
    let windows = [(); 2].map(|()| WindowHandle::unconnected());
    let smbus = SmBus::new(modules(64 << 20));
    let mut pm = AcpiPm::new(sci.clone(), Timer::unconnected(), requests.clone(), windows, smbus);
    pm.set_bases(0x600, 0x700);
    (pm, requests, sci)
}

#[test]
fn pmbase_moves_the_ports() {
    let bus = WindowBus::new();
    let windows = [bus.handle(3), bus.handle(4)];
    let mut pm = AcpiPm::new(Line::unconnected(), Timer::unconnected(), Requests::default(), windows, SmBus::default());
    pm.config_write(0x40, 4, 0xb001, NOW);
    assert!(!bus.pending());
    pm.config_write(0x80, 1, 1, NOW);
    let opened = bus.take();
    assert_eq!((opened[0].0, opened[0].1.unwrap().base), (3, 0xb000));
    assert_eq!(pm.config_read(0x40, 4, NOW), 0xb001);
    pm.config_write(0x90, 4, 0x701, NOW);
    assert!(!bus.pending(), "the command register says no");
    pm.config_write(0x04, 2, 1, NOW);
    let opened = bus.take();
    assert_eq!((opened[0].0, opened[0].1.unwrap().base, opened[0].1.unwrap().bytes), (4, 0x700, 16));
    pm.reset(ResetKind::Hard, NOW);
    assert_eq!(bus.take(), [(3, None), (4, None)]);
}

#[test]
fn timer_counts_and_wraps_at_24_bits() {
    let (mut pm, ..) = device();
    assert_eq!(pm.read(0x608, 4, VmTime(1_000_000_000)), 3_579_545);
    let wrapped = PM_CLOCK.time_of((1 << 24) + 5);
    assert_eq!(pm.read(0x608, 4, wrapped), 5);
}

#[test]
fn timer_interrupts_when_its_highest_bit_changes() {
    let (mut pm, _, sci) = device();
    pm.write(0xb2, 1, 0xf1, NOW);
    assert_eq!(pm.read(0x604, 2, NOW), 1);
    pm.write(0x602, 2, 1, NOW);
    let due = PM_CLOCK.time_of(1 << 23);
    pm.timer(0, VmTime(due.0 - 1));
    assert!(!sci.level());
    pm.timer(0, due);
    assert!(sci.level());
    assert_eq!(pm.read(0x600, 2, due), 1);
    pm.write(0x600, 2, 1, due);
    assert!(!sci.level());
}

#[test]
fn power_button_and_power_off() {
    let (mut pm, requests, sci) = device();
    pm.write(0x602, 2, 0x100, NOW);
    pm.press_power_button(NOW);
    assert!(!sci.level(), "legacy mode has no SCI");
    pm.write(0xb2, 1, 0xf1, NOW);
    assert!(sci.level());
    pm.write(0x600, 2, 0x100, NOW);
    assert!(!sci.level());
    pm.write(0x604, 2, 0x2400, NOW);
    assert_eq!((requests.take(), pm.read(0x600, 2, NOW)), (None, 0x8000));
    pm.write(0x604, 2, 0x2000, NOW);
    assert_eq!(requests.take(), Some(Request::PowerOff));
}

#[test]
fn general_purpose_events_read_back() {
    let (mut pm, ..) = device();
    pm.write(0xafe2, 2, 0x0103, NOW);
    assert_eq!((pm.read(0xafe0, 4, NOW), pm.read(0x60e, 2, NOW)), (0x0103_0000, 0x0103));
}

#[test]
fn the_smbus_is_behind_its_own_base_and_shares_irq_9() {
    let (mut pm, _, irq) = device();
    assert_eq!((pm.config_read(0x90, 4, NOW), pm.config_read(0xd2, 1, NOW)), (0x701, 9));
    // Byte data: the kind of memory of the first module.
    pm.write(0x704, 1, 0xa1, NOW);
    pm.write(0x703, 1, 2, NOW);
    pm.write(0x702, 1, 0x49, NOW);
    assert_eq!((pm.read(0x700, 1, NOW), pm.read(0x705, 1, NOW)), (2, 4));
    assert!(irq.level());
    pm.write(0x700, 1, 0x1e, NOW);
    assert!(!irq.level());
    pm.write(0x702, 1, 0x49, NOW);
    let unit = pm.save(NOW);
    let (mut other, _, line) = device();
    other.restore(&unit, NOW).unwrap();
    assert!(line.level() && other.save(NOW) == unit);
    // Switched off, the ports are nobody's.
    pm.config_write(0xd2, 1, 0, NOW);
    assert!(!irq.level());
    assert_eq!(pm.read(0x705, 1, NOW), 0);
}
