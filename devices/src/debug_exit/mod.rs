//! A port by which a test ends the program: writing `v` gives exit code `v << 1 | 1`, as QEMU's `isa-debug-exit` does.

use crate::request::{Request, Requests};
use lyrebird_core::{Device, PortIo, ResetKind, RestoreError, Unit, VmTime};

/// The port.
pub struct DebugExit {
    requests: Requests,
}

impl DebugExit {
    /// A port that asks by this handle.
    pub fn new(requests: Requests) -> Self {
        DebugExit { requests }
    }
}

impl Device for DebugExit {
    fn name(&self) -> &str {
        "debug-exit"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {}

    fn save(&self, _now: VmTime) -> Unit {
        let Self { requests: _ } = self;
        Unit::pack("debug-exit", 1, &())
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        unit.unpack::<()>("debug-exit", 1)
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }
}

impl PortIo for DebugExit {
    fn read(&mut self, _port: u16, _bytes: u8, _now: VmTime) -> u32 {
        0
    }

    fn write(&mut self, _port: u16, _bytes: u8, value: u32, _now: VmTime) {
        self.requests.ask(Request::Exit((value << 1 | 1) as i32));
    }
}
