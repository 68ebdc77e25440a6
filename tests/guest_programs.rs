//! The guest programs of our own, on a whole machine: direct boot, the serial line, and every way in which a guest ends.

mod common;

use common::guest::{self, End};
use common::machine::{config, run};
use iced_x86::code_asm::*;
use lyrebird::boot::{BootRequest, Image, Protocol, load_into, tables};
use lyrebird::machine::{MachineConfig, Outcome};

fn protocol(kernel: Vec<u8>) -> Protocol {
    let request = BootRequest::new(Image::new("guest", kernel), tables::Board::default());
    load_into(&[(0, 16 << 20)], &request).unwrap().protocol
}

#[test]
fn guest_programs_are_recognised() {
    for end in [End::DebugExit(0xf4, 1), End::PowerOff, End::Reset, End::TripleFault, End::Halt] {
        assert_eq!(protocol(guest::hello_multiboot(end)), Protocol::Multiboot);
        assert_eq!(protocol(guest::hello_pvh_64(end)), Protocol::Pvh);
    }
}

#[test]
fn a_guest_prints_and_ends_in_32_and_64_bits() {
    for (end, outcome) in [
        (End::DebugExit(0xf4, 3), Outcome::DebugExit(7)),
        (End::PowerOff, Outcome::PowerOff),
        (End::Reset, Outcome::Reset),
        (End::TripleFault, Outcome::TripleFault),
    ] {
        for (kernel, text) in [
            (guest::hello_multiboot(end), "hello from 32 bits: guest a=1 b\n"),
            (guest::hello_pvh_64(end), "hello from 64 bits: a=1 b\n"),
        ] {
            let (config, printed) = config(kernel, "a=1 b");
            let config = MachineConfig { no_reboot: true, ..config };
            assert_eq!(run((config, printed)), (outcome.clone(), text.to_owned()));
        }
    }
}

/// Resets once in the given way; CMOS RAM, which a reset leaves alone, tells the second boot from the first.
fn resets_once(end: End) -> Vec<u8> {
    guest::multiboot(|program| {
        let a = &mut program.asm;
        let mut second = a.create_label();
        a.mov(al, 0x50)?;
        a.out(0x70, al)?;
        a.in_(al, 0x71)?;
        a.cmp(al, 0x5a)?;
        a.je(second)?;
        a.mov(al, 0x5a)?;
        a.out(0x71, al)?;
        program.print("first, ")?;
        program.asm.mov(edx, dword_ptr(ebx + 64))?;
        program.asm.mov(dword_ptr(edx), 0)?; // the second boot would not print what is put in place only once
        program.end(end)?;
        program.asm.set_label(&mut second)?;
        program.asm.mov(esi, dword_ptr(ebx + 64))?;
        program.print_si()?;
        program.print(" again")?;
        program.end(End::DebugExit(0xf4, 0))
    })
}

#[test]
fn a_reset_boots_the_kernel_again() {
    for end in [End::Reset, End::TripleFault] {
        let (outcome, text) = run(config(resets_once(end), ""));
        assert_eq!((outcome, text.as_str()), (Outcome::DebugExit(1), "first, lyrebird again"));
    }
}

#[test]
fn a_guest_finds_the_tables() {
    // The root pointer's signature, which is on a 16-byte boundary between E0000h and FFFFFh.
    let kernel = guest::multiboot(|program| {
        let a = &mut program.asm;
        let (mut next, mut found) = (a.create_label(), a.create_label());
        a.mov(esi, 0xe_0000)?;
        a.set_label(&mut next)?;
        a.cmp(dword_ptr(esi), u32::from_le_bytes(*b"RSD ") as i32)?;
        a.je(found)?;
        a.add(esi, 16)?;
        a.cmp(esi, 0x10_0000)?;
        a.jb(next)?;
        program.end(End::DebugExit(0xf4, 1))?;
        program.asm.set_label(&mut found)?;
        program.asm.mov(edx, dword_ptr(esi + 16))?;
        program.asm.mov(esi, edx)?;
        program.print_si()?;
        program.end(End::DebugExit(0xf4, 0))
    });
    let (outcome, text) = run(config(kernel, ""));
    assert_eq!((outcome, &text[..4]), (Outcome::DebugExit(1), "RSDT"));
}
