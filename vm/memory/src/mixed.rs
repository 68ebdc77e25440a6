//! Pages that hold code and are written to all the same: boot loaders keep variables between their instructions, and some patch
//! an instruction before each use. For a page of which this is known it is noted byte by byte where code is, and whoever has
//! decoded it hears of the bytes that were written, instead of losing all that the page holds.
//!
//! Most pages of code that are written to are written anew, as a whole: then it is best to forget them at the first store, after
//! which the others are fast. So a page becomes a mixed one when that has happened to it before.

use std::collections::HashMap;

/// A page whose code was written to so often is a mixed one.
const TIMES: u8 = 2;
/// So many writes to a mixed page's code, while none is decoded there, say that the page is written anew.
const PATIENCE: u8 = 64;
/// So does one of so many bytes.
const LARGE: u64 = 256;
/// More pages are not remembered.
const MOST: usize = 4096;

/// What a write to a page hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    /// No code.
    Nothing,
    /// Some; the rest of the page's code stays.
    Bytes,
    /// The page, all of whose code is forgotten.
    Page,
}

#[derive(Default)]
struct Page {
    /// How often its code was written to.
    times: u8,
    /// How often that was since code was marked.
    since: u8,
    /// For each byte of a mixed page, whether it is code.
    code: Option<Box<[u64; 64]>>,
}

/// The pages whose code was written to, by [`crate::HostPage::key`]. To forget one is safe: it is no mixed one then.
#[derive(Default)]
pub(crate) struct Mixed(HashMap<usize, Page>);

/// The bits of a range in each word that it touches.
fn words(first: u64, last: u64) -> impl Iterator<Item = (usize, u64)> {
    (first >> 6..=last >> 6).map(move |word| {
        let from = if word == first >> 6 { first & 63 } else { 0 };
        let to = if word == last >> 6 { last & 63 } else { 63 };
        (word as usize, (u64::MAX << from) & (u64::MAX >> (63 - to)))
    })
}

impl Mixed {
    /// Bytes of a page are code.
    pub(crate) fn mark(&mut self, page: usize, first: u64, last: u64) {
        let Some(page) = self.0.get_mut(&page) else { return };
        page.since = 0;
        if let Some(code) = &mut page.code {
            words(first, last).for_each(|(word, bits)| code[word] |= bits);
        }
    }

    /// Bytes are written in a part of a page that holds code. What it hits is code no more.
    pub(crate) fn write(&mut self, page: usize, first: u64, last: u64) -> Hit {
        if self.0.len() >= MOST && !self.0.contains_key(&page) {
            self.0.clear();
        }
        let known = self.0.entry(page).or_default();
        if let Some(code) = &mut known.code {
            if words(first, last).all(|(word, bits)| code[word] & bits == 0) {
                return Hit::Nothing;
            }
            known.since += 1;
            if known.since > PATIENCE || last - first >= LARGE {
                self.0.remove(&page);
                return Hit::Page;
            }
            words(first, last).for_each(|(word, bits)| code[word] &= !bits);
            return Hit::Bytes;
        }
        known.times += 1;
        if known.times >= TIMES {
            known.code = Some(Box::new([0; 64]));
        }
        Hit::Page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_split_into_words() {
        let bits = |first, last| words(first, last).collect::<Vec<_>>();
        assert_eq!(bits(3, 3), [(0, 8)]);
        assert_eq!(bits(62, 65), [(0, 3 << 62), (1, 3)]);
        assert_eq!(bits(64, 191), [(1, u64::MAX), (2, u64::MAX)]);
        assert_eq!(bits(0, 4095).len(), 64);
    }

    #[test]
    fn a_page_that_is_written_to_again_is_known_byte_by_byte() {
        let mut mixed = Mixed::default();
        mixed.mark(1, 0, 9);
        assert_eq!(mixed.write(1, 50, 50), Hit::Page);
        mixed.mark(1, 0, 9);
        assert_eq!(mixed.write(1, 50, 50), Hit::Page);
        mixed.mark(1, 10, 19);
        assert_eq!(
            [(9, 9), (20, 90), (18, 25), (18, 25), (10, 10)].map(|(first, last)| mixed.write(1, first, last)),
            [Hit::Nothing, Hit::Nothing, Hit::Bytes, Hit::Nothing, Hit::Bytes]
        );
    }

    #[test]
    fn a_mixed_page_that_is_written_anew_is_forgotten() {
        let mut mixed = Mixed::default();
        let become_mixed = |mixed: &mut Mixed| (0..TIMES).for_each(|_| assert_eq!(mixed.write(1, 0, 0), Hit::Page));
        become_mixed(&mut mixed);
        mixed.mark(1, 0, 4095);
        assert_eq!(mixed.write(1, 0, LARGE), Hit::Page);
        become_mixed(&mut mixed);
        mixed.mark(1, 0, 4095);
        assert!((0..u64::from(PATIENCE)).all(|at| mixed.write(1, at, at) == Hit::Bytes));
        assert_eq!(mixed.write(1, 4095, 4095), Hit::Page);
    }
}
