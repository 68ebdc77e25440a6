//! Plain functions that generated code calls. They touch no guest state, so registers and flags need not be written
//! back for them.

use frontend_x86::concrete;
use frontend_x86::flags::{FlagKind, Flags};
use frontend_x86::op::Width;
use frontend_x86::sse::string;

/// Kind and width of lazy flags as they lie in memory, in one number.
pub fn shape_of(kind: FlagKind, w: Width) -> u64 {
    u64::from(u16::from_ne_bytes([kind as u8, w as u8]))
}

/// All six arithmetic flags of a lazy record whose kind was not known when the code was made.
pub extern "C" fn flags_word(shape: u64, res: u64, src: u64, aux: u64) -> u64 {
    let [kind, w] = (shape as u16).to_ne_bytes();
    let kind = match kind {
        1 => FlagKind::Add,
        2 => FlagKind::Adc,
        3 => FlagKind::Sub,
        4 => FlagKind::Sbb,
        5 => FlagKind::Logic,
        6 => FlagKind::Inc,
        7 => FlagKind::Dec,
        8 => FlagKind::Result,
        _ => FlagKind::Word,
    };
    Flags { kind, w: width(u64::from(w)), res, src, aux }.to_rflags()
}

/// One step of CRC-32C.
pub extern "C" fn crc32c(w: u64, crc: u64, v: u64) -> u64 {
    concrete::crc32c(width(w), crc, v)
}

/// What is compared of strings, as one number: the immediate, and lengths of up to 16 if they are given.
pub fn how_strings(imm: u8, lengths: Option<(u64, u64)>) -> u64 {
    u64::from(imm) | lengths.map_or(0, |(n, m)| GIVEN | n << FIRST_LENGTH | m << SECOND_LENGTH)
}

/// Where [`how_strings`] has the first operand's length.
pub const FIRST_LENGTH: u32 = 8;
/// Where it has the second's.
pub const SECOND_LENGTH: u32 = 16;
const GIVEN: u64 = 1 << 24;

/// PCMPESTRx and PCMPISTRx of two operands' quadwords: what [`string::Found::packed`] makes.
pub extern "C" fn strings(how: u64, x0: u64, x1: u64, y0: u64, y1: u64) -> u64 {
    let imm = how as u8;
    let lengths = (how & GIVEN != 0).then_some((how >> FIRST_LENGTH & 0xff, how >> SECOND_LENGTH & 0xff));
    string::compare([x0, x1], [y0, y1], lengths, imm).packed(imm)
}

/// Quotient and remainder; 0 where the hardware raises #DE. `how` is the width, plus 16 if signed.
///
/// # Safety
/// `out` points to room for two numbers.
pub unsafe extern "C" fn divide(how: u64, hi: u64, lo: u64, d: u64, out: *mut u64) -> u64 {
    match concrete::divide(how & 16 != 0, width(how & 15), hi, lo, d) {
        Some((q, r)) => {
            // SAFETY: the caller's promise.
            unsafe {
                out.write(q);
                out.add(1).write(r);
            }
            1
        }
        None => 0,
    }
}

/// Fills guest memory with a value of width `w`.
///
/// # Safety
/// `to` points to `bytes` bytes of guest RAM, a multiple of the width.
pub unsafe extern "C" fn fill(to: *mut u8, value: u64, bytes: u64, w: u64) -> u64 {
    macro_rules! items {
        ($number:ty) => {{
            let to = to.cast::<$number>();
            for k in 0..bytes as usize / size_of::<$number>() {
                // SAFETY: the caller's promise.
                unsafe { to.add(k).write_unaligned((value as $number).to_le()) };
            }
        }};
    }
    match width(w) {
        // SAFETY: the caller's promise.
        Width::B => unsafe { to.write_bytes(value as u8, bytes as usize) },
        Width::W => items!(u16),
        Width::D => items!(u32),
        _ => items!(u64),
    }
    0
}

/// Copies guest memory.
///
/// # Safety
/// Both point to `bytes` bytes of guest RAM, which do not overlap.
pub unsafe extern "C" fn copy(to: *mut u8, from: *const u8, bytes: u64) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { to.copy_from_nonoverlapping(from, bytes as usize) };
    0
}

fn width(n: u64) -> Width {
    match n {
        0 => Width::B,
        1 => Width::W,
        2 => Width::D,
        _ => Width::Q,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_way_through_memory() {
        for kind in [
            FlagKind::Word,
            FlagKind::Add,
            FlagKind::Adc,
            FlagKind::Sub,
            FlagKind::Sbb,
            FlagKind::Logic,
            FlagKind::Inc,
            FlagKind::Dec,
            FlagKind::Result,
        ] {
            for w in [Width::B, Width::W, Width::D, Width::Q] {
                let flags = Flags { kind, w, res: 0x81, src: 0x93, aux: 1 };
                assert_eq!(flags_word(shape_of(kind, w), 0x81, 0x93, 1), flags.to_rflags());
            }
        }
    }
}
