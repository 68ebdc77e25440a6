//! The standard modes' registers (IBM VGA Technical Reference, "Video Mode Register Values"), in the layout of the video
//! parameter table: IBM's BIOS has it, and programs find it by the save pointer at 40:A8h.

/// What a mode's memory looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Characters and attributes.
    Text,
    /// Two bits a pixel, even and odd lines apart.
    Cga4,
    /// One bit a pixel, likewise.
    Cga2,
    /// Four planes of one bit.
    Planar,
    /// A byte a pixel.
    Linear,
}

/// Which colours the DAC begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Black, normal and bright.
    Mono,
    /// The 16 of CGA.
    Cga,
    /// The 64 of EGA.
    Ega,
    /// The 256 of mode 13h.
    Vga,
}

/// A mode.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// Its number.
    pub number: u8,
    /// Its memory's layout.
    pub kind: Kind,
    /// Its memory's segment.
    pub segment: u16,
    /// Characters in a row.
    pub columns: u8,
    /// Rows of characters.
    pub rows: u8,
    /// Lines of a character.
    pub height: u8,
    /// Bytes of a page, as 40:4Ch says.
    pub page: u16,
    /// The colours.
    pub colours: Colours,
    /// Sequencer 1 to 4.
    pub sequencer: [u8; 4],
    /// Miscellaneous output.
    pub misc: u8,
    /// CRT controller.
    pub crtc: [u8; 25],
    /// Attribute controller.
    pub attribute: [u8; 20],
    /// Graphics controller.
    pub graphics: [u8; 9],
}

impl Mode {
    /// Whether it shows pixels.
    pub fn is_graphics(&self) -> bool {
        self.kind != Kind::Text
    }

    /// Pixels in a row, and rows.
    pub fn pixels(&self) -> (u16, u16) {
        let wide = if self.number == 0x13 { 320 } else { u16::from(self.columns) * 8 };
        let high = match self.number {
            0x0f | 0x10 => 350,
            0x11 | 0x12 => 480,
            _ => u16::from(self.rows) * u16::from(self.height),
        };
        (wide, high)
    }
}

const fn crtc(horizontal: [u8; 6], vertical: [u8; 10], middle: [u8; 9]) -> [u8; 25] {
    let mut all = [0; 25];
    let mut n = 0;
    while n < 25 {
        all[n] = match n {
            0..6 => horizontal[n],
            6..16 => vertical[n - 6],
            _ => middle[n - 16],
        };
        n += 1;
    }
    all
}

// Horizontal timings: 40 and 80 columns of text, 320 and 640 pixels.
const H40: [u8; 6] = [0x2d, 0x27, 0x28, 0x90, 0x2b, 0xa0];
const H80: [u8; 6] = [0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81];
const H320: [u8; 6] = [0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80];
const H640: [u8; 6] = [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80];
// Vertical totals with overflow, maximum scan line and the cursor's lines.
const TEXT: [u8; 10] = [0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00];
const fn lines(total: u8, overflow: u8, scan: u8) -> [u8; 10] {
    [total, overflow, 0x00, scan, 0, 0, 0, 0, 0, 0]
}
// Retrace, end, offset, underline, blanking, mode control, line compare.
const fn end(v: [u8; 3], offset: u8, underline: u8, blank: [u8; 2], mode: u8) -> [u8; 9] {
    [v[0], v[1], v[2], offset, underline, blank[0], blank[1], mode, 0xff]
}
const V400: [u8; 3] = [0x9c, 0x8e, 0x8f];
const B400: [u8; 2] = [0x96, 0xb9];

const EGA: [u8; 16] = [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f];
const CGA: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17];
const MONO: [u8; 16] = [0, 8, 8, 8, 8, 8, 8, 8, 0x10, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18];
const CGA_4: [u8; 16] = [0, 0x13, 0x15, 0x17, 2, 4, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17];
const CGA_2: [u8; 16] = [0, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17];
const MONO_EGA: [u8; 16] = [0, 8, 0, 0, 0x18, 0x18, 0, 0, 0, 8, 0, 0, 0, 0x18, 0, 0];
const TWO: [u8; 16] = [0, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f];
const STRAIGHT: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

