//! FNSTENV, FLDENV, FNSAVE and FRSTOR in their four layouts: 16 or 32 bits, real-address or protected mode (Intel SDM
//! vol. 1, section 8.1.10, figures 8-9 to 8-12). Virtual-8086 mode has the layouts of real-address mode.

use super::control::{control_word, initialize};
use super::memory::check_fields;
use super::stack::Stack;
use super::unit::{EXCEPTIONS, Unit, available, summarize};
use crate::algebra::Access;
use crate::ctx::{Ctx, Done};
use crate::exception::Exception;
use crate::op::Op;
use lyrebird_core::cpu::x87::X87;
use lyrebird_float::{Class, F80};

/// Bytes of the environment with 32-bit fields; half as many with 16-bit ones.
const ENVIRONMENT: usize = 28;
/// Bytes of the registers behind it.
const REGISTERS: usize = 80;
const OPCODE: u16 = 0x7ff;

/// The tag word: two bits a physical register, 0 valid, 1 zero, 2 special, 3 empty (section 8.1.7).
pub fn tag_word(x: &X87) -> u16 {
    (0..8).fold(0, |tags, i| {
        let r = &x.r[i];
        let tag = if x.valid >> i & 1 == 0 {
            3
        } else {
            match F80::new(r.sign_exponent, r.significand).class() {
                Class::Normal => 0,
                Class::Zero => 1,
                _ => 2,
            }
        };
        tags | tag << (2 * i)
    })
}

/// The abridged tags of a tag word.
pub fn valid_of_tags(tags: u16) -> u8 {
    (0..8).fold(0, |valid, i| valid | u8::from(tags >> (2 * i) & 3 != 3) << i)
}

/// The environment's seven fields, as 32-bit protected mode lays them out, the unused bits clear.
fn fields(x: &X87, protected: bool) -> [u32; 7] {
    let (opcode, ip, dp) = (u32::from(x.opcode & OPCODE), x.ip as u32, x.dp as u32);
    let pointers = if protected {
        [ip, u32::from(x.cs) | opcode << 16, dp, u32::from(x.ds)]
    } else {
        // Linear addresses, their low and high halves apart.
        let ip = ip.wrapping_add(u32::from(x.cs) << 4);
        let dp = dp.wrapping_add(u32::from(x.ds) << 4);
        [ip & 0xffff, ip >> 16 << 12 | opcode, dp & 0xffff, dp >> 16 << 12]
    };
    let [a, b, c, d] = pointers;
    [u32::from(x.control), u32::from(x.status), u32::from(tag_word(x)), a, b, c, d]
}

/// The bytes that FNSTENV stores. `wide` is the 32-bit layout; of the result only that many bytes count.
fn image(x: &X87, protected: bool, wide: bool) -> [u8; ENVIRONMENT] {
    let mut fields = fields(x, protected);
    let mut bytes = [0; ENVIRONMENT];
    if wide {
        // Processors fill the unused halves with ones.
        let halves: &[usize] = if protected { &[0, 1, 2, 6] } else { &[0, 1, 2, 3, 5] };
        for i in halves {
            fields[*i] |= 0xffff_0000;
        }
        for (i, field) in fields.iter().enumerate() {
            bytes[4 * i..4 * i + 4].copy_from_slice(&field.to_le_bytes());
        }
    } else {
        for (i, field) in fields.iter().enumerate() {
            bytes[2 * i..2 * i + 2].copy_from_slice(&(*field as u16).to_le_bytes());
        }
    }
    bytes
}

