//! A look at the ops that follow an access: what they will access at a constant distance from it may share its check ([`super::share`]).

use super::Emit;
use super::share::{Origin, has_base, is_short};
use super::strides::{REGISTERS, added, popped};
use backend_interp::hot;
use frontend_x86::op::{Form, Func, Kind, Op, Width, ZERO, reg};

/// How far apart accesses may be that are checked before they are reached.
const FRAME: i64 = 160;
/// How many ops are looked ahead.
const AHEAD: usize = 40;

/// A look at what is to come.
pub struct Look {
    /// How far registers are from the root, where that is known.
    offsets: [Option<i64>; REGISTERS],
    /// The bytes that will be accessed.
    pub range: (i64, i64),
    /// The first access's base, index and scale, while they are the same, and how far from the root it is without its displacement.
    indexed: Option<(u8, u8, u8, i64)>,
    /// The segment that it counts from, if that has a base.
    seg: Option<u8>,
    /// No conditional jump has been seen.
    certain: bool,
    /// Bytes of the range will be written.
    pub writes: bool,
}

impl Look {
    fn access(&mut self, at: Option<i64>, bytes: u64, write: bool) {
        let Some(at) = at else { return };
        let (lo, hi) = (self.range.0.min(at), self.range.1.max(at.saturating_add(bytes as i64)));
        if hi.saturating_sub(lo) <= FRAME {
            self.range = (lo, hi);
            self.writes |= write && self.certain;
        }
    }

    fn push(&mut self, bytes: u64) {
        let top = &mut self.offsets[usize::from(reg::RSP)];
        *top = top.and_then(|top| top.checked_sub(bytes as i64));
        let top = *top;
        self.access(top, bytes, true);
    }

    fn pop(&mut self, bytes: u64) {
        let top = self.offsets[usize::from(reg::RSP)];
        self.access(top, bytes, false);
        self.offsets[usize::from(reg::RSP)] = top.and_then(|top| top.checked_add(bytes as i64));
    }

    /// Takes an op's accesses in; whether to look further.
    fn op(&mut self, op: &Op) -> bool {
        let i = hot::plain(op.ins);
        let known = |r: u8| self.offsets.get(usize::from(r)).copied().flatten();
        let seg = has_base(i.form).then_some(op.seg);
        let place = match (op.index, self.indexed) {
            _ if seg != self.seg => None,
            (ZERO, _) if seg.is_none() => known(op.base).and_then(|base| base.checked_add(op.disp)),
            (_, Some((base, index, scale, at))) if (base, index, scale) == (op.base, op.index, op.scale) => {
                at.checked_add(op.disp)
            }
            _ => None,
        };
        let bytes = i.w.bytes();
        let result = match i.func {
            Func::Lea => place,
            Func::Mov if i.k1 == Kind::Reg && i.w >= Width::D => known(op.r1),
            _ => added(op).zip(known(op.r0)).and_then(|(more, v)| v.checked_add(more)),
        };
        if i.func != Func::Lea && (i.k0 == Kind::Mem || i.k1 == Kind::Mem) {
            let only_read = matches!((i.func, i.sub), (Func::Alu, 7 | 8));
            let write =
                i.k0 == Kind::Mem && !only_read && matches!(i.func, Func::Mov | Func::Alu | Func::Unary | Func::Setcc);
            self.access(place, bytes, write);
        }
        match popped(op) {
            0 => {}
            less if less < 0 => self.push(less.unsigned_abs()),
            more => self.pop(more.unsigned_abs()),
        }
        match i.func {
            Func::Push | Func::Pop => {}
            func if func.never_goes_on() => return false,
            // The interpreter may change anything.
            Func::Helper => return super::x87::compiles(op),
            Func::Leave => {
                self.offsets[usize::from(reg::RSP)] = self.offsets[usize::from(reg::RBP)];
                self.pop(bytes);
                self.offsets[usize::from(reg::RBP)] = None;
            }
            Func::Jcc => self.certain = false,
            _ if i.k0 == Kind::Reg => {
                if let Some(offset) = self.offsets.get_mut(usize::from(op.r0)) {
                    *offset = result;
                }
                if !matches!((i.func, i.sub), (Func::Alu, 7 | 8)) {
                    self.indexed = self.indexed.filter(|known| known.0 != op.r0 && known.1 != op.r0);
                }
            }
            _ => {}
        }
        if i.func == Func::Pop && i.k0 == Kind::Reg {
            self.offsets[usize::from(op.r0 & 15)] = None;
        }
        true
    }
}

impl Emit<'_, '_> {
    /// A range, counted from a root, with what the ops ahead will access from the same root: function calls and stack
    /// frames so need one check. It is a guess: what it leaves out is checked later. `certain`: no further than to the first conditional jump.
    pub(super) fn ahead(&self, form: Form, o: Origin, range: (i64, i64), certain: bool) -> Look {
        let Op { base, index, scale, disp, seg, .. } = self.op;
        let seg = has_base(form).then_some(seg);
        let indexed = o.add.checked_sub(disp).map(|at| (base, index, scale, at));
        let mut look = Look { offsets: [None; REGISTERS], range, indexed, seg, certain: true, writes: false };
        for r in 0..REGISTERS {
            if let Some(v) = self.state.slots[r].known() {
                let other = self.origin(v);
                look.offsets[r] =
                    (other.root == o.root && (is_short(form) || other.short == o.short)).then_some(other.add);
            }
        }
        let ops = &self.region.members[self.member].ops[self.at..];
        for op in ops.iter().take(AHEAD) {
            if !look.op(op) || certain && !look.certain {
                break;
            }
        }
        look
    }
}
