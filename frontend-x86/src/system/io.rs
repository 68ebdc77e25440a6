//! IN, OUT, INS, OUTS, with the checks of IOPL and the TSS's permission bitmap (Intel SDM vol. 1, chapter 19).

use super::debug::note_port_access;
use crate::algebra::Access;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::flags::rflags;
use crate::op::{Kind, Op, Width, bits, reg};
use lyrebird_core::cpu::segment::SegReg;
use lyrebird_memory::{Backing, PAGE_SIZE};

/// Whether the current program may use these ports.
fn check(ctx: &mut Ctx, port: u16, bytes: u64) -> Result<(), Exception> {
    let iopl = (ctx.cpu.system_flags >> 12 & 3) as u8;
    let by_map = ctx.cpu.v86() || ctx.cpu.protected() && ctx.cpu.cpl() > iopl;
    if !by_map {
        return Ok(());
    }
    let refused = Exception::protection(0);
    let tr = ctx.cpu.state.tr;
    let limit = u64::from(tr.limit);
    if tr.kind() & 8 == 0 || limit < 0x67 {
        return Err(refused);
    }
    let at = |offset: u64| tr.base.wrapping_add(offset);
    let map = ctx.read_system(ctx.system_address(at(0x66)), 2)?;
    // Two bytes are always read, so that a field across bytes is seen.
    let offset = map + u64::from(port / 8);
    if offset + 1 > limit {
        return Err(refused);
    }
    let field = ctx.read_system(ctx.system_address(at(offset)), 2)?;
    let mask = ((1 << bytes) - 1) << (port % 8);
    if field & mask != 0 { Err(refused) } else { Ok(()) }
}

/// Before the bus is used: it may want to know the time.
fn tell_time(ctx: &mut Ctx) {
    let retired = ctx.cpu.state.retired;
    ctx.bus.note_retired(retired);
}

fn port_of(ctx: &Ctx, op: &Op, kind: Kind) -> u16 {
    if kind == Kind::Imm { op.imm as u16 & 0xff } else { ctx.cpu.reg(reg::RDX) as u16 }
}

/// IN: the port is the immediate, or DX.
pub fn input(ctx: &mut Ctx, op: &Op) -> Done {
    let (w, port) = (op.ins.w, port_of(ctx, op, op.ins.k1));
    check(ctx, port, w.bytes())?;
    tell_time(ctx);
    let value = ctx.bus.port_read(port, w.bytes() as u8);
    ctx.cpu.set_reg(reg::RAX, w, u64::from(value));
    note_port_access(ctx.cpu, port, w.bytes());
    Ok(Then::Leave)
}

/// OUT: the port is the immediate, or DX.
pub fn output(ctx: &mut Ctx, op: &Op) -> Done {
    let (w, port) = (op.ins.w, port_of(ctx, op, op.ins.k0));
    check(ctx, port, w.bytes())?;
    tell_time(ctx);
    let value = ctx.cpu.reg(reg::RAX) & w.mask();
    ctx.bus.port_write(port, w.bytes() as u8, value as u32);
    note_port_access(ctx.cpu, port, w.bytes());
    Ok(Then::Leave)
}

/// A string instruction's registers, at the width of its addresses.
struct Run {
    /// Width of addresses and of the count.
    aw: Width,
    /// RSI or RDI.
    pointer: u8,
    repeat: bool,
    step: u64,
}

impl Run {
    fn new(ctx: &Ctx, op: &Op, pointer: u8) -> Run {
        let back = ctx.cpu.system_flags & rflags::DF != 0;
        let bytes = op.ins.w.bytes();
        Run {
            aw: op.ins.w2,
            pointer,
            repeat: op.ins.bits & (bits::REP | bits::REPNE) != 0,
            step: if back { bytes.wrapping_neg() } else { bytes },
        }
    }

    fn offset(&self, ctx: &Ctx) -> u64 {
        ctx.cpu.reg(self.pointer) & self.aw.mask()
    }

    fn count(&self, ctx: &Ctx) -> u64 {
        if self.repeat { ctx.cpu.reg(reg::RCX) & self.aw.mask() } else { 1 }
    }

    /// Counts `n` items as done.
    fn advance(&self, ctx: &mut Ctx, n: u64) {
        let next = ctx.cpu.reg(self.pointer).wrapping_add(self.step.wrapping_mul(n));
        ctx.cpu.set_reg(self.pointer, self.aw, next);
        if self.repeat {
            let rest = ctx.cpu.reg(reg::RCX).wrapping_sub(n);
            ctx.cpu.set_reg(reg::RCX, self.aw, rest);
        }
    }

