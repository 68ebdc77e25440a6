//! System state in the algebra: what [`crate::sem::system`] needs beyond [`Algebra`].

use crate::algebra::Algebra;
use crate::concrete::ConcreteCpu;
use lyrebird_core::cpu::segment::SegReg;

/// What system instructions do to a CPU. As in [`Algebra`], only what is named `..._or_stop` may stop.
pub trait SystemAlgebra: Algebra {
    /// Whether `c` holds. An engine that makes code says that it does, and stops where it does not: what is said for the other case is
    /// seldom executed, and not by such code.
    fn usually_or_stop(&mut self, c: Self::C) -> Result<bool, Self::Stop>;
    /// Has the engine look around before the next instruction if `c` holds: at signals, and at what it derives from RFLAGS.
    fn look_if_or_stop(&mut self, c: Self::C) -> Result<(), Self::Stop>;
    /// Has interrupts wait for one more instruction if `c` holds, as behind STI. None is waiting that could come in.
    fn shield_if_or_stop(&mut self, c: Self::C) -> Result<(), Self::Stop>;

    /// Whether this is V86 mode.
    fn v86(&mut self) -> Self::C;
    /// Whether the privilege level is at most this.
    fn cpl_within(&mut self, level: Self::V) -> Self::C;
    /// The CPU's [`lyrebird_core::Signals`].
    fn signals(&mut self) -> Self::V;
    /// CR4.
    fn cr4(&mut self) -> Self::V;
    /// A segment register's selector.
    fn selector(&mut self, seg: u8) -> Self::V;
    /// The base of GS.
    fn gs_base(&mut self) -> Self::V;
    /// Writes it.
    fn set_gs_base(&mut self, base: Self::V);
    /// IA32_KERNEL_GS_BASE.
    fn kernel_gs_base(&mut self) -> Self::V;
    /// Writes it.
    fn set_kernel_gs_base(&mut self, base: Self::V);
}

impl<T: ConcreteCpu> SystemAlgebra for T {
    #[inline(always)]
    fn usually_or_stop(&mut self, c: bool) -> Result<bool, Self::Stop> {
        Ok(c)
    }
    #[inline(always)]
    fn look_if_or_stop(&mut self, c: bool) -> Result<(), Self::Stop> {
        if c { self.look_or_stop() } else { Ok(()) }
    }
    #[inline(always)]
    fn shield_if_or_stop(&mut self, c: bool) -> Result<(), Self::Stop> {
        if c { self.shield_or_stop() } else { Ok(()) }
    }
    #[inline(always)]
    fn v86(&mut self) -> bool {
        self.cpu().v86()
    }
    #[inline(always)]
    fn cpl_within(&mut self, level: u64) -> bool {
        u64::from(self.cpu().cpl()) <= level
    }
    #[inline(always)]
    fn signals(&mut self) -> u64 {
        self.cpu().signals.bits().into()
    }
    #[inline(always)]
    fn cr4(&mut self) -> u64 {
        self.cpu().state.cr4
    }
    #[inline(always)]
    fn selector(&mut self, seg: u8) -> u64 {
        self.cpu().state.seg.get(usize::from(seg)).map_or(0, |seg| seg.selector.into())
    }
    #[inline(always)]
    fn gs_base(&mut self) -> u64 {
        self.cpu().seg(SegReg::Gs).base
    }
    #[inline(always)]
    fn set_gs_base(&mut self, base: u64) {
        self.cpu().set_segment_base(SegReg::Gs, base);
    }
    #[inline(always)]
    fn kernel_gs_base(&mut self) -> u64 {
        self.cpu().state.kernel_gs_base
    }
    #[inline(always)]
    fn set_kernel_gs_base(&mut self, base: u64) {
        self.cpu().state.kernel_gs_base = base;
    }
}
