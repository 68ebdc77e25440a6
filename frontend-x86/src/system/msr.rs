//! Model-specific registers (Intel SDM vol. 4): those that guests touch. What a model does not know raises #GP.

use super::control::efer;
use crate::access::canonical;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::model::{Clock, Feature, Model, Vendor};
use crate::op::{Op, Width, reg};
use lyrebird_core::cpu::segment::SegReg;

/// Numbers of the registers.
#[allow(missing_docs, reason = "the manual's names")]
pub mod index {
    pub const P5_MC_ADDR: u32 = 0x0;
    pub const P5_MC_TYPE: u32 = 0x1;
    pub const TSC: u32 = 0x10;
    pub const PLATFORM_ID: u32 = 0x17;
    pub const APIC_BASE: u32 = 0x1b;
    pub const EBL_CR_POWERON: u32 = 0x2a;
    pub const FEATURE_CONTROL: u32 = 0x3a;
    pub const TSC_ADJUST: u32 = 0x3b;
    pub const SPEC_CTRL: u32 = 0x48;
    pub const PRED_CMD: u32 = 0x49;
    pub const BIOS_UPDT_TRIG: u32 = 0x79;
    pub const BIOS_SIGN_ID: u32 = 0x8b;
    pub const SMBASE: u32 = 0x9e;
    pub const PLATFORM_INFO: u32 = 0xce;
    pub const MTRRCAP: u32 = 0xfe;
    pub const ARCH_CAPABILITIES: u32 = 0x10a;
    pub const SYSENTER_CS: u32 = 0x174;
    pub const SYSENTER_ESP: u32 = 0x175;
    pub const SYSENTER_EIP: u32 = 0x176;
    pub const MCG_CAP: u32 = 0x179;
    pub const MCG_STATUS: u32 = 0x17a;
    pub const MCG_CTL: u32 = 0x17b;
    pub const FLEX_RATIO: u32 = 0x194;
    pub const PERF_STATUS: u32 = 0x198;
    pub const MISC_ENABLE: u32 = 0x1a0;
    pub const DEBUGCTL: u32 = 0x1d9;
    pub const MTRR_PHYS_FIRST: u32 = 0x200;
    pub const MTRR_PHYS_LAST: u32 = 0x20f;
    pub const MTRR_FIX64K: u32 = 0x250;
    pub const MTRR_FIX16K_80000: u32 = 0x258;
    pub const MTRR_FIX16K_A0000: u32 = 0x259;
    pub const MTRR_FIX4K_FIRST: u32 = 0x268;
    pub const MTRR_FIX4K_LAST: u32 = 0x26f;
    pub const PAT: u32 = 0x277;
    pub const MTRR_DEF_TYPE: u32 = 0x2ff;
    pub const MC0_CTL: u32 = 0x400;
    pub const MC_LAST: u32 = 0x400 + 4 * super::BANKS - 1;
    pub const TSC_DEADLINE: u32 = 0x6e0;
    pub const X2APIC_FIRST: u32 = 0x800;
    pub const X2APIC_LAST: u32 = 0x8ff;
    pub const EFER: u32 = 0xc000_0080;
    pub const STAR: u32 = 0xc000_0081;
    pub const LSTAR: u32 = 0xc000_0082;
    pub const CSTAR: u32 = 0xc000_0083;
    pub const SFMASK: u32 = 0xc000_0084;
    pub const FS_BASE: u32 = 0xc000_0100;
    pub const GS_BASE: u32 = 0xc000_0101;
    pub const KERNEL_GS_BASE: u32 = 0xc000_0102;
    pub const TSC_AUX: u32 = 0xc000_0103;
    pub const AMD_SYSCFG: u32 = 0xc001_0010;
    pub const AMD_HWCR: u32 = 0xc001_0015;
    pub const AMD_NB_CFG: u32 = 0xc001_001f;
    pub const AMD_INT_PENDING: u32 = 0xc001_0055;
}

