//! Where generated code lives: one piece of memory that is never written to and executed at the same address ([`pages`]). Code is placed segment by segment, in a ring: the segment that was filled longest ago makes room for new code.

mod pages;

use pages::Pages;
use std::ops::Range;

/// Functions begin at multiples of this.
const ALIGN: usize = 32;
/// Into so many pieces the buffer is divided.
pub const SEGMENTS: usize = 8;
/// After so many bytes it is told that they are not written to any more: asking it takes about as long as writing a kilobyte.
const UNSETTLED: usize = 1 << 16;
/// A host that has little memory to give is asked for half as much, down to this.
const LEAST: usize = 1 << 20;

/// Why there is no code buffer, or no room in it.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// The host gives no such memory.
    #[error("the host gives no executable memory: {0}")]
    Host(#[from] rustix::io::Errno),
    /// There is no room left: in the current segment, or at all.
    #[error("the code buffer is full")]
    Full,
    /// The function does not reach what it has to from there.
    #[error("the code buffer is too far away")]
    Far,
}

/// The code buffer.
pub struct CodeBuffer {
    pages: Pages,
    /// Where the next function goes.
    used: usize,
    /// Where the segments begin, if there are any yet.
    kept: Option<usize>,
    /// The segment that is being filled.
    segment: usize,
    /// How many of them the ring has.
    ring: usize,
    /// From here on the host has pages twice: see [`Pages::settle`].
    unsettled: usize,
}

impl CodeBuffer {
    /// A buffer of so many bytes. The host commits pages when they are first written.
    pub fn new(bytes: usize) -> Result<Self, BufferError> {
        Ok(Self::of(Pages::new(bytes)?))
    }

    /// The same, or a smaller one if the host refuses that much.
    pub fn up_to(bytes: usize) -> Result<Self, BufferError> {
        let mut size = bytes;
        loop {
            match Self::new(size) {
                Err(BufferError::Host(_)) if size / 2 >= LEAST => size /= 2,
                Ok(buffer) if size < bytes => {
                    tracing::warn!(wanted = bytes, got = size, "the host gives less memory for translated code");
                    return Ok(buffer);
                }
                result => return result,
            }
        }
    }

    /// A buffer of so many bytes from which an address can be reached with distances of 32 bits; nothing if there is no such place.
    pub fn near(address: u64, bytes: usize) -> Result<Option<Self>, BufferError> {
        Ok(Pages::near(address, bytes)?.map(Self::of))
    }

    fn of(pages: Pages) -> Self {
        CodeBuffer { pages, used: 0, kept: None, segment: 0, ring: SEGMENTS, unsettled: 0 }
    }

    /// Places a function and gives its address for calls.
    pub fn place(&mut self, code: &[u8]) -> Result<*const u8, BufferError> {
        self.place_at(code.len(), |_| Some(code))
    }