const fn attribute(colours: [u8; 16], mode: u8, planes: u8, pan: u8) -> [u8; 20] {
    let mut all = [0; 20];
    let mut n = 0;
    while n < 16 {
        all[n] = colours[n];
        n += 1;
    }
    all[16] = mode;
    all[18] = planes;
    all[19] = pan;
    all
}

const fn graphics(mode: u8, misc: u8, care: u8) -> [u8; 9] {
    [0, 0, 0, 0, 0, mode, misc, care, 0xff]
}

const TEXT_40: Mode = Mode {
    number: 0,
    kind: Kind::Text,
    segment: 0xb800,
    columns: 40,
    rows: 25,
    height: 16,
    page: 0x0800,
    colours: Colours::Ega,
    sequencer: [0x08, 0x03, 0x00, 0x02],
    misc: 0x67,
    crtc: crtc(H40, TEXT, end(V400, 0x14, 0x1f, B400, 0xa3)),
    attribute: attribute(EGA, 0x0c, 0x0f, 8),
    graphics: graphics(0x10, 0x0e, 0x0f),
};
const TEXT_80: Mode = Mode {
    number: 2,
    columns: 80,
    page: 0x1000,
    sequencer: [0x00, 0x03, 0x00, 0x02],
    crtc: crtc(H80, TEXT, end(V400, 0x28, 0x1f, B400, 0xa3)),
    ..TEXT_40
};
const FOUR: Mode = Mode {
    number: 4,
    kind: Kind::Cga4,
    height: 8,
    page: 0x4000,
    colours: Colours::Cga,
    sequencer: [0x09, 0x03, 0x00, 0x02],
    misc: 0x63,
    crtc: crtc(H320, lines(0xbf, 0x1f, 0xc1), end(V400, 0x14, 0x00, B400, 0xa2)),
    attribute: attribute(CGA_4, 0x01, 0x03, 0),
    graphics: graphics(0x30, 0x0f, 0x0f),
    ..TEXT_40
};
const EGA_320: Mode = Mode {
    number: 0x0d,
    kind: Kind::Planar,
    segment: 0xa000,
    page: 0x2000,
    sequencer: [0x09, 0x0f, 0x00, 0x06],
    crtc: crtc(H320, lines(0xbf, 0x1f, 0xc0), end(V400, 0x14, 0x00, B400, 0xe3)),
    attribute: attribute(CGA, 0x01, 0x0f, 0),
    graphics: graphics(0x00, 0x05, 0x0f),
    ..FOUR
};
const EGA_640: Mode = Mode {
    number: 0x0e,
    columns: 80,
    page: 0x4000,
    sequencer: [0x01, 0x0f, 0x00, 0x06],
    crtc: crtc(H640, lines(0xbf, 0x1f, 0xc0), end(V400, 0x28, 0x00, B400, 0xe3)),
    ..EGA_320
};
const EGA_350: Mode = Mode {
    number: 0x10,
    height: 14,
    page: 0x8000,
    colours: Colours::Ega,
    misc: 0xa3,
    crtc: crtc(H640, lines(0xbf, 0x1f, 0x40), end([0x83, 0x85, 0x5d], 0x28, 0x0f, [0x63, 0xba], 0xe3)),
    attribute: attribute(EGA, 0x01, 0x0f, 0),
    ..EGA_640
};
const VGA_480: Mode = Mode {
    number: 0x12,
    rows: 30,
    height: 16,
    page: 0xa000,
    misc: 0xe3,
    crtc: crtc(H640, lines(0x0b, 0x3e, 0x40), end([0xea, 0x8c, 0xdf], 0x28, 0x00, [0xe7, 0x04], 0xe3)),
    ..EGA_350
};

