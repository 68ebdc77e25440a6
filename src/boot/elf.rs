//! The part of an ELF file that a loader needs: segments and notes, 32 and 64 bits, every number in it checked.

use super::builder::Builder;
use super::error::BootError;
use super::image::Image;

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PF_X: u32 = 1;
/// e_machine of an 80386.
pub const EM_386: u16 = 3;
/// e_machine of x86-64.
pub const EM_X86_64: u16 = 62;

/// A program header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where its header stands in the file.
    pub header: u64,
    kind: u32,
    flags: u32,
    offset: u64,
    vaddr: u64,
    paddr: u64,
    file_bytes: u64,
    memory_bytes: u64,
    align: u64,
}

/// An ELF file's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// 64-bit file format.
    pub is_64: bool,
    /// For which processor.
    pub machine: u16,
    entry: u64,
    segments: Vec<Segment>,
}

/// Whether it is an ELF file at all.
pub fn is_elf(image: &Image) -> bool {
    image.has(0, b"\x7fELF")
}

impl Elf {
    /// Reads the headers.
    pub fn parse(image: &Image) -> Result<Self, BootError> {
        let what = "the ELF header";
        let wrong = |offset, problem: String| Err(image.error(offset, problem, "use a kernel built for x86"));
        let is_64 = match image.u8(4, what)? {
            1 => false,
            2 => true,
            class => return wrong(4, format!("ELF class {class} is unknown")),
        };
        if image.u8(5, what)? != 1 {
            return wrong(5, "the ELF file is big-endian".into());
        }
        let kind = image.u16(16, what)?;
        if !matches!(kind, 2 | 3) {
            return wrong(16, format!("ELF type {kind} is not an executable"));
        }
        let machine = image.u16(18, what)?;
        if !matches!(machine, EM_386 | EM_X86_64) {
            return wrong(18, format!("the ELF file is for another processor (e_machine {machine})"));
        }
        let word = |offset64: u64, offset32: u64| match is_64 {
            true => image.u64(offset64, what),
            false => image.u32(offset32, what).map(u64::from),
        };
        let half = |offset64: u64, offset32: u64| image.u16(if is_64 { offset64 } else { offset32 }, what);
        let (entry, table) = (word(24, 24)?, word(32, 28)?);
        let (size, count) = (u64::from(half(54, 42)?), u64::from(half(56, 44)?));
        if count == 0 || size < if is_64 { 56 } else { 32 } {
            return Err(image.error(
                if is_64 { 54 } else { 42 },
                format!("the ELF file has {count} program headers of {size} bytes"),
                "link the kernel as an executable with program headers",
            ));
        }
        let mut segments = Vec::new();
        for index in 0..count {
            let at = table.checked_add(index * size);
            let at =
                at.ok_or_else(|| image.error(32, "the program headers lie beyond the file", super::image::TRUNCATED))?;
            segments.push(Segment::parse(image, at, is_64)?);
        }
        Ok(Elf { is_64, machine, entry, segments })
    }

    /// The entry point as a physical address: kernels linked high give a virtual one.
    pub fn physical_entry(&self) -> u64 {
        let of = self.segments.iter().find(|s| {
            s.kind == PT_LOAD
                && s.flags & PF_X != 0
                && self.entry.checked_sub(s.vaddr).is_some_and(|o| o < s.file_bytes)
        });
        of.map_or(self.entry, |s| s.paddr.wrapping_add(self.entry - s.vaddr))
    }

    /// The descriptor of the first note of this name and type: where it stands in the file, and its bytes.
    pub fn note(&self, image: &Image, name: &[u8], kind: u32) -> Result<Option<(u64, Vec<u8>)>, BootError> {
        for segment in self.segments.iter().filter(|s| s.kind == PT_NOTE) {
            // Notes are aligned within their segment, wherever that is in the file.
            let align = if segment.align == 8 { 8 } else { 4 };
            // In memory all of them, so that a file full of notes is not as many reads.
            let notes = Image::new(&image.path, image.slice(segment.offset, segment.file_bytes, "ELF notes")?);
            let what = "an ELF note";
            let mut at = 0;
            while at + 12 <= notes.len() {
                let (name_bytes, bytes) = (u64::from(notes.u32(at, what)?), u64::from(notes.u32(at + 4, what)?));
                let found = notes.u32(at + 8, what)?;
                let descriptor = (at + 12 + name_bytes).next_multiple_of(align);
                if descriptor + bytes > notes.len() {
                    break; // whatever follows is no note
                }
                let its_name = notes.slice(at + 12, name_bytes, what)?;
                if found == kind && its_name.strip_suffix(b"\0").unwrap_or(&its_name) == name {
                    return Ok(Some((segment.offset + descriptor, notes.slice(descriptor, bytes, what)?)));
                }
                at = (descriptor + bytes).next_multiple_of(align);
            }
        }
        Ok(None)
    }

    /// Plans to put all segments at their physical addresses. Gives the end of the highest.
    pub(super) fn place(&self, builder: &mut Builder<'_>) -> Result<u64, BootError> {
        let image = builder.kernel();
        let mut highest = 0;
        let loaded = || self.segments.iter().filter(|s| s.kind == PT_LOAD && s.memory_bytes > 0);
        for (index, segment) in loaded().enumerate() {
            let Segment { paddr, file_bytes, memory_bytes, .. } = *segment;
            let end = paddr.checked_add(memory_bytes).ok_or_else(|| {
                image.error(segment.header, "the segment's address and size overflow", "check how the kernel is linked")
            })?;
            builder.claim(paddr..end, &format!("ELF segment {index}"))?;
            builder.write_image(paddr, image, segment.offset, file_bytes);
            builder.zero(paddr + file_bytes, memory_bytes - file_bytes);
            highest = highest.max(end);
        }
        match highest {
            0 => Err(image.error(0, "the ELF file has nothing to load", "link the kernel as an executable")),
            end => Ok(end),
        }
    }
}

