//! Control registers (Intel SDM vol. 3, section 2.5) and EFER, and what follows from writing them.

use crate::access::canonical;
use crate::cpu::Cpu;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::model::{Feature, Model};
use crate::op::{Kind, Op, Width};
use crate::paging;

/// CR0 bits.
#[allow(missing_docs, reason = "the manual's names")]
pub mod cr0 {
    pub const PE: u64 = 1 << 0;
    pub const MP: u64 = 1 << 1;
    pub const EM: u64 = 1 << 2;
    pub const TS: u64 = 1 << 3;
    pub const ET: u64 = 1 << 4;
    pub const NE: u64 = 1 << 5;
    pub const WP: u64 = 1 << 16;
    pub const AM: u64 = 1 << 18;
    pub const NW: u64 = 1 << 29;
    pub const CD: u64 = 1 << 30;
    pub const PG: u64 = 1 << 31;
}

/// CR4 bits.
#[allow(missing_docs, reason = "the manual's names")]
pub mod cr4 {
    pub const VME: u64 = 1 << 0;
    pub const PVI: u64 = 1 << 1;
    pub const TSD: u64 = 1 << 2;
    pub const DE: u64 = 1 << 3;
    pub const PSE: u64 = 1 << 4;
    pub const PAE: u64 = 1 << 5;
    pub const MCE: u64 = 1 << 6;
    pub const PGE: u64 = 1 << 7;
    pub const PCE: u64 = 1 << 8;
    pub const OSFXSR: u64 = 1 << 9;
    pub const OSXMMEXCPT: u64 = 1 << 10;
    pub const UMIP: u64 = 1 << 11;
    pub const FSGSBASE: u64 = 1 << 16;
    pub const PCIDE: u64 = 1 << 17;
    pub const OSXSAVE: u64 = 1 << 18;
    pub const SMEP: u64 = 1 << 20;
    pub const SMAP: u64 = 1 << 21;
}

/// EFER bits.
#[allow(missing_docs, reason = "the manual's names")]
pub mod efer {
    pub const SCE: u64 = 1 << 0;
    pub const LME: u64 = 1 << 8;
    pub const LMA: u64 = 1 << 10;
    pub const NXE: u64 = 1 << 11;
}

/// What of CR0 a guest can change.
const CR0_MASK: u64 = cr0::PE | cr0::MP | cr0::EM | cr0::TS | cr0::NE | cr0::WP | cr0::AM | cr0::NW | cr0::CD | cr0::PG;
/// CR4 bits that change what cached translations mean.
const CR4_PAGING: u64 = cr4::PSE | cr4::PAE | cr4::PGE | cr4::PCIDE | cr4::SMEP | cr4::SMAP;

/// In what is written to CR3: the translations of the new PCID are kept.
const KEEP_PCID: u64 = 1 << 63;

/// The CR4 bits that a model has.
pub fn cr4_mask(model: &Model) -> u64 {
    let by_feature = [
        (Feature::Vme, cr4::VME | cr4::PVI),
        (Feature::Tsc, cr4::TSD),
        (Feature::De, cr4::DE),
        (Feature::Pse, cr4::PSE),
        (Feature::Pae, cr4::PAE),
        (Feature::Mce, cr4::MCE),
        (Feature::Pge, cr4::PGE),
        (Feature::Rdpmc, cr4::PCE),
        (Feature::Fxsr, cr4::OSFXSR),
        (Feature::Sse, cr4::OSXMMEXCPT),
        (Feature::Umip, cr4::UMIP),
        (Feature::Fsgsbase, cr4::FSGSBASE),
        (Feature::Pcid, cr4::PCIDE),
        (Feature::Xsave, cr4::OSXSAVE),
        (Feature::Smep, cr4::SMEP),
        (Feature::Smap, cr4::SMAP),
    ];
    by_feature.into_iter().filter(|(f, _)| model.has(*f)).fold(0, |all, (_, bits)| all | bits)
}

/// The four PDPTEs that CR3 points to without long mode; `None` if reserved bits are set (SDM vol. 3, section 4.4.1).
pub fn load_pdptes(cpu: &Cpu, cr3: u64) -> Option<[u64; 4]> {
    let mut entries = [0; 4];
    let at = cr3 & 0xffff_ffe0;
    for (i, entry) in entries.iter_mut().enumerate() {
        *entry = cpu.memory.read_uint((at + 8 * i as u64) & cpu.memory.a20_mask(), 8).unwrap_or(u64::MAX);
        let reserved = cpu.model.reserved_physical() | 0x1e6;
        if *entry & 1 != 0 && *entry & reserved != 0 {
            return None;
        }
    }
    Some(entries)
}

