//! Vectors: not compiled yet. The translator hands every op of the vector families to the interpreter by a call, so none
//! of these is reached; should one be, the trace is refused and stays with the interpreter.

use super::{C, Emit, V};
use frontend_x86::op::{Form, Ins, Width};
use frontend_x86::sse::algebra::VectorAlgebra;
use frontend_x86::sse::ops::{BlendOp, FloatOp, Format, VecImmOp, VecOp, VecUnaryOp};
use std::convert::Infallible;

/// A vector. There are none.
#[derive(Clone, Copy)]
pub struct NoVector;

impl Emit<'_, '_> {
    /// Gives the trace up.
    pub fn refuse(&mut self) -> V {
        self.refused = true;
        V::Const(0)
    }

    /// The same where a vector is wanted.
    pub fn refuse_vector(&mut self) -> NoVector {
        self.refused = true;
        NoVector
    }
}

impl VectorAlgebra for Emit<'_, '_> {
    fn simd_available_or_stop(&mut self, _: Ins) -> Result<(), Infallible> {
        self.refused = true;
        Ok(())
    }
    fn aligned_or_stop(&mut self, _: Form, _: u8, _: V, _: Width) -> Result<(), Infallible> {
        self.refused = true;
        Ok(())
    }
    fn mmx(&mut self, _: u8) -> V {
        self.refuse()
    }
    fn set_mmx(&mut self, _: u8, _: V) {
        self.refused = true;
    }
    fn enter_mmx(&mut self) {
        self.refused = true;
    }
    fn set_vector_whole(&mut self, _: u8, _: Width, _: NoVector) {
        self.refused = true;
    }
    fn vec_from_low(&mut self, _: V) -> NoVector {
        self.refuse_vector()
    }
    fn vec_extract(&mut self, _: Width, _: NoVector, _: u32) -> V {
        self.refuse()
    }
    fn vec_insert(&mut self, _: Width, _: NoVector, _: u32, _: V) -> NoVector {
        self.refuse_vector()
    }
    fn vec_bin(&mut self, _: VecOp, _: Width, _: NoVector, _: NoVector) -> NoVector {
        self.refuse_vector()
    }
    fn vec_unary(&mut self, _: VecUnaryOp, _: Width, _: NoVector) -> NoVector {
        self.refuse_vector()
    }
    fn vec_imm(&mut self, _: VecImmOp, _: Width, _: NoVector, _: NoVector, _: u8) -> NoVector {
        self.refuse_vector()
    }
    fn vec_blend(&mut self, _: BlendOp, _: Width, _: NoVector, _: NoVector, _: NoVector) -> NoVector {
        self.refuse_vector()
    }
    fn vec_signs(&mut self, _: Width, _: Width, _: NoVector) -> V {
        self.refuse()
    }
    fn vec_test(&mut self, _: Width, _: NoVector, _: NoVector) -> (C, C) {
        self.refused = true;
        (C::Const(false), C::Const(false))
    }
    fn float_or_stop(
        &mut self,
        _: FloatOp,
        _: Format,
        _: Width,
        _: u8,
        _: NoVector,
        _: NoVector,
    ) -> Result<NoVector, Infallible> {
        Ok(self.refuse_vector())
    }
    fn fused_or_stop(
        &mut self,
        _: FloatOp,
        _: Format,
        _: Width,
        _: NoVector,
        _: NoVector,
        _: NoVector,
    ) -> Result<NoVector, Infallible> {
        Ok(self.refuse_vector())
    }
    fn float_compare_or_stop(&mut self, _: Format, _: bool, _: NoVector, _: NoVector) -> Result<V, Infallible> {
        Ok(self.refuse())
    }
    fn float_to_int_or_stop(&mut self, _: Format, _: bool, _: Width, _: NoVector) -> Result<V, Infallible> {
        Ok(self.refuse())
    }
    fn float_from_int_or_stop(&mut self, _: Format, _: Width, _: V) -> Result<V, Infallible> {
        Ok(self.refuse())
    }
}