/// All of them.
pub const MODES: [Mode; 15] = [
    TEXT_40,
    Mode { number: 1, ..TEXT_40 },
    TEXT_80,
    Mode { number: 3, ..TEXT_80 },
    FOUR,
    Mode { number: 5, ..FOUR },
    Mode {
        number: 6,
        kind: Kind::Cga2,
        columns: 80,
        sequencer: [0x01, 0x01, 0x00, 0x06],
        crtc: crtc(H640, lines(0xbf, 0x1f, 0xc1), end(V400, 0x28, 0x00, B400, 0xc2)),
        attribute: attribute(CGA_2, 0x01, 0x01, 0),
        graphics: graphics(0x00, 0x0d, 0x0f),
        ..FOUR
    },
    Mode {
        number: 7,
        segment: 0xb000,
        colours: Colours::Mono,
        misc: 0x66,
        crtc: crtc(H80, TEXT, end(V400, 0x28, 0x0f, B400, 0xa3)),
        attribute: attribute(MONO, 0x0e, 0x0f, 8),
        graphics: graphics(0x10, 0x0a, 0x0f),
        ..TEXT_80
    },
    EGA_320,
    EGA_640,
    Mode {
        number: 0x0f,
        colours: Colours::Mono,
        misc: 0xa2,
        attribute: attribute(MONO_EGA, 0x0b, 0x05, 0),
        graphics: graphics(0x00, 0x05, 0x05),
        ..EGA_350
    },
    EGA_350,
    Mode { number: 0x11, attribute: attribute(TWO, 0x01, 0x0f, 0), graphics: graphics(0x00, 0x05, 0x01), ..VGA_480 },
    VGA_480,
    Mode {
        number: 0x13,
        kind: Kind::Linear,
        columns: 40,
        rows: 25,
        height: 8,
        page: 0xfa00,
        colours: Colours::Vga,
        misc: 0x63,
        sequencer: [0x01, 0x0f, 0x00, 0x0e],
        crtc: crtc(H640, lines(0xbf, 0x1f, 0x41), end(V400, 0x28, 0x40, B400, 0xa3)),
        attribute: attribute(STRAIGHT, 0x41, 0x0f, 0),
        graphics: graphics(0x40, 0x05, 0x0f),
        ..EGA_640
    },
];

/// A mode by its number.
pub fn find(number: u8) -> Option<&'static Mode> {
    MODES.iter().find(|mode| mode.number == number)
}

/// An entry of the video parameter table.
fn entry(mode: &Mode) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..3].copy_from_slice(&[mode.columns, mode.rows - 1, mode.height]);
    bytes[3..5].copy_from_slice(&mode.page.to_le_bytes());
    bytes[5..9].copy_from_slice(&mode.sequencer);
    bytes[9] = mode.misc;
    bytes[10..35].copy_from_slice(&mode.crtc);
    bytes[35..55].copy_from_slice(&mode.attribute);
    bytes[55..64].copy_from_slice(&mode.graphics);
    bytes
}

/// The video parameter table: 29 entries, of which IBM's BIOS uses these places.
pub fn parameter_table() -> Vec<u8> {
    const PLACES: [u8; 29] = [
        0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0x0d, 0x0e, 0x0f, 0x10, 0x0f, 0x10, 0, 1, 2, 3, 0, 2, 7, 0x11, 0x12,
        0x13,
    ];
    PLACES.iter().filter_map(|number| find(*number)).flat_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_its_size() {
        assert_eq!(parameter_table().len(), 29 * 64);
        assert_eq!(find(0x12).map(Mode::pixels), Some((640, 480)));
        assert_eq!(find(0x13).map(Mode::pixels), Some((320, 200)));
        assert_eq!(find(0x10).map(Mode::pixels), Some((640, 350)));
    }
}