impl Segment {
    fn parse(image: &Image, at: u64, is_64: bool) -> Result<Self, BootError> {
        let what = "an ELF program header";
        let word = |offset64: u64, offset32: u64| match is_64 {
            true => image.u64(at + offset64, what),
            false => image.u32(at + offset32, what).map(u64::from),
        };
        image.check(at, if is_64 { 56 } else { 32 }, what)?;
        let segment = Segment {
            header: at,
            kind: image.u32(at, what)?,
            flags: image.u32(at + if is_64 { 4 } else { 24 }, what)?,
            offset: word(8, 4)?,
            vaddr: word(16, 8)?,
            paddr: word(24, 12)?,
            file_bytes: word(32, 16)?,
            memory_bytes: word(40, 20)?,
            align: word(48, 28)?,
        };
        if matches!(segment.kind, PT_LOAD | PT_NOTE) {
            image.check(segment.offset, segment.file_bytes, "an ELF segment")?;
        }
        if segment.kind == PT_LOAD && segment.file_bytes > segment.memory_bytes {
            return Err(image.error(
                at,
                format!(
                    "the segment has {:#x} bytes in the file but {:#x} in memory",
                    segment.file_bytes, segment.memory_bytes
                ),
                "check how the kernel is linked",
            ));
        }
        Ok(segment)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A segment for [`elf`].
    pub struct Part {
        pub kind: u32,
        pub paddr: u64,
        pub bytes: Vec<u8>,
        pub memory_bytes: u64,
    }

    pub fn loaded(paddr: u64, bytes: &[u8], memory_bytes: u64) -> Part {
        Part { kind: PT_LOAD, paddr, bytes: bytes.to_vec(), memory_bytes }
    }

    /// The note by which a kernel says where its PVH entry is.
    pub fn phys32_entry(entry: u32) -> Part {
        let mut bytes: Vec<u8> = [4u32, 4, 18].iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.extend(b"Xen\0");
        bytes.extend(entry.to_le_bytes());
        Part { kind: PT_NOTE, paddr: 0, memory_bytes: bytes.len() as u64, bytes }
    }

    /// An ELF file; virtual addresses are 0xc0000000 above the physical ones.
    pub fn elf(is_64: bool, entry: u64, parts: &[Part]) -> Vec<u8> {
        let mut out = b"\x7fELF".to_vec();
        out.extend([if is_64 { 2 } else { 1 }, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend(2u16.to_le_bytes());
        out.extend(if is_64 { EM_X86_64 } else { EM_386 }.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        let word = |value: u64| value.to_le_bytes()[..if is_64 { 8 } else { 4 }].to_vec();
        let (header, entry_bytes) = if is_64 { (64u64, 56u16) } else { (52, 32) };
        for value in [entry, header, 0] {
            out.extend(word(value));
        }
        out.extend(0u32.to_le_bytes());
        for value in [header as u16, entry_bytes, parts.len() as u16, 0, 0, 0] {
            out.extend(value.to_le_bytes());
        }
        let mut offset = header + u64::from(entry_bytes) * parts.len() as u64;
        for part in parts {
            out.extend(part.kind.to_le_bytes());
            if is_64 {
                out.extend(5u32.to_le_bytes());
            }
            for value in [offset, 0xc000_0000 + part.paddr, part.paddr, part.bytes.len() as u64, part.memory_bytes] {
                out.extend(word(value));
            }
            if !is_64 {
                out.extend(5u32.to_le_bytes());
            }
            out.extend(word(4));
            offset += part.bytes.len() as u64;
        }
        for part in parts {
            out.extend(&part.bytes);
        }
        out
    }

    #[test]
    fn a_virtual_entry_becomes_physical() {
        for is_64 in [false, true] {
            let bytes = elf(is_64, 0xc010_0004, &[loaded(0x10_0000, &[1; 16], 32)]);
            let image = Image::new("", bytes);
            assert_eq!(Elf::parse(&image).unwrap().physical_entry(), 0x10_0004);
        }
    }

    #[test]
    fn notes_are_found_and_hostile_lengths_are_not_followed() {
        let unaligned = elf(true, 0, &[loaded(0x10_0000, b"odd", 3), phys32_entry(0x1234)]);
        let image = Image::new("", unaligned);
        assert!(Elf::parse(&image).unwrap().note(&image, b"Xen", 18).unwrap().is_some());
        let mut bytes = elf(true, 0, &[phys32_entry(0x1234)]);
        let image = Image::new("", bytes.clone());
        let note = Elf::parse(&image).unwrap().note(&image, b"Xen", 18).unwrap();
        assert_eq!(note.unwrap().1, 0x1234u32.to_le_bytes());
        let at = bytes.len() - 20;
        bytes[at..at + 4].fill(0xff);
        let image = Image::new("", bytes);
        assert_eq!(Elf::parse(&image).unwrap().note(&image, b"Xen", 18).unwrap(), None);
    }
}
