//! The keys of a PC's keyboard by name, and the characters that an American layout has on them.
//!
//! The names are those of QEMU's `sendkey`; the numbers are the usages of the HID usage tables, page 07h. What a person types
//! in a window needs none of this, since SDL's scancodes are these numbers already.

use lyrebird_core::Key;

/// Left Ctrl.
pub const CTRL: Key = Key(0xe0);
/// Left Shift.
pub const SHIFT: Key = Key(0xe1);
/// Left Alt.
pub const ALT: Key = Key(0xe2);
/// Enter.
pub const ENTER: Key = Key(0x28);
/// Escape.
pub const ESCAPE: Key = Key(0x29);
/// Backspace.
pub const BACKSPACE: Key = Key(0x2a);
/// Tab.
pub const TAB: Key = Key(0x2b);

/// Every key that has a name of more than one character; where a key has several, the first is QEMU's own.
const NAMES: &[(&str, u8)] = &[
    ("ret", 0x28),
    ("enter", 0x28),
    ("esc", 0x29),
    ("escape", 0x29),
    ("backspace", 0x2a),
    ("tab", 0x2b),
    ("spc", 0x2c),
    ("space", 0x2c),
    ("minus", 0x2d),
    ("equal", 0x2e),
    ("bracket_left", 0x2f),
    ("bracket_right", 0x30),
    ("backslash", 0x31),
    ("semicolon", 0x33),
    ("apostrophe", 0x34),
    ("grave_accent", 0x35),
    ("comma", 0x36),
    ("dot", 0x37),
    ("slash", 0x38),
    ("caps_lock", 0x39),
    ("f1", 0x3a),
    ("f2", 0x3b),
    ("f3", 0x3c),
    ("f4", 0x3d),
    ("f5", 0x3e),
    ("f6", 0x3f),
    ("f7", 0x40),
    ("f8", 0x41),
    ("f9", 0x42),
    ("f10", 0x43),
    ("f11", 0x44),
    ("f12", 0x45),
    ("print", 0x46),
    ("sysrq", 0x46),
    ("scroll_lock", 0x47),
    ("pause", 0x48),
    ("insert", 0x49),
    ("home", 0x4a),
    ("pgup", 0x4b),
    ("delete", 0x4c),
    ("end", 0x4d),
    ("pgdn", 0x4e),
    ("right", 0x4f),
    ("left", 0x50),
    ("down", 0x51),
    ("up", 0x52),
    ("num_lock", 0x53),
    ("kp_divide", 0x54),
    ("kp_multiply", 0x55),
    ("kp_subtract", 0x56),
    ("kp_add", 0x57),
    ("kp_enter", 0x58),
    ("kp_1", 0x59),
    ("kp_2", 0x5a),
    ("kp_3", 0x5b),
    ("kp_4", 0x5c),
    ("kp_5", 0x5d),
    ("kp_6", 0x5e),
    ("kp_7", 0x5f),
    ("kp_8", 0x60),
    ("kp_9", 0x61),
    ("kp_0", 0x62),
    ("kp_decimal", 0x63),
    ("less", 0x64),
    ("menu", 0x65),
    ("compose", 0x65),
    ("power", 0x66),
    ("kp_equals", 0x67),
    ("f13", 0x68),
    ("f14", 0x69),
    ("f15", 0x6a),
    ("f16", 0x6b),
    ("f17", 0x6c),
    ("f18", 0x6d),
    ("f19", 0x6e),
    ("f20", 0x6f),
    ("f21", 0x70),
    ("f22", 0x71),
    ("f23", 0x72),
    ("f24", 0x73),
    ("kp_comma", 0x85),
    ("ro", 0x87),
    ("katakanahiragana", 0x88),
    ("yen", 0x89),
    ("henkan", 0x8a),
    ("muhenkan", 0x8b),
    ("lang1", 0x90),
    ("lang2", 0x91),
    ("ctrl", 0xe0),
    ("shift", 0xe1),
    ("alt", 0xe2),
    ("meta_l", 0xe3),
    ("ctrl_r", 0xe4),
    ("shift_r", 0xe5),
    ("alt_r", 0xe6),
    ("altgr", 0xe6),
    ("meta_r", 0xe7),
];

/// The key of this name: a letter, a digit, or a name of QEMU's.
pub fn by_name(name: &str) -> Option<Key> {
    let key = match *name.as_bytes() {
        [letter @ b'a'..=b'z'] => 0x04 + letter - b'a',
        [digit @ b'1'..=b'9'] => 0x1e + digit - b'1',
        [b'0'] => 0x27,
        _ => NAMES.iter().find(|(known, _)| *known == name)?.1,
    };
    Some(Key(key))
}

/// All names of more than one character.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

/// The characters of the keys from 2Dh to 38h without Shift and with it; 32h is not on American keyboards.
const PUNCTUATION: [(u8, char, char); 11] = [
    (0x2d, '-', '_'),
    (0x2e, '=', '+'),
    (0x2f, '[', '{'),
    (0x30, ']', '}'),
    (0x31, '\\', '|'),
    (0x33, ';', ':'),
    (0x34, '\'', '"'),
    (0x35, '`', '~'),
    (0x36, ',', '<'),
    (0x37, '.', '>'),
    (0x38, '/', '?'),
];
/// What Shift makes of the digits from 1 to 0.
const OVER_DIGITS: &str = "!@#$%^&*()";

/// The key with this character on an American keyboard, and whether Shift must be held.
pub fn by_character(character: char) -> Option<(Key, bool)> {
    let found = |key, shift| Some((Key(key), shift));
    match character {
        'a'..='z' => found(0x04 + (character as u8 - b'a'), false),
        'A'..='Z' => found(0x04 + (character as u8 - b'A'), true),
        '1'..='9' => found(0x1e + (character as u8 - b'1'), false),
        '0' => found(0x27, false),
        ' ' => found(0x2c, false),
        '\n' | '\r' => Some((ENTER, false)),
        '\t' => Some((TAB, false)),
        '\x08' | '\x7f' => Some((BACKSPACE, false)),
        '\x1b' => Some((ESCAPE, false)),
        _ => {
            if let Some(digit) = OVER_DIGITS.find(character) {
                return found(0x1e + digit as u8, true);
            }
            let (key, plain, _) =
                PUNCTUATION.iter().find(|(_, plain, shifted)| character == *plain || character == *shifted)?;
            found(*key, character != *plain)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_qemus_and_numbers_are_hids() {
        for (name, usage) in [
            ("a", 4),
            ("z", 0x1d),
            ("1", 0x1e),
            ("0", 0x27),
            ("ret", 0x28),
            ("f12", 0x45),
            ("kp_0", 0x62),
            ("alt_r", 0xe6),
        ] {
            assert_eq!(by_name(name), Some(Key(usage)), "{name}");
        }
        for name in ["", "A", "F1", "return", "kp_", "ä"] {
            assert_eq!(by_name(name), None, "{name}");
        }
        let all: Vec<_> = names().collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "a name stands there twice");
        assert!(all.iter().all(|name| by_name(name).is_some()));
    }

    #[test]
    fn every_printable_character_of_ascii_has_a_place_of_its_own() {
        let places: HashSet<_> = (' '..='~').map(|character| by_character(character).unwrap()).collect();
        assert_eq!(places.len(), 95);
        assert_eq!(by_character('?'), Some((Key(0x38), true)));
        assert_eq!(by_character('('), Some((Key(0x26), true)));
        assert_eq!(by_character('\n'), Some((ENTER, false)));
        assert_eq!(by_character('é'), None);
    }
}
