//! System control port A at 92h (PS/2 technical reference): the fast A20 gate and the fast reset.

use crate::request::{Request, Requests};
use lyrebird_core::{Device, PortIo, ResetKind, RestoreError, Unit, VmTime};
use lyrebird_memory::GuestMemory;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const FAST_RESET: u8 = 1;
const A20: u8 = 2;

/// The port. It and the keyboard controller act on one gate, and both show it.
pub struct Port92 {
    // Wiring.
    memory: Arc<GuestMemory>,
    requests: Requests,
    // Registers.
    latch: u8,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    latch: u8,
    a20: bool,
}

impl Port92 {
    /// The port with the gate open.
    pub fn new(memory: Arc<GuestMemory>, requests: Requests) -> Self {
        Port92 { memory, requests, latch: 0 }
    }
}

impl Device for Port92 {
    fn name(&self) -> &str {
        "port92"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.latch = 0;
        self.memory.set_a20(true);
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { memory, requests: _, latch } = self;
        Unit::pack("port92", 1, &Saved { latch: *latch, a20: memory.a20() })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { latch, a20 } = unit.unpack("port92", 1)?;
        self.latch = latch & !A20;
        self.memory.set_a20(a20);
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }
}

impl PortIo for Port92 {
    fn read(&mut self, _port: u16, _bytes: u8, _now: VmTime) -> u32 {
        u32::from(self.latch | if self.memory.a20() { A20 } else { 0 })
    }

    fn write(&mut self, _port: u16, _bytes: u8, value: u32, _now: VmTime) {
        let value = value as u8;
        self.memory.set_a20(value & A20 != 0);
        if value & !self.latch & FAST_RESET != 0 {
            self.requests.ask(Request::Reset);
        }
        self.latch = value & !A20;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_and_reset() {
        let (memory, requests) = (Arc::new(GuestMemory::new()), Requests::default());
        let mut port = Port92::new(memory.clone(), requests.clone());
        assert_eq!(port.read(0x92, 1, VmTime::ZERO), 2);
        port.write(0x92, 1, 0, VmTime::ZERO);
        assert!(!memory.a20());
        assert!(!requests.pending());
        port.write(0x92, 1, 3, VmTime::ZERO);
        assert!(memory.a20());
        assert_eq!(requests.take(), Some(Request::Reset));
    }
}
