//! Ops as traces hold them. There are a million, most are executed a few times, and what such code costs is the wait for the host's
//! memory: an op takes 24 bytes. What it has in common with others is in a table ([`crate::shapes`]), numbers have 32 bits, and jumps,
//! which have no memory operand, keep where they lead in the place of one.
//!
//! The few ops that do not fit (an immediate beside a displacement that both need 64 bits, more shapes than there are numbers for)
//! are *apart*: they stand beside the trace, whole, and are executed by the slow algebra.

use crate::run::Handler;
use crate::shapes::{self, Shape};
use crate::{handlers, profile};
use frontend_x86::op::{Func, Ins, Kind, Op, Width};
use std::cell::UnsafeCell;
use std::mem::{offset_of, transmute};
use std::ptr::null;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// Ops that are apart. Others have their addresses.
pub(crate) type Apart = Vec<Box<Op>>;

/// An op in a trace. What is in cells may be written to while others read it, in one piece.
#[repr(C)]
pub struct TracedOp {
    /// Executes it: the distance from [`ORIGIN`].
    handler: UnsafeCell<i32>,
    /// [`Op::offset`].
    pub offset: u16,
    /// What it shares with others.
    shape: u16,
    /// [`Op::r0`] to `r2`, of a conditional jump how often it was taken and not taken ([`crate::profile`]); then [`Op::count`]. Of an
    /// entry op what the engine above likes.
    small: UnsafeCell<[u8; 4]>,
    /// The displacement; of a direct jump the target; of an entry op what [`crate::hot`] counts.
    number: UnsafeCell<i32>,
    /// The rest.
    tail: UnsafeCell<Tail>,
}

/// The immediate, and what else an address is made of; or one number of 64 bits, the *word*: of a direct jump the link, of an entry op the
/// engine's code, of a MOV its long immediate.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Tail {
    imm: i32,
    base: u8,
    index: u8,
    scale: u8,
    seg: u8,
}

const _: () = assert!(size_of::<TracedOp>() == 24);

/// What handlers are told by the distance from. A function may have several addresses, this has one.
static ORIGIN: u8 = 0;

#[inline(always)]
pub(crate) fn origin() -> *const () {
    (&raw const ORIGIN).cast()
}

/// A handler's distance. All are in this program.
fn distance(handler: Handler) -> i32 {
    let distance = (handler as usize).wrapping_sub(origin() as usize) as isize;
    i32::try_from(distance).expect("a program is smaller than 2 GiB")
}

/// What [`TracedOp::number`] of a direct jump says: a target in front of the page is negative only where addresses have 64 bits.
#[inline(always)]
fn target(i: Ins, number: i32) -> u64 {
    if i.w == Width::Q { number as u64 } else { u64::from(number as u32) }
}

/// Whether the immediate is the word.
#[inline(always)]
fn has_long_immediate(i: Ins) -> bool {
    matches!((i.func, i.w, i.k0, i.k1), (Func::Mov, Width::Q, Kind::Reg, Kind::Imm))
}

impl TracedOp {
    /// Where the word lies.
    pub const WORD: usize = offset_of!(TracedOp, tail);
    /// Where an entry op counts, in 32 bits.
    pub const LEFT: usize = offset_of!(TracedOp, number);
    /// Where the handler's distance is, in 32 bits.
    pub const HANDLER: usize = offset_of!(TracedOp, handler);
    /// Where a conditional jump counts which way it goes, in 32 bits: see [`crate::profile`].
    pub const COUNTS: usize = offset_of!(TracedOp, small);
    /// Where [`Op::count`] is.
    pub const COUNT: usize = offset_of!(TracedOp, small) + 3;