/// Machine-check banks. They never report anything.
pub const BANKS: u32 = 10;
/// Variable MTRRs.
const VARIABLE: u64 = 8;
/// MTRRCAP: fixed ranges and write-combining.
const MTRR_CAP: u64 = VARIABLE | 1 << 8 | 1 << 10;
/// MCG_CAP: the banks, and MCG_CTL is there.
const MCG_CAP: u64 = BANKS as u64 | 1 << 8;
/// What an emulator's silicon is free of: RDCL_NO, IBRS_ALL, SKIP_L1DFL, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO,
/// SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO, ITS_NO.
const ARCH_CAPABILITIES: u64 = 1
    | 1 << 1
    | 1 << 3
    | 1 << 4
    | 1 << 5
    | 1 << 6
    | 1 << 8
    | 1 << 13
    | 1 << 14
    | 1 << 15
    | 1 << 20
    | 1 << 24
    | 1 << 26
    | 1 << 27
    | 1 << 62;
/// IA32_MISC_ENABLE: fast strings; MONITOR, LIMIT_CPUID, XD_DISABLE and the like can be set.
const MISC_ENABLE_MASK: u64 = 1 | 1 << 3 | 1 << 7 | 1 << 11 | 1 << 12 | 1 << 16 | 1 << 18 | 1 << 22 | 1 << 23 | 1 << 34;

/// The bus clock that IA32_PERF_STATUS counts in.
const BUS_HZ: u64 = 100_000_000;

/// Whether a value is a memory type that PAT may hold.
fn pat_type(value: u64) -> bool {
    matches!(value, 0 | 1 | 4..=7)
}

/// Whether a value is a memory type that an MTRR may hold.
fn mtrr_type(value: u64) -> bool {
    matches!(value, 0 | 1 | 4..=6)
}

fn bytes(value: u64) -> impl Iterator<Item = u64> {
    value.to_le_bytes().into_iter().map(u64::from)
}

fn fixed_mtrr(index: u32) -> Option<usize> {
    match index {
        index::MTRR_FIX64K => Some(0),
        index::MTRR_FIX16K_80000 => Some(1),
        index::MTRR_FIX16K_A0000 => Some(2),
        index::MTRR_FIX4K_FIRST..=index::MTRR_FIX4K_LAST => Some(3 + (index - index::MTRR_FIX4K_FIRST) as usize),
        _ => None,
    }
}

/// The time-stamp counter as the guest sees it.
pub fn tsc(ctx: &mut Ctx) -> u64 {
    let retired = ctx.cpu.state.retired;
    ctx.bus.tsc(retired).wrapping_add(ctx.cpu.state.tsc_offset)
}

