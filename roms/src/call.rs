//! A call of a service: the caller's registers, its memory, and the machine.

use crate::bda;
use crate::firmware::State;
use crate::frame::{CF, Regs, ZF};
use crate::platform::{Facts, Platform};
use crate::transit::{REACH, Transit};

/// Why a service is not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// It is called again after the next interrupt.
    Interrupt,
    /// It is called again at once, after interrupts had a chance.
    Moment,
}

/// What a service returns: done, or not yet.
pub type Flow = Result<(), Pause>;

/// One call.
pub struct Call<'a> {
    /// The caller's registers.
    pub regs: &'a mut Regs,
    /// The machine.
    pub machine: &'a mut dyn Platform,
    /// What the firmware remembers.
    pub state: &'a mut State,
    /// What it knows of the machine.
    pub facts: &'a Facts,
    pub(crate) transit: &'a mut Transit,
}

/// A linear address.
pub fn linear(segment: u16, offset: u16) -> u64 {
    (u64::from(segment) << 4) + u64::from(offset)
}

impl Call<'_> {
    // ---- The caller's memory, by the caller's addresses ----

    /// Gives the caller bytes, when the service has ended.
    pub fn give(&mut self, address: u64, bytes: &[u8]) {
        if address + bytes.len() as u64 <= REACH {
            self.transit.give(address, bytes);
        } else {
            self.write(address, bytes);
        }
    }

    /// Bytes of the caller's. Without them the service returns, having done nothing that would show twice, and is called again.
    pub fn borrow(&mut self, address: u64, count: usize) -> Option<Vec<u8>> {
        if address.saturating_add(count as u64) <= REACH {
            return self.transit.borrow(address, count);
        }
        Some(self.bytes(address, count))
    }

    // ---- Memory as the machine has it: data areas, vectors, the display ----

    /// Reads bytes. What is neither RAM nor the display adapter's reads as ones.
    pub fn read(&mut self, address: u64, data: &mut [u8]) {
        let mask = self.machine.memory().a20_mask();
        if in_display(address, data.len()) {
            for (n, byte) in data.iter_mut().enumerate() {
                *byte = self.byte(address + n as u64);
            }
        } else if self.machine.memory().read(address & mask, data).is_err() {
            data.fill(0xff);
        }
    }

    /// Writes bytes. What is neither RAM nor the display adapter's forgets them.
    pub fn write(&mut self, address: u64, data: &[u8]) {
        let mask = self.machine.memory().a20_mask();
        // What is no RAM takes nothing, as on the bus.
        if self.machine.memory().write(address & mask, data).is_err() && in_display(address, data.len()) {
            self.machine.mmio_write_block(address & mask, data);
        }
    }

    /// Reads bytes into a new buffer.
    pub fn bytes(&mut self, address: u64, count: usize) -> Vec<u8> {
        let mut data = vec![0; count];
        self.read(address, &mut data);
        data
    }

    /// A byte.
    pub fn byte(&mut self, address: u64) -> u8 {
        let address = address & self.machine.memory().a20_mask();
        match self.machine.memory().read_uint(address, 1) {
            Ok(value) => value as u8,
            Err(_) => self.machine.mmio_read(address),
        }
    }

    /// Stores a byte.
    pub fn set_byte(&mut self, address: u64, value: u8) {
        let address = address & self.machine.memory().a20_mask();
        if self.machine.memory().write(address, &[value]).is_err() {
            self.machine.mmio_write(address, value);
        }
    }

    /// A word.
    pub fn word(&mut self, address: u64) -> u16 {
        let mut data = [0; 2];
        self.read(address, &mut data);
        u16::from_le_bytes(data)
    }

    /// Stores a word.
    pub fn set_word(&mut self, address: u64, value: u16) {
        self.write(address, &value.to_le_bytes());
    }

    /// A doubleword.
    pub fn dword(&mut self, address: u64) -> u32 {
        let mut data = [0; 4];
        self.read(address, &mut data);
        u32::from_le_bytes(data)
    }

    /// Stores a doubleword.
    pub fn set_dword(&mut self, address: u64, value: u32) {
        self.write(address, &value.to_le_bytes());
    }

    /// An interrupt's vector: segment and offset.
    pub fn vector(&mut self, number: u8) -> (u16, u16) {
        let far = self.dword(4 * u64::from(number));
        ((far >> 16) as u16, far as u16)
    }

    /// Sets an interrupt's vector.
    pub fn set_vector(&mut self, number: u8, segment: u16, offset: u16) {
        self.set_dword(4 * u64::from(number), u32::from(segment) << 16 | u32::from(offset));
    }

    // ---- The BIOS data area ----

    /// A byte of it.
    pub fn bda(&mut self, offset: u64) -> u8 {
        self.byte(bda::BASE + offset)
    }

    /// A word of it.
    pub fn bda_word(&mut self, offset: u64) -> u16 {
        self.word(bda::BASE + offset)
    }

    /// Stores a byte of it.
    pub fn set_bda(&mut self, offset: u64, value: u8) {
        self.set_byte(bda::BASE + offset, value);
    }

    /// Stores a word of it.
    pub fn set_bda_word(&mut self, offset: u64, value: u16) {
        self.set_word(bda::BASE + offset, value);
    }

    // ---- Ports ----

    /// IN AL.
    pub fn inb(&mut self, port: u16) -> u8 {
        self.machine.port_read(port, 1) as u8
    }

    /// OUT AL.
    pub fn outb(&mut self, port: u16, value: u8) {
        self.machine.port_write(port, 1, value.into());
    }

    /// Writes an indexed register: the index to a port, the value to the next.
    pub fn out_indexed(&mut self, port: u16, index: u8, value: u8) {
        self.outb(port, index);
        self.outb(port.wrapping_add(1), value);
    }

    /// Reads an indexed register.
    pub fn in_indexed(&mut self, port: u16, index: u8) -> u8 {
        self.outb(port, index);
        self.inb(port.wrapping_add(1))
    }

    /// A byte of CMOS RAM.
    pub fn cmos(&mut self, index: u8) -> u8 {
        self.outb(0x70, index & 0x7f);
        self.inb(0x71)
    }

    /// Stores a byte of CMOS RAM.
    pub fn set_cmos(&mut self, index: u8, value: u8) {
        self.outb(0x70, index & 0x7f);
        self.outb(0x71, value);
    }

    // ---- How services end ----

    /// Success: carry clear.
    pub fn succeed(&mut self) {
        self.regs.set_flag(CF, false);
    }

    /// Failure: carry set, and a code in AH.
    pub fn fail(&mut self, code: u8) {
        self.regs.set_ah(code);
        self.regs.set_flag(CF, true);
    }

    /// Sets or clears the caller's zero flag.
    pub fn set_zero(&mut self, on: bool) {
        self.regs.set_flag(ZF, on);
    }
}

fn in_display(address: u64, bytes: usize) -> bool {
    address < 0xc_0000 && address + bytes as u64 > 0xa_0000
}
