//! Formats of memory operands (Intel SDM vol. 1, section 8.2): how many bytes, and their value in 80 bits.

use crate::algebra::Access;
use crate::ctx::Ctx;
use crate::exception::Exception;
use crate::op::Op;
use lyrebird_float::{Env, F80, Flags};
use lyrebird_memory::PAGE_SIZE;

const INTEGER_BIT: u64 = 1 << 63;
const BIAS: i32 = 16383;

/// An operand widened to 80 bits, exactly and without exceptions. A denormal number has become a normal one, which must
/// still raise DE.
#[derive(Clone, Copy)]
pub struct Operand {
    /// Its value; signaling NaNs are still signaling.
    pub value: F80,
    /// It was denormal.
    pub denormal: bool,
}

/// A format that arithmetic and comparisons take from memory.
pub trait Format {
    /// Size in memory.
    const BYTES: u64;
    /// The value of that many bytes.
    fn widen(raw: u64) -> Operand;
}

/// m32fp.
pub struct M32;
/// m64fp.
pub struct M64;
/// m16int.
pub struct I16;
/// m32int.
pub struct I32;

impl Format for M32 {
    const BYTES: u64 = 4;
    #[inline(always)]
    fn widen(raw: u64) -> Operand {
        widen::<23, 8>(raw)
    }
}

impl Format for M64 {
    const BYTES: u64 = 8;
    #[inline(always)]
    fn widen(raw: u64) -> Operand {
        widen::<52, 11>(raw)
    }
}

impl Format for I16 {
    const BYTES: u64 = 2;
    #[inline(always)]
    fn widen(raw: u64) -> Operand {
        Operand { value: F80::from_i16(raw as i16), denormal: false }
    }
}

impl Format for I32 {
    const BYTES: u64 = 4;
    #[inline(always)]
    fn widen(raw: u64) -> Operand {
        Operand { value: F80::from_i32(raw as i32), denormal: false }
    }
}

/// Widens a format with so many bits of fraction and exponent.
#[inline(always)]
fn widen<const FRACTION: u32, const EXPONENT: u32>(raw: u64) -> Operand {
    let bias = (1 << (EXPONENT - 1)) - 1;
    let sign = ((raw >> (FRACTION + EXPONENT) & 1) << 15) as u16;
    let field = (raw >> FRACTION) as i32 & ((1 << EXPONENT) - 1);
    // The fraction, its first bit below where the integer bit will stand.
    let fraction = raw << (63 - FRACTION) & !INTEGER_BIT;
    let normal = |field: u16| F80::new(sign | field, fraction | INTEGER_BIT);
    if field == 0 {
        if fraction == 0 {
            return Operand { value: F80::new(sign, 0), denormal: false };
        }
        let zeros = fraction.leading_zeros();
        let exponent = BIAS + 1 - bias - zeros as i32;
        return Operand { value: F80::new(sign | exponent as u16, fraction << zeros), denormal: true };
    }
    if field == (1 << EXPONENT) - 1 {
        return Operand { value: normal(0x7fff), denormal: false };
    }
    Operand { value: normal((field + BIAS - bias) as u16), denormal: false }
}

impl Operand {
    /// Raises the DE that the widening hid, if the operation with `other` looked at denormals at all: NaNs, invalid
    /// operands and divisions by zero come first.
    #[inline(always)]
    pub fn settle(self, other: F80, env: &mut Env) {
        if self.denormal {
            raise_denormal(other, env);
        }
    }
}

#[cold]
fn raise_denormal(other: F80, env: &mut Env) {
    if env.flags.intersects(Flags::IE | Flags::ZE) || other.is_nan() {
        return;
    }
    if env.masked(Flags::DE) {
        env.raise(Flags::DE);
    } else {
        // The operation does not happen, so it raises nothing else.
        env.flags = Flags::DE;
        env.rounded_up = false;
    }
}

/// Reads a ten-byte operand at an offset of the op's segment.
pub fn read_ten(ctx: &mut Ctx, op: &Op, offset: u64) -> Result<[u8; 10], Exception> {
    let linear = linear_of_ten(ctx, op, offset, Access::Read)?;
    let bank = ctx.cpu.bank;
    let mut bytes = [0; 10];
    if in_one_page(linear) {
        bytes[..8].copy_from_slice(&ctx.read_linear(linear, 8, bank)?.to_le_bytes());
        bytes[8..].copy_from_slice(&(ctx.read_linear(linear + 8, 2, bank)? as u16).to_le_bytes());
        return Ok(bytes);
    }
    let at = ctx.physical(linear, 10, Access::Read, bank)?;
    let (head, tail) = bytes.split_at_mut(at.in_first as usize);
    ctx.read_physical_bytes(at.first, head);
    ctx.read_physical_bytes(at.second, tail);
    Ok(bytes)
}

/// Writes one.
pub fn write_ten(ctx: &mut Ctx, op: &Op, offset: u64, bytes: [u8; 10]) -> Result<(), Exception> {
    let linear = linear_of_ten(ctx, op, offset, Access::Write)?;
    let bank = ctx.cpu.bank;
    if in_one_page(linear) {
        let [a, b, c, d, e, f, g, h, i, j] = bytes;
        // If the first part does not fault the second cannot.
        ctx.write_linear(linear, 8, u64::from_le_bytes([a, b, c, d, e, f, g, h]), bank)?;
        return ctx.write_linear(linear + 8, 2, u64::from(u16::from_le_bytes([i, j])), bank);
    }
    let at = ctx.physical(linear, 10, Access::Write, bank)?;
    let (head, tail) = bytes.split_at(at.in_first as usize);
    ctx.write_physical_bytes(at.first, head);
    ctx.write_physical_bytes(at.second, tail);
    Ok(())
}

fn in_one_page(linear: u64) -> bool {
    linear % PAGE_SIZE <= PAGE_SIZE - 10
}

/// Checks a ten-byte operand but for paging: segment, alignment to 8 (SDM vol. 3, table 7-7), data breakpoints.
fn linear_of_ten(ctx: &mut Ctx, op: &Op, offset: u64, access: Access) -> Result<u64, Exception> {
    let linear = ctx.linear(op.seg, offset, 10, access)?;
    if ctx.cpu.careful {
        ctx.check_careful(linear, 8, access)?;
        ctx.check_careful(linear.wrapping_add(8), 2, access)?;
    }
    Ok(linear)
}

/// Alignment and data breakpoints of an area of fields of `step` bytes each (the environment, the FSAVE image).
pub fn check_fields(
    ctx: &mut Ctx,
    op: &Op,
    offset: u64,
    bytes: usize,
    step: u64,
    access: Access,
) -> Result<(), Exception> {
    if ctx.cpu.careful {
        let linear = ctx.linear(op.seg, offset, bytes as u64, access)?;
        for at in (0..bytes as u64).step_by(step as usize) {
            ctx.check_careful(linear.wrapping_add(at), step, access)?;
        }
    }
    Ok(())
}
