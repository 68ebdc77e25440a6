//! The keys of kept code: hashes of everything that it depends on.

use crate::{emit, moved};
use backend_interp::profile;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::cpu::Mode;
use frontend_x86::op::Op;
use std::mem::{offset_of, size_of};

/// 128 bits of BLAKE3: a collision would execute the wrong code.
pub type Hash = [u8; 16];

/// The first 128 bits of a hash.
pub fn short(hasher: &blake3::Hasher) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    hash
}

/// Which files may be used: those of this build, and of this host as the code generator describes it.
pub fn set(host: &str) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("LYREBIRD_TRANSLATOR").as_bytes());
    hasher.update(host.as_bytes());
    // The same sources may be laid out otherwise.
    let layout = [size_of::<Run>(), size_of::<TracedOp>(), offset_of!(Run, cpu), TracedOp::WORD, TracedOp::LEFT];
    for number in layout.into_iter().chain(emit::layout()) {
        hasher.update(&(number as u64).to_le_bytes());
    }
    short(&hasher)
}

/// A trace's ops, decoded for a mode.
pub fn ops(mode: Mode, ops: &[TracedOp]) -> Hash {
    hash(mode, &[], ops)
}

/// The same of a region's first trace, by which the region is looked for. `apart`: how often it was compiled anew because accesses were not in
/// the page that they were expected in; `wide`: by its ops alone a wide region would find the others that begin with its first trace.
pub fn first(mode: Mode, apart: u8, wide: bool, ops: &[TracedOp]) -> Hash {
    hash(mode, &[apart, wide.into()], ops)
}

fn hash(mode: Mode, kind: &[u8], ops: &[TracedOp]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[mode.key(), kind.len() as u8]);
    hasher.update(kind);
    for op in ops {
        let op = profile::without(op.op());
        // Every field, so that none is forgotten when one comes.
        let Op { ins, imm, disp, base, index, scale, seg, r0, r1, r2, len, offset, helper, count, imm2, fop } =
            moved::without(op);
        let moves = u8::from(moved::immediate(&op)) | u8::from(moved::displacement(&op)) << 1;
        let [o0, o1] = offset.to_le_bytes();
        let [h0, h1] = helper.to_le_bytes();
        let [f0, f1] = fop.to_le_bytes();
        let mut bytes = [0; 41];
        bytes[..8].copy_from_slice(&ins.pack().to_le_bytes());
        bytes[8..16].copy_from_slice(&imm.to_le_bytes());
        bytes[16..24].copy_from_slice(&disp.to_le_bytes());
        let small = [base, index, scale, seg, r0, r1, r2, len, o0, o1, h0, h1, count, imm2, f0, f1, moves];
        bytes[24..].copy_from_slice(&small);
        hasher.update(&bytes);
    }
    short(&hasher)
}
