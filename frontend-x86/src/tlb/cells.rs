//! Cells: what single places in compiled code have found in a bank, kept for them alone. What such a place accesses is mostly in the same page as
//! the last time: the stack, a program's variables, code that follows. It compares with its cell so, which the code knows the place of, and looks
//! for the entry only if it is another page.
//!
//! Cells lie behind a bank's entries, as entries do, and hold nothing that the entries do not: whatever takes something from those, or changes it,
//! empties the cells, all of them: they are filled again as they are wanted. Compiled code fills them. Two places may have the same cell, which
//! makes them slower and nothing else: a cell says all that they look for, and those whose cells say different things have different
//! [classes](Class).

use super::{ENTRIES, Entry};
use std::mem::size_of;

/// What the cells of a class are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(u8);

/// The classes of single accesses and small ranges, by how far behind its first byte the last one may be; for loads, then for stores.
const MORE: [u64; 3] = [7, 31, 159];
/// How many classes there are: whole pages for loads and stores, code, those of ranges.
pub const CLASSES: usize = 3 + 2 * MORE.len();
/// How many rows of cells a class has.
const PER_CLASS: usize = 512;
const CELLS: usize = CLASSES * PER_CLASS;

/// The row behind the entries says which cells may be filled, a bit for each group; the cells' rows follow.
const MARKS: usize = ENTRIES;
/// How many rows there are behind the entries.
pub(super) const ROWS: usize = 1 + CELLS;
/// The bits of a row, as words.
const WORDS: usize = size_of::<Entry>() / size_of::<u64>();
const GROUP: usize = CELLS / (64 * WORDS);
const _: () = assert!(GROUP * 64 * WORDS == CELLS && size_of::<Entry>() == 32);

/// A row without anything: no mark, no page, no byte that is within a limit.
pub(super) const NONE: Entry = Entry { read: 0, write: 0, execute: 0, addend: 0 };

/// A cell's place. Offsets are in bytes, from a bank's first entry.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Of the tag: of a whole page one more than its address; of code see [`code_tag`]; of others the page's address.
    pub tag: i32,
    /// How many addresses of the page, from the first one, are such that all bytes of an access are in it. Of whole pages and code it is not used.
    pub limit: i32,
    /// What to add to the linear address to get the host address.
    pub addend: i32,
    /// The word that is to have [`Place::bit`], too, if the cell is filled.
    pub marks: i32,
    /// See [`Place::marks`].
    pub bit: u64,
}

impl Class {
    /// Code that is mapped to its host page.
    pub const CODE: Class = Class(2);

    /// Accesses whose last byte is at most so far behind the first one; of a whole page, if it is 4095.
    pub fn of(write: bool, more: u64) -> Option<Class> {
        let write = u8::from(write);
        if more == 4095 {
            return Some(Class(write));
        }
        let size = MORE.iter().position(|most| more <= *most)?;
        Some(Class(3 + 2 * size as u8 + write))
    }

    /// What is the limit of its cells, if they have one: see [`Place::limit`].
    pub fn limit(self) -> Option<u64> {
        let size = usize::from(self.0).checked_sub(3)? / 2;
        Some(4096 - MORE[size])
    }

    /// How many words its cells have: of code only the tag, of whole pages the addend, too.
    fn words(self) -> usize {
        match self {
            Class::CODE => 1,
            Class(0 | 1) => 2,
            _ => WORDS,
        }
    }

    /// How many cells it has.
    pub fn cells(self) -> usize {
        PER_CLASS * (WORDS / self.words())
    }

    /// The place of one of its cells; behind the last one the first one follows.
    pub fn place(self, n: usize) -> Place {
        let word = n % self.cells() * self.words();
        let cell = usize::from(self.0) * PER_CLASS + word / WORDS;
        let group = cell / GROUP;
        let row = (MARKS + 1 + cell) * size_of::<Entry>();
        let tag = row + word % WORDS * size_of::<u64>();
        Place {
            tag: tag as i32,
            limit: (tag + 2 * size_of::<u64>()) as i32,
            addend: (tag + size_of::<u64>()) as i32,
            marks: (MARKS * size_of::<Entry>() + group / 64 * size_of::<u64>()) as i32,
            bit: 1 << (group % 64),
        }
    }

    /// Its number, below [`CLASSES`].
    pub fn number(self) -> usize {
        self.0.into()
    }
}

/// A linear page that is mapped to a host page has this, exclusive or its address, for the tag of a cell of code: 27 bits of the host page's number where
/// canonical addresses of pages have none or repeat themselves, and one, so that it is never zero. Two pages of guest memory may not have the same.
pub const fn code_tag(host_number: u64) -> u64 {
    let low = host_number & 0x7ff;
    let high = host_number >> 11 & 0xffff;
    high << 48 | low << 1 | 1
}

/// Of two host pages whose numbers have this in common [`code_tag`] is not the same.
pub const fn code_span(host_number: u64) -> u64 {
    host_number >> 27
}

/// Empties the cells that are filled.
pub(super) fn clear(rows: &mut [Entry]) {
    let marks = &mut rows[MARKS];
    let Entry { read, write, execute, addend } = std::mem::replace(marks, NONE);
    for (word, mut bits) in [read, write, execute, addend].into_iter().enumerate() {
        while bits != 0 {
            let group = 64 * word + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let first = MARKS + 1 + group * GROUP;
            rows[first..first + GROUP].fill(NONE);
        }
    }
}