    /// An op with the number of its shape and its handler. If it is apart, it is put beside the trace.
    pub(crate) fn new(op: &Op, shape: u16, handler: Handler, apart: &mut Apart) -> Self {
        let tail = Tail { imm: op.imm as i32, base: op.base, index: op.index, scale: op.scale, seg: op.seg };
        let mut traced = TracedOp {
            handler: distance(handler).into(),
            offset: op.offset,
            shape,
            small: [op.r0, op.r1, op.r2, op.count].into(),
            number: (op.disp as i32).into(),
            tail: tail.into(),
        };
        let fits = if op.ins.func.jumps_directly() {
            traced.number = (op.imm as i32).into();
            traced.set_word(0);
            target(op.ins, op.imm as i32) == op.imm
        } else if has_long_immediate(op.ins) {
            traced.set_word(op.imm);
            true
        } else {
            op.imm == op.imm as i32 as u64 && op.disp == i64::from(op.disp as i32)
        };
        if traced.is_apart() || !fits {
            let op = Box::new(*op);
            traced.set_word((&raw const *op).expose_provenance() as u64);
            apart.push(op);
            traced.shape = shapes::APART;
            traced.set_handler(handlers::apart);
        }
        debug_assert_eq!(traced.op(), *op);
        traced
    }

    /// Whether an op that would be apart is a direct jump: it would have no place for a link.
    pub(crate) fn is_jump_apart(op: &Op, shapes: &mut shapes::Near) -> bool {
        op.ins.func.jumps_directly()
            && (target(op.ins, op.imm as i32) != op.imm || shapes.has_no_number(Shape::new(&profile::without(*op))))
    }

    /// What is none of the guest's instructions: the word is zero.
    pub(crate) fn pseudo(func: Func, handler: Handler, offset: u64, count: u8) -> Self {
        let imm = if func.jumps_directly() { offset } else { 0 };
        let op = Op { imm, offset: offset as u16, count, ..Self::pseudo_op(func) };
        // The table of shapes begins with theirs.
        TracedOp::new(&op, shapes::number_of_pseudo(func), handler, &mut Apart::new())
    }

    /// The same, of a blank.
    pub(crate) const fn pseudo_op(func: Func) -> Op {
        let blank = Op::blank(0, 0);
        Op { ins: Ins { func, w: Width::Q, ..blank.ins }, ..blank }
    }

    /// Executes it.
    #[inline(always)]
    pub fn handler(&self) -> Handler {
        // SAFETY: a live field; see the struct.
        let at = origin().wrapping_byte_offset(unsafe { *self.handler.get() } as isize);
        // SAFETY: the sum is the address of the function that the distance was made of.
        unsafe { transmute::<*const (), Handler>(at) }
    }

    pub(crate) fn set_handler(&mut self, handler: Handler) {
        *self.handler.get_mut() = distance(handler);
    }

    /// The same, while others may execute it.
    pub(crate) fn change_handler(&self, handler: Handler) {
        // SAFETY: a live field; see the struct.
        unsafe { AtomicI32::from_ptr(self.handler.get()) }.store(distance(handler), Ordering::Release);
    }

    /// Whether it is beside the trace.
    #[inline(always)]
    pub(crate) fn is_apart(&self) -> bool {
        self.shape == shapes::APART
    }

    /// The word.
    #[inline(always)]
    pub(crate) fn word(&self) -> &AtomicU64 {
        // SAFETY: eight live, aligned bytes; see the struct.
        unsafe { AtomicU64::from_ptr(self.tail.get().cast()) }
    }

    pub(crate) fn set_word(&mut self, word: u64) {
        self.word().store(word, Ordering::Relaxed);
    }

    /// What an entry op counts.
    #[inline(always)]
    pub(crate) fn left(&self) -> &AtomicI32 {
        // SAFETY: a live field; see the struct.
        unsafe { AtomicI32::from_ptr(self.number.get()) }
    }

    /// One of the small numbers.
    #[inline(always)]
    pub fn small(&self, n: usize) -> &AtomicU8 {
        // SAFETY: a live field, of which this is one byte; see the struct.
        unsafe { AtomicU8::from_ptr(&raw mut (*self.small.get())[n]) }
    }

