//! The adapter as a guest and a monitor see it. Modes are set up from the tables of IBM's BIOS (PS/2 and PC BIOS Interface
//! Technical Reference, video modes), the expectations come from the hardware manual.

mod access;
mod dispi;
mod modes;
mod pictures;
mod random;
mod registers;
mod scrolling;
mod text;

use super::*;
use crate::pci::WindowHandle;
use lyrebird_core::{Display, Frame, MmioIo, PciConfig, PortIo, VmTime};
use lyrebird_memory::GuestMemory;
use modes::Mode;
use std::sync::Arc;

/// An adapter, and the picture of its monitor.
struct Rig {
    vga: Vga,
    memory: Arc<GuestMemory>,
    frame: Frame,
    now: VmTime,
}

/// A font for tests: the rows of a character are its code, but for a blank.
fn font() -> [[u8; 16]; 256] {
    std::array::from_fn(|character| if character == 0x20 { [0; 16] } else { [character as u8; 16] })
}

impl Rig {
    fn new() -> Self {
        let memory = Arc::new(GuestMemory::new());
        let vga = Vga::new(memory.clone(), WindowHandle::unconnected()).unwrap();
        Rig { vga, memory, frame: Frame::default(), now: VmTime::ZERO }
    }

    /// With text mode 3 and an empty screen.
    fn text() -> Self {
        let mut rig = Rig::new();
        rig.vga.firmware_defaults(&font(), 0xe000_0000, 0xf000_0000);
        rig
    }

    /// In one of the standard modes.
    fn mode(mode: &Mode) -> Self {
        let mut rig = Rig::text();
        rig.clear();
        mode.set(&mut rig);
        rig
    }

    fn out(&mut self, port: u16, value: u8) {
        PortIo::write(&mut self.vga, port, 1, value.into(), self.now);
    }

    fn input(&mut self, port: u16) -> u8 {
        PortIo::read(&mut self.vga, port, 1, self.now) as u8
    }

    /// Writes an indexed register.
    fn set(&mut self, port: u16, index: u8, value: u8) {
        PortIo::write(&mut self.vga, port, 2, u32::from(index) | u32::from(value) << 8, self.now);
    }

    fn get(&mut self, port: u16, index: u8) -> u8 {
        self.out(port, index);
        self.input(port + 1)
    }

    fn attribute(&mut self, index: u8, value: u8) {
        self.input(0x3da);
        self.out(0x3c0, index);
        self.out(0x3c0, value);
        self.out(0x3c0, 0x20);
    }

    fn dispi(&mut self, register: u16, value: u16) {
        PortIo::write(&mut self.vga, lyrebird_core::dispi::INDEX_PORT, 2, register.into(), self.now);
        PortIo::write(&mut self.vga, lyrebird_core::dispi::DATA_PORT, 2, value.into(), self.now);
    }

    fn read_dispi(&mut self, register: u16) -> u16 {
        PortIo::write(&mut self.vga, lyrebird_core::dispi::INDEX_PORT, 2, register.into(), self.now);
        PortIo::read(&mut self.vga, lyrebird_core::dispi::DATA_PORT, 2, self.now) as u16
    }

    /// As the bus does: memory that stands there is written in place, and the rest goes to the device.
    fn poke(&mut self, address: u32, value: u8) {
        if self.memory.write(address.into(), &[value]).is_err() {
            MmioIo::write(&mut self.vga, (address - 0xa_0000).into(), 1, value.into(), self.now);
        }
    }

    fn peek(&mut self, address: u32) -> u8 {
        match self.memory.read_uint(address.into(), 1) {
            Ok(value) => value as u8,
            Err(_) => MmioIo::read(&mut self.vga, (address - 0xa_0000).into(), 1, self.now) as u8,
        }
    }

    fn draw(&mut self) -> bool {
        self.vga.draw(&mut self.frame, self.now)
    }

    fn pixel(&self, x: u32, y: u32) -> u32 {
        self.frame.pixels[(y * self.frame.width + x) as usize]
    }

    /// Empties the planes by a mode that reaches them all.
    fn clear(&mut self) {
        modes::MODE_12.set(self);
        (0xa_0000..0xb_0000).for_each(|address| self.poke(address, 0));
    }
}

#[test]
fn a_guest_is_told_what_the_function_is() {
    let mut rig = Rig::new();
    let read = |rig: &mut Rig, register| rig.vga.config_read(register, 4, VmTime::ZERO);
    assert_eq!(read(&mut rig, 0), 0x1111_1234);
    assert_eq!(read(&mut rig, 8) >> 8, 0x03_0000);
    rig.vga.config_write(0x10, 4, u32::MAX, VmTime::ZERO);
    assert_eq!(read(&mut rig, 0x10), 0xff00_0008, "16 MiB, prefetchable");
    rig.vga.config_write(0x18, 4, u32::MAX, VmTime::ZERO);
    assert_eq!(read(&mut rig, 0x18), 0xffff_f000);
    rig.vga.config_write(0x30, 4, u32::MAX, VmTime::ZERO);
    assert_eq!(read(&mut rig, 0x30), 0, "no ROM");
}

#[test]
fn the_rom_stands_where_its_register_says() {
    let memory = Arc::new(GuestMemory::new());
    let mut vga = Vga::new(memory.clone(), WindowHandle::unconnected()).unwrap();
    vga = vga.with_rom(vec![0x55, 0xaa, 64]).unwrap();
    vga.config_write(0x30, 4, u32::MAX, VmTime::ZERO);
    assert_eq!(vga.config_read(0x30, 4, VmTime::ZERO), 0xffff_f001);
    vga.config_write(0x30, 4, 0xd000_0000, VmTime::ZERO);
    assert!(memory.read_uint(0xd000_0000, 2).is_err(), "it is not enabled yet");
    vga.config_write(0x30, 4, 0xd000_0001, VmTime::ZERO);
    assert_eq!(
        memory.read_uint(0xd000_0000, 2).unwrap(),
        0xaa55,
        "as the Bochs BIOS reads it, without memory decoding"
    );
    assert!(memory.ram_ranges().is_empty(), "this is no system memory");
    vga.config_write(0x30, 4, 0xd000_0000, VmTime::ZERO);
    assert!(memory.read_uint(0xd000_0000, 2).is_err());
    let new = || Vga::new(Arc::new(GuestMemory::new()), WindowHandle::unconnected()).unwrap();
    assert!(new().with_rom(vec![0; (1 << 20) + 1]).is_err());
    assert!(new().with_rom(Vec::new()).is_err());
}
