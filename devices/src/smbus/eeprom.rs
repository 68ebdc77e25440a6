//! A serial EEPROM of 256 bytes as memory modules carry it (24C02): a pointer that is set by a write and moves on with each byte
//! that is read. It is write-protected, as modules are.

/// The EEPROM.
#[derive(Clone, Debug)]
pub struct Eeprom {
    bytes: Box<[u8; 256]>,
    pointer: u8,
}

impl Eeprom {
    /// One with these bytes.
    pub fn new(bytes: [u8; 256]) -> Self {
        Eeprom { bytes: Box::new(bytes), pointer: 0 }
    }

    /// Where the next byte is read.
    pub fn pointer(&self) -> u8 {
        self.pointer
    }

    /// Sets that.
    pub fn set_pointer(&mut self, pointer: u8) {
        self.pointer = pointer;
    }

    /// Reads a byte.
    pub fn read(&mut self) -> u8 {
        let byte = self.bytes[usize::from(self.pointer)];
        self.pointer = self.pointer.wrapping_add(1);
        byte
    }
}
