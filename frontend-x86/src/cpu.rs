//! The running form of the CPU state: what engines execute on. It holds a [`CpuState`] and, in front of it, the parts that
//! are hot (general registers, lazy flags, RIP, segment bounds) or derived (modes, the TLB).
//!
//! While a [`Cpu`] runs, `regs`, `rip`, `flags` and `system_flags` are the truth and the same fields of `state` are stale;
//! [`Cpu::save`] and [`Cpu::load`] are the only ways across.

use crate::flags::{LazyFlags, rflags};
use crate::model::Model;
use crate::op::{RIP_BASE, Width};
use crate::tlb::{Bank, Tlb};
use lyrebird_core::cpu::segment::{SegReg, Segment};
use lyrebird_core::{CpuState, Signals};
use lyrebird_memory::{FlatMap, GuestMemory};
use std::sync::Arc;

/// How wide code is: the part of the mode that decoding depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CodeSize {
    /// Real mode, V86, 16-bit protected mode.
    Bits16 = 0,
    /// 32-bit protected mode and compatibility mode.
    Bits32 = 1,
    /// 64-bit mode.
    Bits64 = 2,
}

/// Every mode bit that changes what a decoded instruction is: the mode's part of a block key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mode {
    /// Operand and address size by default.
    pub code: CodeSize,
    /// The stack pointer's width: RSP, ESP or SP.
    pub stack: Width,
    /// 32-bit code whose ES, CS, SS and DS have base 0, limit 4 GiB and all rights: nothing to check or to add.
    pub flat: bool,
    /// Real or virtual-8086 mode, where there are no VEX prefixes.
    pub real: bool,
}

impl Mode {
    /// The mode as a small number, unique.
    pub fn key(self) -> u8 {
        self.code as u8 | (self.stack as u8) << 2 | (self.flat as u8) << 4 | (self.real as u8) << 5
    }
    /// The width of the instruction pointer.
    pub fn ip_width(self) -> Width {
        match self.code {
            CodeSize::Bits16 => Width::W,
            CodeSize::Bits32 => Width::D,
            CodeSize::Bits64 => Width::Q,
        }
    }
}

/// A segment register as address formation wants it: an access to `offset..offset + n` is fine if
/// `low <= offset` and `offset + n <= high` (without wrapping).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Bounds {
    /// What is added to the offset.
    pub base: u64,
    /// The first valid offset.
    pub low: u64,
    /// One more than the last offset that may be read; 0 if none.
    pub high_read: u64,
    /// The same for writing.
    pub high_write: u64,
}

impl Bounds {
    /// Whether an access lies inside. A segment of all 4 GiB has no end: an access across the top goes on at zero, as on
    /// today's processors (the manual lets them raise the exception or not: SDM vol. 3, section 5.3).
    #[inline]
    pub fn holds(&self, offset: u64, bytes: u64, write: bool) -> bool {
        let high = if write { self.high_write } else { self.high_read };
        let endless = self.low == 0 && high == 1 << 32;
        offset >= self.low && (endless || offset.checked_add(bytes).is_some_and(|end| end <= high))
    }
}

/// A CPU that an engine runs.
#[repr(C)]
pub struct Cpu {
    /// RAX to R15, then [`RIP_BASE`] and [`crate::op::ZERO`].
    pub regs: [u64; 18],
    /// The arithmetic flags.
    pub flags: LazyFlags,
    /// How many more instructions may run before the engine looks around; negative: none.
    pub left: i64,
    /// RIP of the instruction being executed. Valid when a helper is called and between runs.
    pub rip: u64,
    /// RIP of the next one; a helper that jumps replaces it.
    pub next_rip: u64,
    /// RFLAGS without the arithmetic flags.
    pub system_flags: u64,
    /// ES CS SS DS FS GS.
    pub bounds: [Bounds; 6],
    /// Which bank of the TLB data accesses go through.
    pub bank: Bank,
    /// Derived from CR0, EFER, CS, SS...: see [`Cpu::update_mode`].
    pub mode: Mode,
    /// Something has to be checked around each instruction (TF, breakpoints, alignment): run one at a time.
    pub careful: bool,
    /// Translations of linear addresses.
    pub tlb: Tlb,
    /// Everything else that is architectural.
    pub state: CpuState,
    /// Guest memory.
    pub memory: Arc<GuestMemory>,
    /// Its layout, as it was when the engine last looked ([`Cpu::refresh_view`]).
    pub view: Arc<FlatMap>,
    /// What this CPU can do.
    pub model: Arc<Model>,
    /// Pins and requests from the rest of the machine.
    pub signals: Arc<Signals>,
    /// 0 is the bootstrap processor.
    pub index: u32,
    /// Debug conditions met by the current instruction: DR6 bits to be raised as a trap when it is done.
    pub debug_hits: u64,
}