    /// [`Op::count`].
    #[inline(always)]
    pub fn count(&self) -> u8 {
        // SAFETY: a live field; see the struct.
        unsafe { (*self.small.get())[3] }
    }

    /// Of a conditional jump: what [`crate::profile`] counts, in 24 bits; the last byte is [`Op::count`].
    #[inline(always)]
    pub(crate) fn counts(&self) -> &AtomicU32 {
        // SAFETY: a live field, which lies at an address that is a multiple of eight; see the struct.
        unsafe { AtomicU32::from_ptr(self.small.get().cast()) }
    }

    /// Two of the small numbers as one.
    pub fn pair(&self) -> &AtomicU16 {
        // SAFETY: the first two bytes of a live field, which lies at an even address; see the struct.
        unsafe { AtomicU16::from_ptr(self.small.get().cast()) }
    }

    /// Whether it is a direct jump: see [`TracedOp::link`].
    pub fn may_link(&self) -> bool {
        !self.is_apart() && self.ins().func.jumps_directly()
    }

    /// Where a direct jump inside the page leads; null if that has not been found out. Only of ops that [`TracedOp::may_link`].
    #[inline(always)]
    pub fn link(&self) -> *const TracedOp {
        std::ptr::with_exposed_provenance(self.word().load(Ordering::Relaxed) as usize)
    }

    /// The same, of any op.
    pub fn link_if_any(&self) -> *const TracedOp {
        if self.may_link() { self.link() } else { null() }
    }

    /// Whether it is the [`Func::Goto`] at the end of a trace whose last instruction goes on.
    pub fn is_goto(&self) -> bool {
        self.shape == shapes::GOTO
    }

    /// Whether it is a trace's last op.
    pub fn is_last(&self) -> bool {
        self.is_goto() || self.ins().func.never_goes_on()
    }

    /// Its shape.
    #[inline]
    pub fn ins(&self) -> Ins {
        if self.is_apart() { self.op().ins } else { self.near_ins() }
    }

    /// The same, of an op that is not apart.
    #[inline(always)]
    pub(crate) fn near_ins(&self) -> Ins {
        shapes::of(self.shape).ins
    }

    /// Length of the instruction; zero of what is none.
    #[inline(always)]
    pub fn length(&self) -> u8 {
        if self.is_apart() { self.op().len } else { shapes::of(self.shape).len }
    }

    /// Of [`Func::Across`]: the key of the host page that the instruction behind it goes on in.
    pub fn behind(&self) -> u64 {
        self.word().load(Ordering::Relaxed)
    }

    /// The whole op. Links are not in it.
    #[inline]
    pub fn op(&self) -> Op {
        if self.is_apart() {
            let whole = std::ptr::with_exposed_provenance::<Op>(self.word().load(Ordering::Relaxed) as usize);
            // SAFETY: `new` has put it there, and it lives as long as the trace.
            return unsafe { *whole };
        }
        self.op_of(self.near_ins())
    }

