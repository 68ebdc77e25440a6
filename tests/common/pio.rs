//! A guest's driver for the disk on the primary IDE channel, as simple as one can be: PIO, one sector a block.

use super::guest::Program;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

const COMMAND_BLOCK: u32 = 0x1f0;

/// How a sector goes through the Data register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// REP INSB, OUTSB.
    Bytes,
    /// REP INSW, OUTSW.
    Words,
    /// REP INSD, OUTSD.
    Doublewords,
}

/// Reads `sectors` (at most 256) sectors from LBA `first` on, to the address in EDI, which is moved on.
pub fn read(program: &mut Program, first: u32, sectors: u32, how: Move) -> Result<(), IcedError> {
    transfer(
        program,
        first,
        sectors,
        0x20,
        |asm| match how {
            Move::Bytes => asm.rep().insb(),
            Move::Words => asm.rep().insw(),
            Move::Doublewords => asm.rep().insd(),
        },
        how,
    )
}

/// Writes them from the address in ESI, which is moved on.
pub fn write(program: &mut Program, first: u32, sectors: u32, how: Move) -> Result<(), IcedError> {
    transfer(
        program,
        first,
        sectors,
        0x30,
        |asm| match how {
            Move::Bytes => asm.rep().outsb(),
            Move::Words => asm.rep().outsw(),
            Move::Doublewords => asm.rep().outsd(),
        },
        how,
    )
}

fn transfer(
    program: &mut Program,
    first: u32,
    sectors: u32,
    command: u32,
    instruction: impl Fn(&mut CodeAssembler) -> Result<(), IcedError>,
    how: Move,
) -> Result<(), IcedError> {
    let a = &mut program.asm;
    let (mut next, mut wait) = (a.create_label(), a.create_label());
    let [low, mid, high, top] = first.to_le_bytes();
    for (register, value) in [
        (6, 0xe0 | u32::from(top & 15)),
        (2, sectors & 0xff),
        (3, low.into()),
        (4, mid.into()),
        (5, high.into()),
        (7, command),
    ] {
        a.mov(edx, COMMAND_BLOCK + register)?;
        a.mov(eax, value)?;
        a.out(dx, al)?;
    }
    a.mov(ebp, sectors)?;
    a.set_label(&mut next)?;
    a.mov(edx, COMMAND_BLOCK + 7)?;
    a.set_label(&mut wait)?;
    a.in_(al, dx)?;
    a.test(al, 8)?; // DRQ
    a.je(wait)?;
    a.mov(edx, COMMAND_BLOCK)?;
    a.mov(
        ecx,
        match how {
            Move::Bytes => 512,
            Move::Words => 256,
            Move::Doublewords => 128,
        },
    )?;
    instruction(a)?;
    a.dec(ebp)?;
    a.jne(next)
}