/// Takes an environment over; ES and B are still to be derived.
fn load_image(x: &mut X87, bytes: &[u8], protected: bool, wide: bool) {
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let field = |i: usize| {
        if wide { u32::from(half(4 * i)) | u32::from(half(4 * i + 2)) << 16 } else { u32::from(half(2 * i)) }
    };
    x.control = control_word(field(0) as u16);
    x.status = field(1) as u16;
    x.valid = valid_of_tags(field(2) as u16);
    let [a, b, c, d] = [3, 4, 5, 6].map(field);
    if protected {
        (x.ip, x.cs) = (u64::from(a), b as u16);
        (x.dp, x.ds) = (u64::from(c), d as u16);
        // The 16-bit layout has no room for the opcode: it is lost.
        x.opcode = (b >> 16) as u16 & OPCODE;
    } else {
        // The selectors cannot be had back from a linear address.
        (x.ip, x.cs) = (u64::from(a & 0xffff | (b >> 12 & 0xffff) << 16), 0);
        (x.dp, x.ds) = (u64::from(c & 0xffff | (d >> 12 & 0xffff) << 16), 0);
        x.opcode = b as u16 & OPCODE;
    }
}

/// Stores an area, checked whole before the first byte is written.
fn write_area(ctx: &mut Ctx, op: &Op, wide: bool, bytes: &[u8]) -> Result<(), Exception> {
    let offset = Ctx::address(ctx, op);
    check_fields(ctx, op, offset, bytes.len(), if wide { 4 } else { 2 }, Access::Write)?;
    ctx.write_bytes(op.seg, offset, bytes)
}

/// Loads one.
fn read_area(ctx: &mut Ctx, op: &Op, wide: bool, bytes: &mut [u8]) -> Result<(), Exception> {
    let offset = Ctx::address(ctx, op);
    check_fields(ctx, op, offset, bytes.len(), if wide { 4 } else { 2 }, Access::Read)?;
    ctx.read_bytes(op.seg, offset, bytes)
}

const fn environment_bytes(wide: bool) -> usize {
    if wide { ENVIRONMENT } else { ENVIRONMENT / 2 }
}

/// FNSTENV.
pub fn fnstenv<const WIDE: bool>(ctx: &mut Ctx, op: &Op) -> Done {
    available(ctx)?;
    let bytes = image(&ctx.cpu.state.x87, ctx.cpu.protected(), WIDE);
    write_area(ctx, op, WIDE, &bytes[..environment_bytes(WIDE)])?;
    ctx.cpu.state.x87.control |= EXCEPTIONS;
    summarize(ctx)
}

/// FLDENV.
pub fn fldenv<const WIDE: bool>(ctx: &mut Ctx, op: &Op) -> Done {
    ctx.begin()?;
    let mut bytes = [0; ENVIRONMENT];
    let bytes = &mut bytes[..environment_bytes(WIDE)];
    read_area(ctx, op, WIDE, bytes)?;
    let protected = ctx.cpu.protected();
    load_image(&mut ctx.cpu.state.x87, bytes, protected, WIDE);
    summarize(ctx)
}

/// FNSAVE.
pub fn fnsave<const WIDE: bool>(ctx: &mut Ctx, op: &Op) -> Done {
    available(ctx)?;
    let x = &ctx.cpu.state.x87;
    let head = environment_bytes(WIDE);
    let mut bytes = [0; ENVIRONMENT + REGISTERS];
    bytes[..head].copy_from_slice(&image(x, ctx.cpu.protected(), WIDE)[..head]);
    for (i, place) in (0..).zip(bytes[head..head + REGISTERS].chunks_exact_mut(10)) {
        place.copy_from_slice(&x.st(i).to_bytes());
    }
    write_area(ctx, op, WIDE, &bytes[..head + REGISTERS])?;
    initialize(ctx)
}

/// FRSTOR.
pub fn frstor<const WIDE: bool>(ctx: &mut Ctx, op: &Op) -> Done {
    ctx.begin()?;
    let head = environment_bytes(WIDE);
    let mut bytes = [0; ENVIRONMENT + REGISTERS];
    let bytes = &mut bytes[..head + REGISTERS];
    read_area(ctx, op, WIDE, bytes)?;
    let protected = ctx.cpu.protected();
    let x = &mut ctx.cpu.state.x87;
    load_image(x, &bytes[..head], protected, WIDE);
    for (i, place) in (0..).zip(bytes[head..].chunks_exact(10)) {
        let mut ten = [0; 10];
        ten.copy_from_slice(place);
        x.replace(i, F80::from_bytes(ten));
    }
    summarize(ctx)
}
