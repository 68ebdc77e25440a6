//! How a CPU reaches the chips: by ports, one at a time or as a block, and by addresses without memory. PCI's configuration
//! space and our firmware's trap ports are the board's own.

use super::super::firmware;
use super::super::maps::Found;
use super::{APIC, Board, DeviceId, FIRMWARE, HOST_BRIDGE, PIIX3};
use devices::apic::LocalApic;
use lyrebird_core::{Device, VmTime};

impl Board {
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
            firmware.port_write(&mut firmware::Machine { board: self, now }, port, bytes, value);
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
            (Found::Device(FIRMWARE), Some(firmware)) if bytes == 1 && port == roms::FRAME_PORT => {
                firmware.read_block(data)
            }
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

    /// Stores of single bytes to addresses without memory, one after the other, by the first CPU.
    pub fn mmio_write_block(&mut self, gpa: u64, bytes: &[u8], now: VmTime) {
        for (at, byte) in (gpa..).zip(bytes) {
            self.mmio_out(0, at, 1, (*byte).into(), now);
        }
        self.settle();
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
