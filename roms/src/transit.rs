//! The caller's memory on its way to and from a service: what a service gives to the caller, or wants from it, is moved by the
//! stub, with the caller's own addresses (REP INSB and OUTSB). So it does not matter how these are mapped: in V86 mode with
//! paging, or by a program that interprets the BIOS.
//!
//! ```text
//!   service gives bytes ------> stub is told 3 ------> IN dword: offset and segment, IN dword: count, REP INSB
//!   service borrows bytes ----> stub is told 4 ------> the same with REP OUTSB; then the service runs once more, and has them
//! ```
//! A service that borrows therefore does it before anything that would show twice.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What far pointers reach: with A20 open, 64 KiB beyond the first megabyte.
pub const REACH: u64 = 0x10_fff0;
/// Bytes of a step: with an offset below 16, as most have, they are in one segment.
const STEP: usize = 0xf000;

/// A piece of the caller's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Piece {
    address: u64,
    bytes: Vec<u8>,
}

/// The words that a stub is told before the bytes of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Told {
    #[default]
    Nothing,
    Where,
    All,
}

/// Pieces on their way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Transit {
    given: VecDeque<Piece>,
    wanted: Option<Piece>,
    lent: Vec<Piece>,
    /// Bytes that have passed, of the first piece that is given or of that which is wanted.
    passed: usize,
    /// Bytes of this step that have not.
    left: usize,
    told: Told,
    /// What the stub does when all is done.
    after: Option<u8>,
}

/// Where the next step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the caller.
    Give,
    /// From the caller.
    Borrow,
}

/// Segment and offset; the last segment is what reaches beyond the first megabyte.
fn far(address: u64) -> (u32, u32) {
    let segment = (address >> 4).min(0xffff);
    (segment as u32, (address - (segment << 4)).min(0xffff) as u32)
}

