//! Checked memory access for plain functions and slow paths: segment, canonical form, paging, then RAM or the bus.
//!
//! Every access is checked whole before any byte of it is read or written, so that a fault changes nothing.

use crate::algebra::Access;
use crate::cpu::CodeSize;
use crate::ctx::Ctx;
use crate::exception::Exception;
use crate::flags::rflags;
use crate::system::control::cr0;
use crate::tlb::Bank;
use lyrebird_core::cpu::segment::SegReg;
use lyrebird_memory::{Backing, PAGE_SIZE};

/// Physical addresses of an access that may lie in two pages: the first, how many bytes are there, and the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Physical {
    /// Where it begins.
    pub first: u64,
    /// Bytes in the first page.
    pub in_first: u64,
    /// Where it goes on; only meaningful if `in_first` is less than its length.
    pub second: u64,
}

/// Whether an address has its upper bits all equal to bit 47.
#[inline]
pub fn canonical(linear: u64) -> bool {
    ((linear as i64) << 16 >> 16) as u64 == linear
}

impl Ctx<'_> {
    /// Checks `bytes` at an offset of a segment and gives their linear address.
    pub fn linear(&self, seg: u8, offset: u64, bytes: u64, access: Access) -> Result<u64, Exception> {
        let bounds = &self.cpu.bounds[usize::from(seg)];
        let fault = || if seg == SegReg::Ss as u8 { Exception::stack(0) } else { Exception::protection(0) };
        if self.cpu.mode.code == CodeSize::Bits64 {
            let linear = bounds.base.wrapping_add(offset);
            let last = linear.wrapping_add(bytes - 1);
            return if canonical(linear) && canonical(last) { Ok(linear) } else { Err(fault()) };
        }
        // An update of a segment that may be written but not read does not exist.
        if bounds.holds(offset, bytes, access.writes()) {
            Ok(bounds.base.wrapping_add(offset) & 0xffff_ffff)
        } else {
            Err(fault())
        }
    }

    /// Physical addresses of `bytes` (at most a page) at a linear address, for this kind of access with the rights of the
    /// bank. Linear addresses outside 64-bit mode wrap at 4 GiB.
    pub fn physical(&mut self, linear: u64, bytes: u64, access: Access, bank: Bank) -> Result<Physical, Exception> {
        let in_first = (PAGE_SIZE - linear % PAGE_SIZE).min(bytes);
        let first = self.translate(linear, access, bank)?;
        if in_first == bytes {
            return Ok(Physical { first, in_first, second: 0 });
        }
        let mut next = linear.wrapping_add(in_first);
        if self.cpu.mode.code != CodeSize::Bits64 && !self.cpu.state.long_mode() {
            next &= 0xffff_ffff;
        }
        let second = self.translate(next, access, bank)?;
        Ok(Physical { first, in_first, second })
    }

    /// The physical address of one linear address; fills the TLB.
    pub fn translate(&mut self, linear: u64, access: Access, bank: Bank) -> Result<u64, Exception> {
        let cached = if access.writes() {
            self.cpu.tlb.write_physical(bank, linear)
        } else {
            self.cpu.tlb.read_physical(bank, linear)
        };
        match cached {
            Some(physical) => Ok(physical),
            None => self.fill(linear, access, bank),
        }
    }

    /// Alignment check (#AC) and data breakpoints: only where [`crate::cpu::Cpu::careful`] is set.
    pub fn check_careful(&mut self, linear: u64, bytes: u64, access: Access) -> Result<(), Exception> {
        if self.cpu.careful {
            self.check_alignment(linear, bytes)?;
            crate::system::debug::note_data_access(self.cpu, linear, bytes, access.writes());
        }
        Ok(())
    }

    /// Alignment check alone.
    pub fn check_alignment(&self, linear: u64, bytes: u64) -> Result<(), Exception> {
        let crooked = bytes <= 16 && bytes.is_power_of_two() && !linear.is_multiple_of(bytes);
        let checked = self.cpu.state.cr0 & cr0::AM != 0 && self.cpu.system_flags & rflags::AC != 0;
        if crooked && checked && self.cpu.cpl() == 3 { Err(Exception::alignment()) } else { Ok(()) }
    }

    /// Reads up to 8 bytes of a segment.
    pub fn read(&mut self, seg: u8, offset: u64, bytes: u64) -> Result<u64, Exception> {
        let linear = self.linear(seg, offset, bytes, Access::Read)?;
        self.check_careful(linear, bytes, Access::Read)?;
        let bank = self.cpu.bank;
        self.read_linear(linear, bytes, bank)
    }

    /// Writes up to 8 bytes of a segment.
    pub fn write(&mut self, seg: u8, offset: u64, bytes: u64, value: u64) -> Result<(), Exception> {
        let linear = self.linear(seg, offset, bytes, Access::Write)?;
        self.check_careful(linear, bytes, Access::Write)?;
        let bank = self.cpu.bank;
        self.write_linear(linear, bytes, value, bank)
    }

    /// Reads a longer operand (FXSAVE image, descriptor table) of at most a page.
    pub fn read_bytes(&mut self, seg: u8, offset: u64, buf: &mut [u8]) -> Result<(), Exception> {
        let linear = self.linear(seg, offset, buf.len() as u64, Access::Read)?;
        let bank = self.cpu.bank;
        let physical = self.physical(linear, buf.len() as u64, Access::Read, bank)?;
        let (head, tail) = buf.split_at_mut(physical.in_first as usize);
        self.read_physical_bytes(physical.first, head);
        self.read_physical_bytes(physical.second, tail);
        Ok(())
    }

    /// Writes one.
    pub fn write_bytes(&mut self, seg: u8, offset: u64, bytes: &[u8]) -> Result<(), Exception> {
        let linear = self.linear(seg, offset, bytes.len() as u64, Access::Write)?;
        let bank = self.cpu.bank;
        let physical = self.physical(linear, bytes.len() as u64, Access::Write, bank)?;
        let (head, tail) = bytes.split_at(physical.in_first as usize);
        self.write_physical_bytes(physical.first, head);
        self.write_physical_bytes(physical.second, tail);
        Ok(())
    }

    /// Reads up to 8 bytes at a linear address with the rights of a bank.
    pub fn read_linear(&mut self, linear: u64, bytes: u64, bank: Bank) -> Result<u64, Exception> {
        if bytes.is_power_of_two()
            && let Some(page) = self.cpu.tlb.read_page(bank, linear, bytes)
        {
            return Ok(page.load(linear % PAGE_SIZE, bytes));
        }
        let physical = self.physical(linear, bytes, Access::Read, bank)?;
        Ok(self.load_physical(physical, bytes))
    }

    /// Writes up to 8 bytes at a linear address with the rights of a bank.
    pub fn write_linear(&mut self, linear: u64, bytes: u64, value: u64, bank: Bank) -> Result<(), Exception> {
        if bytes.is_power_of_two()
            && let Some(page) = self.cpu.tlb.write_page(bank, linear, bytes)
        {
            page.store(linear % PAGE_SIZE, bytes, value);
            return Ok(());
        }
        let physical = self.physical(linear, bytes, Access::Write, bank)?;
        self.store_physical(physical, bytes, value);
        Ok(())
    }

    /// Reads a system structure (descriptor, gate, TSS): an implicit supervisor access, whatever the CPL. SMAP applies,
    /// RFLAGS.AC does not help (SDM vol. 3, section 4.6.1).
    pub fn read_system(&mut self, linear: u64, bytes: u64) -> Result<u64, Exception> {
        let bank = self.system_bank();
        self.read_linear(linear, bytes, bank)
    }

    /// Writes one.
    pub fn write_system(&mut self, linear: u64, bytes: u64, value: u64) -> Result<(), Exception> {
        let bank = self.system_bank();
        self.write_linear(linear, bytes, value, bank)
    }

    /// The bank of implicit supervisor accesses.
    pub fn system_bank(&self) -> Bank {
        if self.cpu.state.cr4 & crate::system::control::cr4::SMAP != 0 {
            Bank::SupervisorSmap
        } else {
            Bank::Supervisor
        }
    }

    /// Loads from checked physical addresses.
    pub fn load_physical(&mut self, at: Physical, bytes: u64) -> u64 {
        if at.in_first == bytes {
            return self.read_physical(at.first, bytes);
        }
        let mut buf = [0; 8];
        let (head, tail) = buf[..bytes as usize].split_at_mut(at.in_first as usize);
        self.read_physical_bytes(at.first, head);
        self.read_physical_bytes(at.second, tail);
        u64::from_le_bytes(buf)
    }

    /// Stores to checked physical addresses.
    pub fn store_physical(&mut self, at: Physical, bytes: u64, value: u64) {
        let buf = value.to_le_bytes();
        let buf = &buf[..bytes as usize];
        if at.in_first == bytes {
            return self.write_physical(at.first, bytes, value);
        }
        self.write_physical_bytes(at.first, &buf[..at.in_first as usize]);
        self.write_physical_bytes(at.second, &buf[at.in_first as usize..]);
    }

    /// Reads 1 to 8 bytes within a page, from RAM, ROM or the bus.
    pub fn read_physical(&mut self, gpa: u64, bytes: u64) -> u64 {
        let mut buf = [0; 8];
        if bytes.is_power_of_two() {
            match self.cpu.view.lookup(gpa) {
                Backing::Device => return self.bus.mmio_read(gpa, bytes as u8),
                Backing::Ram(page) | Backing::Rom(page) => return page.bytes().load(gpa % PAGE_SIZE, bytes),
                _ => {}
            }
        }
        self.read_physical_bytes(gpa, &mut buf[..bytes as usize]);
        u64::from_le_bytes(buf)
    }

    /// Writes 1 to 8 bytes within a page, to RAM or the bus.
    pub fn write_physical(&mut self, gpa: u64, bytes: u64, value: u64) {
        if bytes.is_power_of_two() {
            match self.cpu.view.lookup(gpa) {
                Backing::Ram(page) => return self.cpu.memory.store(&page, gpa % PAGE_SIZE, bytes, value),
                backing if !goes_to_ram(&backing) => return self.bus.mmio_write(gpa, bytes as u8, value),
                _ => {}
            }
        }
        self.write_physical_bytes(gpa, &value.to_le_bytes()[..bytes as usize]);
    }

    /// Reads bytes within a page.
    pub fn read_physical_bytes(&mut self, gpa: u64, buf: &mut [u8]) {
        if buf.is_empty() {
            return;
        }
        if self.cpu.memory.read(gpa, buf).is_err() {
            for (at, piece) in bus_pieces(gpa, buf.len()) {
                let value = self.bus.mmio_read(gpa + at as u64, piece as u8);
                buf[at..at + piece].copy_from_slice(&value.to_le_bytes()[..piece]);
            }
        }
    }

    /// Writes bytes within a page.
    pub fn write_physical_bytes(&mut self, gpa: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.cpu.memory.write(gpa, bytes).is_err() {
            for (at, piece) in bus_pieces(gpa, bytes.len()) {
                let mut value = [0; 8];
                value[..piece].copy_from_slice(&bytes[at..at + piece]);
                self.bus.mmio_write(gpa + at as u64, piece as u8, u64::from_le_bytes(value));
            }
        }
    }
}

fn goes_to_ram(backing: &Backing) -> bool {
    matches!(backing, Backing::Ram(_) | Backing::Rom(_) | Backing::Split(..))
}

/// Splits an access to the bus into naturally aligned pieces of 1, 2, 4 or 8 bytes: offset and size.
fn bus_pieces(gpa: u64, len: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (rest, here) = (len - at, gpa + at as u64);
        let piece = [8, 4, 2, 1].into_iter().find(|n| *n <= rest && here.is_multiple_of(*n as u64))?;
        at += piece;
        Some((at - piece, piece))
    })
}
