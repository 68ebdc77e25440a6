//! REP INS and REP OUTS on a whole machine: a guest moves sectors by PIO, and the disk shows what arrived.

mod common;

use common::guest::{self, End};
use common::machine::{config, run};
use common::pio::{self, Move};
use iced_x86::code_asm::*;
use lyrebird::machine::{DriveConfig, Outcome};
use lyrebird_core::block::{BlockDevice, BlockError, MemoryDisk, SECTOR};
use std::sync::{Arc, Mutex};

/// A disk that the test looks at afterwards.
struct Shared(Arc<Mutex<MemoryDisk>>);

impl BlockDevice for Shared {
    fn name(&self) -> &str {
        "shared"
    }

    fn sectors(&self) -> u64 {
        self.0.lock().unwrap().sectors()
    }

    fn read_only(&self) -> bool {
        false
    }

    fn read_at(&mut self, first: u64, data: &mut [u8]) -> Result<(), BlockError> {
        self.0.lock().unwrap().read_at(first, data)
    }

    fn write_at(&mut self, first: u64, data: &[u8]) -> Result<(), BlockError> {
        self.0.lock().unwrap().write_at(first, data)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}

const BUFFER: u32 = 0x80_0000;
const SECTORS: u32 = 1000;

fn pattern() -> Vec<u8> {
    (0..SECTORS as usize * SECTOR).map(|at| (at / SECTOR * 31 + at % 251) as u8).collect()
}

/// Runs a kernel with the disk; how it ended, and the disk's content.
fn with_disk(kernel: Vec<u8>) -> (Outcome, Vec<u8>) {
    let disk = Arc::new(Mutex::new(MemoryDisk::new("disk", pattern())));
    let (mut config, printed) = config(kernel, "");
    config.drives[0] = Some(DriveConfig::Disk(Box::new(Shared(disk.clone()))));
    let (outcome, _) = run((config, printed));
    let mut data = vec![0; SECTORS as usize * SECTOR];
    disk.lock().unwrap().read_at(0, &mut data).unwrap();
    (outcome, data)
}

#[test]
fn sectors_go_both_ways_at_every_width() {
    for (how, shift) in [(Move::Bytes, 1), (Move::Words, 2), (Move::Words, 3), (Move::Doublewords, 0xffd)] {
        let kernel = guest::multiboot(|program| {
            program.asm.mov(edi, BUFFER + shift)?;
            pio::read(program, 3, 200, how)?;
            program.asm.mov(esi, BUFFER + shift)?;
            pio::write(program, 700, 200, how)?;
            program.end(End::DebugExit(0xf4, 0))
        });
        let (outcome, disk) = with_disk(kernel);
        assert_eq!(outcome, Outcome::DebugExit(1));
        let (before, after) = (pattern(), |first: usize| first * SECTOR..(first + 200) * SECTOR);
        assert!(disk[after(700)] == before[after(3)], "{how:?} at {shift:#x}");
        assert!(disk[..700 * SECTOR] == before[..700 * SECTOR] && disk[900 * SECTOR..] == before[900 * SECTOR..]);
    }
}

#[test]
fn downwards_the_order_turns() {
    let kernel = guest::multiboot(|program| {
        program.asm.mov(edi, BUFFER + 510)?;
        program.asm.std()?;
        pio::read(program, 5, 1, Move::Words)?;
        program.asm.cld()?;
        program.asm.mov(esi, BUFFER)?;
        pio::write(program, 6, 1, Move::Words)?;
        program.end(End::DebugExit(0xf4, 0))
    });
    let (_, disk) = with_disk(kernel);
    let (from, to) = (&disk[5 * SECTOR..6 * SECTOR], &disk[6 * SECTOR..7 * SECTOR]);
    assert!(from.chunks(2).rev().eq(to.chunks(2)));
}

#[test]
fn code_that_is_read_over_is_what_runs_next() {
    // MOV AL, n; RET at the start of a sector of the disk replaces a routine that has run many times.
    let kernel = guest::multiboot(|program| {
        let a = &mut program.asm;
        let mut again = a.create_label();
        a.mov(dword_ptr(BUFFER), i32::from_le_bytes([0xb0, 5, 0xc3, 0]))?;
        a.mov(ebx, 5000)?;
        a.set_label(&mut again)?;
        a.mov(eax, BUFFER)?;
        a.call(eax)?;
        a.dec(ebx)?;
        a.jne(again)?;
        // The new routine goes to the disk and comes back over the old one.
        a.mov(dword_ptr(BUFFER + 0x1000), i32::from_le_bytes([0xb0, 9, 0xc3, 0]))?;
        a.mov(esi, BUFFER + 0x1000)?;
        pio::write(program, 0, 1, Move::Words)?;
        program.asm.mov(edi, BUFFER)?;
        pio::read(program, 0, 1, Move::Words)?;
        let a = &mut program.asm;
        a.mov(eax, BUFFER)?;
        a.call(eax)?;
        a.movzx(eax, al)?;
        a.mov(edx, 0xf4u32)?;
        a.out(dx, eax)?;
        program.end(End::Halt)
    });
    assert_eq!(with_disk(kernel).0, Outcome::DebugExit(19));
}
