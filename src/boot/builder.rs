//! A plan in the making: what all protocols have in common.

use super::error::BootError;
use super::image::Image;
use super::plan::{BootPlan, GDT, Protocol, Start, Write};
use super::space::{BIOS, EXTENDED, FOUR_GIB, Space};
use super::{BootRequest, lowmem, tables};
use std::ops::Range;

/// Where small structures go: below what old Linux kernels want at 90000h.
const SMALL: Range<u64> = 0x1000..0x9_0000;
const STACK_BYTES: u64 = 0x1000;

pub(super) struct Builder<'a> {
    pub request: &'a BootRequest,
    pub space: Space,
    pub rsdp: u32,
    pub warnings: Vec<String>,
    writes: Vec<Write>,
}

/// The registers in which the protocols differ.
#[derive(Default)]
pub(super) struct Registers {
    pub eip: u32,
    pub eax: u32,
    pub ebx: u32,
    pub esi: u32,
}

impl<'a> Builder<'a> {
    pub fn new(ram_ranges: &[(u64, u64)], request: &'a BootRequest) -> Result<Self, BootError> {
        let mut space = Space::new(ram_ranges);
        let kernel = &request.kernel.path;
        space.claim(0..lowmem::BIOS_DATA_END, "the BIOS data area", kernel)?;
        let board = tables::Board { ram_bytes: space.ram_bytes(), ..request.board.clone() };
        let tables = tables::build(&board, BIOS as u32, lowmem::FACS);
        debug_assert!(tables.end <= lowmem::STUBS);
        let mut writes = lowmem::writes(&board);
        writes.extend(
            tables.placed.into_iter().map(|table| Write::Bytes { gpa: u64::from(table.gpa), bytes: table.bytes }),
        );
        Ok(Builder { request, space, rsdp: tables.rsdp, warnings: Vec::new(), writes })
    }

    pub fn kernel(&self) -> &'a Image {
        &self.request.kernel
    }

    /// Takes a range that the kernel dictates.
    pub fn claim(&mut self, range: Range<u64>, what: &str) -> Result<(), BootError> {
        self.space.claim(range, what, &self.request.kernel.path)
    }

    pub fn write(&mut self, gpa: u64, bytes: Vec<u8>) {
        // Nothing may lie anywhere, also where there is no RAM.
        if !bytes.is_empty() {
            self.writes.push(Write::Bytes { gpa, bytes });
        }
    }

    /// Puts a piece of a file there, which has been checked to be in the file.
    pub fn write_image(&mut self, gpa: u64, image: &Image, offset: u64, bytes: u64) {
        if bytes > 0 {
            self.writes.push(Write::Image { gpa, image: image.clone(), offset, bytes });
        }
    }

    pub fn zero(&mut self, gpa: u64, bytes: u64) {
        if bytes > 0 {
            self.writes.push(Write::Zeros { gpa, bytes });
        }
    }

    /// Puts a structure somewhere in conventional memory, or above when there is no room (long command lines).
    pub fn put_small(&mut self, bytes: Vec<u8>, what: &str) -> Result<u32, BootError> {
        let gpa = self.place_small(bytes.len() as u64, what)?;
        self.write(u64::from(gpa), bytes);
        Ok(gpa)
    }

    pub fn place_small(&mut self, bytes: u64, what: &str) -> Result<u32, BootError> {
        let place = self.space.place_high(bytes, 16, SMALL, what);
        let place = place.or_else(|| self.space.place_high(bytes, 16, EXTENDED..FOUR_GIB, what));
        place.map(|gpa| gpa as u32).ok_or_else(|| self.no_room(self.kernel(), what, bytes))
    }

    /// There is no place for something that may stand anywhere.
    pub fn no_room(&self, image: &Image, what: &str, bytes: u64) -> BootError {
        BootError::NoRoom {
            path: image.path.clone(),
            problem: format!(
                "{what} ({bytes:#x} bytes) does not fit into the guest's RAM below {:#x} beside the kernel",
                self.space.low_ram_end()
            ),
            remedy: "give the machine more memory (-m)".into(),
        }
    }

    pub fn finish(mut self, protocol: Protocol, registers: Registers) -> Result<BootPlan, BootError> {
        let gdt = self.put_small(GDT.iter().flat_map(|d| d.to_le_bytes()).collect(), "the descriptor table")?;
        let stack = self.place_small(STACK_BYTES, "the stack")?;
        let Registers { eip, eax, ebx, esi } = registers;
        let start = Start {
            eip,
            eax,
            ebx,
            esi,
            esp: stack + STACK_BYTES as u32,
            gdt,
            physical_bits: self.request.physical_bits,
        };
        Ok(BootPlan { protocol, writes: self.writes, start, warnings: self.warnings })
    }
}
