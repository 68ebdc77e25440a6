//! The standard modes.

use super::Rig;

/// A mode, as the tables have it.
pub struct Mode {
    pub number: u8,
    misc: u8,
    sequencer: [u8; 4],
    crtc: [u8; 25],
    graphics: [u8; 9],
    attribute: [u8; 20],
    /// What the monitor gets.
    pub size: (u32, u32),
}

impl Mode {
    /// Programs it, as a BIOS does: the sequencer in reset meanwhile, and the palette such that a number is seen in its colour.
    pub fn set(&self, rig: &mut Rig) {
        rig.out(0x3c2, self.misc);
        let crtc = if self.misc & 1 != 0 { 0x3d4 } else { 0x3b4 };
        rig.set(0x3c4, 0, 1);
        (1..).zip(self.sequencer).for_each(|(index, value)| rig.set(0x3c4, index, value));
        rig.set(0x3c4, 0, 3);
        rig.set(crtc, 0x11, 0);
        (0..).zip(self.crtc).for_each(|(index, value)| rig.set(crtc, index, value));
        (0..).zip(self.graphics).for_each(|(index, value)| rig.set(0x3ce, index, value));
        rig.input(crtc + 6);
        for (index, value) in (0..).zip(self.attribute).chain([(0x14, 0)]) {
            rig.out(0x3c0, index);
            rig.out(0x3c0, value);
        }
        rig.out(0x3c0, 0x20);
        rig.out(0x3c8, 0);
        for index in 0..=255u8 {
            dac(index).into_iter().for_each(|component| rig.out(0x3c9, component));
        }
    }
}

/// The palette of these tests: all colours differ.
pub fn dac(index: u8) -> [u8; 3] {
    [index >> 2, (index & 15) << 2, index & 3]
}

/// What the monitor shows for it.
pub fn shown(index: u8) -> u32 {
    dac(index).into_iter().fold(0, |colour, value| colour << 8 | u32::from(value << 2 | value >> 4))
}

const EGA: [u8; 20] = [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 1, 0, 15, 0];
const CGA: [u8; 20] = [0, 0x13, 0x15, 0x17, 2, 4, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 1, 0, 3, 0];
const BYTES: [u8; 20] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0, 15, 0];

/// 40x25 text on 400 lines.
pub const MODE_1: Mode = Mode {
    number: 1,
    misc: 0x67,
    sequencer: [8, 3, 0, 2],
    crtc: [
        0x2d, 0x27, 0x28, 0x90, 0x2b, 0xa0, 0xbf, 0x1f, 0, 0x4f, 13, 14, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0x1f,
        0x96, 0xb9, 0xa3, 0xff,
    ],
    graphics: [0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff],
    attribute: [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0, 15, 8],
    size: (720, 400),
};

/// 80x25 text.
pub const MODE_3: Mode = Mode {
    number: 3,
    misc: 0x67,
    sequencer: [0, 3, 0, 2],
    crtc: [
        0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0, 0x4f, 13, 14, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f,
        0x96, 0xb9, 0xa3, 0xff,
    ],
    ..MODE_1
};

/// 80x25 text on a monochrome monitor.
pub const MODE_7: Mode = Mode {
    number: 7,
    misc: 0x66,
    crtc: [
        0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0, 0x4f, 13, 14, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x0d,
        0x96, 0xb9, 0xa3, 0xff,
    ],
    graphics: [0, 0, 0, 0, 0, 0x10, 0x0a, 0, 0xff],
    attribute: [0, 8, 8, 8, 8, 8, 8, 8, 0x10, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x0e, 0, 15, 8],
    ..MODE_3
};

/// CGA: 320x200 in 4 colours.
pub const MODE_4: Mode = Mode {
    number: 4,
    misc: 0x63,
    sequencer: [9, 3, 0, 2],
    crtc: [
        0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0, 0x96,
        0xb9, 0xa2, 0xff,
    ],
    graphics: [0, 0, 0, 0, 0, 0x30, 0x0f, 0, 0xff],
    attribute: CGA,
    size: (640, 400),
};

/// CGA: 640x200 in 2 colours.
pub const MODE_6: Mode = Mode {
    number: 6,
    sequencer: [1, 1, 0, 6],
    crtc: [
        0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0, 0x96,
        0xb9, 0xc2, 0xff,
    ],
    graphics: [0, 0, 0, 0, 0, 0, 0x0d, 0, 0xff],
    attribute: [
        0, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 1, 0, 1, 0,
    ],
    ..MODE_4
};

/// EGA: 320x200 in 16 colours.
pub const MODE_D: Mode = Mode {
    number: 0x0d,
    sequencer: [9, 15, 0, 6],
    crtc: [
        0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0, 0x96,
        0xb9, 0xe3, 0xff,
    ],
    graphics: [0, 0, 0, 0, 0, 0, 5, 15, 0xff],
    attribute: EGA,
    ..MODE_4
};

/// EGA: 640x350 in 16 colours.
pub const MODE_10: Mode = Mode {
    number: 0x10,
    misc: 0xa3,
    sequencer: [1, 15, 0, 6],
    crtc: [
        0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x40, 0, 0, 0, 0, 0, 0, 0x83, 0x85, 0x5d, 0x28, 0x0f, 0x63,
        0xba, 0xe3, 0xff,
    ],
    size: (640, 350),
    ..MODE_D
};

/// VGA: 640x480 in 16 colours.
pub const MODE_12: Mode = Mode {
    number: 0x12,
    misc: 0xe3,
    crtc: [
        0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0x8c, 0xdf, 0x28, 0, 0xe7,
        0x04, 0xe3, 0xff,
    ],
    size: (640, 480),
    ..MODE_10
};

/// VGA: 320x200 in 256 colours.
pub const MODE_13: Mode = Mode {
    number: 0x13,
    misc: 0x63,
    sequencer: [1, 15, 0, 0x0e],
    crtc: [
        0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96,
        0xb9, 0xa3, 0xff,
    ],
    graphics: [0, 0, 0, 0, 0, 0x40, 5, 15, 0xff],
    attribute: BYTES,
    size: (640, 400),
};

/// Abrash's mode X: 320x240 in 256 colours, in planes.
pub const MODE_X: Mode = Mode {
    number: 0xff,
    misc: 0xe3,
    sequencer: [1, 15, 0, 6],
    crtc: [
        0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0d, 0x3e, 0, 0x41, 0, 0, 0, 0, 0, 0, 0xea, 0xac, 0xdf, 0x28, 0, 0xe7,
        0x06, 0xe3, 0xff,
    ],
    size: (640, 480),
    ..MODE_13
};

/// All of them.
pub const ALL: [&Mode; 11] =
    [&MODE_1, &MODE_3, &MODE_7, &MODE_4, &MODE_6, &MODE_D, &MODE_10, &MODE_12, &MODE_13, &MODE_X, &MODE_3];

#[test]
fn the_monitor_gets_the_size_of_each_mode() {
    for mode in ALL {
        let mut rig = Rig::mode(mode);
        assert!(rig.draw());
        assert_eq!((rig.frame.width, rig.frame.height), mode.size, "mode {:#x}", mode.number);
        assert_eq!(rig.frame.text.is_some(), matches!(mode.number, 1 | 3 | 7));
        assert!(!rig.draw(), "mode {:#x}: nothing has changed", mode.number);
    }
}