    /// How many items can be moved at once from here: upwards, whole, inside one page and the segment.
    fn block(&self, ctx: &Ctx, seg: u8, w: Width, access: Access) -> Option<(u64, u64)> {
        let offset = self.offset(ctx);
        if !self.repeat || self.step != w.bytes() || ctx.cpu.careful {
            return None;
        }
        let linear = ctx.linear(seg, offset, w.bytes(), access).ok()?;
        let room = (PAGE_SIZE - linear % PAGE_SIZE).min(self.aw.mask().wrapping_sub(offset).wrapping_add(1).max(1));
        let n = self.count(ctx).min(room / w.bytes());
        // The whole run must lie in the segment; if it does not, items go one by one up to the fault.
        (n > 1 && ctx.linear(seg, offset, n * w.bytes(), access).is_ok()).then_some((linear, n))
    }

    /// The same with the block's place in RAM. `None` goes item by item, as devices in memory have to see it; there the
    /// first item's fault, if any, is found.
    fn block_in_ram(&self, ctx: &mut Ctx, seg: u8, w: Width, access: Access) -> Option<(u64, u64)> {
        let (linear, n) = self.block(ctx, seg, w, access)?;
        let bank = ctx.cpu.bank;
        let physical = ctx.translate(linear, access, bank).ok()?;
        let backing = ctx.cpu.view.lookup(physical);
        let plain = if access.writes() { matches!(backing, Backing::Ram(_)) } else { backing.readable().is_some() };
        plain.then_some((physical, n))
    }

    /// Ends one call: the instruction is done, or comes again so that interrupts can be taken in between.
    fn done(&self, ctx: &mut Ctx) -> Done {
        if self.repeat && self.count(ctx) != 0 {
            ctx.cpu.next_rip = ctx.cpu.rip;
        }
        Ok(Then::Leave)
    }
}

/// INS, with or without REP: a page at most in one call.
pub fn input_string(ctx: &mut Ctx, op: &Op) -> Done {
    let (w, port) = (op.ins.w, ctx.cpu.reg(reg::RDX) as u16);
    let run = Run::new(ctx, op, reg::RDI);
    if run.count(ctx) == 0 {
        return Ok(Then::Next);
    }
    check(ctx, port, w.bytes())?;
    tell_time(ctx);
    let (seg, bank) = (SegReg::Es as u8, ctx.cpu.bank);
    if let Some((to, n)) = run.block_in_ram(ctx, seg, w, Access::Write) {
        let mut data = vec![0; (n * w.bytes()) as usize];
        ctx.bus.port_read_block(port, w.bytes() as u8, &mut data);
        ctx.write_physical_bytes(to, &data);
        run.advance(ctx, n);
        return run.done(ctx);
    }
    let offset = run.offset(ctx);
    let linear = ctx.linear(seg, offset, w.bytes(), Access::Write)?;
    ctx.check_careful(linear, w.bytes(), Access::Write)?;
    let to = ctx.physical(linear, w.bytes(), Access::Write, bank)?;
    let value = ctx.bus.port_read(port, w.bytes() as u8);
    ctx.store_physical(to, w.bytes(), u64::from(value));
    note_port_access(ctx.cpu, port, w.bytes());
    run.advance(ctx, 1);
    run.done(ctx)
}

/// OUTS, with or without REP.
pub fn output_string(ctx: &mut Ctx, op: &Op) -> Done {
    let (w, port) = (op.ins.w, ctx.cpu.reg(reg::RDX) as u16);
    let run = Run::new(ctx, op, reg::RSI);
    if run.count(ctx) == 0 {
        return Ok(Then::Next);
    }
    check(ctx, port, w.bytes())?;
    if let Some((from, n)) = run.block_in_ram(ctx, op.seg, w, Access::Read) {
        let mut data = vec![0; (n * w.bytes()) as usize];
        ctx.read_physical_bytes(from, &mut data);
        tell_time(ctx);
        ctx.bus.port_write_block(port, w.bytes() as u8, &data);
        run.advance(ctx, n);
        return run.done(ctx);
    }
    let offset = run.offset(ctx);
    let value = ctx.read(op.seg, offset, w.bytes())?;
    tell_time(ctx);
    ctx.bus.port_write(port, w.bytes() as u8, value as u32);
    note_port_access(ctx.cpu, port, w.bytes());
    run.advance(ctx, 1);
    run.done(ctx)
}
