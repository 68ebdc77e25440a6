//! The names of the DISPI interface (QEMU's docs/specs/standard-vga, and Bochs' VBE extension), which the display adapter answers
//! and firmware sets modes by: eleven registers of 16 bits behind an index port and a data port.

/// Where the number of a register is written.
pub const INDEX_PORT: u16 = 0x1ce;
/// Where that register is.
pub const DATA_PORT: u16 = 0x1cf;
/// The same for programs that access words at even addresses.
pub const ALIGNED_DATA_PORT: u16 = 0x1d0;

/// The first version of the interface, as ID shows it.
pub const ID0: u16 = 0xb0c0;
/// The newest.
pub const ID5: u16 = 0xb0c5;

/// Register numbers.
pub mod register {
    #![allow(missing_docs, reason = "the interface's names")]
    pub const ID: u16 = 0;
    pub const XRES: u16 = 1;
    pub const YRES: u16 = 2;
    pub const BPP: u16 = 3;
    pub const ENABLE: u16 = 4;
    pub const BANK: u16 = 5;
    pub const VIRT_WIDTH: u16 = 6;
    pub const VIRT_HEIGHT: u16 = 7;
    pub const X_OFFSET: u16 = 8;
    pub const Y_OFFSET: u16 = 9;
    pub const VIDEO_MEMORY_64K: u16 = 10;
}

/// Bits of ENABLE.
pub mod enable {
    #![allow(missing_docs, reason = "the interface's names")]
    pub const ENABLED: u16 = 0x01;
    pub const GETCAPS: u16 = 0x02;
    pub const EIGHT_BIT_DAC: u16 = 0x20;
    pub const LFB_ENABLED: u16 = 0x40;
    pub const NOCLEARMEM: u16 = 0x80;
}