    /// The same of a function that depends on where it lies, of this length. It may turn out that it cannot be there.
    pub fn place_at<'a>(
        &mut self,
        bytes: usize,
        code: impl FnOnce(u64) -> Option<&'a [u8]>,
    ) -> Result<*const u8, BufferError> {
        let at = self.used;
        let end = self.bounds(self.segment).end;
        if bytes > end.saturating_sub(at) {
            return Err(BufferError::Full);
        }
        let address = self.pages.address(at);
        let code = code(address).filter(|code| code.len() == bytes).ok_or(BufferError::Far)?;
        // SAFETY: the place is inside, and held by no function that is in use.
        unsafe { self.pages.write(at, code) };
        self.used = (at + code.len()).next_multiple_of(ALIGN).min(end);
        if self.used - self.unsettled >= UNSETTLED {
            self.settle();
        }
        Ok(address as *const u8)
    }

    /// Where a segment lies. As long as nothing is kept for ever, all is one.
    fn bounds(&self, segment: usize) -> Range<usize> {
        let Some(kept) = self.kept else { return 0..self.pages.bytes() };
        let size = self.largest();
        let begin = kept + segment * size;
        begin..begin + size
    }

    /// The largest function that there can be room for.
    pub fn largest(&self) -> usize {
        ((self.pages.bytes() - self.kept.unwrap_or(0)) / SEGMENTS) & !(ALIGN - 1)
    }

    /// Keeps what is there now for ever. What comes later is placed in segments.
    pub fn keep(&mut self) {
        self.kept = Some(self.used);
    }

    /// The segment that comes next, by its number, and the addresses of the code in it.
    pub fn next(&self) -> (usize, Range<u64>) {
        let next = self.next_segment();
        let bounds = self.bounds(next);
        (next, self.pages.address(bounds.start)..self.pages.address(bounds.end))
    }

    fn next_segment(&self) -> usize {
        if self.segment + 1 < self.ring { self.segment + 1 } else { 0 }
    }

    /// From the next segment on the ring has so many, the first ones. Those that are beyond it.
    pub fn shall_have(&mut self, segments: usize) -> Range<usize> {
        self.ring = segments.clamp(1, SEGMENTS);
        self.ring..SEGMENTS
    }

    fn settle(&mut self) {
        self.pages.settle(self.unsettled..self.used);
        self.unsettled = self.used;
    }

    /// Goes on to the next segment. It is emptied, and those beyond the ring are given back: nobody may be in their code or enter it again.
    pub fn advance(&mut self) {
        self.segment = self.next_segment();
        self.settle();
        if self.ring < SEGMENTS {
            self.pages.give_back(self.bounds(self.ring).start..self.bounds(SEGMENTS - 1).end);
        }
        self.used = self.bounds(self.segment).start;
        self.unsettled = self.used;
    }

    /// Whether the segment that is being filled soon has no room.
    pub fn is_nearly_full(&self) -> bool {
        self.bounds(self.segment).end - self.used < self.largest() / 4
    }

    /// The number of the segment that is being filled.
    pub fn segment(&self) -> usize {
        self.segment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_make_room_in_a_ring() {
        let mut buffer = CodeBuffer::new(1 << 16).unwrap();
        let first = buffer.place(&[1, 2, 3]).unwrap();
        buffer.keep();
        let largest = buffer.largest();
        assert!(largest > (1 << 16) / SEGMENTS - 2 * ALIGN);
        let second = buffer.place(&[4; 100]).unwrap();
        assert_eq!(second as usize - first as usize, ALIGN);
        // SAFETY: the executable view is readable, and both functions were placed in it.
        assert_eq!(unsafe { (*first, *first.add(2), *second) }, (1, 3, 4));
        assert!(matches!(buffer.place(&vec![0; largest]), Err(BufferError::Full)));
        let mut ranges = Vec::new();
        for n in 1..=SEGMENTS {
            let (segment, gone) = buffer.next();
            assert_eq!(buffer.is_nearly_full(), n > 1);
            buffer.advance();
            assert_eq!((segment, segment), (n % SEGMENTS, buffer.segment()));
            let place = buffer.place(&vec![n as u8; largest]).unwrap() as u64;
            assert_eq!(gone, place..place + largest as u64);
            assert!(matches!(buffer.place(&[0]), Err(BufferError::Full)));
            ranges.push(gone);
        }
        assert!(ranges[SEGMENTS - 1].contains(&(second as u64)), "the first segment comes again");
        ranges.sort_by_key(|range| range.start);
        assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
        // SAFETY: as above.
        assert_eq!(unsafe { *first }, 1, "what is kept for ever stays");
    }

    #[test]
    fn a_shorter_ring_gives_memory_back() {
        let mut buffer = CodeBuffer::new(SEGMENTS << 16).unwrap();
        buffer.keep();
        let place = |buffer: &mut CodeBuffer, n: u8| {
            let code = buffer.place(&vec![n; buffer.largest()]).unwrap();
            // SAFETY: the executable view is readable.
            move || unsafe { *code }
        };
        let first = place(&mut buffer, 1);
        buffer.advance();
        assert_eq!(buffer.shall_have(1), 1..SEGMENTS);
        let second = place(&mut buffer, 2);
        assert_eq!((buffer.next().0, first(), second()), (0, 1, 2));
        buffer.advance();
        assert_eq!(buffer.segment(), 0);
        assert!(cfg!(not(target_os = "linux")) || second() == 0, "it is not there any more");
        assert_eq!(first(), 1);
        assert!(buffer.shall_have(SEGMENTS).is_empty());
        buffer.advance();
        let third = place(&mut buffer, 3);
        assert_eq!((buffer.segment(), third()), (1, 3));
    }

    #[test]
    fn a_host_that_refuses_is_asked_for_less() {
        let buffer = CodeBuffer::up_to(1 << 60).unwrap();
        assert!(buffer.pages.bytes() >= LEAST && buffer.pages.bytes() < 1 << 60);
        assert!(matches!(CodeBuffer::new(1 << 60), Err(BufferError::Host(_))));
    }
}
