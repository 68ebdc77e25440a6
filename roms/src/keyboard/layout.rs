//! What the keys of an American keyboard mean: for each scan code of set 1 the four words that INT 16h gives for the key
//! alone, and with Shift, Ctrl and Alt.

/// A key without a meaning in some state.
pub const NOTHING: u16 = 0;

/// Alone, with Shift, with Ctrl, with Alt.
pub type Key = [u16; 4];

/// Keys from 02h to 35h that stand for characters: scan code, character alone, with Shift, with Ctrl (0 if none).
const CHARACTERS: [(u8, u8, u8, u8); 48] = [
    (0x02, b'1', b'!', 0),
    (0x03, b'2', b'@', 0),
    (0x04, b'3', b'#', 0),
    (0x05, b'4', b'$', 0),
    (0x06, b'5', b'%', 0),
    (0x07, b'6', b'^', 0x1e),
    (0x08, b'7', b'&', 0),
    (0x09, b'8', b'*', 0),
    (0x0a, b'9', b'(', 0),
    (0x0b, b'0', b')', 0),
    (0x0c, b'-', b'_', 0x1f),
    (0x0d, b'=', b'+', 0),
    (0x10, b'q', b'Q', 0x11),
    (0x11, b'w', b'W', 0x17),
    (0x12, b'e', b'E', 0x05),
    (0x13, b'r', b'R', 0x12),
    (0x14, b't', b'T', 0x14),
    (0x15, b'y', b'Y', 0x19),
    (0x16, b'u', b'U', 0x15),
    (0x17, b'i', b'I', 0x09),
    (0x18, b'o', b'O', 0x0f),
    (0x19, b'p', b'P', 0x10),
    (0x1a, b'[', b'{', 0x1b),
    (0x1b, b']', b'}', 0x1d),
    (0x1e, b'a', b'A', 0x01),
    (0x1f, b's', b'S', 0x13),
    (0x20, b'd', b'D', 0x04),
    (0x21, b'f', b'F', 0x06),
    (0x22, b'g', b'G', 0x07),
    (0x23, b'h', b'H', 0x08),
    (0x24, b'j', b'J', 0x0a),
    (0x25, b'k', b'K', 0x0b),
    (0x26, b'l', b'L', 0x0c),
    (0x27, b';', b':', 0),
    (0x28, b'\'', b'"', 0),
    (0x29, b'`', b'~', 0),
    (0x2b, b'\\', b'|', 0x1c),
    (0x2c, b'z', b'Z', 0x1a),
    (0x2d, b'x', b'X', 0x18),
    (0x2e, b'c', b'C', 0x03),
    (0x2f, b'v', b'V', 0x16),
    (0x30, b'b', b'B', 0x02),
    (0x31, b'n', b'N', 0x0e),
    (0x32, b'm', b'M', 0x0d),
    (0x33, b',', b'<', 0),
    (0x34, b'.', b'>', 0),
    (0x35, b'/', b'?', 0),
    (0x56, b'\\', b'|', 0),
];

/// Other keys.
const OTHERS: [(u8, Key); 18] = [
    (0x01, [0x011b, 0x011b, 0x011b, 0x01f0]),
    (0x0e, [0x0e08, 0x0e08, 0x0e7f, 0x0ef0]),
    (0x0f, [0x0f09, 0x0f00, 0x9400, 0xa5f0]),
    (0x1c, [0x1c0d, 0x1c0d, 0x1c0a, 0x1cf0]),
    (0x37, [0x372a, 0x372a, 0x96f0, 0x37f0]),
    (0x39, [0x3920, 0x3920, 0x3920, 0x3920]),
    (0x47, [0x4700, 0x4737, 0x7700, NOTHING]),
    (0x48, [0x4800, 0x4838, 0x8df0, NOTHING]),
    (0x49, [0x4900, 0x4939, 0x8400, NOTHING]),
    (0x4a, [0x4a2d, 0x4a2d, 0x8ef0, 0x4af0]),
    (0x4b, [0x4b00, 0x4b34, 0x7300, NOTHING]),
    (0x4c, [0x4cf0, 0x4c35, 0x8ff0, NOTHING]),
    (0x4d, [0x4d00, 0x4d36, 0x7400, NOTHING]),
    (0x4e, [0x4e2b, 0x4e2b, 0x90f0, 0x4ef0]),
    (0x4f, [0x4f00, 0x4f31, 0x7500, NOTHING]),
    (0x50, [0x5000, 0x5032, 0x91f0, NOTHING]),
    (0x51, [0x5100, 0x5133, 0x7600, NOTHING]),
    (0x52, [0x5200, 0x5230, 0x92f0, NOTHING]),
];

