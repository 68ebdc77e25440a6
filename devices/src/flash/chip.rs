//! The command state machine.

use serde::{Deserialize, Serialize};

/// Bytes in an erase block.
pub const BLOCK: u64 = 4096;
/// Bytes that the write buffer takes at once.
const BUFFER: u8 = 32;

// Status register.
const READY: u8 = 1 << 7;
const ERASE_ERROR: u8 = 1 << 5;
const PROGRAM_ERROR: u8 = 1 << 4;

/// What reads show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Shows {
    #[default]
    Array,
    Status,
    Identity,
    Query,
}

/// What the next write is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Awaits {
    #[default]
    Command,
    /// PROGRAM: the byte.
    Byte,
    /// BLOCK ERASE: the confirmation.
    EraseConfirm,
    /// A lock command's second byte: blocks cannot be locked, so nothing comes of it.
    Lock,
    /// WRITE TO BUFFER: the number of bytes less one.
    Count,
    /// So many bytes more.
    Data(u8),
    /// The confirmation.
    BufferConfirm,
}

/// The state machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Chip {
    shows: Shows,
    awaits: Awaits,
    status: u8,
    buffer: Vec<(u64, u8)>,
}

impl Default for Chip {
    fn default() -> Self {
        Chip { shows: Shows::Array, awaits: Awaits::Command, status: READY, buffer: Vec::new() }
    }
}

/// What a write asks for.
pub enum Done {
    /// Nothing of the array.
    Nothing,
    /// These bytes are programmed.
    Program(Vec<(u64, u8)>),
    /// The block from this offset is erased.
    Erase(u64),
}

impl Chip {
    /// Whether reads show the array, and no command is half given.
    pub fn shows_array(&self) -> bool {
        self.shows == Shows::Array
    }

    /// A write of one byte to a memory of `bytes`.
    pub fn write(&mut self, offset: u64, value: u8, bytes: u64) -> Done {
        match std::mem::take(&mut self.awaits) {
            Awaits::Command => self.command(value),
            Awaits::Byte => return Done::Program(vec![(offset, value)]),
            Awaits::EraseConfirm if value == 0xd0 => return Done::Erase(offset / BLOCK * BLOCK),
            Awaits::EraseConfirm => {
                self.status |= READY | ERASE_ERROR | PROGRAM_ERROR; // a wrong sequence
            }
            Awaits::Lock => self.status |= READY,
            Awaits::Count => {
                self.buffer.clear();
                self.awaits = Awaits::Data(value.min(BUFFER - 1) + 1);
            }
            Awaits::Data(left) => {
                self.buffer.push((offset.min(bytes - 1), value));
                self.awaits = if left > 1 { Awaits::Data(left - 1) } else { Awaits::BufferConfirm };
            }
            Awaits::BufferConfirm if value == 0xd0 => return Done::Program(std::mem::take(&mut self.buffer)),
            Awaits::BufferConfirm => {
                self.buffer.clear();
                self.status |= READY | ERASE_ERROR | PROGRAM_ERROR;
            }
        }
        Done::Nothing
    }

    fn command(&mut self, command: u8) {
        self.shows = Shows::Status;
        match command {
            0x10 | 0x40 => self.awaits = Awaits::Byte,
            0x20 => self.awaits = Awaits::EraseConfirm,
            0x60 => self.awaits = Awaits::Lock,
            0xe8 => {
                self.status |= READY; // the buffer is free
                self.awaits = Awaits::Count;
            }
            0x70 => {}
            0x50 => {
                // Firmware knows a flash memory by this: cleared, even the ready bit is, until there is work again.
                self.status = 0;
                self.shows = Shows::Array;
            }
            0x90 => self.shows = Shows::Identity,
            0x98 => self.shows = Shows::Query,
            // READ ARRAY, and what is no command.
            _ => self.shows = Shows::Array,
        }
    }

    /// Bytes were programmed, or could not be.
    pub fn programmed(&mut self, done: bool) {
        self.status |= READY | if done { 0 } else { PROGRAM_ERROR };
    }

    /// A block was erased, or could not be.
    pub fn erased(&mut self, done: bool) {
        self.status |= READY | if done { 0 } else { ERASE_ERROR };
    }

    /// What a byte reads as; `None` for the array's.
    pub fn read(&self, offset: u64) -> Option<u8> {
        match self.shows {
            Shows::Array => None,
            Shows::Status => Some(self.status),
            Shows::Identity => Some(match offset & 0xff {
                0 => 0x89, // Intel
                1 => 0x18,
                _ => 0, // no block is locked
            }),
            Shows::Query => Some(query(offset & 0xff)),
        }
    }
}

/// The CFI table.
fn query(offset: u64) -> u8 {
    match offset {
        0x10 => b'Q',
        0x11 => b'R',
        0x12 => b'Y',
        0x13 => 0x01, // Intel's extended command set
        0x15 => 0x31, // its table
        0x1b => 0x45, // 4.5 to 5.5 V
        0x1c => 0x55,
        0x1f => 0x07, // typical times, as powers of two
        0x20 => 0x07,
        0x21 => 0x0a,
        0x23 => 0x04,
        0x24 => 0x04,
        0x25 => 0x04,
        0x2a => 5, // the write buffer: 2^5 bytes
        0x2c => 1, // one region of equal blocks
        0x2f => (BLOCK >> 8) as u8,
        0x30 => (BLOCK >> 16) as u8,
        0x31 => b'P',
        0x32 => b'R',
        0x33 => b'I',
        0x34 => b'1',
        0x35 => b'0',
        _ => 0,
    }
}
