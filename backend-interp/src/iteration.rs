//! What one iteration of a loop does, if all that it does is to move an item from one place to another: told by the statements of
//! `frontend-x86` themselves, over values of which only sums are known ([`crate::sums`]).
//!
//! A register that ends up as itself and a number moves by that number. One that ends up as anything else is left to the last
//! iteration, which is right as long as none looks at what the one before has left in it.

use crate::copies::{Plan, Route, While};
use crate::sums::{Side, Sum, Truth, Value};
use frontend_x86::algebra::{Access, Algebra, Arith, Cmp, Outcome};
use frontend_x86::decode::Decoded;
use frontend_x86::exception::Exception;
use frontend_x86::flags::{self, FlagKind, Flags};
use frontend_x86::op::{Form, Func, Ins, Op, Width, ZERO, bits};
use frontend_x86::sem::{alu, flow, mov, string, unary};

/// No longer loops than this.
const MOST_OPS: usize = 10;
/// General registers, and the two that are none.
const REGS: usize = 18;
/// No register may move by more.
const MOST: i64 = 4096;

/// What a register holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Whole(Value),
    /// Some of its low bits were written to: with the item, if it is that.
    Partly(Option<Width>),
}

/// How an op ends.
pub enum Goes {
    Next,
    Jumps(Truth),
}

/// This is no loop that moves items.
pub struct Unfit;

/// Memory that is read or written.
#[derive(Clone, Copy)]
pub struct Spot {
    side: Side,
    w: Width,
}

/// An iteration, as far as it has got.
pub struct Iteration {
    op: Op,
    regs: [Holds; REGS],
    /// Registers whose value at the beginning something depends on.
    reads: u32,
    flags: Option<Flags<Value>>,
    /// CF of the iteration before was looked at.
    old_carry: bool,
    /// CF was set.
    new_carry: bool,
    load: Option<Spot>,
    store: Option<Spot>,
    /// The direction flag counts.
    string: bool,
    unfit: bool,
}

/// A loop that was found: which of the instructions goes back to the start, and what is to be known of it.
pub struct Found {
    pub back: usize,
    pub plan: Plan,
}

/// Looks for a loop that begins at this offset of the page, where the instructions do.
pub fn find(decoded: &[Decoded], start: u16) -> Option<Found> {
    let op = decoded.first()?.op;
    let whole = |r| Holds::Whole(Value::Sum(Sum { reg: r as u8, plus: 0, w: Width::Q }));
    let mut it = Iteration {
        op,
        regs: std::array::from_fn(whole),
        reads: 0,
        flags: None,
        old_carry: false,
        new_carry: false,
        load: None,
        store: None,
        string: false,
        unfit: false,
    };
    let mut stays = None;
    for (n, d) in decoded.iter().enumerate().take(MOST_OPS) {
        it.op = d.op;
        let goes = it.execute().ok().filter(|_| !it.unfit)?;
        let Goes::Jumps(taken) = goes else { continue };
        let back = d.op.imm == u64::from(start);
        match if back { taken } else { it.not(taken) } {
            Truth::Known(true) => {}
            Truth::Holds(c) if stays.is_none() => stays = Some(c),
            _ => return None,
        }
        if back {
            let (x, y, holds) = match stays.map(|c| (c.cmp, c.opposite, c))? {
                (Cmp::Eq, true, c) | (Cmp::Ne, false, c) => (c.x, c.y, While::NotEqual),
                (Cmp::Ult, false, c) => (c.x, c.y, While::Below),
                (Cmp::Ult, true, c) => (c.y, c.x, While::BelowOrEqual),
                (Cmp::Ule, false, c) => (c.x, c.y, While::BelowOrEqual),
                (Cmp::Ule, true, c) => (c.y, c.x, While::Below),
                _ => return None,
            };
            return Some(Found { back: n, plan: it.plan(x, y, stays?.w, holds)? });
        }
    }
    None
}

impl Iteration {
    /// The op, by its statement.
    fn execute(&mut self) -> Outcome<Self> {
        let i = self.op.ins;
        if i.has(bits::REP) || i.has(bits::REPNE) || i.has(bits::ADDR32) {
            return Err(Unfit);
        }
        match i.func {
            Func::Alu => alu::alu(self, i),
            Func::Unary => unary::unary(self, i),
            Func::Mov => mov::mov(self, i),
            Func::Movzx => mov::movzx(self, i),
            Func::Lea => mov::lea(self, i),
            Func::Movs => string::movs(self, i),
            Func::Lods => string::lods(self, i),
            Func::Stos => string::stos(self, i),
            // Where the instruction pointer has 16 bits a jump may do more than to go.
            Func::Jcc if i.w != Width::W => flow::jcc(self, i),
            Func::Jmp if i.w != Width::W => flow::jmp(self, i),
            _ => Err(Unfit),
        }
    }