/// Whether PAE paging without long mode is on with these registers.
fn pae_paging(cr0: u64, cr4: u64, efer: u64) -> bool {
    cr0 & cr0::PG != 0 && cr4 & cr4::PAE != 0 && efer & efer::LME == 0
}

fn privileged(ctx: &Ctx) -> Result<(), Exception> {
    if ctx.cpu.cpl() == 0 { Ok(()) } else { Err(Exception::protection(0)) }
}

/// MOV r, CR: the control register in slot 1.
pub fn mov_from(ctx: &mut Ctx, op: &Op) -> Done {
    privileged(ctx)?;
    let s = &ctx.cpu.state;
    let value = match op.r1 {
        0 => s.cr0,
        2 => s.cr2,
        3 => s.cr3,
        4 => s.cr4,
        8 if ctx.cpu.mode64() => u64::from(ctx.bus.cr8()),
        _ => return Err(Exception::undefined()),
    };
    ctx.cpu.set_reg(op.r0, op.ins.w, value);
    Ok(Then::Next)
}

/// MOV CR, r: the control register in slot 0.
pub fn mov_to(ctx: &mut Ctx, op: &Op) -> Done {
    let known = matches!(op.r0, 0 | 2 | 3 | 4) || op.r0 == 8 && ctx.cpu.mode64();
    if !known {
        return Err(Exception::undefined());
    }
    privileged(ctx)?;
    let value = ctx.cpu.reg(op.r1) & op.ins.w.mask();
    match op.r0 {
        0 => set_cr0(ctx, value)?,
        2 => ctx.cpu.state.cr2 = value,
        3 => set_cr3(ctx, value)?,
        4 => set_cr4(ctx, value)?,
        _ => {
            if value & !15 != 0 {
                return Err(Exception::protection(0));
            }
            ctx.bus.set_cr8(value as u8);
        }
    }
    Ok(Then::Leave)
}

/// Writes CR0 with all checks and consequences.
pub fn set_cr0(ctx: &mut Ctx, value: u64) -> Result<(), Exception> {
    let refused = Err(Exception::protection(0));
    if value >> 32 != 0 || value & (cr0::PG | cr0::PE) == cr0::PG || value & (cr0::NW | cr0::CD) == cr0::NW {
        return refused;
    }
    let cpu = &mut *ctx.cpu;
    let s = &mut cpu.state;
    let new = value & CR0_MASK | cr0::ET;
    let changed = s.cr0 ^ new;
    let mut efer = s.efer;
    if changed & cr0::PG != 0 {
        let cs_long = s.seg[1].has(lyrebird_core::cpu::segment::Segment::LONG);
        if new & cr0::PG != 0 {
            if efer & efer::LME != 0 {
                // A 16-bit TSS cannot be used in long mode, nor 64-bit code before it is active.
                if s.cr4 & cr4::PAE == 0 || cs_long || matches!(s.tr.kind(), 1 | 3) {
                    return refused;
                }
                efer |= efer::LMA;
            }
        } else {
            if s.cr4 & cr4::PCIDE != 0 || s.long_mode() && cs_long {
                return refused;
            }
            efer &= !efer::LMA;
        }
    }
    if changed & (cr0::PG | cr0::CD | cr0::NW) != 0 && pae_paging(new, s.cr4, efer) {
        let cr3 = s.cr3;
        match load_pdptes(cpu, cr3) {
            Some(pdptes) => cpu.state.pdpte = pdptes,
            None => return refused,
        }
    }
    cpu.state.efer = efer;
    cpu.state.cr0 = new;
    // Without paging there are no rights, and what is known of addresses holds in real mode, too.
    if changed & cr0::PG != 0 || new & cr0::PG != 0 && changed & cr0::WP != 0 {
        cpu.tlb.flush_all();
    }
    cpu.update_mode();
    Ok(())
}

/// The current process-context identifier (SDM vol. 3, section 4.10.1): the one of this value of CR3.
fn pcid(cpu: &Cpu, cr3: u64) -> u16 {
    if cpu.state.cr4 & cr4::PCIDE != 0 { (cr3 & 0xfff) as u16 } else { 0 }
}

