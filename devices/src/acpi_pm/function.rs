//! The PCI function and its ports.

use super::chip::{Chip, Sleep};
use crate::pci::{ConfigSpace, Identity, Space, Window, WindowHandle};
use crate::request::{Request, Requests};
use crate::smbus::{self, SmBus};
use lyrebird_core::{Device, Line, PciConfig, PortIo, ResetKind, RestoreError, Timer, Unit, VmTime};
use serde::{Deserialize, Serialize};

const PMBASE: u8 = 0x40;
const PMREGMISC: u8 = 0x80;
/// How many ports PMBASE decodes.
const PORTS: u64 = 64;
const COMMAND: u8 = 0x04;
const SMBBA: u8 = 0x90;
const SMBHSTCFG: u8 = 0xd2;
/// How many ports SMBBA decodes.
const SMBUS_PORTS: u16 = 16;
/// SMBHSTCFG: the controller works; which interrupt it raises, of which IRQ 9 is the only one without SMM.
const SMB_HST_EN: u32 = 1;
const SMB_INTRSEL: u32 = 0x0e;
const SMB_IRQ9: u32 = 0x08;
/// APM control and status.
const APMC: u16 = 0xb2;
const APMS: u16 = 0xb3;
/// General-purpose events: status, then enable, two bytes each.
const GPE: u16 = 0xafe0;
// What is written to APMC to switch ACPI mode.
const ACPI_ENABLE: u8 = 0xf1;
const ACPI_DISABLE: u8 = 0xf0;

/// Function 1.3.
pub struct AcpiPm {
    // Wiring.
    sci: Line,
    timer: Timer,
    requests: Requests,
    window: WindowHandle,
    smbus_window: WindowHandle,
    // State.
    config: ConfigSpace,
    chip: Chip,
    smbus: SmBus,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    config: Vec<u8>,
    chip: Chip,
    #[serde(default)]
    smbus: smbus::Saved,
}

impl AcpiPm {
    /// The function after power-on: its ports are nowhere until PMBASE and SMBBA are set, which have a window each.
    pub fn new(sci: Line, timer: Timer, requests: Requests, windows: [WindowHandle; 2], smbus: SmBus) -> Self {
        let mut config = ConfigSpace::new(Identity { vendor: 0x8086, device: 0x7113, class: 0x06_8000, revision: 3 });
        config.preset(0x06, &[0x80, 0x02]);
        config.preset(0x3c, &[9, 1]);
        config.preset(PMBASE, &[1]);
        config.allow(PMBASE, &[0xc0, 0xff]);
        config.allow(0x48, &[0xff; 0x18]);
        // SMM is marked as set up already: there is none, and firmware must not wait for it.
        config.preset(0x5b, &[0x02]);
        config.allow(PMREGMISC, &[0x01]);
        config.preset(SMBBA, &[1]);
        config.allow(SMBBA, &[0xf0, 0xff]);
        config.allow(SMBHSTCFG, &[0x0f, 0xff, 0xff, 0xff]);
        let [window, smbus_window] = windows;
        AcpiPm { sci, timer, requests, window, smbus_window, config, chip: Chip::default(), smbus }
    }

    /// Puts the ports where firmware would.
    pub fn set_bases(&mut self, base: u16, smbus: u16) {
        self.config.write(PMBASE, 2, base.into());
        self.config.write(PMREGMISC, 1, 1);
        self.config.write(SMBBA, 2, smbus.into());
        self.config.write(SMBHSTCFG, 1, SMB_HST_EN | SMB_IRQ9);
        self.config.write(COMMAND, 2, 1);
        self.update_windows();
    }

    /// Presses the power button.
    pub fn press_power_button(&mut self, now: VmTime) {
        self.chip.press_power_button();
        self.settle(now);
    }

    fn base(&self) -> u16 {
        self.config.word(PMBASE) & 0xffc0
    }

    fn smbus_base(&self) -> u16 {
        self.config.word(SMBBA) & 0xfff0
    }

    fn update_windows(&mut self) {
        let (base, enabled) = (u64::from(self.base()), self.config.read(PMREGMISC, 1) & 1 != 0);
        let window = Window { space: Space::Port, base, bytes: PORTS, offset: 0 };
        self.window.set((enabled && base != 0).then_some(window));
        // These ports answer to the I/O space bit of the command register, the others do not.
        let (base, enabled) = (u64::from(self.smbus_base()), self.config.read(COMMAND, 1) & 1 != 0);
        let window = Window { space: Space::Port, base, bytes: SMBUS_PORTS.into(), offset: 0 };
        self.smbus_window.set((enabled && base != 0).then_some(window));
    }

