//! Linear addresses: what segments add, and whether their limits let an access in.

use super::share::Origin;
use super::{Emit, V};
use backend_interp::run::Run;
use frontend_x86::Cpu;
use frontend_x86::algebra::{Access, Arith, Bin};
use frontend_x86::cpu::Bounds;
use frontend_x86::op::{Form, Width};
use std::mem::{offset_of, size_of};

/// The bounds of the segments, in a [`Run`].
pub const BOUNDS: usize = offset_of!(Run, cpu) + offset_of!(Cpu, bounds);
const Q: Width = Width::Q;

/// Offsets that a segment's limits let in: from the first one on, and up to the end; whether for stores, too.
#[derive(Clone, Copy)]
pub struct Extent {
    first: u64,
    end: u64,
    writes: bool,
}

impl Emit<'_, '_> {
    /// The linear address of an access; leaves where the segment forbids it.
    pub(super) fn linear(&mut self, form: Form, seg: u8, offset: V, bytes: u64, access: Access) -> V {
        if matches!(form, Form::A64 | Form::Flat32) {
            return offset;
        }
        let bounds = BOUNDS + usize::from(seg) * size_of::<Bounds>();
        let base = match self.state.bases.get(usize::from(seg)).copied().flatten() {
            Some(base) => base,
            None => self.load_own(Q, (bounds + offset_of!(Bounds, base)) as i32),
        };
        if let Some(known) = self.state.bases.get_mut(usize::from(seg)) {
            *known = Some(base);
        }
        if form != Form::A64Seg {
            self.check_limits(bounds, seg, offset, bytes, access);
        }
        // So that accesses a constant apart share their checks.
        let Origin { root, add, short } = self.origin(offset);
        match form {
            Form::A64Seg => {
                let (root, add) = if short { (offset, 0) } else { (root, add) };
                let root = self.bin_once(Bin::Add, Q, base, root);
                self.plus(Q, root, add as u64)
            }
            Form::Seg32 if root == V::Const(0) => self.plus(Width::D, base, add as u64),
            Form::Seg32 => {
                let root = self.bin_once(Bin::Add, Width::D, base, root);
                self.plus(Width::D, root, add as u64)
            }
            _ => {
                let sum = self.add(Q, base, offset);
                self.truncate(Width::D, sum)
            }
        }
    }

    /// Leaves where the limits forbid an access. Places in a segment that the code names are looked at once: those between two that are let in are, too.
    fn check_limits(&mut self, bounds: usize, seg: u8, offset: V, bytes: u64, access: Access) {
        let writes = access.writes();
        let known = self.state.limits.get(usize::from(seg)).copied().flatten().filter(|known| known.writes || !writes);
        let place = match offset {
            V::Const(first) => Some((first, first.wrapping_add(bytes))),
            V::Value(_) => None,
        };
        if place.is_none_or(|(first, _)| known.is_none_or(|known| first < known.first)) {
            let low = self.load_own(Q, (bounds + offset_of!(Bounds, low)) as i32);
            self.exit_if_below(offset, low);
        }
        if place.is_none_or(|(_, end)| known.is_none_or(|known| end > known.end)) {
            let high = if writes { offset_of!(Bounds, high_write) } else { offset_of!(Bounds, high_read) };
            let high = self.load_own(Q, (bounds + high) as i32);
            let end = self.add(Q, offset, V::Const(bytes));
            self.exit_if_below(high, end);
        }
        if let Some((first, end)) = place
            && let Some(limits) = self.state.limits.get_mut(usize::from(seg))
        {
            let (first, end) = known.map_or((first, end), |known| (first.min(known.first), end.max(known.end)));
            *limits = Some(Extent { first, end, writes: writes || known.is_some_and(|known| known.writes) });
        }
    }
}
