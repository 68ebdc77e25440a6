//! The 82441FX host bridge (i440FX, 8086:1237; Intel data sheet 290549): configuration mechanism 1, and PAM.

use super::config_space::{ConfigSpace, Identity};
use super::pam::Pam;
use lyrebird_core::{Device, PciConfig, ResetKind, RestoreError, Unit, VmTime};
use serde::{Deserialize, Serialize};

const PAM0: u8 = 0x59;
const SMRAM: u8 = 0x72;

/// Function 0.0.
pub struct HostBridge {
    // Wiring.
    pam: Pam,
    // Registers.
    config: ConfigSpace,
    /// CONFADD, port CF8h.
    address: u32,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    config: Vec<u8>,
    address: u32,
}

/// Which register a configuration cycle means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigAddress {
    /// Bus number.
    pub bus: u8,
    /// Device and function: bits 7 to 3, and 2 to 0.
    pub devfn: u8,
    /// The register, a multiple of 4.
    pub register: u8,
}

impl HostBridge {
    /// The bridge, with all of PAM set to ROM.
    pub fn new(pam: Pam) -> Self {
        let mut config = ConfigSpace::new(Identity { vendor: 0x8086, device: 0x1237, class: 0x06_0000, revision: 2 });
        config.preset(0x04, &[0x06, 0x00, 0x80, 0x02]);
        config.allow(0x50, &[0xff; 9]);
        config.allow(PAM0, &[0x33; 7]);
        config.allow(0x60, &[0xff; 8]);
        config.preset(SMRAM, &[0x02]);
        config.allow(SMRAM, &[0x78]);
        HostBridge { pam, config, address: 0 }
    }

    /// Port CF8h, read as a doubleword.
    pub fn address(&self) -> u32 {
        self.address
    }

    /// Port CF8h, written as a doubleword.
    pub fn set_address(&mut self, value: u32) {
        self.address = value & 0x80ff_fffc;
    }

    /// What an access to port CFCh reaches; `None` if mechanism 1 is not enabled.
    pub fn target(&self) -> Option<ConfigAddress> {
        let [register, devfn, bus, enable] = self.address.to_le_bytes();
        (enable & 0x80 != 0).then_some(ConfigAddress { bus, devfn, register })
    }

    fn update(&mut self) {
        let mut registers = [0; 7];
        for (n, register) in registers.iter_mut().enumerate() {
            *register = self.config.read(PAM0 + n as u8, 1) as u8;
        }
        self.pam.set(registers);
    }

    /// Makes all of C0000h to FFFFFh RAM, as firmware does when it has copied itself.
    pub fn shadow_all(&mut self) {
        self.config.write(PAM0, 1, 0x30);
        for n in 1..7 {
            self.config.write(PAM0 + n, 1, 0x33);
        }
        self.update();
    }
}

impl Device for HostBridge {
    fn name(&self) -> &str {
        "i440fx"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.config.reset();
        self.address = 0;
        self.update();
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { pam: _, config, address } = self;
        Unit::pack("i440fx", 1, &Saved { config: config.save(), address: *address })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { config, address } = unit.unpack("i440fx", 1)?;
        self.config.restore(&config);
        self.set_address(address);
        self.update();
        Ok(())
    }

    fn pci(&mut self) -> Option<&mut dyn PciConfig> {
        Some(self)
    }
}

impl PciConfig for HostBridge {
    fn config_read(&mut self, offset: u8, bytes: u8, _now: VmTime) -> u32 {
        self.config.read(offset, bytes)
    }

    fn config_write(&mut self, offset: u8, bytes: u8, value: u32, _now: VmTime) {
        self.config.write(offset, bytes, value);
        self.update();
    }
}
