//! Code that changes while it runs: in the running block, under a running loop, by DMA, by another CPU. The engines must
//! agree, and on what a processor would do (Intel SDM vol. 3, section 9.1.3).

mod common;

use common::flat::{CODE, END, Kind, SUM, assemble, end, run, sum};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use lyrebird::machine::Outcome;

/// Code that is changed: MOV EAX, number; RET.
const CHANGED: u32 = 0x1_2000;
const NUMBER: u32 = CHANGED + 1;

fn changed() -> (u32, Vec<u8>) {
    (CHANGED, vec![0xb8, 0, 0, 0, 0, 0xc3])
}

/// The sum of 1 to `n`.
fn triangle(n: u32) -> u32 {
    n * (n + 1) / 2
}

/// A loop of `n` rounds around `body`, with the round in EBP, from `n` down. EDI is the sum.
fn rounds(
    a: &mut CodeAssembler,
    n: u32,
    body: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> Result<(), IcedError> {
    let mut again = a.create_label();
    a.mov(ebp, n)?;
    a.xor(edi, edi)?;
    a.set_label(&mut again)?;
    body(a)?;
    a.add(edi, eax)?;
    a.dec(ebp)?;
    a.jne(again)?;
    end(a, edi)
}

/// The address of the instruction after `program`'s.
fn after(program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> u32 {
    let (at, bytes) = assemble(CODE, program);
    at + bytes.len() as u32
}

#[test]
fn the_next_instruction_changes() {
    // MOV [number], EBP; MOV EAX, number: EBP and EDI are set before, by instructions of known lengths.
    let head = |number: u32| {
        move |a: &mut CodeAssembler| {
            a.mov(ebp, 120u32)?;
            a.xor(edi, edi)?;
            a.mov(dword_ptr(number), ebp)
        }
    };
    let number = after(head(0)) + 1;
    let piece = assemble(CODE, |a| {
        rounds(a, 120, |a| {
            a.mov(dword_ptr(number), ebp)?;
            a.mov(eax, 0x7777_7777u32)
        })
    });
    assert_eq!(sum(&[piece]), triangle(120));
}

#[test]
fn the_running_block_changes_further_on() {
    let head = |number: u32| {
        move |a: &mut CodeAssembler| {
            a.mov(ebp, 150u32)?;
            a.xor(edi, edi)?;
            a.lea(ecx, ptr(ebp * 2 + 5))?;
            a.mov(dword_ptr(number), ecx)?;
            a.imul_3(ecx, ecx, 3)?;
            a.xor(edx, ecx)
        }
    };
    let number = after(head(0)) + 1;
    let piece = assemble(CODE, |a| {
        rounds(a, 150, |a| {
            a.lea(ecx, ptr(ebp * 2 + 5))?;
            a.mov(dword_ptr(number), ecx)?;
            a.imul_3(ecx, ecx, 3)?;
            a.xor(edx, ecx)?;
            a.mov(eax, 0x7777_7777u32)
        })
    });
    assert_eq!(sum(&[piece]), 2 * triangle(150) + 5 * 150);
}

#[test]
fn the_running_block_changes_behind_it() {
    // What is written in one round is executed in the next.
    let number = after(|a| {
        a.mov(ebp, 0u32)?;
        a.xor(edi, edi)
    }) + 1;
    let piece = assemble(CODE, |a| {
        rounds(a, 200, |a| {
            a.mov(eax, 1000u32)?;
            a.mov(dword_ptr(number), ebp)
        })
    });
    assert_eq!(sum(&[piece]), triangle(200) - 1 + 1000);
}

#[test]
fn a_page_holds_two_loops_and_data() {
    // Each calls, and changes, code that lies in the other's page; and there is data beside the code.
    let second = CHANGED + 0x400;
    let other = (second, vec![0xb8, 0, 0, 0, 0, 0xc3]);
    let piece = assemble(CODE, |a| {
        rounds(a, 160, |a| {
            let mut inner = a.create_label();
            a.mov(ecx, 4u32)?;
            a.set_label(&mut inner)?;
            a.call(u64::from(CHANGED))?;
            a.add(edi, eax)?;
            a.inc(dword_ptr(CHANGED + 0x800))?;
            a.dec(ecx)?;
            a.jne(inner)?;
            a.call(u64::from(second))?;
            a.add(edi, eax)?;
            a.mov(dword_ptr(second + 1), ebp)?;
            a.test(ebp, 31)?;
            let mut skip = a.create_label();
            a.jne(skip)?;
            a.mov(dword_ptr(NUMBER), ebp)?;
            a.set_label(&mut skip)?;
            a.mov(eax, dword_ptr(CHANGED + 0x800))
        })
    });
    let (mut expected, mut first, mut second, mut data) = (0u32, 0, 0, 0u32);
    for round in (1..=160).rev() {
        data += 4;
        expected = expected.wrapping_add(4 * first).wrapping_add(second).wrapping_add(data);
        second = round;
        first = if round & 31 == 0 { round } else { first };
    }
    assert_eq!(sum(&[changed(), other, piece]), expected);
}

#[test]
fn jumps_of_the_page_lead_to_what_is_patched() {
    // As GRUB calls the BIOS: an instruction is patched before each use, by code of the same page, which jumps there in three ways;
    // what it has found is written into the instruction, too. Between them is data that changes with every round.
    let piece = |patched: u32, data: u32, used: u32| {
        assemble(CODE, move |a| {
            let (mut again, mut hot, mut cold, mut done) =
                (a.create_label(), a.create_label(), a.create_label(), a.create_label());
            a.mov(ebp, 900u32)?;
            a.xor(edi, edi)?;
            a.set_label(&mut again)?;
            a.mov(dword_ptr(patched), ebp)?;
            a.inc(dword_ptr(data))?;
            a.test(ebp, 3)?;
            a.je(cold)?;
            a.test(ebp, 1)?;
            a.jne(hot)?;
            a.call(hot)?;
            a.jmp(done)?;
            a.set_label(&mut cold)?;
            a.call(hot)?;
            a.add(edi, dword_ptr(data))?;
            a.jmp(done)?;
            a.dd(&[0])?;
            a.set_label(&mut hot)?;
            a.mov(eax, 0x7777_7777u32)?;
            a.add(edi, eax)?;
            a.not(eax)?;
            a.mov(dword_ptr(patched), eax)?;
            a.test(ebp, 1)?;
            a.jne(done)?;
            a.ret()?;
            a.set_label(&mut done)?;
            a.add(edi, dword_ptr(patched))?;
            a.inc(dword_ptr(used))?;
            a.dec(ebp)?;
            a.jne(again)?;
            end(a, edi)
        })
    };
    let (at, bytes) = piece(0x1000, 0x1000, 0x1000);
    let find = |bytes: &[u8], what: &[u8]| at + bytes.windows(what.len()).position(|w| w == what).unwrap() as u32;
    let patched = find(&bytes, &[0xb8, 0x77, 0x77, 0x77, 0x77]) + 1;
    let data = patched - 5;
    let (mut expected, mut count) = (0u32, 0);
    for round in (1..=900u32).rev() {
        count += 1;
        let extra = if round & 3 == 0 { count } else { 0 };
        expected = expected.wrapping_add(round).wrapping_add(!round).wrapping_add(extra);
    }
    // The number of rounds is counted behind the code, in the same page.
    assert_eq!(sum(&[piece(patched, data, CODE + 0xf00)]), expected);
}

#[test]
fn a_number_lies_in_two_pages() {
    let at = CHANGED - 3; // B8 and one byte of the number here, the rest there
    let code = (at, vec![0x90, 0xb8, 0, 0, 0, 0, 0xc3]);
    let piece = assemble(CODE, |a| {
        rounds(a, 100, |a| {
            a.imul_3(ecx, ebp, 0x10001)?;
            a.mov(dword_ptr(at + 2), ecx)?;
            a.call(u64::from(at))
        })
    });
    assert_eq!(sum(&[code, piece]), triangle(100).wrapping_mul(0x10001));
}

#[test]
fn a_block_move_replaces_code() {
    // Three functions take turns at one place.
    let sources = [(SUM + 0x100, 3u32), (SUM + 0x110, 50), (SUM + 0x120, 700)];
    let mut pieces: Vec<_> = sources
        .map(|(at, n)| {
            assemble(at, |a| {
                a.mov(eax, n)?;
                a.ret()
            })
        })
        .into();
    pieces.push(changed());
    pieces.push(assemble(CODE, |a| {
        rounds(a, 60, |a| {
            for (from, _) in sources {
                let mut twice = a.create_label();
                a.mov(ebx, edi)?;
                a.mov(esi, from)?;
                a.mov(edi, CHANGED)?;
                a.mov(ecx, 6u32)?;
                a.rep().movsb()?;
                a.mov(edi, ebx)?;
                a.mov(ecx, 2u32)?;
                a.set_label(&mut twice)?;
                a.call(u64::from(CHANGED))?;
                a.add(edi, eax)?;
                a.dec(ecx)?;
                a.jne(twice)?;
            }
            a.mov(eax, 0u32)
        })
    }));
    assert_eq!(sum(&pieces), 60 * 2 * 753);
}

#[test]
fn dma_replaces_code() {
    // The firmware configuration device copies its signature over the number: QEMU's specification, section "Guest-side DMA
    // Interface". Its structure is big-endian: control, length, address.
    const STRUCTURE: u32 = SUM + 0x40;
    let structure = [2u32.swap_bytes(), 4u32.swap_bytes(), 0, NUMBER.swap_bytes()];
    let structure = (STRUCTURE, structure.iter().flat_map(|word| word.to_le_bytes()).collect());
    let signature = u32::from_le_bytes(*b"QEMU");
    let piece = assemble(CODE, |a| {
        rounds(a, 600, |a| {
            let mut skip = a.create_label();
            a.test(ebp, 15)?;
            a.jne(skip)?;
            a.mov(dword_ptr(NUMBER), ebp)?;
            a.call(u64::from(CHANGED))?;
            a.add(edi, eax)?;
            // Selects the signature and reads it: the control word is cleared when it is done.
            a.mov(dword_ptr(STRUCTURE), (0x0a_u32).swap_bytes())?;
            a.mov(edx, 0x514)?;
            a.xor(eax, eax)?;
            a.out(dx, eax)?;
            a.mov(edx, 0x518)?;
            a.mov(eax, STRUCTURE.swap_bytes())?;
            a.out(dx, eax)?;
            a.set_label(&mut skip)?;
            a.call(u64::from(CHANGED))
        })
    });
    // From 600 down: up to 592 nothing has been copied.
    let (mut expected, mut number) = (0u32, 0u32);
    for round in (1..=600u32).rev() {
        if round & 15 == 0 {
            expected = expected.wrapping_add(round);
            number = signature;
        }
        expected = expected.wrapping_add(number);
    }
    assert_eq!(sum(&[structure, changed(), piece]), expected);
}

#[test]
fn another_cpu_changes_code_under_load() {
    const VERSION: u32 = SUM + 0x10;
    const READY: u32 = SUM + 0x20;
    const WRONG: u32 = SUM + 0x24;
    const CALLS: u32 = SUM + 0x28;
    const LAST: u32 = 600;
    let runner = 0x1_1000;
    let writer = assemble(CODE, |a| {
        let (mut again, mut wait, mut spin) = (a.create_label(), a.create_label(), a.create_label());
        a.xor(ecx, ecx)?;
        a.set_label(&mut again)?;
        a.inc(ecx)?;
        a.mov(dword_ptr(NUMBER), ecx)?;
        a.mov(dword_ptr(VERSION), ecx)?;
        a.mov(edx, ecx)?;
        a.and(edx, 0x3ff)?;
        a.inc(edx)?;
        a.set_label(&mut spin)?;
        a.dec(edx)?;
        a.jne(spin)?;
        a.cmp(ecx, LAST)?;
        a.jne(again)?;
        a.set_label(&mut wait)?;
        a.pause()?;
        a.cmp(dword_ptr(READY), 3)?;
        a.jne(wait)?;
        a.mov(eax, dword_ptr(WRONG))?;
        a.out(END, eax)
    });
    // Whoever has seen a version and serialised executes that version's code, or a later one's.
    let reader = assemble(runner, |a| {
        let (mut again, mut fine, mut stop) = (a.create_label(), a.create_label(), a.create_label());
        a.set_label(&mut again)?;
        a.mov(esi, dword_ptr(VERSION))?;
        a.xor(eax, eax)?;
        a.cpuid()?;
        a.call(u64::from(CHANGED))?;
        a.lock().inc(dword_ptr(CALLS))?;
        a.cmp(eax, esi)?;
        a.jae(fine)?;
        a.lock().inc(dword_ptr(WRONG))?;
        a.set_label(&mut fine)?;
        a.cmp(eax, LAST)?;
        a.jne(again)?;
        a.lock().inc(dword_ptr(READY))?;
        a.set_label(&mut stop)?;
        a.hlt()?;
        a.jmp(stop)
    });
    for kind in [Kind::Interp, Kind::Strips, Kind::Jit(2), Kind::Jit(30), Kind::Cramped(2), Kind::Lockstep(10, None)] {
        let (outcome, machine) =
            run(kind, &[changed(), writer.clone(), reader.clone()], &[CODE, runner, runner, runner]);
        assert_eq!(outcome, Outcome::DebugExit(1), "{kind:?}");
        let calls = machine.memory().read_uint(CALLS.into(), 4).unwrap();
        assert!(calls > 300, "{kind:?}: {calls} calls are no load");
    }
}
