//! Which flags an instruction reads, writes and leaves undefined, by the Intel SDM vol. 2 (the "Flags Affected" of each
//! instruction; vol. 1, appendix A, has the same as a table).

use frontend_x86::flags::rflags::{AF, ARITHMETIC, CF, DF, OF, PF, SF, ZF};
use iced_x86::{Instruction, Mnemonic as M, OpKind, RflagsBits};

/// What an instruction does with the flags, as RFLAGS bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effect {
    /// It depends on these.
    pub reads: u64,
    /// These are defined afterwards, whatever they were.
    pub writes: u64,
    /// These are not.
    pub undefined: u64,
}

/// The effect of an instruction. `rcx`, if it is known, decides shifts by CL.
pub fn effect(instr: &Instruction, rcx: Option<u64>) -> Effect {
    let reads = bits(instr.rflags_read());
    let writes = bits(instr.rflags_written() | instr.rflags_cleared() | instr.rflags_set());
    let undefined = match instr.mnemonic() {
        // MUL, IMUL: "The SF, ZF, AF, and PF flags are undefined."
        M::Mul | M::Imul => SF | ZF | AF | PF,
        // DIV, IDIV: "The CF, OF, SF, ZF, AF, and PF flags are undefined."
        M::Div | M::Idiv => ARITHMETIC,
        // AND, OR, XOR, TEST: "The state of the AF flag is undefined."
        M::And | M::Or | M::Xor | M::Test => AF,
        // BSF, BSR: "the CF, OF, SF, AF, and PF flags are undefined."
        M::Bsf | M::Bsr => CF | OF | SF | AF | PF,
        // BT, BTS, BTR, BTC: "The OF, SF, AF, and PF flags are undefined", ZF is unchanged.
        M::Bt | M::Bts | M::Btr | M::Btc => OF | SF | AF | PF,
        // TZCNT, LZCNT: "OF, SF, PF, and AF flags are undefined."
        M::Tzcnt | M::Lzcnt => OF | SF | PF | AF,
        // ANDN: "AF and PF flags are undefined"; BLSI, BLSMSK, BLSR, BZHI: the same.
        M::Andn | M::Blsi | M::Blsmsk | M::Blsr | M::Bzhi => AF | PF,
        // BEXTR: "AF, SF, and PF are undefined."
        M::Bextr => AF | SF | PF,
        // SHL, SHR, SAR: AF is undefined for a count that is not zero, OF for one above 1, CF where the count is the
        // size of the operand or more (SHL and SHR). SHLD, SHRD: likewise, and everything where the count is greater than the
        // operand size.
        M::Shl | M::Sal | M::Shr | M::Sar | M::Shld | M::Shrd => shift(instr, rcx),
        // Rotates: OF "is undefined" for masked counts other than 1.
        M::Rol | M::Ror | M::Rcl | M::Rcr => match count(instr, rcx) {
            Some(0 | 1) => 0,
            _ => OF,
        },
        // DAA, DAS: "The OF flag is undefined." AAA, AAS: "The OF, SF, ZF, and PF flags are undefined."
        M::Daa | M::Das => OF,
        M::Aaa | M::Aas => OF | SF | ZF | PF,
        // AAM, AAD: "The OF, AF, and CF flags are undefined."
        M::Aam | M::Aad => OF | AF | CF,
        _ => 0,
    };
    // What may do nothing writes nothing for sure.
    let by_count = matches!(
        instr.mnemonic(),
        M::Shl | M::Sal | M::Shr | M::Sar | M::Shld | M::Shrd | M::Rol | M::Ror | M::Rcl | M::Rcr
    ) && matches!(count(instr, rcx), None | Some(0));
    let idle = by_count || instr.has_rep_prefix() || instr.has_repne_prefix();
    Effect { reads, writes: if idle { 0 } else { writes & !undefined }, undefined }
}

/// The count of a shift or rotate after masking, if it is known.
fn count(instr: &Instruction, rcx: Option<u64>) -> Option<u32> {
    let last = instr.op_count() - 1;
    let raw = match instr.op_kind(last) {
        OpKind::Register => rcx? as u32,
        _ => instr.immediate(last) as u32,
    };
    Some(raw & if size(instr) == 64 { 63 } else { 31 })
}

fn size(instr: &Instruction) -> u32 {
    match instr.op0_kind() {
        OpKind::Register => instr.op0_register().size() as u32 * 8,
        _ => instr.memory_size().size() as u32 * 8,
    }
}

fn shift(instr: &Instruction, rcx: Option<u64>) -> u64 {
    let size = size(instr);
    let double = matches!(instr.mnemonic(), M::Shld | M::Shrd);
    let beyond = |n: u32| {
        if double {
            if n > size { ARITHMETIC } else { 0 }
        } else if n >= size && instr.mnemonic() != M::Sar {
            CF
        } else {
            0
        }
    };
    match count(instr, rcx) {
        Some(0) => 0,
        Some(1) => AF,
        Some(n) => AF | OF | beyond(n),
        // The masked count reaches 31, beyond 8 and 16 bits only.
        None => AF | OF | if size < 32 { beyond(31) } else { 0 },
    }
}

fn bits(flags: u32) -> u64 {
    let places = [
        (RflagsBits::CF, CF),
        (RflagsBits::PF, PF),
        (RflagsBits::AF, AF),
        (RflagsBits::ZF, ZF),
        (RflagsBits::SF, SF),
        (RflagsBits::OF, OF),
        (RflagsBits::DF, DF),
    ];
    places.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, place)| place).sum()
}
