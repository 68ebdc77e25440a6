//! Code page 437, the characters of the PC's display adapters, in Unicode. The mapping is the Unicode consortium's
//! (VENDORS/MICSFT/PC/CP437.TXT), with the pictures that the adapters have where ASCII has controls.

/// All 256, in their order.
const CHARACTERS: &str = "\
\x20☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼\
\x20!\"#$%&'()*+,-./0123456789:;<=>?\
@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_\
`abcdefghijklmnopqrstuvwxyz{|}~⌂\
ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ\
áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// The character that an adapter shows for a byte. NUL and FFh show nothing, and are given as a space.
pub fn to_unicode(byte: u8) -> char {
    match byte {
        0 | 0xff => ' ',
        _ => CHARACTERS.chars().nth(byte.into()).unwrap_or(' '),
    }
}

/// All of them at once, for who draws whole screens.
pub fn table() -> [char; 256] {
    let mut table = [' '; 256];
    for (place, character) in table.iter_mut().zip(CHARACTERS.chars()) {
        *place = character;
    }
    table[0xff] = ' ';
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_256_are_there_in_their_places() {
        assert_eq!(CHARACTERS.chars().count(), 256);
        for (byte, character) in [
            (0, ' '),
            (1, '☺'),
            (0x1f, '▼'),
            (0x20, ' '),
            (0x41, 'A'),
            (0x5c, '\\'),
            (0x7f, '⌂'),
            (0x80, 'Ç'),
            (0xb0, '░'),
            (0xc4, '─'),
            (0xdb, '█'),
            (0xe1, 'ß'),
            (0xfb, '√'),
            (0xfe, '■'),
            (0xff, ' '),
        ] {
            assert_eq!(to_unicode(byte), character, "{byte:#x}");
            assert_eq!(table()[usize::from(byte)], character, "{byte:#x}");
        }
    }
}
