//! The board: the chips of an i440FX PC and the wires between them. Everything here happens under the machine lock; an
//! access ends with [`Board::settle`], which carries changed lines to the interrupt controllers and these to the CPUs.
//!
//! ```text
//!   mod.rs     which chips there are; reset, save and restore; the machine's event loop
//!   wires.rs   lines, interrupt controllers, messages; windows that move
//!   access.rs  ports and memory-mapped registers, as a CPU reaches them
//! ```

mod access;
mod wires;

use super::control::Removable;
use super::maps::{MmioMap, PortMap};
use super::wiring::Wiring;
use devices::acpi_pm::AcpiPm;
use devices::apic::LocalApic;
use devices::debugcon::DebugCon;
use devices::dma::Dma;
use devices::fdc::Fdc;
use devices::ferr::FerrLatch;
use devices::flash::Flash;
use devices::fw_cfg::FwCfg;
use devices::hpet::Hpet;
use devices::ide::{Drive, Ide};
use devices::ioapic::IoApic;
use devices::parallel::Parallel;
use devices::pci::{HostBridge, Piix3, WindowBus};
use devices::pic::Pic;
use devices::pit::Pit;
use devices::port92::Port92;
use devices::ps2::Ps2;
use devices::request::{Request, Requests};
use devices::rtc::Rtc;
use devices::uart::Uart;
use devices::vga::Vga;
use lyrebird_core::{
    BlockDevice, Device, Display, Frame, InputEvent, ResetKind, RestoreError, Signals, TimerQueue, Unit, VmTime,
};
use lyrebird_memory::GuestMemory;
use std::sync::Arc;

/// The board's number for a device.
pub type DeviceId = u16;

pub(super) const PIC: DeviceId = 0;
pub(super) const PIT: DeviceId = 1;
pub(super) const RTC: DeviceId = 2;
pub(super) const IOAPIC: DeviceId = 3;
pub(super) const PORT92: DeviceId = 4;
pub(super) const PS2: DeviceId = 5;
pub(super) const HOST_BRIDGE: DeviceId = 6;
pub(super) const PIIX3: DeviceId = 7;
pub(super) const PM: DeviceId = 8;
pub(super) const FW_CFG: DeviceId = 9;
pub(super) const FERR: DeviceId = 10;
pub(super) const DEBUGCON: DeviceId = 11;
/// COM1 to COM4.
pub(super) const SERIAL: DeviceId = 12;
pub(super) const IDE: DeviceId = 16;
pub(super) const DMA: DeviceId = 17;
pub(super) const FDC: DeviceId = 18;
pub(super) const PARALLEL: DeviceId = 19;
pub(super) const HPET: DeviceId = 20;
/// Two flash memories.
pub(super) const FLASH: DeviceId = 21;
pub(super) const VGA: DeviceId = 23;
/// What answers the stubs of our own ROMs.
pub(super) const FIRMWARE: DeviceId = 24;
/// One more than the last of those that are on every board.
const FIXED: DeviceId = 25;
/// The local APICs, by CPU.
pub(super) const APIC: DeviceId = 0x100;
/// Whatever else is plugged in.
pub(super) const OTHER: DeviceId = 0x200;

/// The power management function's second window: the SMBus controller.
pub(super) const SMBUS_WINDOW: u32 = 3;

/// Where the display adapter's frame buffer and registers are for kernels that are booted without firmware.
const VGA_FRAME_BUFFER: u32 = 0xfd00_0000;
const VGA_REGISTERS: u32 = 0xfebf_0000;

/// How much RAM is where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamLayout {
    /// From 0.
    pub low: u64,
    /// From 4 GiB.
    pub high: u64,
}

/// The board.
pub struct Board {
    // Buses.
    pub(super) memory: Arc<GuestMemory>,
    pub(super) wiring: Wiring,
    pub(super) timers: Arc<TimerQueue>,
    pub(super) requests: Requests,
    pub(super) windows: Arc<WindowBus>,
    pub(super) signals: Vec<Arc<Signals>>,
    pub(super) ports: PortMap,
    pub(super) mmio: MmioMap,
    /// PCI functions: device and function number, and whose they are.
    pub(super) functions: Vec<(u8, DeviceId)>,
    /// Each window's device, and where its present ranges are in the maps.
    pub(super) window_owners: Vec<WindowOwner>,
    // Chips.
    pub(super) pic: Pic,
    pub(super) pit: Pit,
    pub(super) rtc: Rtc,
    pub(super) ioapic: Option<IoApic>,
    pub(super) apics: Vec<LocalApic>,
    pub(super) port92: Port92,
    pub(super) ps2: Ps2,
    pub(super) host_bridge: HostBridge,
    pub(super) piix3: Piix3,
    pub(super) pm: AcpiPm,
    pub(super) fw_cfg: FwCfg,
    pub(super) ferr: FerrLatch,
    pub(super) debugcon: Option<DebugCon>,
    pub(super) serial: [Option<Uart>; 4],
    pub(super) ide: Ide,
    pub(super) dma: Dma,
    pub(super) fdc: Fdc,
    pub(super) parallel: Option<Parallel>,
    pub(super) hpet: Option<Hpet>,
    pub(super) flash: Vec<Flash>,
    pub(super) vga: Option<Vga>,
    /// Taken out while it runs, since it uses the board.
    pub(super) firmware: Option<roms::Firmware>,
    pub(super) others: Vec<Box<dyn Device>>,
    // What firmware is told.
    pub(super) tables: Option<roms::tables::Board>,
    // Derived.
    pub(super) pic_intr: bool,
    pub(super) ram: RamLayout,
}

