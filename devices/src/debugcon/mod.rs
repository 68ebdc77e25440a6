//! Bochs's debug port at E9h, and SeaBIOS's at 402h: what is written there goes to the host. E9h reads as E9h, by which a
//! guest knows that it is there.

use lyrebird_core::chars::CharOut;
use lyrebird_core::{Device, PortIo, ResetKind, RestoreError, Unit, VmTime};

/// The port.
pub struct DebugCon {
    out: Box<dyn CharOut>,
    unflushed: bool,
}

impl DebugCon {
    /// A port whose bytes go to `out`.
    pub fn new(out: Box<dyn CharOut>) -> Self {
        DebugCon { out, unflushed: false }
    }

    /// Makes what was written visible to the reader.
    pub fn flush(&mut self) {
        if std::mem::take(&mut self.unflushed) {
            self.out.flush();
        }
    }
}

impl Device for DebugCon {
    fn name(&self) -> &str {
        "debugcon"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {}

    fn save(&self, _now: VmTime) -> Unit {
        let Self { out: _, unflushed: _ } = self;
        Unit::pack("debugcon", 1, &())
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        unit.unpack::<()>("debugcon", 1)
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }
}

impl PortIo for DebugCon {
    fn read(&mut self, _port: u16, _bytes: u8, _now: VmTime) -> u32 {
        0xe9
    }

    fn write(&mut self, _port: u16, _bytes: u8, value: u32, _now: VmTime) {
        self.out.write(&[value as u8]);
        self.unflushed = true;
    }

    fn write_block(&mut self, port: u16, bytes: u8, data: &[u8], now: VmTime) {
        if bytes == 1 {
            self.out.write(data);
            self.unflushed = true;
        } else {
            data.chunks_exact(usize::from(bytes.max(1))).for_each(|item| self.write(port, bytes, item[0].into(), now));
        }
    }
}
