//! Cells: what single places in compiled code have found in a bank, kept for them alone. A program's variables, by RIP or absolute, and the code
//! that follows in other pages are where they were the last time. Code compares with the cell so, which it knows the place of, and looks for
//! the entry only if it is another page.
//!
//! Cells lie behind a bank's entries, as entries do, and hold nothing that the entries do not: whatever takes something from those, or changes it,
//! empties the cells, all of them: they are filled again as they are wanted. Compiled code fills them. Two places may have the same cell, which
//! makes them slower and nothing else: a cell says all that they look for, and those whose cells say different things have different
//! [classes](Class).

use super::{ENTRIES, Entry, Row};
use std::mem::size_of;

/// What the cells of a class are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(u8);

/// How many classes there are: pages for loads, pages for stores, and code.
pub const CLASSES: usize = 3;
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

/// A row without anything: no mark, no page.
const NONE: Row = [0; WORDS];

/// A cell's place. Offsets are in bytes, from a bank's first entry.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Of the tag: of a page one more than its address; of code see [`code_tag`].
    pub tag: i32,
    /// Of what to add to the linear address to get the host address. Code has none.
    pub addend: i32,
    /// The word that is to have [`Place::bit`], too, if the cell is filled.
    pub marks: i32,
    /// See [`Place::marks`].
    pub bit: u64,
}

impl Class {
    /// Code that is mapped to its host page.
    pub const CODE: Class = Class(2);

    /// Pages for loads, or for stores.
    pub fn page(write: bool) -> Class {
        Class(write.into())
    }

    /// How many words its cells have.
    fn words(self) -> usize {
        if self == Class::CODE { 1 } else { 2 }
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
pub(super) fn clear(rows: &mut [Row]) {
    let marks = std::mem::replace(&mut rows[MARKS], NONE);
    for (word, mut bits) in marks.into_iter().enumerate() {
        while bits != 0 {
            let group = 64 * word + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let first = MARKS + 1 + group * GROUP;
            rows[first..first + GROUP].fill(NONE);
        }
    }
}