impl Cpu {
    /// A CPU after power-on.
    pub fn new(index: u32, model: Arc<Model>, memory: Arc<GuestMemory>, signals: Arc<Signals>) -> Self {
        let state = CpuState::reset(model.signature, index == 0);
        let mut cpu = Cpu {
            regs: [0; 18],
            flags: LazyFlags::word(0),
            left: 0,
            rip: 0,
            next_rip: 0,
            system_flags: rflags::FIXED,
            bounds: [Bounds::default(); 6],
            bank: Bank::Supervisor,
            mode: Mode { code: CodeSize::Bits16, stack: Width::W, flat: false, real: true },
            careful: false,
            tlb: Tlb::new(),
            state: state.clone(),
            view: memory.view(),
            memory,
            model,
            signals,
            index,
            debug_hits: 0,
        };
        cpu.load(&state);
        cpu
    }

    /// The architectural state, complete.
    pub fn save(&mut self) -> CpuState {
        self.state.gpr.copy_from_slice(&self.regs[..16]);
        self.state.rip = self.rip;
        self.state.rflags = self.rflags();
        self.state.clone()
    }

    /// Takes a state over; everything derived is made anew.
    pub fn load(&mut self, state: &CpuState) {
        self.state = state.clone();
        self.regs[..16].copy_from_slice(&state.gpr);
        self.regs[RIP_BASE as usize] = 0;
        self.rip = state.rip;
        self.next_rip = state.rip;
        self.flags = LazyFlags::word(state.rflags);
        self.system_flags = state.rflags & !rflags::ARITHMETIC | rflags::FIXED;
        self.debug_hits = 0;
        self.refresh_view();
        self.update_mode();
    }

    /// Takes a new view of memory's layout, and drops all translations made with the old one. Engines call it when
    /// [`GuestMemory::epoch`] has changed.
    pub fn refresh_view(&mut self) {
        self.view = self.memory.view();
        self.tlb.flush_all();
    }

    /// RFLAGS as software sees it.
    #[inline]
    pub fn rflags(&self) -> u64 {
        self.system_flags | self.flags.to_rflags()
    }

    /// Replaces all of RFLAGS. The caller has decided which bits may change. Re-derives the mode if TF, VM or AC moved.
    pub fn set_rflags(&mut self, value: u64) {
        self.flags = LazyFlags::word(value);
        self.set_system_flags(value & !rflags::ARITHMETIC | rflags::FIXED);
    }

    /// Replaces those that are not arithmetic. Re-derives the mode likewise.
    #[inline]
    pub fn set_system_flags(&mut self, value: u64) {
        let old = std::mem::replace(&mut self.system_flags, value);
        if (old ^ self.system_flags) & (rflags::TF | rflags::VM | rflags::AC) != 0 {
            self.update_mode();
        }
    }

    /// A general register in 64 bits.
    #[inline]
    pub fn reg(&self, r: u8) -> u64 {
        self.regs[usize::from(r & 15)]
    }

    /// Writes a general register as an instruction of this width does.
    #[inline]
    pub fn set_reg(&mut self, r: u8, w: Width, value: u64) {
        let reg = &mut self.regs[usize::from(r & 15)];
        *reg = match w {
            Width::B | Width::W => *reg & !w.mask() | value & w.mask(),
            Width::D => value & w.mask(),
            _ => value,
        };
    }

    /// Replaces the base of a segment register, and nothing else, in 64-bit mode.
    #[inline]
    pub fn set_segment_base(&mut self, seg: SegReg, base: u64) {
        self.state.seg[seg as usize].base = base;
        self.bounds[seg as usize].base = base;
    }

    /// A segment register.
    #[inline]
    pub fn seg(&self, seg: SegReg) -> &Segment {
        &self.state.seg[seg as usize]
    }

    /// The current privilege level.
    #[inline]
    pub fn cpl(&self) -> u8 {
        if self.state.cr0 & 1 == 0 {
            0
        } else if self.system_flags & rflags::VM != 0 {
            3
        } else {
            self.state.seg[SegReg::Ss as usize].dpl()
        }
    }

    /// CR0.PE is set and RFLAGS.VM is clear.
    pub fn protected(&self) -> bool {
        self.state.cr0 & 1 != 0 && self.system_flags & rflags::VM == 0
    }

    /// Virtual-8086 mode.
    pub fn v86(&self) -> bool {
        self.state.cr0 & 1 != 0 && self.system_flags & rflags::VM != 0
    }

