//! One 8237A: four channels of addresses and counts, and what a transfer does to them.

use serde::{Deserialize, Serialize};

// Command register.
const MEMORY_TO_MEMORY: u8 = 1 << 0;
const HOLD_ADDRESS: u8 = 1 << 1;
const DISABLE: u8 = 1 << 2;
// Mode register.
const TYPE: u8 = 3 << 2;
const AUTOINITIALIZE: u8 = 1 << 4;
const DECREMENT: u8 = 1 << 5;
const BLOCK: u8 = 2 << 6;
const CASCADE: u8 = 3 << 6;

/// Which way a channel moves data (mode register, bits 3 and 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Addresses and counts move; data does not.
    Verify,
    /// From the device to memory.
    Write,
    /// From memory to the device.
    Read,
}

/// One channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Channel {
    base_address: u16,
    base_count: u16,
    address: u16,
    count: u16,
    mode: u8,
}

impl Channel {
    /// Which way data goes.
    pub fn kind(&self) -> Kind {
        match self.mode & TYPE {
            0x04 => Kind::Write,
            0x08 => Kind::Read,
            _ => Kind::Verify,
        }
    }

    /// How many addresses from the present one on can be used in one piece, and where the piece begins: whether the
    /// addresses fall is the second value.
    pub fn piece(&self) -> (u16, u32, bool) {
        let (left, falls) = (u32::from(self.count) + 1, self.mode & DECREMENT != 0);
        let to_wrap = if falls { u32::from(self.address) + 1 } else { 0x1_0000 - u32::from(self.address) };
        (self.address, left.min(to_wrap), falls)
    }

    /// So many were moved.
    fn advance(&mut self, moved: u32) {
        let step = moved as u16;
        self.address =
            if self.mode & DECREMENT != 0 { self.address.wrapping_sub(step) } else { self.address.wrapping_add(step) };
        self.count = self.count.wrapping_sub(step);
    }
}

/// The chip.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Chip {
    channels: [Channel; 4],
    command: u8,
    mask: u8,
    /// Requests by software.
    requests: u8,
    /// The DREQ pins.
    pins: u8,
    /// Channels that have reached their terminal count since somebody looked.
    terminal: u8,
    temporary: u8,
    /// The next byte of a 16-bit register is the upper one.
    flip_flop: bool,
}

impl Default for Chip {
    fn default() -> Self {
        Chip {
            channels: Default::default(),
            command: 0,
            mask: 15,
            requests: 0,
            pins: 0,
            terminal: 0,
            temporary: 0,
            flip_flop: false,
        }
    }
}

impl Chip {
    /// Reads register 0 to 15.
    pub fn read(&mut self, register: u8) -> u8 {
        match register {
            0..=7 => {
                let channel = &self.channels[usize::from(register >> 1)];
                let value = if register & 1 == 0 { channel.address } else { channel.count };
                let upper = self.flip_flop;
                self.flip_flop = !upper;
                value.to_le_bytes()[usize::from(upper)]
            }
            8 => std::mem::take(&mut self.terminal) | (self.pins | self.requests) << 4,
            13 => self.temporary,
            15 => 0xf0 | self.mask,
            _ => 0,
        }
    }

    /// Writes register 0 to 15. A request by software for a channel that can serve it is returned.
    pub fn write(&mut self, register: u8, value: u8) -> Option<usize> {
        let n = usize::from(value & 3);
        match register {
            0..=7 => {
                let upper = self.flip_flop;
                self.flip_flop = !upper;
                let channel = &mut self.channels[usize::from(register >> 1)];
                let (base, current) = if register & 1 == 0 {
                    (&mut channel.base_address, &mut channel.address)
                } else {
                    (&mut channel.base_count, &mut channel.count)
                };
                // Each byte goes into the base and the current register at once.
                for word in [base, current] {
                    let mut bytes = word.to_le_bytes();
                    bytes[usize::from(upper)] = value;
                    *word = u16::from_le_bytes(bytes);
                }
            }
            8 => self.command = value,
            9 => {
                self.requests = self.requests & !(1 << n) | (value >> 2 & 1) << n;
                return self.serves(n).then_some(n);
            }
            10 => self.mask = self.mask & !(1 << n) | (value >> 2 & 1) << n,
            11 => self.channels[n].mode = value,
            12 => self.flip_flop = false,
            13 => {
                let (channels, pins) = (std::mem::take(&mut self.channels), self.pins);
                *self = Chip { channels, pins, ..Chip::default() };
            }
            14 => self.mask = 0,
            15 => self.mask = value & 15,
            _ => {}
        }
        None
    }

    /// Whether software's request for a channel is served: in block mode, or as a transfer from memory to memory. The mask
    /// does not stop it.
    fn serves(&self, n: usize) -> bool {
        let block = self.channels[n].mode & CASCADE == BLOCK;
        self.command & DISABLE == 0 && self.requests & 1 << n != 0 && (block || self.copies(n))
    }

    /// Whether a request for this channel means a copy from memory to memory.
    pub fn copies(&self, n: usize) -> bool {
        n == 0 && self.command & MEMORY_TO_MEMORY != 0
    }

    /// Whether a device's request on this channel is served.
    pub fn ready(&self, n: usize) -> bool {
        let cascade = self.channels[n].mode & CASCADE == CASCADE;
        self.command & DISABLE == 0 && self.mask & 1 << n == 0 && !cascade
    }

    /// Drives a DREQ pin.
    pub fn set_pin(&mut self, n: usize, level: bool) {
        self.pins = self.pins & !(1 << n) | u8::from(level) << n;
    }

    /// A channel.
    pub fn channel(&self, n: usize) -> &Channel {
        &self.channels[n]
    }

    /// So many bytes or words were moved on a channel, no more than its piece has; returns whether that was the last one.
    pub fn moved(&mut self, n: usize, units: u32) -> bool {
        let channel = &mut self.channels[n];
        let last = units > u32::from(channel.count);
        channel.advance(units);
        if last {
            self.terminal |= 1 << n;
            self.requests &= !(1 << n);
            if channel.mode & AUTOINITIALIZE != 0 {
                (channel.address, channel.count) = (channel.base_address, channel.base_count);
            } else {
                self.mask |= 1 << n;
            }
        }
        last
    }

    /// One byte of a copy from memory to memory was moved: channel 0's address may stand still, channel 1 counts.
    pub fn copied(&mut self, byte: u8) -> bool {
        self.temporary = byte;
        let (address, count) = (self.channels[0].address, self.channels[0].count);
        self.channels[0].advance(1);
        self.channels[0].count = count.wrapping_sub(1);
        if self.command & HOLD_ADDRESS != 0 {
            self.channels[0].address = address;
        }
        let last = self.moved(1, 1);
        if last {
            self.requests &= !1;
        }
        last
    }
}
