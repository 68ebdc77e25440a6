//! The ROMs: stubs, the fixed places at which programs expect things, and fonts. Everything is assembled anew for each
//! machine, in less time than reading a file takes.

mod code;
mod entries;
mod vbe_code;
mod video_rom;

pub use code::service;
pub use entries::{APM32, system_rom, vectors};
pub use vbe_code::{CONTROLLER_BYTES, MODE_BYTES, MONITOR_BYTES};
pub use video_rom::{INT10, VIDEO_ROM_BYTES, place as video_place, video_rom};

/// The system ROM's size: segments E000h and F000h.
pub const SYSTEM_ROM_BYTES: usize = 0x2_0000;
/// Where the system ROM's code is.
pub const SYSTEM_SEGMENT: u16 = 0xf000;
/// Where the VGA BIOS is.
pub const VIDEO_SEGMENT: u16 = 0xc000;

/// Offsets in the F segment that programs rely on (IBM PC/AT Technical Reference, "Compatibility"), and our own.
pub mod place {
    #![allow(missing_docs, reason = "the names say it")]
    /// Tables that POST puts there end here, and code begins.
    pub const CODE: u16 = 0xd800;
    pub const POST: u16 = 0xe05b;
    pub const NMI: u16 = 0xe2c3;
    pub const INT13_DISK: u16 = 0xe3fe;
    pub const INT19: u16 = 0xe6f2;
    pub const CONFIGURATION: u16 = 0xe6f5;
    pub const INT14: u16 = 0xe739;
    pub const INT16: u16 = 0xe82e;
    pub const INT09: u16 = 0xe987;
    pub const INT13_FLOPPY: u16 = 0xec59;
    pub const INT0E: u16 = 0xef57;
    pub const DISKETTE: u16 = 0xefc7;
    pub const INT17: u16 = 0xefd2;
    pub const INT10: u16 = 0xf065;
    pub const VIDEO_PARAMETERS: u16 = 0xf0a4;
    pub const INT12: u16 = 0xf841;
    pub const INT11: u16 = 0xf84d;
    pub const INT15: u16 = 0xf859;
    pub const FONT_8X8: u16 = 0xfa6e;
    pub const INT1A: u16 = 0xfe6e;
    pub const INT08: u16 = 0xfea5;
    pub const VECTORS: u16 = 0xfef3;
    pub const IRET: u16 = 0xff53;
    pub const INT05: u16 = 0xff54;
    pub const RESET: u16 = 0xfff0;
    // Ours.
    pub const EOI_MASTER: u16 = 0xff00;
    pub const EOI_SLAVE: u16 = 0xff08;
    pub const INT18: u16 = 0xe300;
    pub const INT70: u16 = 0xe308;
    pub const INT74: u16 = 0xe310;
    pub const INT75: u16 = 0xe318;
    pub const INT76: u16 = 0xe320;
    pub const BIOS32: u16 = 0xe500;
}