    /// By how much a register moves, and in which width, if that is what it does.
    fn step(&self, r: u8) -> Option<(i64, Width)> {
        match self.regs[usize::from(r)] {
            Holds::Whole(Value::Sum(s)) if s.reg == r => Some((s.plus, s.w)),
            _ => None,
        }
    }

    fn plan(&self, x: Sum, y: Sum, w: Width, stays: While) -> Option<Plan> {
        let steps = (0..ZERO).map(|r| (r, self.step(r)));
        for (r, step) in steps.clone() {
            let read = self.reads >> r & 1 != 0;
            if step.map_or(read, |(by, _)| by.abs() > MOST) {
                return None;
            }
        }
        if self.old_carry && self.new_carry {
            return None;
        }
        let (load, store) = (self.load?, self.store?);
        let (load, store) = (self.route(load)?, self.route(store)?);
        let (dx, dy) = (self.step(x.reg)?, self.step(y.reg)?);
        // Of two that move neither may go round; one alone stops before it can.
        let nears = match stays {
            While::NotEqual => dx.0 != dy.0,
            _ => dx.0 > dy.0 && (dx.0 == 0 || dy.0 == 0),
        };
        if !nears || dx.1 < w || dy.1 < w {
            return None;
        }
        let moved = steps.filter_map(|(r, step)| step.filter(|s| *s != (0, Width::Q)).map(|(by, w)| (r, w, by)));
        let (x, y) = ((x.reg, x.plus, dx.0), (y.reg, y.plus, dy.0));
        let moved = moved.collect();
        Some(Plan { load, store, item: self.load?.w, string: self.string, x, y, w, stays, moved })
    }

    /// Where the items of one side lie, if they are in a row and what their addresses are made of goes round where addresses do.
    fn route(&self, spot: Spot) -> Option<Route> {
        let side = spot.side;
        let natural = natural(side.form)?;
        let (base, index) = (self.step(side.base)?, self.step(side.index)?);
        let fine = |(by, w): (i64, Width)| (by, w) == (0, Width::Q) || w == natural;
        let step = base.0 + (index.0 << side.scale);
        (fine(base) && fine(index) && step != 0).then_some(Route { side, step })
    }
}

/// The width of an address.
fn natural(form: Form) -> Option<Width> {
    match form {
        Form::A64 => Some(Width::Q),
        Form::Flat32 => Some(Width::D),
        _ => None,
    }
}

impl Algebra for Iteration {
    type X = ();
    type P = Spot;
    type Flow = Goes;
    type Stop = Unfit;

    fn op(&self) -> Op {
        self.op
    }
    fn reg(&mut self, r: u8, w: Width) -> Value {
        if r == ZERO {
            return Value::Sum(Sum::constant(0));
        }
        match self.regs[usize::from(r)] {
            Holds::Whole(Value::Sum(s)) => {
                self.reads |= 1 << s.reg;
                Value::Sum(s.cut(w))
            }
            Holds::Whole(Value::Item) if self.load.is_some_and(|load| load.w <= w) => Value::Item,
            Holds::Whole(_) => Value::Other,
            Holds::Partly(Some(item)) if item == w => Value::Item,
            Holds::Partly(_) => {
                self.reads |= 1 << r;
                Value::Other
            }
        }
    }
    fn set_reg(&mut self, r: u8, w: Width, v: Value) {
        let v = if let Value::Sum(s) = v { Value::Sum(s.cut(w)) } else { v };
        let old = self.regs[usize::from(r)];
        let untouched = matches!(old, Holds::Partly(_)) || self.step(r) == Some((0, Width::Q));
        self.regs[usize::from(r)] = match w {
            Width::B | Width::W => {
                // What is above must not depend on what this iteration has done.
                self.unfit |= !untouched;
                Holds::Partly(self.load.filter(|load| v == Value::Item && load.w == w).map(|_| w))
            }
            _ => Holds::Whole(v),
        };
    }
    fn reg_high(&mut self, r: u8) -> Value {
        self.reads |= 1 << r;
        Value::Other
    }
    fn set_reg_high(&mut self, r: u8, _v: Value) {
        self.set_reg(r, Width::W, Value::Other);
    }
    fn imm(&mut self, w: Width) -> Value {
        Value::Sum(Sum::constant(self.op.imm & w.mask()))
    }
    fn next_rip(&mut self, _w: Width) -> Value {
        Value::Other
    }
    fn vector(&mut self, _r: u8, _w: Width) {
        self.unfit = true;
    }
    fn set_vector(&mut self, _r: u8, _w: Width, _v: ()) {
        self.unfit = true;
    }