    /// 64-bit mode (not compatibility mode).
    pub fn mode64(&self) -> bool {
        self.mode.code == CodeSize::Bits64
    }

    /// Re-derives mode, segment bounds, TLB bank and carefulness. To be called after any change of CR0, CR4, EFER, DR7,
    /// a segment register, CPL, or RFLAGS.TF, VM, AC. Cheap; flushes nothing.
    pub fn update_mode(&mut self) {
        self.update_code_and_stack(&SegReg::ALL);
    }

    /// The same, where nothing but these segment registers and RFLAGS has changed, CS and SS perhaps among them.
    pub fn update_code_and_stack(&mut self, changed: &[SegReg]) {
        let cs = &self.state.seg[SegReg::Cs as usize];
        let ss = &self.state.seg[SegReg::Ss as usize];
        let code = if self.state.long_mode() && cs.has(Segment::LONG) {
            CodeSize::Bits64
        } else if cs.has(Segment::DEFAULT_BIG) && !self.v86() {
            CodeSize::Bits32
        } else {
            CodeSize::Bits16
        };
        let stack = match code {
            CodeSize::Bits64 => Width::Q,
            _ if ss.has(Segment::DEFAULT_BIG) && !self.v86() => Width::D,
            _ => Width::W,
        };
        let changed = if code == self.mode.code { changed } else { &SegReg::ALL };
        for seg in changed {
            let i = *seg as usize;
            self.bounds[i] = bounds_of(&self.state.seg[i], i, code);
        }
        if !self.protected() {
            // Rights are not checked through CS, which may still hold a code segment's after reset or PE's clearing.
            let high = u64::from(self.state.seg[SegReg::Cs as usize].limit) + 1;
            (self.bounds[1].high_read, self.bounds[1].high_write) = (high, high);
        }
        self.mode = Mode { code, stack, flat: self.is_flat(code, stack), real: !self.protected() };
        let cpl = self.cpl();
        let smap = self.state.cr4 & crate::system::control::cr4::SMAP != 0;
        self.bank = match cpl {
            3 => Bank::User,
            _ if smap && self.system_flags & rflags::AC == 0 => Bank::SupervisorSmap,
            _ => Bank::Supervisor,
        };
        let alignment =
            cpl == 3 && self.system_flags & rflags::AC != 0 && self.state.cr0 & crate::system::control::cr0::AM != 0;
        self.careful = self.system_flags & rflags::TF != 0 || self.state.dr7 & 0xff != 0 || alignment;
    }
}

impl Cpu {
    /// Brings up to date what is derived from a segment register other than CS and SS, which alone has changed.
    pub fn update_data_segment(&mut self, seg: SegReg) {
        let (i, Mode { code, stack, .. }) = (seg as usize, self.mode);
        self.bounds[i] = bounds_of(&self.state.seg[i], i, code);
        self.mode.flat = self.is_flat(code, stack);
    }

    fn is_flat(&self, code: CodeSize, stack: Width) -> bool {
        let whole = |i: usize| {
            let b = &self.bounds[i];
            b.base == 0 && b.low == 0 && b.high_read == 1 << 32 && (i == 1 || b.high_write == 1 << 32)
        };
        code == CodeSize::Bits32 && stack == Width::D && (0..4).all(whole)
    }
}

/// What a segment register's content means for addresses in code of this size.
pub fn bounds_of(segment: &Segment, index: usize, code: CodeSize) -> Bounds {
    if code == CodeSize::Bits64 {
        // Only FS and GS keep their base; limits and rights are not checked (SDM vol. 3, section 3.4.4).
        let base = if index >= SegReg::Fs as usize { segment.base } else { 0 };
        return Bounds { base, low: 0, high_read: u64::MAX, high_write: u64::MAX };
    }
    let readable = !segment.has(Segment::CODE) || segment.has(Segment::READ_WRITE);
    let writable = !segment.has(Segment::CODE) && segment.has(Segment::READ_WRITE);
    let usable = segment.has(Segment::PRESENT | Segment::S) && !segment.has(Segment::UNUSABLE);
    let expand_down = !segment.has(Segment::CODE) && segment.has(Segment::EXPAND_CONFORM);
    let (low, high) = if expand_down {
        (u64::from(segment.limit) + 1, if segment.has(Segment::DEFAULT_BIG) { 1 << 32 } else { 1 << 16 })
    } else {
        (0, u64::from(segment.limit) + 1)
    };
    // CS is fetched from whether it is readable or not; data reads through it are checked by the bound.
    Bounds {
        base: segment.base,
        low,
        high_read: if usable && readable { high } else { 0 },
        high_write: if usable && writable { high } else { 0 },
    }
}
