use super::*;
use crate::request::{Request, Requests};
use lyrebird_core::{Line, PortIo, VmTime};
use lyrebird_memory::GuestMemory;
use std::sync::Arc;

struct Bench {
    ps2: Ps2,
    irq1: Line,
    irq12: Line,
    memory: Arc<GuestMemory>,
    requests: Requests,
}

fn bench() -> Bench {
    let (irq1, irq12) = (Line::unconnected(), Line::unconnected());
    let (memory, requests) = (Arc::new(GuestMemory::new()), Requests::default());
    let ps2 = Ps2::new(irq1.clone(), irq12.clone(), memory.clone(), requests.clone());
    Bench { ps2, irq1, irq12, memory, requests }
}

impl Bench {
    fn put(&mut self, port: u16, value: u8) {
        self.ps2.write(port, 1, value.into(), VmTime::ZERO);
    }

    fn get(&mut self, port: u16) -> u8 {
        self.ps2.read(port, 1, VmTime::ZERO) as u8
    }
}

#[test]
fn self_test_and_command_byte() {
    let mut b = bench();
    b.put(0x64, 0xaa);
    assert_eq!((b.get(0x64) & 1, b.get(0x60), b.get(0x64) & 1), (1, 0x55, 0));
    b.put(0x64, 0x60);
    b.put(0x60, 0x74);
    b.put(0x64, 0x20);
    assert_eq!(b.get(0x60), 0x74);
    b.put(0x64, 0xab);
    assert_eq!(b.get(0x60), 0);
}

#[test]
fn keyboard_answers_with_interrupts() {
    let mut b = bench();
    b.put(0x60, 0xff);
    assert!(b.irq1.level());
    assert_eq!((b.get(0x60), b.get(0x60)), (0xfa, 0xaa));
    assert!(!b.irq1.level());
    b.put(0x60, 0xf2);
    assert_eq!((b.get(0x60), b.get(0x60), b.get(0x60)), (0xfa, 0xab, 0x83));
}

#[test]
fn aux_loopback_and_mouse() {
    let mut b = bench();
    b.put(0x64, 0xd3);
    b.put(0x60, 0xa5);
    assert!(b.irq12.level());
    assert_eq!((b.get(0x64) & 0x21, b.get(0x60)), (0x21, 0xa5));
    b.put(0x64, 0xd4);
    b.put(0x60, 0xff);
    assert_eq!((b.get(0x60), b.get(0x60), b.get(0x60)), (0xfa, 0xaa, 0));
    b.put(0x64, 0xa7);
    b.put(0x64, 0x20);
    assert_eq!(b.get(0x60) & 0x20, 0x20);
}

#[test]
fn a20_and_reset() {
    let mut b = bench();
    b.put(0x64, 0xd1);
    b.put(0x60, 0xdd);
    assert!(!b.memory.a20());
    b.put(0x64, 0xd0);
    assert_eq!(b.get(0x60) & 3, 1);
    b.put(0x64, 0xdf);
    assert!(b.memory.a20());
    assert!(!b.requests.pending());
    b.put(0x64, 0xfe);
    assert_eq!(b.requests.take(), Some(Request::Reset));
}
