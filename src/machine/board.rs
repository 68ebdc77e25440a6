//! The board: the chips of an i440FX PC and the wires between them. Everything here happens under the machine lock; an
//! access ends with [`Board::settle`], which carries changed lines to the interrupt controllers and these to the CPUs.

use super::describe;
use super::maps::{Found, MmioMap, MmioRange, PortMap, PortRange};
use super::wiring::{Target, Wiring};
use devices::acpi_pm::AcpiPm;
use devices::apic::{self, LocalApic, Message, Output};
use devices::debugcon::DebugCon;
use devices::dma::Dma;
use devices::fdc::Fdc;
use devices::ferr::FerrLatch;
use devices::flash::Flash;
use devices::fw_cfg::FwCfg;
use devices::hpet::Hpet;
use devices::ide::Ide;
use devices::ioapic::IoApic;
use devices::parallel::Parallel;
use devices::pci::{HostBridge, Piix3, Space, Window, WindowBus};
use devices::pic::Pic;
use devices::pit::Pit;
use devices::port92::Port92;
use devices::ps2::Ps2;
use devices::request::{Request, Requests};
use devices::rtc::Rtc;
use devices::uart::Uart;
use devices::vga::Vga;
use lyrebird_core::{Device, Display, Frame, InputEvent, ResetKind, RestoreError, Signals, TimerQueue, Unit, VmTime};
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
        self.pm.set_base(0x600);
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

    // ---- Wires ----

    /// Carries what an access has changed to where it leads.
    pub(super) fn settle(&mut self) {
        if self.windows.pending() {
            self.move_windows();
        }
        if self.wiring.replace(self.hpet.as_ref().is_some_and(Hpet::replaces_legacy)) {
            self.drive(0);
            self.drive(8);
        }
        loop {
            let mut quiet = true;
            if self.wiring.pending() {
                quiet = false;
                for (wire, level) in self.wiring.take() {
                    match self.wiring.set(wire, level) {
                        Some(Target::Gsi(gsi) | Target::Replaceable(gsi)) => self.drive(gsi),
                        Some(Target::Pirq(pirq)) => {
                            if let Some(irq) = self.piix3.route(pirq) {
                                self.drive(irq);
                            }
                        }
                        None => {}
                    }
                }
            }
            let intr = self.pic.intr();
            if intr != self.pic_intr {
                self.pic_intr = intr;
                self.apics.iter_mut().for_each(|apic| apic.set_lint(0, intr));
            }
            if let Some(ioapic) = self.ioapic.as_mut().filter(|ioapic| ioapic.has_outputs()) {
                quiet = false;
                for message in ioapic.take_outputs() {
                    apic::deliver(&mut self.apics, &message);
                }
            }
            for cpu in 0..self.apics.len() {
                if self.apics[cpu].has_outputs() {
                    quiet = false;
                    self.carry_outputs(cpu);
                }
            }
            if quiet {
                break;
            }
        }
        self.signal_cpus();
    }

    fn carry_outputs(&mut self, cpu: usize) {
        for output in self.apics[cpu].take_outputs() {
            match output {
                Output::Ipi(message) => _ = apic::deliver(&mut self.apics, &message),
                Output::Eoi(vector) => {
                    if let Some(ioapic) = &mut self.ioapic {
                        ioapic.end_of_interrupt(vector);
                    }
                }
            }
        }
    }

    /// Drives an interrupt's inputs to the level of its lines.
    fn drive(&mut self, gsi: u8) {
        let level = self.wiring.gsi(gsi, &self.piix3);
        if gsi < 16 {
            self.pic.set_irq(gsi, level);
        }
        if let Some(ioapic) = &mut self.ioapic {
            // The timer is at pin 2, where the 8259A has its cascade.
            ioapic.set_pin(if gsi == 0 { 2 } else { gsi.into() }, level);
        }
    }

    fn signal_cpus(&mut self) {
        if self.apics.is_empty() {
            self.signals[0].set_intr(self.pic_intr);
            return;
        }
        for (apic, signals) in self.apics.iter_mut().zip(&self.signals) {
            let events = apic.take_events();
            if events.nmi {
                signals.raise(Signals::NMI);
            }
            if events.init {
                signals.raise(Signals::INIT);
            }
            if let Some(page) = events.sipi {
                signals.send_sipi(page);
            }
            let intr = apic.request().is_some() || self.pic_intr && apic.accepts_pic();
            if intr != (signals.bits() & Signals::INTR != 0) {
                signals.set_intr(intr);
            }
        }
    }

    /// A device writes a message-signalled interrupt.
    pub fn send_msi(&mut self, address: u64, data: u32) {
        if let Some(message) = Message::msi(address, data) {
            apic::deliver(&mut self.apics, &message);
            self.settle();
        }
    }

    /// Somebody pulls the NMI line.
    pub fn nmi(&mut self) {
        if self.rtc.nmi_masked() {
            return;
        }
        if self.apics.is_empty() {
            self.signals[0].raise(Signals::NMI);
        }
        for apic in &mut self.apics {
            apic.set_lint(1, true);
            apic.set_lint(1, false);
        }
        self.settle();
    }

    /// Somebody presses the power button.
    pub fn press_power_button(&mut self, now: VmTime) {
        self.pm.press_power_button(now);
        self.settle();
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

    fn move_windows(&mut self) {
        for (id, window) in self.windows.take() {
            let Some(owner) = self.window_owners.get_mut(id as usize) else { continue };
            let device = owner.device;
            if let (PM, Some(window), Some(tables)) = (device, &window, &mut self.tables) {
                // The tables that firmware gets name the ports where it has just put the power management.
                tables.pm_base = window.base as u16;
                describe::tables(&mut self.fw_cfg, tables);
            }
            let (mut ports, mut memory) = (None, None);
            match window {
                Some(Window { space: Space::Port, base, bytes, .. }) => {
                    // A window never reaches beyond the last port.
                    let last = (base + bytes - 1).min(0xffff) as u16;
                    ports = Some(PortRange { first: base as u16, last, width: 4, device });
                }
                Some(Window { base, bytes, offset, .. }) => memory = Some(MmioRange { base, bytes, offset, device }),
                None => {}
            }
            match (owner.port_slot, ports) {
                (Some(slot), _) => self.ports.replace(slot, ports),
                (None, Some(range)) => owner.port_slot = Some(self.ports.add(range)),
                (None, None) => {}
            }
            match (owner.mmio_slot, memory) {
                (Some(slot), _) => self.mmio.replace(slot, memory),
                (None, Some(range)) => owner.mmio_slot = Some(self.mmio.add(range)),
                (None, None) => {}
            }
        }
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

    // ---- Accesses ----

    /// The configuration space of the function that CF8h points to.
    fn config(&mut self) -> Option<(&mut dyn lyrebird_core::PciConfig, u8, bool)> {
        let target = self.host_bridge.target().filter(|target| target.bus == 0)?;
        let id = self.functions.iter().find(|function| function.0 == target.devfn)?.1;
        let router = id == PIIX3;
        Some((self.device(id)?.pci()?, target.register, router))
    }

    fn pci_read(&mut self, port: u16, bytes: u8, now: VmTime) -> u32 {
        match port {
            0xcf8 if bytes == 4 => self.host_bridge.address(),
            0xcf9 if bytes == 1 => self.piix3.ports().map_or(0, |ports| ports.read(port, bytes, now)),
            0xcfc..=0xcff => self
                .config()
                .map_or(u32::MAX, |(config, register, _)| config.config_read(register + (port & 3) as u8, bytes, now)),
            _ => u32::MAX,
        }
    }

    fn pci_write(&mut self, port: u16, bytes: u8, value: u32, now: VmTime) {
        match port {
            0xcf8 if bytes == 4 => self.host_bridge.set_address(value),
            0xcf9 if bytes == 1 => {
                if let Some(ports) = self.piix3.ports() {
                    ports.write(port, bytes, value, now);
                }
            }
            0xcfc..=0xcff => {
                let Some((config, register, router)) = self.config() else { return };
                config.config_write(register + (port & 3) as u8, bytes, value, now);
                if router {
                    (0..16).for_each(|irq| self.drive(irq)); // the routes may have changed
                }
            }
            _ => {}
        }
    }

    /// A stub of our ROMs calls its service, which uses the board itself.
    fn firmware_write(&mut self, port: u16, bytes: u8, value: u32, now: VmTime) {
        if let Some(mut firmware) = self.firmware.take() {
            firmware.port_write(&mut super::firmware::Machine { board: self, now }, port, bytes, value);
            self.firmware = Some(firmware);
        }
    }

    fn port_in(&mut self, port: u16, bytes: u8, now: VmTime) -> u32 {
        match self.ports.find(port, bytes) {
            Found::Device(HOST_BRIDGE) => self.pci_read(port, bytes, now),
            Found::Device(FIRMWARE) => {
                self.firmware.as_mut().map_or(u32::MAX, |firmware| firmware.port_read(port, bytes))
            }
            Found::Device(id) => {
                let ports = self.device(id).and_then(|device| device.ports());
                ports.map_or(u32::MAX, |ports| ports.read(port, bytes, now))
            }
            Found::Nobody => u32::MAX,
            Found::Split => {
                let half = bytes / 2;
                let low = self.port_in(port, half, now) & ones(half);
                let high = self.port_in(port.wrapping_add(half.into()), half, now) & ones(half);
                low | high << (8 * half)
            }
        }
    }

    fn port_out(&mut self, port: u16, bytes: u8, value: u32, now: VmTime) {
        match self.ports.find(port, bytes) {
            Found::Device(HOST_BRIDGE) => self.pci_write(port, bytes, value, now),
            Found::Device(FIRMWARE) => self.firmware_write(port, bytes, value, now),
            Found::Device(id) => {
                if let Some(ports) = self.device(id).and_then(|device| device.ports()) {
                    ports.write(port, bytes, value, now);
                }
            }
            Found::Nobody => {}
            Found::Split => {
                let half = bytes / 2;
                self.port_out(port, half, value & ones(half), now);
                self.port_out(port.wrapping_add(half.into()), half, value >> (8 * half), now);
            }
        }
    }

    /// IN.
    pub fn port_read(&mut self, port: u16, bytes: u8, now: VmTime) -> u32 {
        let value = self.port_in(port, bytes, now) & ones(bytes);
        self.settle();
        value
    }

    /// OUT.
    pub fn port_write(&mut self, port: u16, bytes: u8, value: u32, now: VmTime) {
        self.port_out(port, bytes, value & ones(bytes), now);
        self.settle();
    }

    /// REP INS.
    pub fn port_read_block(&mut self, port: u16, bytes: u8, data: &mut [u8], now: VmTime) {
        match (self.ports.find(port, bytes), &mut self.firmware) {
            (Found::Device(FIRMWARE), Some(firmware)) if bytes == 1 && port == roms::FRAME_PORT => firmware.read_block(data),
            (Found::Device(id), _) if id != HOST_BRIDGE && id != FIRMWARE => {
                if let Some(ports) = self.device(id).and_then(|device| device.ports()) {
                    ports.read_block(port, bytes, data, now);
                }
            }
            _ => {
                for item in data.chunks_exact_mut(bytes.into()) {
                    item.copy_from_slice(&self.port_in(port, bytes, now).to_le_bytes()[..bytes.into()]);
                }
            }
        }
        self.settle();
    }

    /// REP OUTS.
    pub fn port_write_block(&mut self, port: u16, bytes: u8, data: &[u8], now: VmTime) {
        match (self.ports.find(port, bytes), &mut self.firmware) {
            (Found::Device(FIRMWARE), Some(firmware)) if bytes == 1 && port == roms::FRAME_PORT => {
                firmware.write_block(data);
            }
            (Found::Device(id), _) if id != HOST_BRIDGE && id != FIRMWARE => {
                if let Some(ports) = self.device(id).and_then(|device| device.ports()) {
                    ports.write_block(port, bytes, data, now);
                }
            }
            _ => {
                for item in data.chunks_exact(bytes.into()) {
                    let mut value = [0; 4];
                    value[..item.len()].copy_from_slice(item);
                    self.port_out(port, bytes, u32::from_le_bytes(value), now);
                }
            }
        }
        self.settle();
    }

    /// Which device a CPU reaches at an address: its own APIC before everything else.
    fn mmio_find(&self, cpu: usize, gpa: u64, bytes: u8) -> Found<(DeviceId, u64)> {
        if let Some(page) = self.apics.get(cpu).and_then(LocalApic::page)
            && gpa & !0xfff == page
        {
            let inside = (gpa & 0xfff) + u64::from(bytes) <= 0x1000;
            return if inside { Found::Device((APIC + cpu as u16, gpa & 0xfff)) } else { Found::Split };
        }
        self.mmio.find(gpa, bytes)
    }

    fn mmio_in(&mut self, cpu: usize, gpa: u64, bytes: u8, now: VmTime) -> u64 {
        match self.mmio_find(cpu, gpa, bytes) {
            Found::Device((id, offset)) => {
                let mmio = self.device(id).and_then(|device| device.mmio());
                mmio.map_or(u64::MAX, |mmio| mmio.read(offset, bytes, now))
            }
            Found::Split if bytes > 1 => {
                let half = bytes / 2;
                let low = self.mmio_in(cpu, gpa, half, now) & ones64(half);
                let high = self.mmio_in(cpu, gpa.wrapping_add(half.into()), half, now) & ones64(half);
                low | high << (8 * half)
            }
            _ => u64::MAX,
        }
    }

    fn mmio_out(&mut self, cpu: usize, gpa: u64, bytes: u8, value: u64, now: VmTime) {
        match self.mmio_find(cpu, gpa, bytes) {
            Found::Device((id, offset)) => {
                if let Some(mmio) = self.device(id).and_then(|device| device.mmio()) {
                    mmio.write(offset, bytes, value, now);
                }
            }
            Found::Split if bytes > 1 => {
                let half = bytes / 2;
                self.mmio_out(cpu, gpa, half, value & ones64(half), now);
                self.mmio_out(cpu, gpa.wrapping_add(half.into()), half, value >> (8 * half), now);
            }
            _ => {}
        }
    }

    /// A load from an address without memory.
    pub fn mmio_read(&mut self, cpu: usize, gpa: u64, bytes: u8, now: VmTime) -> u64 {
        let value = self.mmio_in(cpu, gpa, bytes, now) & ones64(bytes);
        self.settle();
        value
    }

    /// A store to an address without memory.
    pub fn mmio_write(&mut self, cpu: usize, gpa: u64, bytes: u8, value: u64, now: VmTime) {
        self.mmio_out(cpu, gpa, bytes, value & ones64(bytes), now);
        self.settle();
    }
}

fn ones(bytes: u8) -> u32 {
    u32::MAX >> (32 - 8 * u32::from(bytes.clamp(1, 4)))
}

fn ones64(bytes: u8) -> u64 {
    u64::MAX >> (64 - 8 * u32::from(bytes.clamp(1, 8)))
}