impl Transit {
    /// Something for the caller, when the service has ended.
    pub fn give(&mut self, address: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.given.push_back(Piece { address, bytes: bytes.to_vec() });
        }
    }

    /// The caller's bytes; none if they must come first, and the service has to return.
    pub fn borrow(&mut self, address: u64, count: usize) -> Option<Vec<u8>> {
        if count == 0 {
            return Some(Vec::new());
        }
        if let Some(piece) = self.lent.iter().find(|piece| piece.address == address && piece.bytes.len() == count) {
            return Some(piece.bytes.clone());
        }
        self.wanted.get_or_insert_with(|| Piece { address, bytes: vec![0; count] });
        None
    }

    /// Whether the service that just returned waits for the caller's bytes; it will be called again, so what it gave is void.
    pub fn wants(&mut self) -> bool {
        if self.wanted.is_some() {
            self.given.clear();
        }
        self.wanted.is_some()
    }

    /// The service has ended, and this is what the stub does after the last step. None if there is no step to make.
    pub fn end(&mut self, after: u8) -> Option<Way> {
        self.lent.clear();
        self.after = (!self.given.is_empty()).then_some(after);
        self.step()
    }

    /// What to do after the last step, if the service has ended.
    pub fn after(&mut self) -> Option<u8> {
        self.after.take()
    }

    /// Begins the next step.
    pub fn step(&mut self) -> Option<Way> {
        self.told = Told::Nothing;
        if self.given.front().is_some_and(|piece| self.passed >= piece.bytes.len()) {
            self.given.pop_front();
            self.passed = 0;
        }
        if let Some(piece) = self.wanted.take_if(|piece| self.passed >= piece.bytes.len()) {
            self.lent.push(piece);
            self.passed = 0;
        }
        let (way, piece) = match (self.given.front(), &self.wanted) {
            (Some(piece), _) => (Way::Give, piece),
            (None, Some(piece)) => (Way::Borrow, piece),
            (None, None) => return None,
        };
        let (_, offset) = far(piece.address + self.passed as u64);
        self.left = (piece.bytes.len() - self.passed).min(STEP).min(0x1_0000 - offset as usize);
        Some(way)
    }

    fn piece(&mut self) -> Option<&mut Piece> {
        self.given.front_mut().or(self.wanted.as_mut())
    }

    /// One of the two words that precede the bytes.
    pub fn word(&mut self) -> u32 {
        let (left, passed) = (self.left as u32, self.passed as u64);
        let Some(piece) = self.piece() else { return u32::MAX };
        let (segment, offset) = far(piece.address + passed);
        let (word, told) = match self.told {
            Told::Nothing => (segment << 16 | offset, Told::Where),
            Told::Where | Told::All => (left, Told::All),
        };
        self.told = told;
        word
    }

    /// Whether bytes at the port are those of a step.
    pub fn open(&self) -> bool {
        self.told == Told::All && self.left > 0
    }

    /// Bytes to the caller.
    pub fn pass_out(&mut self, data: &mut [u8]) {
        self.pass(data.len(), |bytes, range| data[range].copy_from_slice(bytes));
    }

    /// Bytes from the caller.
    pub fn pass_in(&mut self, data: &[u8]) {
        self.pass(data.len(), |bytes, range| bytes.copy_from_slice(&data[range]));
    }

    fn pass(&mut self, count: usize, copy: impl FnOnce(&mut [u8], std::ops::Range<usize>)) {
        let (count, passed) = (count.min(self.left), self.passed);
        if let Some(bytes) = self.piece().and_then(|piece| piece.bytes.get_mut(passed..passed + count)) {
            copy(bytes, 0..count);
        }
        self.passed += count;
        self.left -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the stub does it.
    fn walk(transit: &mut Transit, memory: &mut [u8]) -> Option<u8> {
        while let Some(way) = transit.step() {
            let (far, count) = (transit.word(), transit.word() as usize);
            let at = (far >> 16 << 4) as usize + (far & 0xffff) as usize;
            assert!((far & 0xffff) as usize + count <= 0x1_0000, "in one segment");
            match way {
                Way::Give => transit.pass_out(&mut memory[at..at + count]),
                Way::Borrow => transit.pass_in(&memory[at..at + count]),
            }
            assert!(!transit.open());
        }
        transit.after()
    }

    #[test]
    fn pieces_larger_than_a_segment_go_both_ways() {
        let mut memory: Vec<u8> = (0..0x4_0000u32).map(|n| (n % 251) as u8).collect();
        let mut transit = Transit::default();
        assert_eq!(transit.borrow(0x1_2345, 0x2_0003), None);
        assert!(transit.wants());
        assert_eq!(walk(&mut transit, &mut memory), None, "the service is not done");
        let lent = transit.borrow(0x1_2345, 0x2_0003).unwrap();
        assert!(lent == memory[0x1_2345..][..0x2_0003]);
        transit.give(0x77, &lent);
        transit.give(0x3_fff0, &[1; 16]);
        assert_eq!(transit.end(2), Some(Way::Give));
        assert_eq!(walk(&mut transit, &mut memory), Some(2));
        assert!(memory[0x77..][..0x2_0003] == lent && memory[0x3_fff0..] == [1; 16]);
        assert_eq!(transit.step(), None);
    }

    #[test]
    fn the_high_memory_area_is_reached() {
        let mut memory = vec![0; REACH as usize];
        let mut transit = Transit::default();
        transit.give(0xf_fff0, &[7; 0x1_0000]);
        assert!(transit.end(0).is_some());
        assert_eq!(walk(&mut transit, &mut memory), Some(0));
        assert!(memory[0xf_fff0..] == [7; 0x1_0000] && memory[..0xf_fff0].iter().all(|byte| *byte == 0));
        assert_eq!(far(REACH - 1), (0xffff, 0xffff));
    }

    #[test]
    fn what_was_given_before_a_borrowing_is_void() {
        let mut transit = Transit::default();
        transit.give(0, &[1]);
        assert_eq!(transit.borrow(8, 1), None);
        assert!(transit.wants());
        assert_eq!(transit.step(), Some(Way::Borrow));
    }
}