/// Keys behind E0h, of the cursor block and on the number block.
const EXTENDED: [(u8, Key); 12] = [
    (0x1c, [0xe00d, 0xe00d, 0xe00a, 0xa6f0]),
    (0x35, [0xe02f, 0xe02f, 0x9500, 0xa4f0]),
    (0x47, [0x47e0, 0x47e0, 0x77e0, 0x9700]),
    (0x48, [0x48e0, 0x48e0, 0x8de0, 0x9800]),
    (0x49, [0x49e0, 0x49e0, 0x84e0, 0x9900]),
    (0x4b, [0x4be0, 0x4be0, 0x73e0, 0x9b00]),
    (0x4d, [0x4de0, 0x4de0, 0x74e0, 0x9d00]),
    (0x4f, [0x4fe0, 0x4fe0, 0x75e0, 0x9f00]),
    (0x50, [0x50e0, 0x50e0, 0x91e0, 0xa000]),
    (0x51, [0x51e0, 0x51e0, 0x76e0, 0xa100]),
    (0x52, [0x52e0, 0x52e0, 0x92e0, 0xa200]),
    (0x53, [0x53e0, 0x53e0, 0x93e0, 0xa300]),
];

/// What a key means; `None` if it has no meaning of its own.
pub fn key(scan: u8, extended: bool) -> Option<Key> {
    let word = |character: u8| u16::from(scan) << 8 | u16::from(character);
    if extended {
        return EXTENDED.iter().find(|key| key.0 == scan).map(|key| key.1);
    }
    if let Some(&(_, alone, shifted, ctrl)) = CHARACTERS.iter().find(|key| key.0 == scan) {
        let ctrl = match (scan, ctrl) {
            (0x03, _) => 0x0300, // Ctrl-2 is a NUL
            (_, 0) => NOTHING,
            (_, ctrl) => word(ctrl),
        };
        let alt = match scan {
            0x02..=0x0d => u16::from(scan + 0x76) << 8,
            // Letters have zero, and the others a mark that the old functions leave out.
            _ if alone.is_ascii_lowercase() => word(0),
            _ => word(0xf0),
        };
        return Some([word(alone), word(shifted), ctrl, alt]);
    }
    match scan {
        // F1 to F10, F11 and F12: four rows of scan codes.
        0x3b..=0x44 => {
            let row = |first: u8| u16::from(scan - 0x3b + first) << 8;
            Some([word(0), row(0x54), row(0x5e), row(0x68)])
        }
        0x57..=0x58 => {
            let row = |first: u8| u16::from(scan - 0x57 + first) << 8;
            Some([row(0x85), row(0x87), row(0x89), row(0x8b)])
        }
        0x53 => Some([0x5300, 0x532e, 0x93f0, NOTHING]),
        _ => OTHERS.iter().find(|key| key.0 == scan).map(|key| key.1),
    }
}

/// Keys on the number block, which NumLock shifts.
pub fn on_number_block(scan: u8) -> bool {
    matches!(scan, 0x47..=0x49 | 0x4b..=0x4d | 0x4f..=0x53)
}

/// The digit of a key on the number block, for characters that are entered with Alt.
pub fn digit(scan: u8) -> Option<u8> {
    const DIGITS: [(u8, u8); 10] =
        [(0x52, 0), (0x4f, 1), (0x50, 2), (0x51, 3), (0x4b, 4), (0x4c, 5), (0x4d, 6), (0x47, 7), (0x48, 8), (0x49, 9)];
    DIGITS.iter().find(|digit| digit.0 == scan).map(|digit| digit.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_technical_reference() {
        assert_eq!(key(0x1e, false), Some([0x1e61, 0x1e41, 0x1e01, 0x1e00]));
        assert_eq!(key(0x02, false), Some([0x0231, 0x0221, NOTHING, 0x7800]));
        assert_eq!(key(0x3b, false), Some([0x3b00, 0x5400, 0x5e00, 0x6800]));
        assert_eq!(key(0x58, false), Some([0x8600, 0x8800, 0x8a00, 0x8c00]));
        assert_eq!(key(0x48, true), Some([0x48e0, 0x48e0, 0x8de0, 0x9800]));
        assert_eq!((key(0x2a, false), key(0x7f, true)), (None, None));
    }
}
