//! The characters of code page 437, drawn for this program, in the three heights that text modes use. The drawings are the
//! source: change a `#` in [`tall_low`], [`tall_high`] or [`small`], and the character changes.

mod small;
mod tall_high;
mod tall_low;

/// 8x16, for 400 lines. Bit 7 of a byte is the leftmost dot.
pub static FONT_8X16: [[u8; 16]; 256] = join(&parse::<16, 128>(tall_low::ART), &parse::<16, 128>(tall_high::ART));

/// 8x14, for 350 lines: 8x16 without the first and the last row, which only lines and blocks reach.
pub static FONT_8X14: [[u8; 14]; 256] = crop(&FONT_8X16);

/// 8x8, for 200 lines, or 50 rows of text on 400.
pub static FONT_8X8: [[u8; 8]; 256] = parse::<8, 256>(small::ART);

/// Reads a drawing: groups of eight characters, in rows of eight groups of eight dots. Whatever is no dot is skipped, so that
/// only the number of dots has to be right.
const fn parse<const ROWS: usize, const COUNT: usize>(art: &str) -> [[u8; ROWS]; COUNT] {
    let (art, mut font) = (art.as_bytes(), [[0; ROWS]; COUNT]);
    let (mut at, mut dot) = (0, 0);
    while at < art.len() {
        if art[at] == b'#' || art[at] == b'.' {
            let (line, column) = (dot / 64, dot % 64);
            let character = line / ROWS * 8 + column / 8;
            if art[at] == b'#' {
                font[character][line % ROWS] |= 0x80 >> (column % 8);
            }
            dot += 1;
        }
        at += 1;
    }
    assert!(dot == COUNT * ROWS * 8);
    font
}

const fn join(low: &[[u8; 16]; 128], high: &[[u8; 16]; 128]) -> [[u8; 16]; 256] {
    let (mut font, mut n) = ([[0; 16]; 256], 0);
    while n < 256 {
        font[n] = if n < 128 { low[n] } else { high[n - 128] };
        n += 1;
    }
    font
}

const fn crop(tall: &[[u8; 16]; 256]) -> [[u8; 14]; 256] {
    let (mut font, mut n) = ([[0; 14]; 256], 0);
    while n < 14 * 256 {
        font[n / 14][n % 14] = tall[n / 14][n % 14 + 1];
        n += 1;
    }
    font
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_become_bits() {
        assert_eq!(FONT_8X16[usize::from(b'T')][2..5], [0x7e, 0x18, 0x18]);
        assert_eq!(FONT_8X8[usize::from(b'_')], [0, 0, 0, 0, 0, 0, 0, 0xff]);
        assert_eq!(FONT_8X14[0xdb], [0xff; 14]);
    }

    #[test]
    fn lines_meet_across_characters() {
        // C4h and CDh leave at both sides in the rows where C5h and CEh do; B3h and BAh likewise from top to bottom.
        for font in [
            FONT_8X16.map(|rows| rows.to_vec()),
            FONT_8X14.map(|rows| rows.to_vec()),
            FONT_8X8.map(|rows| rows.to_vec()),
        ] {
            for (line, crossing) in [(0xc4, 0xc5), (0xcd, 0xce)] {
                let rows =
                    |n: usize| -> Vec<usize> { (0..font[n].len()).filter(|y| font[n][*y] & 0x81 == 0x81).collect() };
                assert_eq!(rows(line), rows(crossing));
                assert!(!rows(line).is_empty());
            }
            for (line, crossing) in [(0xb3, 0xc5), (0xba, 0xce)] {
                assert_eq!(font[line].first(), font[crossing].first());
                assert_eq!(font[line].last(), font[crossing].last());
            }
        }
    }

    #[test]
    fn every_character_but_the_blanks_is_drawn_and_none_twice() {
        let mut seen = std::collections::HashSet::new();
        for (n, rows) in FONT_8X16.iter().enumerate() {
            let blank = matches!(n, 0 | 0x20 | 0xff);
            assert_eq!(rows.iter().all(|row| *row == 0), blank, "{n:#x}");
            assert!(blank || seen.insert(rows), "{n:#x}");
        }
    }
}
