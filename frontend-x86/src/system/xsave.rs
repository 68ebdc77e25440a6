//! FXSAVE, FXRSTOR, the XSAVE family, XGETBV and XSETBV (Intel SDM vol. 1, chapters 10 and 13).

use super::control::{cr0, cr4};
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::model::Feature;
use crate::op::{Op, Width, reg};
use lyrebird_core::cpu::x87::{X87, X87Register};

const X87_BIT: u64 = 1;
const SSE_BIT: u64 = 2;
const AVX_BIT: u64 = 4;
/// The legacy region and the header.
const HEADER: usize = 512;
const AVX_AREA: usize = 576;
/// XCOMP_BV bit 63: the compacted format.
const COMPACT: u64 = 1 << 63;
/// MXCSR's bits that exist.
const MXCSR_MASK: u32 = 0xffff;
const MXCSR_INIT: u32 = 0x1f80;
/// What FINIT and a cleared x87 component leave.
const X87_INIT: X87 =
    X87 { control: 0x37f, valid: 0, r: [X87Register { significand: 0, sign_exponent: 0 }; 8], ..X87::RESET };

/// Writes a little-endian number into an image.
fn put(image: &mut [u8], at: usize, bytes: usize, value: u64) {
    image[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
}

fn get(image: &[u8], at: usize, bytes: usize) -> u64 {
    let mut buf = [0; 8];
    buf[..bytes].copy_from_slice(&image[at..at + bytes]);
    u64::from_le_bytes(buf)
}

/// The x87 part of a legacy region. `wide`: pointers of 64 bits (REX.W).
fn put_x87(ctx: &Ctx, image: &mut [u8], wide: bool) {
    let x = &ctx.cpu.state.x87;
    put(image, 0, 2, u64::from(x.control));
    put(image, 2, 2, u64::from(x.status));
    put(image, 4, 2, u64::from(x.valid));
    put(image, 6, 2, u64::from(x.opcode & 0x7ff));
    if wide {
        put(image, 8, 8, x.ip);
        put(image, 16, 8, x.dp);
    } else {
        put(image, 8, 4, x.ip & 0xffff_ffff);
        put(image, 12, 4, u64::from(x.cs));
        put(image, 16, 4, x.dp & 0xffff_ffff);
        put(image, 20, 4, u64::from(x.ds));
    }
    for i in 0..8 {
        let r = x.r[(x.top() + i) % 8];
        let at = 32 + 16 * i;
        put(image, at, 8, r.significand);
        put(image, at + 8, 8, u64::from(r.sign_exponent));
    }
}

fn get_x87(ctx: &mut Ctx, image: &[u8], wide: bool) {
    let x = &mut ctx.cpu.state.x87;
    x.control = get(image, 0, 2) as u16;
    x.status = get(image, 2, 2) as u16;
    x.valid = image[4];
    x.opcode = get(image, 6, 2) as u16 & 0x7ff;
    if wide {
        (x.ip, x.dp, x.cs, x.ds) = (get(image, 8, 8), get(image, 16, 8), 0, 0);
    } else {
        (x.ip, x.cs) = (get(image, 8, 4), get(image, 12, 2) as u16);
        (x.dp, x.ds) = (get(image, 16, 4), get(image, 20, 2) as u16);
    }
    let top = x.top();
    for i in 0..8 {
        let at = 32 + 16 * i;
        x.r[(top + i) % 8] =
            X87Register { significand: get(image, at, 8), sign_exponent: get(image, at + 8, 2) as u16 };
    }
    // Whether an exception is pending follows from the flags that are not masked (SDM vol. 1, section 8.1.3.3).
    let pending = x.status & !x.control & 0x3f != 0;
    x.status = x.status & !0x8080 | if pending { 0x8080 } else { 0 };
}

/// How many XMM registers the current mode sees.
fn registers(ctx: &Ctx) -> usize {
    if ctx.cpu.mode64() { 16 } else { 8 }
}

fn put_sse(ctx: &Ctx, image: &mut [u8]) {
    for i in 0..registers(ctx) {
        let v = ctx.cpu.state.vector[i];
        put(image, 160 + 16 * i, 8, v[0]);
        put(image, 168 + 16 * i, 8, v[1]);
    }
}

fn get_sse(ctx: &mut Ctx, image: &[u8]) {
    for i in 0..registers(ctx) {
        let v = &mut ctx.cpu.state.vector[i];
        (v[0], v[1]) = (get(image, 160 + 16 * i, 8), get(image, 168 + 16 * i, 8));
    }
}

fn put_mxcsr(ctx: &Ctx, image: &mut [u8]) {
    put(image, 24, 4, u64::from(ctx.cpu.state.mxcsr));
    put(image, 28, 4, u64::from(MXCSR_MASK));
}

fn check_mxcsr(image: &[u8]) -> Result<u32, Exception> {
    let value = get(image, 24, 4) as u32;
    if value & !MXCSR_MASK != 0 { Err(Exception::protection(0)) } else { Ok(value) }
}

fn aligned(ctx: &Ctx, op: &Op, to: u64) -> Result<u64, Exception> {
    let at = ctx.address(op);
    let linear = ctx.cpu.bounds[usize::from(op.seg)].base.wrapping_add(at);
    if linear.is_multiple_of(to) { Ok(at) } else { Err(Exception::protection(0)) }
}

/// FXSAVE; with a 64-bit operand size, FXSAVE64. Bytes that the manual reserves are left alone.
pub fn fxsave(ctx: &mut Ctx, op: &Op) -> Done {
    if ctx.cpu.state.cr0 & (cr0::TS | cr0::EM) != 0 {
        return Err(Exception::device_not_available());
    }
    let at = aligned(ctx, op, 16)?;
    let mut image = [0; 416];
    ctx.read_bytes(op.seg, at, &mut image)?;
    put_x87(ctx, &mut image, op.ins.w == Width::Q);
    if ctx.cpu.model.has(Feature::Sse) {
        put_mxcsr(ctx, &mut image);
        if ctx.cpu.state.cr4 & cr4::OSFXSR != 0 {
            put_sse(ctx, &mut image);
        }
    }
    ctx.write_bytes(op.seg, at, &image)?;
    Ok(Then::Next)
}

/// FXRSTOR, FXRSTOR64.
pub fn fxrstor(ctx: &mut Ctx, op: &Op) -> Done {
    if ctx.cpu.state.cr0 & (cr0::TS | cr0::EM) != 0 {
        return Err(Exception::device_not_available());
    }
    let at = aligned(ctx, op, 16)?;
    let mut image = [0; 416];
    ctx.read_bytes(op.seg, at, &mut image)?;
    if ctx.cpu.model.has(Feature::Sse) {
        ctx.cpu.state.mxcsr = check_mxcsr(&image)?;
        if ctx.cpu.state.cr4 & cr4::OSFXSR != 0 {
            get_sse(ctx, &image);
        }
    }
    get_x87(ctx, &image, op.ins.w == Width::Q);
    Ok(Then::Next)
}

/// What the XSAVE family checks first. Gives the image's offset and the requested components that are enabled.
fn begin(ctx: &Ctx, op: &Op) -> Result<(u64, u64), Exception> {
    if ctx.cpu.state.cr4 & cr4::OSXSAVE == 0 {
        return Err(Exception::undefined());
    }
    if ctx.cpu.state.cr0 & cr0::TS != 0 {
        return Err(Exception::device_not_available());
    }
    let at = aligned(ctx, op, 64)?;
    let wanted = ctx.cpu.reg(reg::RAX) & 0xffff_ffff | ctx.cpu.reg(reg::RDX) << 32;
    Ok((at, wanted & ctx.cpu.state.xcr0))
}

/// XINUSE: the components that are not in their initial state (SDM vol. 1, section 13.6).
fn in_use(ctx: &Ctx) -> u64 {
    let s = &ctx.cpu.state;
    let n = registers(ctx);
    let mut mask = 0;
    if s.x87 != X87_INIT {
        mask |= X87_BIT;
    }
    if s.vector[..n].iter().any(|v| v[0] | v[1] != 0) || s.mxcsr != MXCSR_INIT {
        mask |= SSE_BIT;
    }
    if s.vector[..n].iter().any(|v| v[2] | v[3] != 0) {
        mask |= AVX_BIT;
    }
    mask
}

fn size(components: u64) -> usize {
    if components & AVX_BIT != 0 { AVX_AREA + 256 } else { AVX_AREA }
}

/// XSAVE (sub 0), XSAVEOPT (sub 1), XSAVEC (sub 2).
pub fn xsave(ctx: &mut Ctx, op: &Op) -> Done {
    let (at, wanted) = begin(ctx, op)?;
    let compact = op.ins.sub == 2;
    let written = if op.ins.sub == 0 { wanted } else { wanted & in_use(ctx) };
    let mut image = [0; AVX_AREA + 256];
    let image = &mut image[..size(wanted)];
    // What is not written keeps what memory holds; and all of it is known to be writable before the first byte is.
    ctx.read_bytes(op.seg, at, image)?;
    if written & X87_BIT != 0 {
        put_x87(ctx, image, op.ins.w == Width::Q);
    }
    let mxcsr = if compact { written & SSE_BIT } else { wanted & (SSE_BIT | AVX_BIT) };
    if mxcsr != 0 {
        put_mxcsr(ctx, image);
    }
    if written & SSE_BIT != 0 {
        put_sse(ctx, image);
    }
    if written & AVX_BIT != 0 {
        for i in 0..registers(ctx) {
            let v = ctx.cpu.state.vector[i];
            put(image, AVX_AREA + 16 * i, 8, v[2]);
            put(image, AVX_AREA + 16 * i + 8, 8, v[3]);
        }
    }
    if compact {
        put(image, HEADER, 8, written);
        put(image, HEADER + 8, 8, wanted | COMPACT);
        image[HEADER + 16..HEADER + 64].fill(0);
    } else {
        let old = get(image, HEADER, 8);
        put(image, HEADER, 8, old & !wanted | wanted & in_use(ctx));
    }
    ctx.write_bytes(op.seg, at, image)?;
    Ok(Then::Next)
}

/// XRSTOR, from both formats.
pub fn xrstor(ctx: &mut Ctx, op: &Op) -> Done {
    let (at, wanted) = begin(ctx, op)?;
    let mut image = [0; AVX_AREA + 256];
    let refused = Exception::protection(0);
    ctx.read_bytes(op.seg, at, &mut image[..AVX_AREA])?;
    let present = get(&image, HEADER, 8);
    let layout = get(&image, HEADER + 8, 8);
    let compact = layout & COMPACT != 0;
    if compact && !ctx.cpu.model.has(Feature::Xsavec) {
        return Err(refused);
    }
    let known = if compact { layout & !COMPACT } else { ctx.cpu.state.xcr0 };
    let tail = if compact { 16 } else { 8 };
    let clear = image[HEADER + tail..HEADER + if compact { 64 } else { 24 }].iter().all(|b| *b == 0);
    if present & !known != 0 || known & !ctx.cpu.state.xcr0 != 0 || !clear {
        return Err(refused);
    }
    if wanted & present & AVX_BIT != 0 {
        ctx.read_bytes(op.seg, at, &mut image)?;
    }
    let mxcsr = if compact { wanted & SSE_BIT } else { wanted & (SSE_BIT | AVX_BIT) } != 0;
    let mxcsr_initial = compact && present & SSE_BIT == 0;
    let mxcsr = match (mxcsr, mxcsr_initial) {
        (false, _) => ctx.cpu.state.mxcsr,
        (true, true) => MXCSR_INIT,
        (true, false) => check_mxcsr(&image)?,
    };
    ctx.cpu.state.mxcsr = mxcsr;
    if wanted & X87_BIT != 0 {
        if present & X87_BIT != 0 {
            get_x87(ctx, &image, op.ins.w == Width::Q);
        } else {
            ctx.cpu.state.x87 = X87_INIT;
        }
    }
    if wanted & SSE_BIT != 0 {
        if present & SSE_BIT != 0 {
            get_sse(ctx, &image);
        } else {
            for i in 0..registers(ctx) {
                ctx.cpu.state.vector[i][..2].fill(0);
            }
        }
    }
    if wanted & AVX_BIT != 0 {
        for i in 0..registers(ctx) {
            let v = &mut ctx.cpu.state.vector[i];
            let there = present & AVX_BIT != 0;
            v[2] = if there { get(&image, AVX_AREA + 16 * i, 8) } else { 0 };
            v[3] = if there { get(&image, AVX_AREA + 16 * i + 8, 8) } else { 0 };
        }
    }
    Ok(Then::Next)
}

/// XGETBV: XCR0, and with XGETBV1 also "XCR0 and in use".
pub fn xgetbv(ctx: &mut Ctx, _op: &Op) -> Done {
    if ctx.cpu.state.cr4 & cr4::OSXSAVE == 0 {
        return Err(Exception::undefined());
    }
    let value = match ctx.cpu.reg(reg::RCX) as u32 {
        0 => ctx.cpu.state.xcr0,
        1 if ctx.cpu.model.has(Feature::Xgetbv1) => ctx.cpu.state.xcr0 & in_use(ctx),
        _ => return Err(Exception::protection(0)),
    };
    ctx.cpu.set_reg(reg::RAX, Width::D, value);
    ctx.cpu.set_reg(reg::RDX, Width::D, value >> 32);
    Ok(Then::Next)
}

/// XSETBV.
pub fn xsetbv(ctx: &mut Ctx, _op: &Op) -> Done {
    if ctx.cpu.state.cr4 & cr4::OSXSAVE == 0 {
        return Err(Exception::undefined());
    }
    let value = ctx.cpu.reg(reg::RAX) & 0xffff_ffff | ctx.cpu.reg(reg::RDX) << 32;
    let bad = value & X87_BIT == 0 || value & !ctx.cpu.model.xcr0_mask() != 0 || value & 6 == AVX_BIT;
    if ctx.cpu.cpl() != 0 || ctx.cpu.reg(reg::RCX) as u32 != 0 || bad {
        return Err(Exception::protection(0));
    }
    ctx.cpu.state.xcr0 = value;
    Ok(Then::Leave)
}
