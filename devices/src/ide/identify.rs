//! What IDENTIFY DEVICE and IDENTIFY PACKET DEVICE have in common: words, texts, the checksum.

/// The 256 words.
pub struct Words([u16; 256]);

impl Words {
    /// The texts that every device has: serial number (10), firmware (23) and model (27).
    pub fn new(serial: &str, model: &str) -> Self {
        let mut words = Words([0; 256]);
        words.text(10, 10, serial);
        words.text(23, 4, env!("CARGO_PKG_VERSION"));
        words.text(27, 20, model);
        words
    }

    /// Sets words from `first` on.
    pub fn set(&mut self, first: usize, values: &[u16]) {
        self.0[first..first + values.len()].copy_from_slice(values);
    }

    /// Two words with a number of 32 bits.
    pub fn set_dword(&mut self, first: usize, value: u32) {
        self.set(first, &[value as u16, (value >> 16) as u16]);
    }

    /// ASCII, padded by spaces; the first letter of each pair is in the upper half.
    fn text(&mut self, first: usize, words: usize, text: &str) {
        let mut letters = text.bytes().chain(std::iter::repeat(b' '));
        for word in &mut self.0[first..first + words] {
            *word = [letters.next(), letters.next()]
                .into_iter()
                .flatten()
                .fold(0, |word, byte| word << 8 | u16::from(byte));
        }
    }

    /// What the transfer modes look like: multiword DMA 0 to 2 (63), PIO 3 and 4 (64 to 68), Ultra DMA 0 to 5 (88). `mode` is
    /// what SET FEATURES has selected.
    pub fn modes(&mut self, mode: u8) {
        let selected = |group: u8| if mode & 0xf8 == group { 0x100 << (mode & 7) } else { 0 };
        self.set(53, &[7]); // words 54 to 58, 64 to 70 and 88 hold something
        self.set(63, &[0x0007 | selected(0x20)]);
        self.set(64, &[0x0003, 120, 120, 120, 120]);
        self.set(88, &[0x003f | selected(0x40)]);
    }

    /// The block of 512 bytes, with its checksum (word 255).
    pub fn finish(self) -> Vec<u8> {
        let mut block: Vec<u8> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        block[510] = 0xa5;
        checksum(&mut block);
        block
    }
}

/// Makes the sum of all bytes of a block zero, by its last.
pub fn checksum(block: &mut [u8]) {
    if let Some((last, rest)) = block.split_last_mut() {
        *last = rest.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    }
}

/// Whether SET FEATURES, Set Transfer Mode may select a mode: default PIO, PIO 0 to 4, multiword DMA 0 to 2, Ultra DMA 0 to 5.
pub fn is_mode(mode: u8) -> bool {
    matches!(mode, 0x00 | 0x01 | 0x08..=0x0c | 0x20..=0x22 | 0x40..=0x45)
}

/// The mode after power-on: multiword DMA 2, the best that the PIIX3 does.
pub const DEFAULT_MODE: u8 = 0x22;
