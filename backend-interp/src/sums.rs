//! Numbers of which only this is known: a register as it was, and what was added to it. In this arithmetic the statements of
//! `frontend-x86` tell what an iteration of a loop does ([`crate::iteration`]); whatever else they compute is [`Value::Other`].

use crate::iteration::Iteration;
use frontend_x86::algebra::{Arith, Bin, Cmp};
use frontend_x86::op::{Form, Width, ZERO};

/// The low `w` bits of a register as it was, plus a number. Of [`ZERO`] it is the number itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    pub reg: u8,
    pub plus: i64,
    pub w: Width,
}

/// An address that is made of two registers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Side {
    pub base: u8,
    pub index: u8,
    pub scale: u8,
    pub disp: i64,
    pub form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Sum(Sum),
    /// The difference of two.
    Apart(Sum, Sum),
    At(Side),
    /// What was loaded.
    Item,
    Other,
}

/// A comparison of two numbers, or its opposite.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    pub cmp: Cmp,
    pub w: Width,
    pub x: Sum,
    pub y: Sum,
    pub opposite: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    Known(bool),
    Holds(Compared),
    Other,
}

impl Sum {
    /// A constant.
    pub fn constant(value: u64) -> Sum {
        Sum { reg: ZERO, plus: value as i64, w: Width::Q }
    }

    /// Whether it is one.
    pub fn is_constant(self) -> bool {
        self.reg == ZERO
    }

    /// Whether it is a number of just this width, which goes round where that ends.
    pub fn is_of(self, w: Width) -> bool {
        self.is_constant() || self.w == w
    }

    /// Its low bits.
    pub fn cut(self, w: Width) -> Sum {
        if self.is_constant() {
            return Sum::constant(self.plus as u64 & w.mask());
        }
        let w = self.w.min(w);
        let above = 64 - w.bits();
        Sum { plus: self.plus << above >> above, w, ..self }
    }

    /// With a number added, in a width that it has.
    fn plus(self, w: Width, by: i64) -> Option<Sum> {
        let fits = self.is_constant() || self.w >= w;
        fits.then(|| Sum { plus: self.plus.wrapping_add(by), ..self }.cut(w))
    }
}

impl Value {
    fn constant(self) -> Option<u64> {
        match self {
            Value::Sum(s) if s.is_constant() => Some(s.plus as u64),
            _ => None,
        }
    }

    fn of(sum: Option<Sum>) -> Value {
        sum.map_or(Value::Other, Value::Sum)
    }
}

impl Arith for Iteration {
    type V = Value;
    type C = Truth;

    fn k(&mut self, w: Width, value: u64) -> Value {
        Value::Sum(Sum::constant(value & w.mask()))
    }
    fn bin(&mut self, op: Bin, w: Width, l: Value, r: Value) -> Value {
        match (op, l, r) {
            (Bin::Add, Value::Sum(x), Value::Sum(y)) if y.is_constant() => Value::of(x.plus(w, y.plus)),
            (Bin::Add, Value::Sum(x), Value::Sum(y)) if x.is_constant() => Value::of(y.plus(w, x.plus)),
            (Bin::Add, Value::Apart(x, y), Value::Sum(z)) if y == z => Value::Sum(x),
            (Bin::Sub, Value::Sum(x), Value::Sum(y)) if y.is_constant() => Value::of(x.plus(w, y.plus.wrapping_neg())),
            (Bin::Sub, Value::Sum(x), Value::Sum(y)) => Value::Apart(x, y),
            (Bin::And | Bin::Or, Value::Sum(x), Value::Sum(y)) if x == y => l,
            _ => Value::Other,
        }
    }
    fn cmp(&mut self, cmp: Cmp, w: Width, l: Value, r: Value) -> Truth {
        let (x, y) = match (l, r) {
            (Value::Sum(x), Value::Sum(y)) => (x, y),
            (Value::Apart(x, y), zero) if matches!(cmp, Cmp::Eq | Cmp::Ne) && zero.constant() == Some(0) => (x, y),
            _ => return Truth::Other,
        };
        if !x.is_of(w) || !y.is_of(w) || x.is_constant() && y.is_constant() {
            return Truth::Other;
        }
        Truth::Holds(Compared { cmp, w, x, y, opposite: false })
    }
    fn bit(&mut self, v: Value, bit: u32) -> Truth {
        v.constant().map_or(Truth::Other, |v| Truth::Known(v >> bit & 1 != 0))
    }
    fn truncate(&mut self, w: Width, v: Value) -> Value {
        match v {
            Value::Sum(s) => Value::Sum(s.cut(w)),
            _ => Value::Other,
        }
    }
    fn sign_extend(&mut self, _from: Width, _to: Width, _v: Value) -> Value {
        Value::Other
    }
    fn popcount(&mut self, _w: Width, _v: Value) -> Value {
        Value::Other
    }
    fn leading_zeros(&mut self, _w: Width, _v: Value) -> Value {
        Value::Other
    }
    fn trailing_zeros(&mut self, _w: Width, _v: Value) -> Value {
        Value::Other
    }
    fn swap_bytes(&mut self, _w: Width, _v: Value) -> Value {
        Value::Other
    }
    fn mul_wide(&mut self, _signed: bool, _w: Width, _l: Value, _r: Value) -> (Value, Value) {
        (Value::Other, Value::Other)
    }
    fn crc32c(&mut self, _w: Width, _crc: Value, _v: Value) -> Value {
        Value::Other
    }
    fn select(&mut self, _w: Width, c: Truth, yes: Value, no: Value) -> Value {
        match c {
            Truth::Known(true) => yes,
            Truth::Known(false) => no,
            _ => Value::Other,
        }
    }
    fn truth(&mut self, c: bool) -> Truth {
        Truth::Known(c)
    }
    fn value(&mut self, c: Truth) -> Value {
        match c {
            Truth::Known(c) => Value::Sum(Sum::constant(u64::from(c))),
            _ => Value::Other,
        }
    }
    fn and(&mut self, l: Truth, r: Truth) -> Truth {
        match (l, r) {
            (Truth::Known(false), _) | (_, Truth::Known(false)) => Truth::Known(false),
            (Truth::Known(true), c) | (c, Truth::Known(true)) => c,
            _ => Truth::Other,
        }
    }
    fn or(&mut self, l: Truth, r: Truth) -> Truth {
        match (l, r) {
            (Truth::Known(true), _) | (_, Truth::Known(true)) => Truth::Known(true),
            (Truth::Known(false), c) | (c, Truth::Known(false)) => c,
            _ => Truth::Other,
        }
    }
    fn xor(&mut self, _l: Truth, _r: Truth) -> Truth {
        Truth::Other
    }
    fn not(&mut self, c: Truth) -> Truth {
        match c {
            Truth::Known(c) => Truth::Known(!c),
            Truth::Holds(c) => Truth::Holds(Compared { opposite: !c.opposite, ..c }),
            Truth::Other => Truth::Other,
        }
    }
}