/// Reads an MSR; `None` asks for #GP.
pub fn read(ctx: &mut Ctx, index: u32) -> Option<u64> {
    use index::*;
    let has = |f| ctx.cpu.model.has(f);
    let amd = ctx.cpu.model.vendor == Vendor::Amd;
    let s = &ctx.cpu.state;
    let there = match index {
        SYSENTER_CS..=SYSENTER_EIP => has(Feature::Sep),
        MTRRCAP | MTRR_PHYS_FIRST..=MTRR_PHYS_LAST | MTRR_DEF_TYPE => has(Feature::Mtrr),
        i if fixed_mtrr(i).is_some() => has(Feature::Mtrr),
        PAT => has(Feature::Pat),
        MCG_CAP..=MCG_CTL | MC0_CTL..=MC_LAST => has(Feature::Mca),
        EFER => has(Feature::Nx) || has(Feature::Syscall) || has(Feature::LongMode),
        STAR => has(Feature::Syscall),
        LSTAR..=SFMASK | FS_BASE..=KERNEL_GS_BASE => has(Feature::LongMode),
        TSC_AUX => has(Feature::Rdtscp) || has(Feature::Rdpid),
        TSC_ADJUST => has(Feature::TscAdjust),
        SPEC_CTRL => has(Feature::SpecCtrl),
        ARCH_CAPABILITIES => has(Feature::ArchCapabilities),
        APIC_BASE => has(Feature::Apic),
        TSC_DEADLINE => has(Feature::TscDeadline),
        X2APIC_FIRST..=X2APIC_LAST => has(Feature::X2apic),
        PLATFORM_ID | FEATURE_CONTROL | DEBUGCTL | MISC_ENABLE => has(Feature::Cmov),
        AMD_SYSCFG | AMD_HWCR | AMD_NB_CFG | AMD_INT_PENDING => amd,
        // From the Pentium M on.
        PERF_STATUS => !amd && has(Feature::Sse2),
        EBL_CR_POWERON => !amd && has(Feature::Cmov),
        // From Nehalem on.
        PLATFORM_INFO | FLEX_RATIO => !amd && has(Feature::Sse42),
        _ => true,
    };
    if !there {
        return None;
    }
    Some(match index {
        P5_MC_ADDR | P5_MC_TYPE => 0,
        TSC => tsc(ctx),
        PLATFORM_ID => 0,
        // The local APIC counts the machine's TSC, without the CPU's offset. Zero is "not armed".
        TSC_DEADLINE => match ctx.bus.apic_msr_read(index)? {
            0 => 0,
            deadline => deadline.wrapping_add(ctx.cpu.state.tsc_offset),
        },
        APIC_BASE | X2APIC_FIRST..=X2APIC_LAST => return ctx.bus.apic_msr_read(index),
        FEATURE_CONTROL => 1, // locked, nothing enabled
        TSC_ADJUST => s.tsc_adjust,
        SPEC_CTRL => 0,
        BIOS_SIGN_ID => s.microcode,
        MTRRCAP => MTRR_CAP,
        ARCH_CAPABILITIES => self::ARCH_CAPABILITIES,
        SYSENTER_CS => s.sysenter_cs,
        SYSENTER_ESP => s.sysenter_esp,
        SYSENTER_EIP => s.sysenter_eip,
        MCG_CAP => self::MCG_CAP,
        MCG_STATUS => s.mcg_status,
        MCG_CTL => s.mcg_ctl,
        PERF_STATUS => perf_status(&ctx.cpu.model),
        PLATFORM_INFO => platform_info(&ctx.cpu.model),
        // Not used.
        FLEX_RATIO => 0,
        // A bus without checks of its own.
        EBL_CR_POWERON => 0,
        MISC_ENABLE => s.misc_enable,
        DEBUGCTL => s.debugctl,
        MTRR_PHYS_FIRST..=MTRR_PHYS_LAST => {
            let n = ((index - MTRR_PHYS_FIRST) / 2) as usize;
            if index & 1 == 0 { s.mtrrs.base[n] } else { s.mtrrs.mask[n] }
        }
        PAT => s.pat,
        MTRR_DEF_TYPE => s.mtrrs.def_type,
        // All banks are enabled and none has an error.
        MC0_CTL..=MC_LAST => {
            if index & 3 == 0 {
                u64::MAX
            } else {
                0
            }
        }
        EFER => s.efer,
        STAR => s.star,
        LSTAR => s.lstar,
        CSTAR => s.cstar,
        SFMASK => s.sfmask,
        FS_BASE => s.seg[SegReg::Fs as usize].base,
        GS_BASE => s.seg[SegReg::Gs as usize].base,
        KERNEL_GS_BASE => s.kernel_gs_base,
        TSC_AUX => s.tsc_aux,
        AMD_SYSCFG | AMD_HWCR | AMD_NB_CFG | AMD_INT_PENDING => 0,
        other => s.mtrrs.fixed[fixed_mtrr(other)?],
    })
}

/// How many times faster than a bus of 100 MHz the TSC counts, as far as registers can say it.
fn bus_ratio(model: &Model) -> u64 {
    let Clock { crystal_hz, numerator, denominator } = model.clock;
    let hz = (u64::from(crystal_hz) * u64::from(numerator)).checked_div(u64::from(denominator)).unwrap_or(0);
    (hz / BUS_HZ).clamp(1, 31)
}

