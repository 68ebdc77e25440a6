//! The names of the registers behind the four index ports.

/// The CRT controller's registers, by their index.
pub mod crtc {
    #![allow(missing_docs, reason = "the manual's names")]
    pub const HORIZONTAL_TOTAL: usize = 0x00;
    pub const HORIZONTAL_DISPLAY_END: usize = 0x01;
    pub const VERTICAL_TOTAL: usize = 0x06;
    pub const OVERFLOW: usize = 0x07;
    pub const PRESET_ROW_SCAN: usize = 0x08;
    pub const MAXIMUM_SCAN_LINE: usize = 0x09;
    pub const CURSOR_START: usize = 0x0a;
    pub const CURSOR_END: usize = 0x0b;
    pub const START_HIGH: usize = 0x0c;
    pub const START_LOW: usize = 0x0d;
    pub const CURSOR_HIGH: usize = 0x0e;
    pub const CURSOR_LOW: usize = 0x0f;
    pub const RETRACE_START: usize = 0x10;
    pub const RETRACE_END: usize = 0x11;
    pub const VERTICAL_DISPLAY_END: usize = 0x12;
    pub const OFFSET: usize = 0x13;
    pub const UNDERLINE: usize = 0x14;
    pub const MODE_CONTROL: usize = 0x17;
    pub const LINE_COMPARE: usize = 0x18;
    pub const COUNT: usize = 0x19;
}

/// The sequencer's.
pub mod sequencer {
    #![allow(missing_docs, reason = "the manual's names")]
    pub const CLOCKING_MODE: usize = 1;
    pub const MAP_MASK: usize = 2;
    pub const CHARACTER_MAP: usize = 3;
    pub const MEMORY_MODE: usize = 4;
    pub const COUNT: usize = 5;
}

/// The graphics controller's.
pub mod graphics {
    #![allow(missing_docs, reason = "the manual's names")]
    pub const SET_RESET: usize = 0;
    pub const ENABLE_SET_RESET: usize = 1;
    pub const COLOUR_COMPARE: usize = 2;
    pub const ROTATE: usize = 3;
    pub const READ_MAP: usize = 4;
    pub const MODE: usize = 5;
    pub const MISCELLANEOUS: usize = 6;
    pub const COLOUR_DONT_CARE: usize = 7;
    pub const BIT_MASK: usize = 8;
    pub const COUNT: usize = 9;
}

/// The attribute controller's.
pub mod attribute {
    #![allow(missing_docs, reason = "the manual's names")]
    pub const MODE: usize = 0x10;
    pub const OVERSCAN: usize = 0x11;
    pub const PLANE_ENABLE: usize = 0x12;
    pub const PANNING: usize = 0x13;
    pub const COLOUR_SELECT: usize = 0x14;
    pub const COUNT: usize = 0x15;
    /// In the index: the screen shows the palette's colours, and not only the overscan's.
    pub const PALETTE_ADDRESS_SOURCE: u8 = 0x20;
}