    fn address(&mut self, i: Ins) -> Value {
        let Some(w) = natural(i.form) else { return Value::Other };
        let Op { base, index, scale, disp, .. } = self.op;
        let (Value::Sum(base), Value::Sum(index)) = (self.reg(base, w), self.reg(index, w)) else {
            return Value::Other;
        };
        if !base.is_of(w) || !index.is_of(w) {
            return Value::Other;
        }
        let disp = disp.wrapping_add(base.plus).wrapping_add(index.plus << (scale & 3));
        if index.is_constant() {
            return Value::Sum(Sum { plus: disp, ..base }.cut(w));
        }
        Value::At(Side { base: base.reg, index: index.reg, scale: scale & 3, disp, form: i.form })
    }
    fn probe(&mut self, form: Form, _seg: u8, offset: Value, w: Width, access: Access) -> Result<Spot, Unfit> {
        let natural = natural(form).ok_or(Unfit)?;
        let side = match offset {
            Value::Sum(s) if s.is_of(natural) => Side { base: s.reg, index: ZERO, scale: 0, disp: s.plus, form },
            Value::At(side) => side,
            _ => return Err(Unfit),
        };
        if access == Access::Update || w > Width::Q { Err(Unfit) } else { Ok(Spot { side, w }) }
    }
    fn load(&mut self, _w: Width, p: Spot) -> Value {
        self.unfit |= self.load.replace(p).is_some();
        Value::Item
    }
    fn store(&mut self, w: Width, p: Spot, v: Value) {
        let item = v == Value::Item && self.load.is_some_and(|load| load.w == w);
        self.unfit |= !item || self.store.replace(p).is_some();
    }
    fn load_vector(&mut self, _w: Width, _p: Spot) {
        self.unfit = true;
    }
    fn store_vector(&mut self, _w: Width, _p: Spot, _v: ()) {
        self.unfit = true;
    }
    fn update<E>(&mut self, _locked: bool, _w: Width, _p: Spot, f: impl Fn(&mut Self, Value) -> (Value, E)) -> E {
        self.unfit = true;
        f(self, Value::Other).1
    }

    fn set_flags(&mut self, f: Flags<Value>) {
        self.new_carry |= !matches!(f.kind, FlagKind::Inc | FlagKind::Dec);
        self.flags = Some(f);
    }
    fn condition(&mut self, cc: u8) -> Truth {
        let Some(f) = self.flags else {
            self.unfit = true;
            return Truth::Other;
        };
        flags::condition(self, cc, &f)
    }
    fn carry(&mut self) -> Truth {
        let Some(f) = self.flags else {
            self.old_carry = true;
            return Truth::Other;
        };
        flags::carry(self, &f)
    }
    fn flags_word(&mut self) -> Value {
        self.unfit = true;
        Value::Other
    }
    fn direction(&mut self) -> Truth {
        self.string = true;
        Truth::Known(false)
    }
    fn system_flags(&mut self) -> Value {
        self.unfit = true;
        Value::Other
    }
    fn set_system_flags(&mut self, _flags: Value) {
        self.unfit = true;
    }

    fn when(&mut self, _c: Truth, _f: impl FnOnce(&mut Self)) {
        self.unfit = true;
    }
    fn raise_if_or_stop(&mut self, _c: Truth, _exception: Exception) -> Result<(), Unfit> {
        Err(Unfit)
    }
    fn divide_or_stop(
        &mut self,
        _signed: bool,
        _w: Width,
        _hi: Value,
        _lo: Value,
        _d: Value,
    ) -> Result<(Value, Value), Unfit> {
        Err(Unfit)
    }
    fn next(&mut self) -> Goes {
        Goes::Next
    }
    fn jump_or_stop(&mut self, _w: Width) -> Result<Goes, Unfit> {
        Ok(Goes::Jumps(Truth::Known(true)))
    }
    fn jump_if_or_stop(&mut self, _w: Width, c: Truth) -> Result<Goes, Unfit> {
        Ok(Goes::Jumps(c))
    }
    fn check_target_or_stop(&mut self, _w: Width, _target: Value) -> Result<(), Unfit> {
        Err(Unfit)
    }
    fn jump_to(&mut self, _w: Width, _target: Value) -> Goes {
        Goes::Jumps(Truth::Other)
    }
    fn skip_if(&mut self, _c: Truth) -> Option<Goes> {
        self.unfit = true;
        None
    }
    fn again_if(&mut self, _c: Truth) -> Goes {
        Goes::Jumps(Truth::Other)
    }
    fn fence(&mut self) {
        self.unfit = true;
    }
    fn string_block(&mut self, _i: Ins) -> bool {
        self.unfit = true;
        false
    }
}
