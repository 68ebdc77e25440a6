//! A system description table in the making: the 36-byte header that all ACPI tables share, a body, and the checksum.

/// Makes the bytes of a table sum up to zero: gives the byte to put where a zero stands now.
pub fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, &b| sum.wrapping_sub(b))
}

/// A table under construction.
pub struct Sdt(Vec<u8>);

impl Sdt {
    /// The header of a table.
    pub fn new(signature: &[u8; 4], revision: u8) -> Self {
        let mut bytes = signature.to_vec();
        bytes.extend([0; 4]); // length
        bytes.extend([revision, 0]);
        bytes.extend(b"LYREBD");
        bytes.extend(b"LYREBIRD");
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(b"LYRE");
        bytes.extend(1u32.to_le_bytes());
        Sdt(bytes)
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    /// Appends 16 bits.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends 32 bits.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends 64 bits.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a generic address structure for I/O ports; all zero when there is no such block.
    pub fn io_address(&mut self, bits: u8, port: u16) -> &mut Self {
        match bits {
            0 => self.bytes(&[0; 12]),
            _ => self.bytes(&[1, bits, 0, 0]).u64(u64::from(port)),
        }
    }

    /// Fills in the length and the checksum.
    pub fn finish(self) -> Vec<u8> {
        let mut bytes = self.0;
        let length = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        bytes[9] = checksum(&bytes);
        bytes
    }
}