    /// SCI and the SMBus share IRQ 9.
    fn irq9(&self) -> bool {
        let smbus = self.config.read(SMBHSTCFG, 1) & (SMB_INTRSEL | SMB_HST_EN) == SMB_IRQ9 | SMB_HST_EN;
        self.chip.sci() || smbus && self.smbus.interrupts()
    }

    /// The offset of one of the SMBus controller's registers, if the port is one.
    fn smbus_register(&self, port: u16) -> Option<u16> {
        self.smbus_window.get()?;
        let offset = port.wrapping_sub(self.smbus_base());
        (offset < SMBUS_PORTS && self.config.read(SMBHSTCFG, 1) & SMB_HST_EN != 0).then_some(offset)
    }

    fn settle(&mut self, now: VmTime) {
        self.chip.advance(now);
        self.sci.set(self.irq9());
        self.timer.arm(self.chip.deadline());
    }

    fn read_byte(&mut self, port: u16, now: VmTime) -> u8 {
        if let Some(offset) = self.smbus_register(port) {
            return self.smbus.read(offset);
        }
        match port {
            APMC | APMS => self.chip.apm[usize::from(port - APMC)],
            GPE..0xafe4 => {
                let [low, high] =
                    (if port < GPE + 2 { self.chip.gpe_status } else { self.chip.gpe_enable }).to_le_bytes();
                if port & 1 == 0 { low } else { high }
            }
            _ => self.chip.read(port.wrapping_sub(self.base()) & 63, now),
        }
    }

    fn write_byte(&mut self, port: u16, value: u8) {
        if let Some(offset) = self.smbus_register(port) {
            return self.smbus.write(offset, value);
        }
        let sleep = match port {
            APMC | APMS => {
                self.chip.apm[usize::from(port - APMC)] = value;
                match (port, value) {
                    (APMC, ACPI_ENABLE) => self.chip.set_acpi(true),
                    (APMC, ACPI_DISABLE) => self.chip.set_acpi(false),
                    _ => {}
                }
                None
            }
            GPE..0xafe4 => self.chip.write(port - GPE + 0x0c, value),
            _ => self.chip.write(port.wrapping_sub(self.base()) & 63, value),
        };
        match sleep {
            Some(Sleep::Off) => self.requests.ask(Request::PowerOff),
            Some(Sleep::Suspend) => self.chip.wake(),
            None => {}
        }
    }
}

impl Device for AcpiPm {
    fn name(&self) -> &str {
        "piix4-pm"
    }

    fn reset(&mut self, _kind: ResetKind, now: VmTime) {
        self.config.reset();
        self.smbus.reset();
        self.chip = Chip::starting_at(now);
        self.update_windows();
        self.settle(now);
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { sci: _, timer: _, requests: _, window: _, smbus_window: _, config, chip, smbus } = self;
        let saved = Saved { config: config.save(), chip: chip.clone(), smbus: smbus.save() };
        Unit::pack("piix4-pm", 1, &saved)
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { config, chip, smbus } = unit.unpack("piix4-pm", 1)?;
        self.config.restore(&config);
        self.chip = chip;
        self.smbus.restore(&smbus);
        self.update_windows();
        self.sci.restore(self.irq9());
        self.timer.arm(self.chip.deadline());
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }

    fn pci(&mut self) -> Option<&mut dyn PciConfig> {
        Some(self)
    }

    fn timer(&mut self, _timer: u32, now: VmTime) {
        self.settle(now);
    }
}

impl PciConfig for AcpiPm {
    fn config_read(&mut self, offset: u8, bytes: u8, _now: VmTime) -> u32 {
        self.config.read(offset, bytes)
    }

    fn config_write(&mut self, offset: u8, bytes: u8, value: u32, _now: VmTime) {
        self.config.write(offset, bytes, value);
        self.update_windows();
        self.sci.set(self.irq9());
    }
}

impl PortIo for AcpiPm {
    fn read(&mut self, port: u16, bytes: u8, now: VmTime) -> u32 {
        self.chip.advance(now);
        (0..u16::from(bytes))
            .fold(0, |value, n| value | u32::from(self.read_byte(port.wrapping_add(n), now)) << (8 * n))
    }

    fn write(&mut self, port: u16, bytes: u8, value: u32, now: VmTime) {
        self.chip.advance(now);
        for n in 0..u16::from(bytes) {
            self.write_byte(port.wrapping_add(n), (value >> (8 * n)) as u8);
        }
        self.settle(now);
    }
}
