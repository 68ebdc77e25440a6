//! The whole architectural state of one CPU at an instruction boundary, independent of any engine.

use super::segment::{Segment, TableRegister};
use super::x87::X87;
use serde::{Deserialize, Serialize};

/// What the CPU is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activity {
    /// Executing instructions.
    #[default]
    Running,
    /// HLT: waits for an interrupt.
    Halted,
    /// After INIT, an application processor waits for a start-up IPI.
    WaitForSipi,
    /// Triple fault.
    Shutdown,
}

/// What the instruction before this one inhibits for one instruction (SDM vol. 3, section 6.8.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shadow {
    /// Nothing.
    #[default]
    None,
    /// STI set IF: maskable interrupts wait.
    Sti,
    /// MOV SS or POP SS: interrupts, NMI and debug traps wait.
    MovSs,
}

/// The MTRRs (SDM vol. 3, section 12.11). They are kept and read back; the emulator caches nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the manual's names")]
pub struct Mtrrs {
    pub def_type: u64,
    pub fixed: [u64; 11],
    pub base: [u64; 8],
    pub mask: [u64; 8],
}

/// The state. Every field is as the SDM names it; [`super::elements`] lists them one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the manual's names")]
pub struct CpuState {
    // General registers, in encoding order: RAX RCX RDX RBX RSP RBP RSI RDI R8..R15.
    pub gpr: [u64; 16],
    pub rip: u64,
    pub rflags: u64,

    // Segments: ES CS SS DS FS GS, then the system ones.
    pub seg: [Segment; 6],
    pub ldtr: Segment,
    pub tr: Segment,
    pub gdtr: TableRegister,
    pub idtr: TableRegister,

    // Control and debug registers. CR8 lives in the local APIC.
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub xcr0: u64,
    pub dr: [u64; 4],
    pub dr6: u64,
    pub dr7: u64,
    /// The PDPTEs that PAE paging without long mode loads with CR3.
    pub pdpte: [u64; 4],

    // Model-specific registers that live in the CPU.
    pub efer: u64,
    pub star: u64,
    pub lstar: u64,
    pub cstar: u64,
    pub sfmask: u64,
    pub kernel_gs_base: u64,
    pub tsc_aux: u64,
    /// What is added to the machine's time-stamp counter.
    pub tsc_offset: u64,
    pub tsc_adjust: u64,
    pub sysenter_cs: u64,
    pub sysenter_esp: u64,
    pub sysenter_eip: u64,
    pub pat: u64,
    pub misc_enable: u64,
    pub debugctl: u64,
    pub smbase: u64,
    pub microcode: u64,
    pub mcg_status: u64,
    pub mcg_ctl: u64,
    pub mtrrs: Mtrrs,

    // x87, SSE, AVX. The vector registers have 256 bits, least significant quadword first.
    pub x87: X87,
    pub mxcsr: u32,
    pub vector: [[u64; 4]; 16],

    // Where the CPU stands beyond its registers.
    pub activity: Activity,
    pub shadow: Shadow,
    /// NMIs are blocked until IRET.
    pub nmi_blocked: bool,
    /// INIT is held while in SMM or shutdown; an NMI or INIT that has arrived and waits.
    pub nmi_pending: bool,
    /// A debug exception (bits for DR6) that waits for the end of a MOV SS shadow.
    pub pending_debug: u64,
    /// Instructions retired since power-on.
    pub retired: u64,
}

impl CpuState {
    /// RFLAGS bit 1, which always reads as one.
    pub const RFLAGS_FIXED: u64 = 2;

    /// After power-on or reset (SDM vol. 3, table 9-1). `signature` is CPUID's family, model and stepping, which EDX
    /// holds; `bootstrap` tells the processor that starts from those that wait for a SIPI.
    pub fn reset(signature: u32, bootstrap: bool) -> Self {
        let mut gpr = [0; 16];
        gpr[2] = u64::from(signature);
        let data = Segment::real(0);
        let mut code = Segment::real(0xf000);
        code.base = 0xffff_0000;
        code.attributes |= Segment::CODE;
        let system = |kind| Segment { limit: 0xffff, attributes: Segment::PRESENT | kind, ..Segment::default() };
        CpuState {
            gpr,
            rip: 0xfff0,
            rflags: Self::RFLAGS_FIXED,
            seg: [data, code, data, data, data, data],
            ldtr: system(2),
            tr: system(11),
            gdtr: TableRegister { base: 0, limit: 0xffff },
            idtr: TableRegister { base: 0, limit: 0xffff },
            cr0: 0x6000_0010,
            cr2: 0,
            cr3: 0,
            cr4: 0,
            xcr0: 1,
            dr: [0; 4],
            dr6: 0xffff_0ff0,
            dr7: 0x400,
            pdpte: [0; 4],
            efer: 0,
            star: 0,
            lstar: 0,
            cstar: 0,
            sfmask: 0,
            kernel_gs_base: 0,
            tsc_aux: 0,
            tsc_offset: 0,
            tsc_adjust: 0,
            sysenter_cs: 0,
            sysenter_esp: 0,
            sysenter_eip: 0,
            pat: 0x0007_0406_0007_0406,
            misc_enable: 1,
            debugctl: 0,
            smbase: 0x3_0000,
            microcode: 0,
            mcg_status: 0,
            mcg_ctl: 0,
            mtrrs: Mtrrs::default(),
            x87: X87::RESET,
            mxcsr: 0x1f80,
            vector: [[0; 4]; 16],
            activity: if bootstrap { Activity::Running } else { Activity::WaitForSipi },
            shadow: Shadow::None,
            nmi_blocked: false,
            nmi_pending: false,
            pending_debug: 0,
            retired: 0,
        }
    }

    /// The state after INIT (same table): caches of the floating-point unit, the vector registers, the MTRRs and most
    /// MSRs survive, everything else is as after reset. CR0's cache bits are kept.
    pub fn init(&self, signature: u32, bootstrap: bool) -> Self {
        CpuState {
            cr0: 0x10 | self.cr0 & 0x6000_0000,
            xcr0: self.xcr0,
            star: self.star,
            lstar: self.lstar,
            cstar: self.cstar,
            sfmask: self.sfmask,
            kernel_gs_base: self.kernel_gs_base,
            tsc_aux: self.tsc_aux,
            tsc_offset: self.tsc_offset,
            tsc_adjust: self.tsc_adjust,
            sysenter_cs: self.sysenter_cs,
            sysenter_esp: self.sysenter_esp,
            sysenter_eip: self.sysenter_eip,
            pat: self.pat,
            misc_enable: self.misc_enable,
            smbase: self.smbase,
            microcode: self.microcode,
            mcg_status: self.mcg_status,
            mcg_ctl: self.mcg_ctl,
            mtrrs: self.mtrrs,
            x87: self.x87,
            mxcsr: self.mxcsr,
            vector: self.vector,
            retired: self.retired,
            ..CpuState::reset(signature, bootstrap)
        }
    }

    /// The current privilege level: SS's DPL, except in real mode, where it is 0, and V86 mode, where it is 3.
    pub fn cpl(&self) -> u8 {
        if self.cr0 & 1 == 0 {
            0
        } else if self.rflags & 1 << 17 != 0 {
            3
        } else {
            self.seg[2].dpl()
        }
    }

    /// Long mode is active (EFER.LMA).
    pub fn long_mode(&self) -> bool {
        self.efer & 1 << 10 != 0
    }
}

impl Default for CpuState {
    fn default() -> Self {
        CpuState::reset(0, true)
    }
}