/// IA32_PERF_STATUS: at which multiple of its bus clock the CPU runs (15:8), and the most (44:40, if bit 31 is set: SDM Vol. 4,
/// table 2-3). Programs that measure memory divide by it.
fn perf_status(model: &Model) -> u64 {
    let ratio = bus_ratio(model);
    ratio << 40 | 1 << 31 | ratio << 8
}

/// MSR_PLATFORM_INFO: the highest ratio without turbo (15:8), and the lowest (47:40; SDM Vol. 4, table 2-15).
fn platform_info(model: &Model) -> u64 {
    let ratio = bus_ratio(model);
    ratio << 40 | ratio << 8
}

/// Writes an MSR; false asks for #GP.
pub fn write(ctx: &mut Ctx, index: u32, value: u64) -> bool {
    use index::*;
    if !matches!(index, PRED_CMD | BIOS_UPDT_TRIG)
        && !matches!(index, TSC | APIC_BASE | TSC_DEADLINE)
        && !(X2APIC_FIRST..=X2APIC_LAST).contains(&index)
        && read(ctx, index).is_none()
    {
        return false;
    }
    let reserved = ctx.cpu.model.reserved_physical();
    let spec_ctrl = ctx.cpu.model.has(Feature::SpecCtrl);
    let s = &mut ctx.cpu.state;
    match index {
        P5_MC_ADDR | P5_MC_TYPE => {}
        TSC => {
            let delta = value.wrapping_sub(tsc(ctx));
            let s = &mut ctx.cpu.state;
            s.tsc_offset = s.tsc_offset.wrapping_add(delta);
            s.tsc_adjust = s.tsc_adjust.wrapping_add(delta);
        }
        TSC_ADJUST => {
            s.tsc_offset = s.tsc_offset.wrapping_add(value.wrapping_sub(s.tsc_adjust));
            s.tsc_adjust = value;
        }
        APIC_BASE if !ctx.cpu.model.has(Feature::Apic) => return false,
        TSC_DEADLINE if !ctx.cpu.model.has(Feature::TscDeadline) => return false,
        X2APIC_FIRST..=X2APIC_LAST if !ctx.cpu.model.has(Feature::X2apic) => return false,
        TSC_DEADLINE => {
            let deadline = if value == 0 { 0 } else { value.wrapping_sub(s.tsc_offset).max(1) };
            return ctx.bus.apic_msr_write(index, deadline);
        }
        APIC_BASE | X2APIC_FIRST..=X2APIC_LAST => return ctx.bus.apic_msr_write(index, value),
        // There is no speculation to control: the bits are accepted and forgotten.
        SPEC_CTRL => {
            let bhi_dis_s = u64::from(ctx.cpu.model.has(Feature::BhiCtrl)) << 10;
            return value & !(0x7 | bhi_dis_s) == 0;
        }
        PRED_CMD => return spec_ctrl && value & !1 == 0,
        BIOS_UPDT_TRIG | BIOS_SIGN_ID => {}
        SYSENTER_CS => s.sysenter_cs = value & 0xffff_ffff,
        SYSENTER_ESP | SYSENTER_EIP => {
            if !canonical(value) {
                return false;
            }
            if index == SYSENTER_ESP { s.sysenter_esp = value } else { s.sysenter_eip = value }
        }
        MCG_STATUS => {
            if value & !7 != 0 {
                return false;
            }
            s.mcg_status = value;
        }
        MCG_CTL => s.mcg_ctl = value,
        MC0_CTL..=MC_LAST => return index & 3 == 0 || value == 0,
        PERF_STATUS | PLATFORM_INFO => return false,
        EBL_CR_POWERON | FLEX_RATIO => {}
        MISC_ENABLE => s.misc_enable = value & MISC_ENABLE_MASK,
        DEBUGCTL => {
            if value & !0x3 != 0 {
                return false;
            }
            s.debugctl = value;
        }
        MTRR_PHYS_FIRST..=MTRR_PHYS_LAST => {
            let n = ((index - MTRR_PHYS_FIRST) / 2) as usize;
            if index & 1 == 0 {
                if value & (reserved | 0xf00) != 0 || !mtrr_type(value & 0xff) {
                    return false;
                }
                s.mtrrs.base[n] = value;
            } else {
                if value & (reserved | 0x7ff) != 0 {
                    return false;
                }
                s.mtrrs.mask[n] = value;
            }
        }
        MTRR_DEF_TYPE => {
            if value & !0xcff != 0 || !mtrr_type(value & 0xff) {
                return false;
            }
            s.mtrrs.def_type = value;
        }
        PAT => {
            if !bytes(value).all(pat_type) {
                return false;
            }
            s.pat = value;
        }
        EFER => return write_efer(ctx, value),
        STAR => s.star = value,
        LSTAR | CSTAR | KERNEL_GS_BASE | FS_BASE | GS_BASE => {
            if !canonical(value) {
                return false;
            }
            match index {
                LSTAR => s.lstar = value,
                CSTAR => s.cstar = value,
                KERNEL_GS_BASE => s.kernel_gs_base = value,
                FS_BASE => s.seg[SegReg::Fs as usize].base = value,
                _ => s.seg[SegReg::Gs as usize].base = value,
            }
            ctx.cpu.update_mode();
        }
        SFMASK => s.sfmask = value & 0xffff_ffff,
        TSC_AUX => {
            if value >> 32 != 0 {
                return false;
            }
            s.tsc_aux = value;
        }
        AMD_SYSCFG | AMD_HWCR | AMD_NB_CFG | AMD_INT_PENDING => {}
        other => {
            let Some(n) = fixed_mtrr(other) else { return false };
            if !bytes(value).all(mtrr_type) {
                return false;
            }
            s.mtrrs.fixed[n] = value;
        }
    }
    true
}

