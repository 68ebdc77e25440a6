//! The ISA bridge of the PIIX3 (82371SB, 8086:7000; Intel data sheet 290550): which IRQ each PCI interrupt line is routed to,
//! and the reset register at port CF9h.

use super::config_space::{ConfigSpace, Identity};
use crate::request::{Request, Requests};
use lyrebird_core::{Device, PciConfig, PortIo, ResetKind, RestoreError, Unit, VmTime};
use serde::{Deserialize, Serialize};

const PIRQ_ROUTE: u8 = 0x60;
const ROUTE_DISABLED: u8 = 0x80;
/// Reset control: system reset rather than CPU reset only. Both reset everything here.
const SYSTEM_RESET: u8 = 2;
/// Reset control: reset when it goes from 0 to 1.
const RESET_CPU: u8 = 4;

/// Function 1.0.
pub struct Piix3 {
    // Wiring.
    requests: Requests,
    // Registers.
    config: ConfigSpace,
    /// RC, port CF9h.
    reset_control: u8,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    config: Vec<u8>,
    reset_control: u8,
}

impl Piix3 {
    /// The bridge after power-on.
    pub fn new(requests: Requests) -> Self {
        let mut config = ConfigSpace::new(Identity { vendor: 0x8086, device: 0x7000, class: 0x06_0100, revision: 0 });
        config.preset(0x04, &[0x07, 0x00, 0x00, 0x02]);
        config.preset(0x0e, &[0x80]); // there are more functions
        config.preset(0x4c, &[0x4d, 0x00, 0x03, 0x00]);
        config.allow(0x4c, &[0xff; 4]);
        config.preset(PIRQ_ROUTE, &[ROUTE_DISABLED; 4]);
        config.allow(PIRQ_ROUTE, &[0x8f; 4]);
        config.preset(0x69, &[0x02]);
        config.allow(0x69, &[0xfe, 0xff]);
        config.preset(0x70, &[0x80]);
        config.allow(0x70, &[0xff]);
        config.preset(0x76, &[0x0c, 0x0c]);
        config.allow(0x76, &[0xff; 2]);
        config.preset(0xa0, &[0x08]);
        config.allow(0xa0, &[0xff; 16]);
        Piix3 { requests, config, reset_control: 0 }
    }

    /// The IRQ that PIRQ A to D (0 to 3) is routed to.
    pub fn route(&self, pirq: u8) -> Option<u8> {
        let route = self.config.read(PIRQ_ROUTE + (pirq & 3), 1) as u8;
        (route & ROUTE_DISABLED == 0).then_some(route & 15)
    }

    /// Routes all four, as firmware does.
    pub fn set_routes(&mut self, irqs: [u8; 4]) {
        self.config.write(PIRQ_ROUTE, 4, u32::from_le_bytes(irqs));
    }
}

impl Device for Piix3 {
    fn name(&self) -> &str {
        "piix3"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.config.reset();
        self.reset_control = 0;
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { requests: _, config, reset_control } = self;
        Unit::pack("piix3", 1, &Saved { config: config.save(), reset_control: *reset_control })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { config, reset_control } = unit.unpack("piix3", 1)?;
        self.config.restore(&config);
        self.reset_control = reset_control;
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }

    fn pci(&mut self) -> Option<&mut dyn PciConfig> {
        Some(self)
    }
}

impl PciConfig for Piix3 {
    fn config_read(&mut self, offset: u8, bytes: u8, _now: VmTime) -> u32 {
        self.config.read(offset, bytes)
    }

    fn config_write(&mut self, offset: u8, bytes: u8, value: u32, _now: VmTime) {
        self.config.write(offset, bytes, value);
    }
}

/// Port CF9h.
impl PortIo for Piix3 {
    fn read(&mut self, _port: u16, _bytes: u8, _now: VmTime) -> u32 {
        self.reset_control.into()
    }

    fn write(&mut self, _port: u16, _bytes: u8, value: u32, _now: VmTime) {
        let value = value as u8;
        if value & !self.reset_control & RESET_CPU != 0 {
            self.requests.ask(Request::Reset);
        }
        self.reset_control = value & SYSTEM_RESET;
    }
}