    /// The whole op, of which the shape is known, perhaps as a constant. Not of one that is apart.
    #[inline(always)]
    pub(crate) fn op_of(&self, ins: Ins) -> Op {
        let Shape { helper, fop, imm2, len, .. } = *shapes::of(self.shape);
        // SAFETY: live fields; see the struct.
        let (number, [r0, r1, r2]) = unsafe { (*self.number.get(), [0, 1, 2].map(|n| (*self.small.get())[n])) };
        let tail = self.tail.get();
        // SAFETY: as above.
        let (imm, base, index, scale, seg) =
            unsafe { ((*tail).imm as u64, (*tail).base, (*tail).index, (*tail).scale, (*tail).seg) };
        let op = Op {
            ins,
            imm,
            disp: number.into(),
            base,
            index,
            scale,
            seg,
            r0,
            r1,
            r2,
            len,
            offset: self.offset,
            helper,
            count: self.count(),
            imm2,
            fop,
        };
        // What stands in the place of a memory operand.
        let Op { base, index, scale, seg, disp, .. } = const { Op::blank(0, 0) };
        if ins.func.jumps_directly() {
            let op = Op { imm: target(ins, number), base, index, scale, seg, disp, ..op };
            if ins.func != Func::Jcc {
                return op;
            }
            let (fop, helper) = profile::parts(self.counts().load(Ordering::Relaxed));
            return Op { r0: 0, r1: 0, r2: 0, fop, helper, ..op };
        }
        if has_long_immediate(ins) {
            return Op { imm: self.word().load(Ordering::Relaxed), base, index, scale, seg, ..op };
        }
        op
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frontend_x86::cpu::{CodeSize, Mode};
    use frontend_x86::decode::decode;
    use frontend_x86::model::Model;

    fn decoded(code: CodeSize, bytes: &[u8]) -> Op {
        let stack = if code == CodeSize::Bits64 { Width::Q } else { Width::D };
        let mode = Mode { code, stack, flat: true, real: false };
        profile::without(decode(bytes, 0x40, mode, &Model::by_name("max").unwrap()).unwrap().op)
    }

    #[test]
    fn an_op_is_the_same_in_a_trace() {
        let mut shapes = shapes::Near::new();
        let mut is_apart = |op: Op| {
            let row = shapes.row(Shape::new(&op));
            let mut apart = Apart::new();
            let traced = TracedOp::new(&op, row.number, row.handler, &mut apart);
            assert_eq!((traced.op(), traced.ins(), traced.length()), (op, op.ins, op.len));
            assert_eq!(apart.len(), usize::from(traced.is_apart()));
            // As if there were no numbers any more.
            let traced = TracedOp::new(&op, shapes::APART, row.handler, &mut apart);
            assert_eq!((traced.op(), traced.ins(), traced.may_link()), (op, op.ins, false));
            (!apart.is_empty() && apart.len() == 2, TracedOp::is_jump_apart(&op, &mut shapes))
        };
        let long: [(&[u8], (bool, bool)); 8] = [
            // mov [rdi + rcx*4 - 8], 0x80000000 and -1; mov rax, 0x1122334455667788; mov r9d, 0x80000000
            (&[0xc7, 0x44, 0x8f, 0xf8, 0, 0, 0, 0x80], (false, false)),
            (&[0x48, 0xc7, 0x44, 0x8f, 0xf8, 0xff, 0xff, 0xff, 0xff], (false, false)),
            (&[0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11], (false, false)),
            (&[0x41, 0xb9, 0, 0, 0, 0x80], (false, false)),
            // mov rax, [0x1122334455667788]
            (&[0x48, 0xa1, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11], (true, false)),
            // A call backwards, and jumps by 2 GiB less 256 bytes and less one.
            (&[0xe8, 0, 0, 0, 0x80], (false, false)),
            (&[0xe9, 0, 0xff, 0xff, 0x7f], (false, false)),
            (&[0xe9, 0xff, 0xff, 0xff, 0x7f], (true, true)),
        ];
        for (bytes, expected) in long {
            assert_eq!(is_apart(decoded(CodeSize::Bits64, bytes)), expected, "{bytes:x?}");
        }
        let short: [(&[u8], (bool, bool)); 4] = [
            // je in front of the page; jmp 0x1234:0x80000000; fadd [ebx]; lock xadd [eax], ecx
            (&[0x0f, 0x84, 0, 0xff, 0xff, 0xff], (false, false)),
            (&[0xea, 0, 0, 0, 0x80, 0x34, 0x12], (true, false)),
            (&[0xd8, 0x03], (false, false)),
            (&[0xf0, 0x0f, 0xc1, 0x08], (false, false)),
        ];
        for (bytes, expected) in short {
            assert_eq!(is_apart(decoded(CodeSize::Bits32, bytes)), expected, "{bytes:x?}");
        }
    }
}
