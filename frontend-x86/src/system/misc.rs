//! Small system instructions.

use crate::ctx::{Ctx, Done};
use crate::exception::Exception;
use crate::op::Op;

/// UD0, UD1, UD2, and whatever the model does not have.
pub fn undefined(_ctx: &mut Ctx, _op: &Op) -> Done {
    Err(Exception::undefined())
}

/// An instruction longer than 15 bytes (Intel SDM vol. 3, section 6.15, #GP).
pub fn too_long(_ctx: &mut Ctx, _op: &Op) -> Done {
    Err(Exception::protection(0))
}
