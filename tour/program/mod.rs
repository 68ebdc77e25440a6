//! The guest itself: 16-bit code that finds what it needs by the services of a PC BIOS and by the chips' own ports.
//!
//! Memory, all of it below 1 MiB: variables from 1000h, the stack below 7C00h, texts and tables from 8000h, code from B000h,
//! pictures' tables in segment 2000h, a canvas in segment 4000h, disk buffers in segments 5000h and 6000h.

mod about;
mod boot;
mod data;
mod disk;
mod keyboard;
mod library;
mod menu;
mod mouse;
mod planes;
mod plasma;
mod selftest;
mod text;
mod timers;
mod true_colour;

use data::Data;
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use library::Library;
use std::ops::{Deref, DerefMut};

/// What assembling gives.
pub type Result<T = ()> = std::result::Result<T, IcedError>;

/// Texts and tables.
const DATA: u16 = 0x8000;
/// Code.
const CODE: u16 = 0xb000;
/// The segment of tables that are too large to be there.
const TABLES: u16 = 0x2000;
/// The segment of a picture that is not on the screen.
const CANVAS: u16 = 0x4000;
/// The segments of the disk test's buffers.
const BUFFERS: [u16; 2] = [0x5000, 0x6000];

/// Where the drive's BIOS number is kept.
const DRIVE: u16 = 0x1000;
/// The attribute of numbers.
const ATTRIBUTE: u16 = 0x1001;
/// The chosen line of the menu.
const CHOICE: u16 = 0x1002;
/// A counter of the page that is shown.
const PHASE: u16 = 0x1004;
/// Tests that failed.
const FAILURES: u16 = 0x1006;
/// Variables of single pages.
const PAGE: u16 = 0x1040;

/// The key Esc: scan code and character.
const ESCAPE: u32 = 0x011b;

/// The program while it is written.
pub struct Tour {
    code: CodeAssembler,
    data: Data,
    library: Library,
}

impl Deref for Tour {
    type Target = CodeAssembler;

    fn deref(&self) -> &CodeAssembler {
        &self.code
    }
}

impl DerefMut for Tour {
    fn deref_mut(&mut self) -> &mut CodeAssembler {
        &mut self.code
    }
}

impl Tour {
    /// A label that is not yet anywhere.
    fn label(&mut self) -> CodeLabel {
        self.code.create_label()
    }

    /// Puts a label here. Several may be at one place.
    fn bind(&mut self, label: &mut CodeLabel) -> Result {
        self.code.set_label(label)?;
        self.code.zero_bytes()
    }

    /// A label at this place.
    fn here(&mut self) -> Result<CodeLabel> {
        let mut label = self.label();
        self.bind(&mut label)?;
        Ok(label)
    }

    /// Puts the address of what `body` writes into AX; it is jumped over.
    fn address_of(&mut self, body: impl FnOnce(&mut Tour) -> Result) -> Result {
        let mut over = self.label();
        self.call(over)?; // leaves the address on the stack
        body(self)?;
        self.bind(&mut over)?;
        self.pop(ax)
    }
}

/// The disk's first sectors: the boot sector, texts and tables, code, and the larger tables. All but the first add up to zero.
pub fn image() -> Result<Vec<u8>> {
    let mut code = CodeAssembler::new(16)?;
    let library = Library::new(&mut code);
    let mut tour = Tour { code, data: Data::new(DATA), library };
    let pages = menu::write(&mut tour)?;
    library::write(&mut tour)?;
    menu::write_pages(&mut tour, pages)?;
    let code = tour.code.assemble(CODE.into())?;
    let mut data = tour.data.bytes;
    assert!(data.len() <= usize::from(CODE - DATA), "too many texts: {}", data.len());
    assert!(code.len() <= 0x1_0000 - usize::from(CODE), "too much code: {}", code.len());

    data.resize(usize::from(CODE - DATA), 0);
    let low = [data, code].concat();
    let low_sectors = low.len().div_ceil(512);
    let tables = data::tables();
    let table_sectors = (tables.len() + 4).div_ceil(512);
    let mut image = boot::sector(low_sectors as u16, table_sectors as u16)?;
    image.extend(low);
    image.resize(512 * (1 + low_sectors), 0);
    image.extend(tables);
    image.resize(512 * (1 + low_sectors + table_sectors), 0);
    let sum = image[512..].chunks(4).fold(0u32, |sum, word| {
        sum.wrapping_add(word.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    });
    let last = image.len() - 4;
    image[last..].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    Ok(image)
}
