//! A stack on which an instruction works before it is sure to succeed: the pointer moves in a copy, and is committed last.

use crate::access::canonical;
use crate::algebra::Access;
use crate::cpu::bounds_of;
use crate::cpu::{Bounds, CodeSize};
use crate::ctx::Ctx;
use crate::exception::Exception;
use crate::op::{Width, reg};
use crate::tlb::Bank;
use lyrebird_core::cpu::segment::{SegReg, Segment};

/// A stack: the current one, or one that is about to become it.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    bounds: Bounds,
    /// In 64-bit mode nothing but the canonical form is checked.
    long: bool,
    /// SP, ESP or RSP: how much of the pointer moves.
    pub width: Width,
    /// The pointer, whole.
    pub sp: u64,
    bank: Bank,
    /// Error code of #SS.
    pub error: u32,
}

impl Ctx<'_> {
    /// The current stack.
    pub fn stack(&self) -> Stack {
        Stack {
            bounds: self.cpu.bounds[SegReg::Ss as usize],
            long: self.cpu.mode.code == CodeSize::Bits64,
            width: self.cpu.mode.stack,
            sp: self.cpu.reg(reg::RSP),
            bank: self.cpu.bank,
            error: 0,
        }
    }

    /// A stack in a segment that is not loaded yet, for code of this privilege level.
    pub fn stack_in(&self, segment: &Segment, sp: u64, cpl: u8, error: u32) -> Stack {
        Stack {
            bounds: bounds_of(segment, SegReg::Ss as usize, CodeSize::Bits32),
            long: false,
            width: if segment.has(Segment::DEFAULT_BIG) { Width::D } else { Width::W },
            sp,
            bank: self.bank_of(cpl),
            error,
        }
    }

    /// A stack of 64-bit mode.
    pub fn stack_long(&self, sp: u64, cpl: u8, error: u32) -> Stack {
        Stack {
            bounds: Bounds { base: 0, low: 0, high_read: u64::MAX, high_write: u64::MAX },
            long: true,
            width: Width::Q,
            sp,
            bank: self.bank_of(cpl),
            error,
        }
    }

    /// The TLB bank of explicit accesses at a privilege level.
    pub fn bank_of(&self, cpl: u8) -> Bank {
        let cpu = &*self.cpu;
        if cpl == 3 {
            Bank::User
        } else if cpu.state.cr4 & super::control::cr4::SMAP != 0 && cpu.system_flags & crate::flags::rflags::AC == 0 {
            Bank::SupervisorSmap
        } else {
            Bank::Supervisor
        }
    }
}

impl Stack {
    /// The pointer's offset in the segment.
    pub fn offset(&self) -> u64 {
        self.sp & self.width.mask()
    }

    /// Moves the pointer.
    pub fn add(&mut self, n: u64) {
        let mask = self.width.mask();
        self.sp = self.sp & !mask | self.sp.wrapping_add(n) & mask;
    }

    fn linear(&self, offset: u64, bytes: u64, write: bool) -> Result<u64, Exception> {
        let fault = Exception::stack(self.error);
        if self.long {
            let last = offset.wrapping_add(bytes - 1);
            return if canonical(offset) && canonical(last) { Ok(offset) } else { Err(fault) };
        }
        if !self.bounds.holds(offset, bytes, write) {
            return Err(fault);
        }
        Ok(self.bounds.base.wrapping_add(offset) & 0xffff_ffff)
    }

    /// Alignment, and data breakpoints. An inner level's stack may be as crooked as it likes.
    fn check(&self, ctx: &mut Ctx, linear: u64, bytes: u64, access: Access) -> Result<(), Exception> {
        if self.bank == Bank::User {
            return ctx.check_careful(linear, bytes, access);
        }
        super::debug::note_data_access(ctx.cpu, linear, bytes, access.writes());
        Ok(())
    }

    /// Pushes.
    pub fn push(&mut self, ctx: &mut Ctx, w: Width, value: u64) -> Result<(), Exception> {
        self.push_part(ctx, w, w, value)
    }

    /// Makes room for `w`, but writes only the lower `part` of it.
    pub fn push_part(&mut self, ctx: &mut Ctx, w: Width, part: Width, value: u64) -> Result<(), Exception> {
        let mut next = *self;
        next.add(w.bytes().wrapping_neg());
        let linear = self.linear(next.offset(), part.bytes(), true)?;
        self.check(ctx, linear, part.bytes(), Access::Write)?;
        ctx.write_linear(linear, part.bytes(), value, self.bank)?;
        *self = next;
        Ok(())
    }

    /// Checks that so many bytes can be pushed, so that nothing is written in vain.
    pub fn probe(&self, ctx: &mut Ctx, bytes: u64) -> Result<(), Exception> {
        let mut next = *self;
        next.add(bytes.wrapping_neg());
        let linear = self.linear(next.offset(), bytes, true)?;
        ctx.check_alignment(linear, bytes)?;
        ctx.physical(linear, bytes, Access::Write, self.bank).map(|_| ())
    }

    /// Pops.
    pub fn pop(&mut self, ctx: &mut Ctx, w: Width) -> Result<u64, Exception> {
        let linear = self.linear(self.offset(), w.bytes(), false)?;
        self.check(ctx, linear, w.bytes(), Access::Read)?;
        let value = ctx.read_linear(linear, w.bytes(), self.bank)?;
        self.add(w.bytes());
        Ok(value)
    }

    /// Pops a selector: of a slot of `w` only 16 bits are looked at.
    pub fn pop_selector(&mut self, ctx: &mut Ctx, w: Width) -> Result<u16, Exception> {
        let linear = self.linear(self.offset(), 2, false)?;
        let value = ctx.read_linear(linear, 2, self.bank)?;
        self.add(w.bytes());
        Ok(value as u16)
    }

    /// Makes the pointer the CPU's. A 16-bit stack leaves the upper bits of ESP as they are.
    pub fn commit(&self, ctx: &mut Ctx) {
        ctx.cpu.set_reg(reg::RSP, self.width, self.sp);
    }
}
