//! System state as code: see [`frontend_x86::sem::system`] for what is done to it. Where an instruction does what is unusual (a
//! privilege level that may not, an interrupt that could come from now on), the interpreter executes it.

use super::{C, Emit, V};
use crate::clif::Area;
use backend_interp::run::Run;
use frontend_x86::Cpu;
use frontend_x86::algebra::{Arith, Bin, Cmp};
use frontend_x86::cpu::{Bounds, Mode};
use frontend_x86::op::{Func, Op, Width};
use frontend_x86::system::algebra::SystemAlgebra;
use lyrebird_core::CpuState;
use lyrebird_core::cpu::segment::{SegReg, Segment};
use std::convert::Infallible;
use std::mem::{offset_of, size_of};

const Q: Width = Width::Q;
const CPU: usize = offset_of!(Run, cpu);
const STATE: usize = CPU + offset_of!(Cpu, state);
const SIGNALS: i32 = offset_of!(Run, signals) as i32;
const CR4: i32 = (STATE + offset_of!(CpuState, cr4)) as i32;
const KERNEL_GS_BASE: i32 = (STATE + offset_of!(CpuState, kernel_gs_base)) as i32;
const GS: usize = SegReg::Gs as usize;
const GS_BASE: i32 = place(GS, offset_of!(Segment, base));
const GS_BOUNDS_BASE: i32 =
    (CPU + offset_of!(Cpu, bounds) + GS * size_of::<Bounds>() + offset_of!(Bounds, base)) as i32;
/// Where in a segment's attributes its DPL is; SS's is the privilege level.
const DPL: u64 = 5;

/// Where a part of a segment register lies.
const fn place(seg: usize, part: usize) -> i32 {
    (STATE + offset_of!(CpuState, seg) + seg * size_of::<Segment>() + part) as i32
}

/// Whether the interpreter executes an op: in real and in V86 mode, which look alike here, what the privilege level matters to.
pub fn is_called(op: &Op, mode: Mode) -> bool {
    mode.real && matches!(op.ins.func, Func::Pushf | Func::Popf | Func::Interrupts | Func::Swapgs)
}

impl SystemAlgebra for Emit<'_, '_> {
    fn usually_or_stop(&mut self, c: C) -> Result<bool, Infallible> {
        let not = self.not(c);
        self.exit_if(not);
        Ok(true)
    }

    fn look_if_or_stop(&mut self, c: C) -> Result<(), Infallible> {
        self.exit_if(c);
        Ok(())
    }

    /// While there is no interrupt, nobody sees that it would have to wait for one more instruction, if that is known.
    fn shield_if_or_stop(&mut self, _: C) -> Result<(), Infallible> {
        let ops = self.region.members[self.member].ops;
        if ops.get(self.at + 1).is_none_or(|next| next.len == 0) {
            self.exit_if(C::Const(true));
        }
        Ok(())
    }

    /// See [`is_called`].
    fn v86(&mut self) -> C {
        C::Const(false)
    }

    fn cpl_within(&mut self, level: V) -> C {
        let attributes = self.load_own(Width::D, place(SegReg::Ss as usize, offset_of!(Segment, attributes)));
        let cpl = self.bin(Bin::And, Q, attributes, V::Const(3 << DPL));
        let level = self.bin(Bin::Shl, Q, level, V::Const(DPL));
        self.cmp(Cmp::Ule, Q, cpl, level)
    }

    fn signals(&mut self) -> V {
        let signals = self.load_own(Q, SIGNALS);
        let signals = self.value_of(signals);
        V::Value(self.asm.load(Area::Own, Width::D, signals, 0))
    }

    fn cr4(&mut self) -> V {
        self.load_own(Q, CR4)
    }

    fn selector(&mut self, seg: u8) -> V {
        self.load_own(Width::W, place(usize::from(seg), offset_of!(Segment, selector)))
    }

    fn gs_base(&mut self) -> V {
        self.load_own(Q, GS_BASE)
    }

    fn set_gs_base(&mut self, base: V) {
        self.store_own(GS_BASE, base);
        self.store_own(GS_BOUNDS_BASE, base);
        self.state.bases[GS] = Some(base);
    }

    fn kernel_gs_base(&mut self) -> V {
        self.load_own(Q, KERNEL_GS_BASE)
    }

    fn set_kernel_gs_base(&mut self, base: V) {
        self.store_own(KERNEL_GS_BASE, base);
    }
}
