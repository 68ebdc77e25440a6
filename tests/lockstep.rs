//! Two engines in lockstep: equal ones run a guest to its end, and an error in one of them is found and told.

mod common;

use common::flat::{self, END, Kind, assemble};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use lyrebird::machine::Outcome;

const CODE: u32 = 0x1_0000;
const DATA: u32 = 0x2_0000;
/// INC dword [COUNT]; PUSH EAX; MOV AL, 20h; OUT 20h, AL; POP EAX; IRET.
const HANDLER: u32 = 0x8000;
const HANDLER_CODE: &[u8] = &[0xff, 0x05, 0xf0, 0xff, 1, 0, 0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf];
/// MOV AL, 0; RET. The number changes.
const CHANGED: u32 = 0x8100;
const CHANGED_CODE: &[u8] = &[0xb0, 0, 0xc3];

/// Runs a program in lockstep.
fn run(sabotage: Option<u64>, program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> Outcome {
    let pieces = [assemble(CODE, program), (HANDLER, HANDLER_CODE.into()), (CHANGED, CHANGED_CODE.into())];
    flat::run(Kind::Lockstep(50, sabotage), &pieces, &[CODE]).0
}

/// Ends with this value at the debug exit port.
fn end(a: &mut CodeAssembler, value: u32) -> Result<(), IcedError> {
    a.mov(eax, value)?;
    a.out(END, eax)
}

#[test]
fn equal_engines_reach_the_end() {
    let outcome = run(None, |a| {
        let (mut again, mut skip) = (a.create_label(), a.create_label());
        // The timer's interrupt, by an interrupt table in front of the data.
        a.mov(dword_ptr(DATA - 0x1000 + 0x20 * 8), 8 << 16 | HANDLER as i32)?;
        a.mov(dword_ptr(DATA - 0x1000 + 0x20 * 8 + 4), 0x8e00)?;
        a.push((DATA - 0x1000) as i32)?;
        a.push(0x7ff << 16)?;
        a.lidt(fword_ptr(esp + 2))?;
        // A descriptor table, for the handler's IRET.
        a.mov(dword_ptr(DATA - 0x2000 + 8), 0xffff)?;
        a.mov(dword_ptr(DATA - 0x2000 + 12), 0x00cf_9b00)?;
        a.push((DATA - 0x2000) as i32)?;
        a.push(0x7f << 16)?;
        a.lgdt(fword_ptr(esp + 2))?;
        for (port, value) in
            [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0xfe), (0x43, 0x34), (0x40, 0), (0x40, 1)]
        {
            a.mov(al, value)?;
            a.out(port, al)?;
        }
        a.sti()?;
        a.xor(ebp, ebp)?;
        a.mov(edx, 20_000)?;
        a.set_label(&mut again)?;
        a.add(ebp, edx)?;
        a.imul_3(eax, ebp, 7)?;
        a.mov(dword_ptr(DATA + edx * 4), eax)?;
        a.test(edx, 0xff)?;
        a.jne(skip)?;
        // Sometimes: a port, a repeated instruction, code that changes.
        a.in_(al, 0x40)?;
        a.mov(byte_ptr(DATA - 8), al)?;
        a.mov(esi, DATA)?;
        a.lea(edi, ptr(edx + DATA + 0x3_0000))?;
        a.mov(ecx, 5000)?;
        a.rep().movsb()?;
        a.inc(byte_ptr(CHANGED + 1))?;
        a.set_label(&mut skip)?;
        a.call(u64::from(CHANGED))?;
        a.add(ebp, eax)?;
        a.dec(edx)?;
        a.jne(again)?;
        end(a, 3)
    });
    assert_eq!(outcome, Outcome::DebugExit(7));
}

#[test]
fn long_repetitions_are_no_difference() {
    let outcome = run(None, |a| {
        let mut again = a.create_label();
        a.mov(edx, 3)?;
        a.set_label(&mut again)?;
        a.mov(edi, 0x10_0000)?;
        a.mov(ecx, 0x10_0000)?;
        a.rep().stosb()?;
        a.mov(edi, 0x10_0000)?;
        a.mov(ecx, 3001)?;
        a.repe().scasb()?;
        a.dec(edx)?;
        a.jne(again)?;
        end(a, 0)
    });
    assert_eq!(outcome, Outcome::DebugExit(1));
}

/// The immediate that is translated wrongly.
const WRONG: i32 = 0x5eed;

#[test]
fn a_wrong_register_is_told_with_its_code() {
    let outcome = run(Some(WRONG as u64), |a| {
        let mut again = a.create_label();
        a.mov(ecx, 100_000)?;
        a.set_label(&mut again)?;
        a.add(ebx, ecx)?;
        a.add(ebx, WRONG)?;
        a.xor(eax, ebx)?;
        a.dec(ecx)?;
        a.jne(again)?;
        end(a, 0)
    });
    let Outcome::Fault(text) = outcome else { panic!("{outcome:?}") };
    println!("{text}");
    assert!(text.contains("`jit` and `interp` differ on CPU 0"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("> rbx ")), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("> rcx ")), "{text}");
    assert!(text.contains("add ebx, 0x5eed"), "{text}");
    assert!(text.lines().filter(|line| line.contains(" dec ecx")).count() <= 2, "one block, not more: {text}");
    assert!(text.contains("--dump-block 0x1"), "{text}");
}

#[test]
fn a_wrong_store_is_found_in_memory() {
    let outcome = run(Some(WRONG as u64), |a| {
        let mut again = a.create_label();
        a.mov(ecx, 100_000)?;
        a.set_label(&mut again)?;
        a.add(dword_ptr(DATA + 0x124), WRONG)?;
        a.dec(ecx)?;
        a.jne(again)?;
        end(a, 0)
    });
    let Outcome::Fault(text) = outcome else { panic!("{outcome:?}") };
    println!("{text}");
    assert!(text.contains("memory differs in ram at 0x20120"), "{text}");
    assert!(text.contains("add dword [0x20124], 0x5eed"), "{text}");
}
