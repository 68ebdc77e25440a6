//! Descriptors and selectors: what stands in GDT and LDT, and finding it (Intel SDM vol. 3, sections 3.4 and 3.5).

use crate::ctx::Ctx;
use crate::exception::Exception;
use lyrebird_core::cpu::segment::Segment;

/// Types of system descriptors (SDM vol. 3, table 3-2).
#[allow(missing_docs, reason = "the manual's names")]
pub mod kind {
    pub const TSS16: u8 = 1;
    pub const LDT: u8 = 2;
    pub const TSS16_BUSY: u8 = 3;
    pub const CALL_GATE16: u8 = 4;
    pub const TASK_GATE: u8 = 5;
    pub const INTERRUPT_GATE16: u8 = 6;
    pub const TRAP_GATE16: u8 = 7;
    pub const TSS: u8 = 9;
    pub const TSS_BUSY: u8 = 11;
    pub const CALL_GATE: u8 = 12;
    pub const INTERRUPT_GATE: u8 = 14;
    pub const TRAP_GATE: u8 = 15;
}

/// A descriptor as it stands in its table, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its eight bytes.
    pub raw: u64,
    /// Their linear address.
    pub at: u64,
}

/// Whether a selector is null, whatever its RPL.
pub fn is_null(selector: u16) -> bool {
    selector & !3 == 0
}

/// The requestor's privilege level.
pub fn rpl(selector: u16) -> u8 {
    (selector & 3) as u8
}

/// A selector as an error code: without its RPL.
pub fn error_code(selector: u16) -> u32 {
    u32::from(selector & !3)
}

impl Descriptor {
    /// The segment's base, as far as eight bytes hold it.
    pub fn base(&self) -> u64 {
        self.raw >> 16 & 0xff_ffff | (self.raw >> 56) << 24
    }

    /// The last byte's offset, granularity applied.
    pub fn limit(&self) -> u32 {
        let limit = (self.raw & 0xffff | self.raw >> 32 & 0xf_0000) as u32;
        if self.attributes() & Segment::GRANULARITY != 0 { limit << 12 | 0xfff } else { limit }
    }

    /// Bits 40 to 55 without the limit's, as [`Segment::attributes`] has them.
    pub fn attributes(&self) -> u32 {
        (self.raw >> 40) as u32 & 0xf0ff
    }

    /// The type field.
    pub fn kind(&self) -> u8 {
        (self.raw >> 40 & 15) as u8
    }

    /// The descriptor privilege level.
    pub fn dpl(&self) -> u8 {
        (self.raw >> 45 & 3) as u8
    }

    /// P.
    pub fn present(&self) -> bool {
        self.raw >> 47 & 1 != 0
    }

    /// A system segment or a gate.
    pub fn system(&self) -> bool {
        self.raw >> 44 & 1 == 0
    }

    /// A code segment.
    pub fn code(&self) -> bool {
        !self.system() && self.kind() & 8 != 0
    }

    /// A code segment that keeps its caller's privilege.
    pub fn conforming(&self) -> bool {
        self.code() && self.kind() & 4 != 0
    }

    /// A data segment, or a code segment that may be read.
    pub fn readable(&self) -> bool {
        !self.system() && self.kind() & 10 != 8
    }

    /// A data segment that may be written.
    pub fn writable(&self) -> bool {
        !self.system() && self.kind() & 10 == 2
    }

    /// L: 64-bit code.
    pub fn long(&self) -> bool {
        self.raw >> 53 & 1 != 0
    }

    /// D/B.
    pub fn big(&self) -> bool {
        self.raw >> 54 & 1 != 0
    }

    /// The selector in a gate.
    pub fn gate_selector(&self) -> u16 {
        (self.raw >> 16) as u16
    }

    /// The offset in a gate, as far as eight bytes hold it.
    pub fn gate_offset(&self) -> u64 {
        let wide = self.kind() & 8 != 0;
        self.raw & 0xffff | if wide { self.raw >> 32 & 0xffff_0000 } else { 0 }
    }

    /// The segment register that it makes.
    pub fn segment(&self, selector: u16) -> Segment {
        Segment { selector, base: self.base(), limit: self.limit(), attributes: self.attributes() }
    }
}

impl Ctx<'_> {
    /// The linear address of a selector's descriptor of so many bytes, or `None` if it lies beyond its table's limit.
    pub fn descriptor_address(&self, selector: u16, bytes: u64) -> Option<u64> {
        let s = &self.cpu.state;
        let (base, limit) = if selector & 4 == 0 {
            (s.gdtr.base, u64::from(s.gdtr.limit))
        } else if s.ldtr.has(Segment::UNUSABLE) {
            return None;
        } else {
            (s.ldtr.base, u64::from(s.ldtr.limit))
        };
        let at = u64::from(selector & !7);
        (at + bytes - 1 <= limit).then(|| self.system_address(base.wrapping_add(at)))
    }

    /// A linear address of the system's own: outside long mode it wraps at 4 GiB.
    pub fn system_address(&self, linear: u64) -> u64 {
        if self.cpu.state.long_mode() { linear } else { linear & 0xffff_ffff }
    }

    /// The descriptor of a selector, or `None` if it lies beyond its table's limit.
    pub fn find_descriptor(&mut self, selector: u16) -> Result<Option<Descriptor>, Exception> {
        let Some(at) = self.descriptor_address(selector, 8) else { return Ok(None) };
        let raw = self.read_system(at, 8)?;
        Ok(Some(Descriptor { raw, at }))
    }

    /// The descriptor of a selector; `or` if there is none.
    pub fn descriptor(&mut self, selector: u16, or: Exception) -> Result<Descriptor, Exception> {
        self.find_descriptor(selector)?.ok_or(or)
    }

    /// The upper half of a 16-byte descriptor of long mode, whose lower one was found already.
    pub fn upper_half(&mut self, selector: u16, low: &Descriptor, or: Exception) -> Result<u64, Exception> {
        if self.descriptor_address(selector, 16).is_none() {
            return Err(or);
        }
        self.read_system(low.at.wrapping_add(8), 8)
    }

    /// Sets the accessed bit in the table, as loading a segment register does (SDM vol. 3, section 3.4.5.1).
    pub fn set_accessed(&mut self, descriptor: &mut Descriptor) -> Result<(), Exception> {
        if descriptor.raw >> 40 & 1 == 0 {
            descriptor.raw |= 1 << 40;
            self.write_system(descriptor.at.wrapping_add(5), 1, descriptor.raw >> 40 & 0xff)?;
        }
        Ok(())
    }

    /// Sets or clears a TSS descriptor's busy bit in the table.
    pub fn set_busy(&mut self, at: u64, busy: bool) -> Result<(), Exception> {
        let byte = self.read_system(at.wrapping_add(5), 1)?;
        self.write_system(at.wrapping_add(5), 1, if busy { byte | 2 } else { byte & !2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_flat_code_segment_and_of_a_gate() {
        let code = Descriptor { raw: 0x12cf_9a34_5678_ffff, at: 0 };
        assert_eq!((code.base(), code.limit()), (0x1234_5678, 0xffff_ffff));
        assert!(code.code() && code.readable() && !code.writable() && code.big() && !code.long() && code.present());
        assert_eq!(code.attributes(), 0xc09a);
        let gate = Descriptor { raw: 0x1234_ee00_0008_5678, at: 0 };
        assert_eq!((gate.gate_offset(), gate.gate_selector(), gate.dpl()), (0x1234_5678, 8, 3));
        let gate = Descriptor { raw: 0x1234_8600_0008_5678, at: 0 };
        assert_eq!(gate.gate_offset(), 0x5678);
    }
}
