//! Parts of addresses that have been computed: what is read, changed and written back has its address computed once, and the
//! second access shares the check of the first ([`super::share`]).

use super::{Emit, V};
use frontend_x86::algebra::{Arith, Bin};
use frontend_x86::op::Width;

/// How many are remembered.
const SUMS: usize = 6;

/// An operation, its width, its operands, and what came of it.
type Sum = (Bin, Width, V, V, V);

/// The last ones.
#[derive(Clone, Copy, Default)]
pub struct Sums {
    known: [Option<Sum>; SUMS],
    next: usize,
}

impl Emit<'_, '_> {
    /// `bin`, done once for the same operands.
    pub(super) fn bin_once(&mut self, op: Bin, w: Width, l: V, r: V) -> V {
        let same = |sum: &&Sum| (sum.0, sum.1, sum.2, sum.3) == (op, w, l, r);
        if let Some(sum) = self.state.sums.known.iter().flatten().find(same) {
            return sum.4;
        }
        let v = self.bin(op, w, l, r);
        if let (V::Value(_), true) = (v, v != l && v != r) {
            let sums = &mut self.state.sums;
            sums.known[sums.next] = Some((op, w, l, r, v));
            sums.next = (sums.next + 1) % SUMS;
        }
        v
    }
}
