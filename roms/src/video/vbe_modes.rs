//! VBE's modes: the numbers that VESA gave, and from 140h on others for the sizes of later screens.

/// A mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VbeMode {
    /// Its number.
    pub number: u16,
    /// Pixels in a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Bits a pixel.
    pub bits: u8,
}

/// Sizes with VESA's own numbers for 8, 15, 16 and 24 bits; zero where it gave none.
const STANDARD: [(u16, u16, [u16; 4]); 6] = [
    (640, 400, [0x100, 0, 0, 0]),
    (640, 480, [0x101, 0x110, 0x111, 0x112]),
    (800, 600, [0x103, 0x113, 0x114, 0x115]),
    (1024, 768, [0x105, 0x116, 0x117, 0x118]),
    (1280, 1024, [0x107, 0x119, 0x11a, 0x11b]),
    (320, 200, [0, 0x10d, 0x10e, 0x10f]),
];
/// Sizes that have five numbers from 140h on.
const OTHERS: [(u16, u16); 20] = [
    (320, 200),
    (640, 400),
    (640, 480),
    (800, 600),
    (1024, 768),
    (1280, 1024),
    (1152, 864),
    (1280, 720),
    (1280, 768),
    (1280, 800),
    (1280, 960),
    (1360, 768),
    (1440, 900),
    (1400, 1050),
    (1600, 900),
    (1600, 1200),
    (1680, 1050),
    (1920, 1080),
    (1920, 1200),
    (2560, 1600),
];
const DEPTHS: [u8; 5] = [8, 15, 16, 24, 32];
const FIRST_OTHER: u16 = 0x140;

/// All modes.
pub fn all() -> impl Iterator<Item = VbeMode> {
    let standard = STANDARD.iter().flat_map(|&(width, height, numbers)| {
        let modes = numbers.into_iter().zip(DEPTHS).filter(|(number, _)| *number != 0);
        modes.map(move |(number, bits)| VbeMode { number, width, height, bits })
    });
    let others = (FIRST_OTHER..).step_by(DEPTHS.len()).zip(OTHERS).flat_map(|(first, (width, height))| {
        (first..).zip(DEPTHS).map(move |(number, bits)| VbeMode { number, width, height, bits })
    });
    standard.chain(others)
}

/// A mode by its number.
pub fn find(number: u16) -> Option<VbeMode> {
    all().find(|mode| mode.number == number)
}

/// The list as it stands in the ROM, with its end.
pub fn mode_list() -> Vec<u8> {
    all().map(|mode| mode.number).chain([0xffff]).flat_map(u16::to_le_bytes).collect()
}

impl VbeMode {
    /// Bytes of a row.
    pub fn pitch(&self) -> u16 {
        self.width * u16::from(self.bits).div_ceil(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_the_list_fits_its_place() {
        let mut numbers: Vec<u16> = all().map(|mode| mode.number).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        assert!(mode_list().len() <= 0x380);
        assert_eq!(find(0x118), Some(VbeMode { number: 0x118, width: 1024, height: 768, bits: 24 }));
        assert!(all().any(|mode| (mode.width, mode.height, mode.bits) == (2560, 1600, 32)));
    }
}