/// Who looks through a window.
pub(super) struct WindowOwner {
    pub device: DeviceId,
    pub port_slot: Option<usize>,
    pub mmio_slot: Option<usize>,
}

impl Board {
    /// Guest memory.
    pub fn memory(&self) -> &Arc<GuestMemory> {
        &self.memory
    }

    /// How much RAM is where.
    pub fn ram(&self) -> RamLayout {
        self.ram
    }

    /// The firmware configuration device.
    pub fn fw_cfg(&mut self) -> &mut FwCfg {
        &mut self.fw_cfg
    }

    /// The clock chip.
    pub fn rtc(&mut self) -> &mut Rtc {
        &mut self.rtc
    }

    /// The IDE channels and their drives.
    pub fn ide(&mut self) -> &mut Ide {
        &mut self.ide
    }

    /// The floppy controller and its drives.
    pub fn fdc(&mut self) -> &mut Fdc {
        &mut self.fdc
    }

    /// A device by its number.
    pub(super) fn device(&mut self, id: DeviceId) -> Option<&mut dyn Device> {
        Some(match id {
            PIC => &mut self.pic,
            PIT => &mut self.pit,
            RTC => &mut self.rtc,
            IOAPIC => self.ioapic.as_mut()?,
            PORT92 => &mut self.port92,
            PS2 => &mut self.ps2,
            HOST_BRIDGE => &mut self.host_bridge,
            PIIX3 => &mut self.piix3,
            PM => &mut self.pm,
            FW_CFG => &mut self.fw_cfg,
            FERR => &mut self.ferr,
            DEBUGCON => self.debugcon.as_mut()?,
            IDE => &mut self.ide,
            DMA => &mut self.dma,
            FDC => &mut self.fdc,
            PARALLEL => self.parallel.as_mut()?,
            HPET => self.hpet.as_mut()?,
            FLASH..VGA => self.flash.get_mut(usize::from(id - FLASH))?,
            VGA => self.vga.as_mut()?,
            FIRMWARE => self.firmware.as_mut()?,
            SERIAL..IDE => self.serial.get_mut(usize::from(id - SERIAL))?.as_mut()?,
            FIXED..APIC => return None,
            APIC..OTHER => self.apics.get_mut(usize::from(id - APIC))?,
            _ => self.others.get_mut(usize::from(id - OTHER))?.as_mut(),
        })
    }

    /// The numbers of all devices, in the order of resets and snapshots.
    pub(super) fn ids(&self) -> Vec<DeviceId> {
        let all = (0..FIXED).chain((APIC..).take(self.apics.len())).chain((OTHER..).take(self.others.len()));
        all.collect()
    }

    /// Resets every device.
    pub fn reset(&mut self, kind: ResetKind, now: VmTime) {
        for id in self.ids() {
            if let Some(device) = self.device(id) {
                device.reset(kind, now);
            }
        }
        self.requests.take();
        self.settle();
        for signals in &self.signals {
            signals.take(Signals::NMI | Signals::INIT | Signals::SIPI);
        }
    }

    /// Leaves the chipset as firmware would: for kernels that are booted without one.
    pub fn firmware_defaults(&mut self) {
        self.host_bridge.shadow_all();
        self.piix3.set_routes([10, 10, 11, 11]);
        self.pm.set_bases(roms::tables::PM_BASE, roms::tables::SMBUS_BASE);
        self.ide.set_base(0xc000);
        if let Some(vga) = &mut self.vga {
            vga.firmware_defaults(&roms::font::FONT_8X16, VGA_FRAME_BUFFER, VGA_REGISTERS);
        }
        if let Some(ports) = self.pic.ports() {
            ports.write(0x4d1, 1, 0x0e, VmTime::ZERO); // the SCI and PCI's IRQ 10 and 11 are level-triggered
        }
        self.settle();
    }

