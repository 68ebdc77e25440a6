//! What strips are made of: steps, one behind the other, whose values others use.

pub use crate::emit::algebra::{CS_LIMIT, SYSTEM_FLAGS};
pub use crate::emit::segments::BOUNDS;
use backend_interp::run::Run;
use frontend_x86::Cpu;
use frontend_x86::algebra::{Bin, Cmp};
use frontend_x86::flags::LazyFlags;
use frontend_x86::op::Width;
use std::mem::offset_of;

const CPU: usize = offset_of!(Run, cpu);
/// Where the general registers are.
pub const REGS: i32 = (CPU + offset_of!(Cpu, regs)) as i32;
/// Where the flags are.
pub const FLAGS: i32 = (CPU + offset_of!(Cpu, flags)) as i32;
/// Where a jump's target is put.
pub const NEXT_RIP: i32 = (CPU + offset_of!(Cpu, next_rip)) as i32;
/// Where the budget is.
pub const LEFT: i32 = (CPU + offset_of!(Cpu, left)) as i32;
pub const RES: i32 = FLAGS + offset_of!(LazyFlags, res) as i32;
pub const SRC: i32 = FLAGS + offset_of!(LazyFlags, src) as i32;
pub const AUX: i32 = FLAGS + offset_of!(LazyFlags, aux) as i32;

/// Where a general register is.
pub fn slot(r: u8) -> i32 {
    REGS + 8 * i32::from(r)
}

/// A value of up to 64 bits; what is above its width is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V {
    /// Known.
    Const(u64),
    /// What a step gives, by its number.
    Step(u32),
}

/// A truth. It is found out where somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum C {
    /// Known.
    Const(bool),
    /// A comparison, or its opposite.
    Cmp { cmp: Cmp, w: Width, l: V, r: V, not: bool },
    /// A bit, or its opposite.
    Bit { v: V, bit: u8, not: bool },
}

/// Guest memory whose page the TLB has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The linear address.
    pub linear: V,
    /// How far from it the host has it.
    pub addend: V,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new op begins: whoever leaves does so in front of it.
    Op(u16),
    /// Counts an entry of the trace.
    Count,
    /// Something of the vCPU's state, zero-extended.
    Own { w: Width, at: i32 },
    /// An operation.
    Bin { op: Bin, w: Width, l: V, r: V },
    /// The upper half of a product of 64 bits each.
    High { signed: bool, l: V, r: V },
    /// The low bits.
    Truncate { w: Width, v: V },
    /// Sign extension.
    Extend { from: Width, to: Width, v: V },
    /// Bytes in reverse order, of 32 or 64 bits.
    Swap { w: Width, v: V },
    /// 1 or 0.
    Truth(C),
    /// One of two.
    Select { w: Width, c: C, yes: V, no: V },
    /// How far a linear address is from its page's first byte; leaves if the TLB does not have the page, or the access goes on in the next
    /// one. The step behind it gives the addend.
    Page { linear: V, w: Width, write: bool },
    /// How far from their linear addresses the host has the bytes of the page of the step before.
    Addend,
    /// Leaves unless what lies so far from an address is in its page, of which this is the offset.
    Near { offset: V, distance: i32, w: Width },
    /// A load from guest memory.
    Load { w: Width, from: Place },
    /// There will be a jump to this instruction pointer.
    Expect(V),
    /// Where the current op's direct jump leads; leaves if that is not known yet.
    Link,
    /// Leaves if this holds.
    LeaveIf(C),
    /// A store to the vCPU's state.
    SetOwn { w: Width, at: i32, v: V },
    /// A store to guest memory.
    Store { w: Width, to: Place, v: V },
    /// The current op jumps if this holds, else it goes on.
    JumpIf(C),
    /// It jumps to a link.
    Jump(V),
    /// It jumps to an instruction pointer.
    JumpTo(V),
}

impl Step {
    /// Calls something for each value that it uses.
    pub fn each(&self, mut f: impl FnMut(V)) {
        let of_truth = |c: &C, f: &mut dyn FnMut(V)| match c {
            C::Const(_) => {}
            C::Cmp { l, r, .. } => {
                f(*l);
                f(*r);
            }
            C::Bit { v, .. } => f(*v),
        };
        match self {
            Step::Op(_) | Step::Count | Step::Own { .. } | Step::Addend | Step::Link => {}
            Step::Bin { l, r, .. } | Step::High { l, r, .. } => {
                f(*l);
                f(*r);
            }
            Step::Truncate { v, .. } | Step::Extend { v, .. } | Step::Swap { v, .. } | Step::SetOwn { v, .. } => f(*v),
            Step::Truth(c) | Step::LeaveIf(c) | Step::JumpIf(c) => of_truth(c, &mut f),
            Step::Select { c, yes, no, .. } => {
                of_truth(c, &mut f);
                f(*yes);
                f(*no);
            }
            Step::Page { linear, .. } => f(*linear),
            Step::Near { offset, .. } => f(*offset),
            Step::Load { from, .. } => {
                f(from.linear);
                f(from.addend);
            }
            Step::Store { to, v, .. } => {
                f(to.linear);
                f(to.addend);
                f(*v);
            }
            Step::Expect(v) | Step::Jump(v) | Step::JumpTo(v) => f(*v),
        }
    }

    /// Whether it does more than give a value.
    pub fn has_effect(&self) -> bool {
        !matches!(
            self,
            Step::Own { .. }
                | Step::Bin { .. }
                | Step::High { .. }
                | Step::Truncate { .. }
                | Step::Extend { .. }
                | Step::Swap { .. }
                | Step::Truth(_)
                | Step::Select { .. }
        )
    }

    /// Whether the vCPU's state may be looked at there.
    pub fn may_leave(&self) -> bool {
        matches!(
            self,
            Step::Page { .. }
                | Step::Near { .. }
                | Step::Link
                | Step::LeaveIf(_)
                | Step::JumpIf(_)
                | Step::Jump(_)
                | Step::JumpTo(_)
        )
    }
}
