//! A set of the 256 vectors: IRR, ISR and TMR.

use serde::{Deserialize, Serialize};

/// Eight 32-bit registers' worth of vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vectors([u32; 8]);

impl Vectors {
    /// Adds or removes a vector.
    pub fn set(&mut self, vector: u8, present: bool) {
        let (word, bit) = (usize::from(vector >> 5), 1 << (vector & 31));
        if present { self.0[word] |= bit } else { self.0[word] &= !bit }
    }

    /// Whether the vector is in the set.
    pub fn has(&self, vector: u8) -> bool {
        self.0[usize::from(vector >> 5)] & 1 << (vector & 31) != 0
    }

    /// The highest vector in the set.
    pub fn highest(&self) -> Option<u8> {
        let word = self.0.iter().rposition(|word| *word != 0)?;
        Some((word as u32 * 32 + self.0[word].ilog2()) as u8)
    }

    /// One of the eight registers.
    pub fn word(&self, n: u32) -> u32 {
        self.0[(n & 7) as usize]
    }
}