    /// Every device's state, and the wires'.
    pub fn save(&mut self, now: VmTime) -> Vec<(String, Unit)> {
        let mut units = vec![("wiring".to_string(), Unit::pack("wiring", 1, &self.wiring.levels()))];
        for id in self.ids() {
            if let Some(device) = self.device(id) {
                units.push((device.name().to_string(), device.save(now)));
            }
        }
        units
    }

    /// Takes a saved state over. A device without a unit stays as it is.
    pub fn restore(&mut self, units: &[(String, Unit)], now: VmTime) -> Result<(), RestoreError> {
        let find = |name: &str| units.iter().find(|unit| unit.0 == name).map(|unit| &unit.1);
        for id in self.ids() {
            let Some(device) = self.device(id) else { continue };
            if let Some(unit) = find(device.name()) {
                device.restore(unit, now)?;
            }
        }
        if let Some(unit) = find("wiring") {
            self.wiring.restore(&unit.unpack::<Vec<bool>>("wiring", 1)?);
        }
        self.wiring.replace(self.hpet.as_ref().is_some_and(Hpet::replaces_legacy));
        self.pic_intr = self.pic.intr();
        self.settle();
        Ok(())
    }

    // ---- The person ----

    /// Somebody takes the medium out of a drive, and perhaps puts another one in. False if there is no such drive.
    pub fn change_medium(&mut self, drive: Removable, medium: Option<Box<dyn BlockDevice>>) -> bool {
        let done = match drive {
            Removable::Cdrom => {
                let is_cdrom = |ide: &mut Ide, place| matches!(ide.drive(place / 2, place % 2), Some(Drive::Cdrom(_)));
                let place = (0..4).find(|place| is_cdrom(&mut self.ide, *place));
                place.is_some_and(|place| self.ide.change_medium(place / 2, place % 2, medium))
            }
            Removable::Floppy => self.fdc.drive(0).map(|drive| drive.insert(medium)).is_some(),
        };
        if !done {
            tracing::warn!(?drive, "there is no such drive");
        }
        self.settle();
        done
    }

    /// Something that a person did with keyboard or mouse.
    pub fn input(&mut self, event: InputEvent, now: VmTime) {
        self.ps2.input(event, now);
        self.settle();
    }

    /// The display adapter, if the machine has one.
    pub(super) fn display(&mut self) -> Option<&mut dyn Display> {
        self.vga.as_mut().map(|vga| vga as &mut dyn Display)
    }

    /// Brings a picture of the screen up to date, and returns whether it changed. No vCPU may be running.
    pub fn draw(&mut self, frame: &mut Frame, now: VmTime) -> bool {
        self.display().is_some_and(|display| display.draw(frame, now))
    }

    // ---- The machine's event loop ----

    /// Calls the timers that are due.
    pub fn fire_timers(&mut self, now: VmTime) {
        let mut any = false;
        while let Some((token, _)) = self.timers.pop_due(now) {
            if let Some(device) = self.device(token.device as DeviceId) {
                device.timer(token.timer, now);
            }
            // Each one's lines move before the next, so that edges are not lost.
            self.settle();
            any = true;
        }
        if any {
            self.settle();
        }
    }

    /// Makes output visible.
    pub(super) fn flush(&mut self) {
        self.serial.iter_mut().flatten().for_each(Uart::flush);
        if let Some(parallel) = &mut self.parallel {
            parallel.flush();
        }
        if let Some(debugcon) = &mut self.debugcon {
            debugcon.flush();
        }
    }

    /// Makes durable what the guest wrote and never flushed, as a disk does when its power goes in order.
    pub(super) fn flush_drives(&mut self) {
        if let Err(error) = self.ide.flush() {
            tracing::error!("the machine has ended, but not all that it wrote is on its disks: {error}");
        }
        self.fdc.flush();
        self.flash.iter_mut().for_each(Flash::flush);
    }

    pub(super) fn take_request(&mut self) -> Option<Request> {
        self.requests.take()
    }

    /// The interrupt acknowledge cycle of a CPU.
    pub(super) fn acknowledge(&mut self, cpu: usize) -> Option<u8> {
        let mut vector = self.apics.get_mut(cpu).and_then(LocalApic::acknowledge);
        let accepts = self.apics.get(cpu).map_or(cpu == 0, LocalApic::accepts_pic);
        if vector.is_none() && accepts && self.pic.intr() {
            vector = Some(self.pic.acknowledge());
            if let Some(apic) = self.apics.get_mut(cpu) {
                apic.pic_acknowledged();
            }
        }
        self.settle();
        vector
    }
}