/// IA32_EFER: LMA is read-only, LME may not change under paging.
fn write_efer(ctx: &mut Ctx, value: u64) -> bool {
    let cpu = &mut *ctx.cpu;
    let mut allowed = efer::LMA;
    for (feature, bit) in [(Feature::Syscall, efer::SCE), (Feature::LongMode, efer::LME), (Feature::Nx, efer::NXE)] {
        if cpu.model.has(feature) {
            allowed |= bit;
        }
    }
    let old = cpu.state.efer;
    if value & !allowed != 0 || cpu.state.cr0 & super::control::cr0::PG != 0 && (old ^ value) & efer::LME != 0 {
        return false;
    }
    cpu.state.efer = value & !efer::LMA | old & efer::LMA;
    if (old ^ value) & efer::NXE != 0 {
        cpu.tlb.flush_all();
    }
    cpu.update_mode();
    true
}

/// RDMSR.
pub fn rdmsr(ctx: &mut Ctx, _op: &Op) -> Done {
    if ctx.cpu.cpl() != 0 {
        return Err(Exception::protection(0));
    }
    let index = ctx.cpu.reg(reg::RCX) as u32;
    let value = read(ctx, index).ok_or(Exception::protection(0))?;
    ctx.cpu.set_reg(reg::RAX, Width::D, value);
    ctx.cpu.set_reg(reg::RDX, Width::D, value >> 32);
    Ok(Then::Next)
}

/// WRMSR.
pub fn wrmsr(ctx: &mut Ctx, _op: &Op) -> Done {
    if ctx.cpu.cpl() != 0 {
        return Err(Exception::protection(0));
    }
    let index = ctx.cpu.reg(reg::RCX) as u32;
    let value = ctx.cpu.reg(reg::RAX) & 0xffff_ffff | ctx.cpu.reg(reg::RDX) << 32;
    if !write(ctx, index, value) {
        return Err(Exception::protection(0));
    }
    Ok(Then::Leave)
}
