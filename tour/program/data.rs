//! Texts in code page 437, and tables that are computed when the guest is assembled.

use std::f64::consts::TAU;

/// Bytes at fixed addresses of segment 0.
pub struct Data {
    base: u16,
    /// From the base on.
    pub bytes: Vec<u8>,
}

/// The characters beside ASCII's that the texts use.
const CHARACTERS: &[(char, u8)] = &[
    ('█', 0xdb),
    ('▄', 0xdc),
    ('▀', 0xdf),
    ('░', 0xb0),
    ('▒', 0xb1),
    ('▓', 0xb2),
    ('═', 0xcd),
    ('║', 0xba),
    ('╔', 0xc9),
    ('╗', 0xbb),
    ('╚', 0xc8),
    ('╝', 0xbc),
    ('─', 0xc4),
    ('│', 0xb3),
    ('┌', 0xda),
    ('┐', 0xbf),
    ('└', 0xc0),
    ('┘', 0xd9),
    ('►', 0x10),
    ('◄', 0x11),
    ('↑', 0x18),
    ('↓', 0x19),
    ('→', 0x1a),
    ('←', 0x1b),
    ('·', 0xfa),
    ('•', 0x07),
    ('±', 0xf1),
];

/// A text's bytes.
pub fn encode(text: &str) -> Vec<u8> {
    let byte = |character: char| match character {
        '\0'..='\x7f' => character as u8,
        _ => CHARACTERS.iter().find(|(known, _)| *known == character).expect("a character of code page 437").1,
    };
    text.chars().map(byte).collect()
}

impl Data {
    /// Nothing yet.
    pub fn new(base: u16) -> Self {
        Data { base, bytes: Vec::new() }
    }

    /// Adds bytes; gives their address.
    pub fn add(&mut self, bytes: &[u8]) -> u16 {
        let address = self.base + self.bytes.len() as u16;
        self.bytes.extend(bytes);
        address
    }

    /// Adds a text, with a zero at its end.
    pub fn text(&mut self, text: &str) -> u16 {
        self.add(&[encode(text), vec![0]].concat())
    }
}

/// The size of the picture in true colour.
pub const WIDTH: usize = 800;
/// Its rows.
pub const HEIGHT: usize = 600;
/// The row at which the water begins.
pub const SHORE: usize = 430;
/// In the tables' segment: the colours of the sky's rows, then the rows at which the far and the near hills begin.
pub const SKY: u16 = 0;
/// The far hills: a word a column.
pub const FAR: u16 = SKY + 4 * HEIGHT as u16;
/// The near hills.
pub const NEAR: u16 = FAR + 2 * WIDTH as u16;
/// A sine of 256 bytes, from 0 to 63.
pub const SINE: u16 = NEAR + 2 * WIDTH as u16;
/// 256 colours in a circle, red, green and blue in six bits each.
pub const PALETTE: u16 = SINE + 256;

/// What stands in the tables' segment.
pub fn tables() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mix = |from: [f64; 3], to: [f64; 3], part: f64| {
        let parts: Vec<u32> = from.iter().zip(to).map(|(from, to)| (from + (to - from) * part) as u32).collect();
        parts[0] << 16 | parts[1] << 8 | parts[2]
    };
    for row in 0..HEIGHT {
        let part = row as f64 / SHORE as f64;
        let colour = if part < 0.55 {
            mix([22.0, 24.0, 74.0], [150.0, 70.0, 130.0], part / 0.55)
        } else {
            mix([150.0, 70.0, 130.0], [255.0, 186.0, 92.0], ((part - 0.55) / 0.45).min(1.0))
        };
        bytes.extend(colour.to_le_bytes());
    }
    for (base, parts) in [
        (330.0, [(37.0, 190.0, 0.3), (18.0, 71.0, 1.9), (5.0, 23.0, 0.5)]),
        (395.0, [(24.0, 260.0, 2.2), (11.0, 57.0, 0.7), (4.0, 13.0, 2.9)]),
    ] {
        for column in 0..WIDTH {
            let wave = |(size, length, phase): (f64, f64, f64)| size * (column as f64 / length * TAU + phase).sin();
            let row = base - parts.into_iter().map(wave).sum::<f64>();
            bytes.extend((row.clamp(0.0, SHORE as f64) as u16).to_le_bytes());
        }
    }
    bytes.extend((0..256).map(|n| (31.5 + 31.5 * (f64::from(n) / 256.0 * TAU).sin()).round() as u8));
    for n in 0..256 {
        let part = |phase: f64| (31.5 + 31.5 * ((f64::from(n) / 256.0 + phase) * TAU).sin()).round() as u8;
        bytes.extend([part(0.0), part(0.33), part(0.67)]);
    }
    bytes
}
