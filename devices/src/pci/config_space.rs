//! A function's 256 bytes of configuration space (PCI Local Bus Specification 2.1, chapter 6): which bits can be written, and
//! the windows that the base address registers open.

use super::windows::{Space, Window, WindowHandle};

/// Register offsets of the common header.
pub mod register {
    #![allow(missing_docs, reason = "the specification's names")]
    pub const COMMAND: u8 = 0x04;
    pub const STATUS: u8 = 0x06;
    pub const HEADER_TYPE: u8 = 0x0e;
    pub const BAR0: u8 = 0x10;
    pub const SUBSYSTEM: u8 = 0x2c;
    pub const INTERRUPT_LINE: u8 = 0x3c;
    pub const INTERRUPT_PIN: u8 = 0x3d;
}

/// Command bit: answer to ports.
const IO: u16 = 1;
/// Command bit: answer to memory.
const MEMORY: u16 = 2;

/// Who the function says it is.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Base class, subclass and programming interface, in bits 23 to 0.
    pub class: u32,
    /// Revision.
    pub revision: u8,
}

struct Bar {
    register: u8,
    space: Space,
    bytes: u32,
    offset: u64,
    window: WindowHandle,
}

/// The registers.
pub struct ConfigSpace {
    bytes: [u8; 256],
    writable: [u8; 256],
    /// Bits that writing a one clears.
    clearable: [u8; 256],
    /// What reset restores.
    reset: [u8; 256],
    bars: Vec<Bar>,
}

impl ConfigSpace {
    /// The common header. The subsystem is the one by which firmware recognises this kind of machine.
    pub fn new(identity: Identity) -> Self {
        let mut space =
            ConfigSpace { bytes: [0; 256], writable: [0; 256], clearable: [0; 256], reset: [0; 256], bars: Vec::new() };
        space.preset(0, &identity.vendor.to_le_bytes());
        space.preset(2, &identity.device.to_le_bytes());
        space.preset(8, &(identity.class << 8 | u32::from(identity.revision)).to_le_bytes());
        space.preset(register::SUBSYSTEM, &[0xf4, 0x1a, 0x00, 0x11]);
        // I/O, memory, bus master, parity, SERR, interrupt disable.
        space.allow(register::COMMAND, &[0x47, 0x05]);
        space.allow(register::INTERRUPT_LINE, &[0xff]);
        space.clearable[usize::from(register::STATUS) + 1] = 0xf9;
        space
    }

    /// Sets bytes to what they are after reset.
    pub fn preset(&mut self, offset: u8, bytes: &[u8]) {
        for (place, byte) in (usize::from(offset)..256).zip(bytes) {
            self.bytes[place] = *byte;
            self.reset[place] = *byte;
        }
    }

    /// Makes bits writable.
    pub fn allow(&mut self, offset: u8, masks: &[u8]) {
        for (place, mask) in (usize::from(offset)..256).zip(masks) {
            self.writable[place] = *mask;
        }
    }

    /// Adds base address register `index` (0 to 5) for a power of two of at least 16 bytes (4 ports). The device sees `offset`
    /// for the window's first address.
    pub fn add_bar(&mut self, index: u8, space: Space, bytes: u32, offset: u64, window: WindowHandle) {
        let register = register::BAR0 + 4 * index.min(5);
        let (flag, least) = match space {
            Space::Port => (1, 4),
            Space::Memory => (0, 16),
        };
        let bytes = bytes.max(least).next_power_of_two();
        self.preset(register, &[flag, 0, 0, 0]);
        self.allow(register, &(!(bytes - 1)).to_le_bytes());
        self.bars.push(Bar { register, space, bytes, offset, window });
    }

    /// After reset.
    pub fn reset(&mut self) {
        self.bytes = self.reset;
        self.update();
    }

    /// Reads; an access beyond the end reads zeroes.
    pub fn read(&self, offset: u8, bytes: u8) -> u32 {
        (0..bytes.min(4)).fold(0, |value, n| {
            let byte = self.bytes.get(usize::from(offset) + usize::from(n)).copied().unwrap_or(0);
            value | u32::from(byte) << (8 * n)
        })
    }

    /// A 16-bit register.
    pub fn word(&self, offset: u8) -> u16 {
        self.read(offset, 2) as u16
    }

    /// Writes what can be written, and opens, moves and closes windows.
    pub fn write(&mut self, offset: u8, bytes: u8, value: u32) {
        for n in 0..bytes.min(4) {
            let place = usize::from(offset) + usize::from(n);
            if place > 255 {
                break;
            }
            let byte = (value >> (8 * n)) as u8;
            let mask = self.writable[place];
            let kept = self.bytes[place] & !mask | byte & mask;
            self.bytes[place] = kept & !(byte & self.clearable[place]);
        }
        self.update();
    }

    fn update(&mut self) {
        let command = self.word(register::COMMAND);
        for n in 0..self.bars.len() {
            let value = self.read(self.bars[n].register, 4);
            let bar = &mut self.bars[n];
            let enabled = command & if bar.space == Space::Port { IO } else { MEMORY } != 0;
            let base = u64::from(value & !(bar.bytes - 1));
            // A register that was never set, or that is being sized, decodes nothing.
            let last = base + u64::from(bar.bytes) - 1;
            let sane = base != 0 && if bar.space == Space::Port { last <= 0xffff } else { last < 0xffff_ffff };
            let window = Window { space: bar.space, base, bytes: bar.bytes.into(), offset: bar.offset };
            bar.window.set((enabled && sane).then_some(window));
        }
    }

    /// Where a base address register's window is now.
    pub fn window(&self, index: u8) -> Option<Window> {
        self.bars.iter().find(|bar| bar.register == register::BAR0 + 4 * index)?.window.get()
    }

    /// All bytes, for a snapshot.
    pub fn save(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    /// Takes a snapshot's bytes over. Missing ones are as after reset.
    pub fn restore(&mut self, bytes: &[u8]) {
        self.bytes = self.reset;
        for (place, byte) in self.bytes.iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.update();
    }
}