/// Writes CR3. Without PCIDs all translations but global ones are forgotten; with them those of the new PCID, unless bit 63 says that
/// they are good.
pub fn set_cr3(ctx: &mut Ctx, value: u64) -> Result<(), Exception> {
    let cpu = &mut *ctx.cpu;
    let mut value = value;
    let mut keep = false;
    if cpu.state.long_mode() {
        if cpu.state.cr4 & cr4::PCIDE != 0 {
            keep = value & KEEP_PCID != 0;
            value &= !KEEP_PCID;
        }
        if value & cpu.model.reserved_physical() != 0 {
            return Err(Exception::protection(0));
        }
    } else {
        value &= 0xffff_ffff;
        if pae_paging(cpu.state.cr0, cpu.state.cr4, cpu.state.efer) {
            cpu.state.pdpte = load_pdptes(cpu, value).ok_or(Exception::protection(0))?;
        }
    }
    let old = std::mem::replace(&mut cpu.state.cr3, value);
    if cpu.state.cr4 & cr4::PCIDE != 0 {
        cpu.tlb.switch(pcid(cpu, old), pcid(cpu, value), keep);
    } else {
        paging::change_space(cpu, old);
    }
    Ok(())
}

/// Writes CR4 with all checks and consequences.
pub fn set_cr4(ctx: &mut Ctx, value: u64) -> Result<(), Exception> {
    let refused = Err(Exception::protection(0));
    let cpu = &mut *ctx.cpu;
    if value & !cr4_mask(&cpu.model) != 0 {
        return refused;
    }
    let changed = cpu.state.cr4 ^ value;
    if cpu.state.long_mode() && value & cr4::PAE == 0 {
        return refused;
    }
    if changed & value & cr4::PCIDE != 0 && (!cpu.state.long_mode() || cpu.state.cr3 & 0xfff != 0) {
        return refused;
    }
    if changed & (cr4::PAE | cr4::PGE | cr4::PSE | cr4::SMEP) != 0 && pae_paging(cpu.state.cr0, value, cpu.state.efer) {
        match load_pdptes(cpu, cpu.state.cr3) {
            Some(pdptes) => cpu.state.pdpte = pdptes,
            None => return refused,
        }
    }
    cpu.state.cr4 = value;
    if changed & CR4_PAGING != 0 {
        cpu.tlb.flush_all();
    }
    cpu.update_mode();
    Ok(())
}

/// CLTS.
pub fn clts(ctx: &mut Ctx, _op: &Op) -> Done {
    privileged(ctx)?;
    ctx.cpu.state.cr0 &= !cr0::TS;
    Ok(Then::Leave)
}

/// SMSW: 16 bits to memory, the operand size to a register.
pub fn smsw(ctx: &mut Ctx, op: &Op) -> Done {
    super::tables::check_umip(ctx)?;
    let w = if op.ins.k0 == Kind::Mem { Width::W } else { op.ins.w };
    ctx.write_operand(op, w, ctx.cpu.state.cr0)?;
    Ok(Then::Next)
}

/// LMSW: PE can be set by it, but not cleared.
pub fn lmsw(ctx: &mut Ctx, op: &Op) -> Done {
    privileged(ctx)?;
    let value = ctx.read_operand(op, 0, Width::W)?;
    let old = ctx.cpu.state.cr0;
    set_cr0(ctx, old & !0xe | value & 0xf)?;
    Ok(Then::Leave)
}

/// INVLPG.
pub fn invlpg(ctx: &mut Ctx, op: &Op) -> Done {
    privileged(ctx)?;
    let offset = ctx.address(op);
    let mut linear = ctx.cpu.bounds[usize::from(op.seg)].base.wrapping_add(offset);
    if !ctx.cpu.mode64() {
        linear &= 0xffff_ffff;
    }
    ctx.cpu.tlb.flush_page(linear);
    Ok(Then::Leave)
}

/// INVPCID: the type in register slot 0, the descriptor in memory.
pub fn invpcid(ctx: &mut Ctx, op: &Op) -> Done {
    privileged(ctx)?;
    let kind = ctx.cpu.reg(op.r0) & if ctx.cpu.mode64() { u64::MAX } else { 0xffff_ffff };
    let at = ctx.address(op);
    let mut descriptor = [0; 16];
    ctx.read_bytes(op.seg, at, &mut descriptor)?;
    let descriptor = u128::from_le_bytes(descriptor);
    let (low, linear) = (descriptor as u64, (descriptor >> 64) as u64);
    let pcide = ctx.cpu.state.cr4 & cr4::PCIDE != 0;
    if kind > 3 || low >> 12 != 0 || kind < 2 && !pcide && low != 0 || kind == 0 && !canonical(linear) {
        return Err(Exception::protection(0));
    }
    let pcid = low as u16;
    let current = pcid == self::pcid(ctx.cpu, ctx.cpu.state.cr3);
    let tlb = &mut ctx.cpu.tlb;
    match kind {
        0 if current => tlb.flush_page(linear),
        0 => tlb.flush_page_of(pcid, linear),
        1 if current => tlb.flush_local(),
        1 => tlb.flush_local_of(pcid),
        2 => tlb.flush_all(),
        _ => tlb.flush_local_of_all(),
    }
    Ok(Then::Leave)
}
