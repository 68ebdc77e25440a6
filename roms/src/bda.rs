//! The BIOS data area at 400h, and the extended one below 640 KiB (IBM PC/AT Technical Reference; Ralf Brown's
//! "MEMORY.LST").

#![allow(missing_docs, reason = "the areas' usual names say it")]

/// Where it is.
pub const BASE: u64 = 0x400;
/// The extended BIOS data area, of 1 KiB.
pub const EBDA: u64 = 0x9_fc00;
/// Its segment.
pub const EBDA_SEGMENT: u16 = (EBDA >> 4) as u16;

// Offsets in the BIOS data area.
pub const COM_PORTS: u64 = 0x00;
pub const LPT_PORTS: u64 = 0x08;
pub const EBDA_POINTER: u64 = 0x0e;
pub const EQUIPMENT: u64 = 0x10;
pub const MEMORY_KIB: u64 = 0x13;
pub const SHIFT_FLAGS: u64 = 0x17;
pub const SHIFT_FLAGS_2: u64 = 0x18;
pub const ALT_NUMBER: u64 = 0x19;
pub const KEY_HEAD: u64 = 0x1a;
pub const KEY_TAIL: u64 = 0x1c;
pub const KEY_BUFFER: u64 = 0x1e;
pub const FLOPPY_MOTOR_COUNT: u64 = 0x40;
pub const FLOPPY_STATUS: u64 = 0x41;
pub const VIDEO_MODE: u64 = 0x49;
pub const COLUMNS: u64 = 0x4a;
pub const PAGE_BYTES: u64 = 0x4c;
pub const PAGE_START: u64 = 0x4e;
pub const CURSORS: u64 = 0x50;
pub const CURSOR_SHAPE: u64 = 0x60;
pub const ACTIVE_PAGE: u64 = 0x62;
pub const CRTC_PORT: u64 = 0x63;
pub const CGA_MODE: u64 = 0x65;
pub const CGA_PALETTE: u64 = 0x66;
pub const SHUTDOWN_ENTRY: u64 = 0x67;
pub const TICKS: u64 = 0x6c;
pub const MIDNIGHT: u64 = 0x70;
pub const BREAK: u64 = 0x71;
pub const RESET_FLAG: u64 = 0x72;
pub const DISK_STATUS: u64 = 0x74;
pub const DISK_COUNT: u64 = 0x75;
pub const LPT_TIMEOUTS: u64 = 0x78;
pub const COM_TIMEOUTS: u64 = 0x7c;
pub const KEY_BUFFER_START: u64 = 0x80;
pub const KEY_BUFFER_END: u64 = 0x82;
pub const ROWS: u64 = 0x84;
pub const CHAR_HEIGHT: u64 = 0x85;
pub const VIDEO_OPTIONS: u64 = 0x87;
pub const VIDEO_SWITCHES: u64 = 0x88;
pub const VIDEO_MODESET: u64 = 0x89;
pub const DISPLAY_CODE: u64 = 0x8a;
pub const FLOPPY_RATE: u64 = 0x8b;
pub const FLOPPY_MEDIA: u64 = 0x90;
pub const KEY_FLAGS_3: u64 = 0x96;
pub const KEY_LEDS: u64 = 0x97;
pub const WAIT_FLAG_POINTER: u64 = 0x98;
pub const WAIT_COUNT: u64 = 0x9c;
pub const WAIT_ACTIVE: u64 = 0xa0;
pub const VIDEO_SAVE: u64 = 0xa8;

// Offsets in the extended BIOS data area.
pub const EBDA_MOUSE_HANDLER: u64 = 0x22;
pub const EBDA_MOUSE_FLAGS: u64 = 0x26;
pub const EBDA_MOUSE_DATA: u64 = 0x28;
/// Fixed disk parameter tables of the first two disks.
pub const EBDA_FIXED_DISK: u64 = 0x3d;
/// The FACS, which operating systems write to: no place for it in the F segment.
pub const EBDA_FACS: u64 = 0x200;
