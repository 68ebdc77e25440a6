//! Instructions that begin in one page and end in the next: the next page may change, and it may be another one at another
//! linear address, or later.

mod common;

use common::flat::{CODE, assemble, end, sum};
use iced_x86::IcedError;
use iced_x86::code_asm::*;

/// MOV EAX, number; RET: the opcode and a byte of the number lie in this page, the rest in others.
const HEAD: u32 = 0x1_3000;
const AT: u32 = HEAD + 0xffe;
const TAILS: [u32; 2] = [0x1_4000, 0x1_5000];
/// Page tables: a directory, the first 4 MiB as they are, the next 4 MiB.
const DIRECTORY: u32 = 0x4_0000;
const SECOND: u32 = 0x40_0000;
const ROUNDS: u32 = 300;

/// The rest of a MOV whose number is `low` and, above bit 7, `high`.
fn tail(high: u32) -> Vec<u8> {
    let mut bytes = high.to_le_bytes()[..3].to_vec();
    bytes.push(0xc3);
    bytes
}

fn head(low: u8) -> (u32, Vec<u8>) {
    (AT, vec![0xb8, low])
}

fn tables() -> Vec<(u32, Vec<u8>)> {
    let page = |entries: Vec<u32>| entries.into_iter().flat_map(u32::to_le_bytes).collect();
    let second = SECOND >> 12;
    let mut far = vec![0u32; 16];
    // The head twice, with each of its tails behind it; the third time the tail is to be changed.
    for (n, to) in [HEAD, TAILS[0], HEAD, TAILS[1], HEAD, TAILS[0]].into_iter().enumerate() {
        far[n] = to | 7;
    }
    assert_eq!(second & 1023, 0);
    vec![
        (DIRECTORY, page(vec![(DIRECTORY + 0x1000) | 7, (DIRECTORY + 0x2000) | 7])),
        (DIRECTORY + 0x1000, page((0..1024).map(|n| n << 12 | 7).collect())),
        (DIRECTORY + 0x2000, page(far)),
    ]
}

/// Turns paging on, and begins with a sum of nothing.
fn begin_paged(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.mov(eax, DIRECTORY)?;
    a.mov(cr3, eax)?;
    a.mov(eax, cr0)?;
    a.or(eax, 0x8000_0000u32 as i32)?;
    a.mov(cr0, eax)?;
    a.mov(ebp, ROUNDS)?;
    a.xor(edi, edi)
}

#[test]
fn its_end_is_written_to() {
    let program = assemble(CODE, |a| {
        let mut again = a.create_label();
        a.mov(ebp, ROUNDS)?;
        a.xor(edi, edi)?;
        a.set_label(&mut again)?;
        a.mov(word_ptr(TAILS[0]), bp)?;
        a.call(u64::from(AT))?;
        a.add(edi, eax)?;
        a.dec(ebp)?;
        a.jne(again)?;
        end(a, edi)
    });
    let expected: u32 = (1..=ROUNDS).map(|n| n << 8 | 0x11).sum();
    assert_eq!(sum(&[program, head(0x11), (TAILS[0], tail(0))]), expected);
}

#[test]
fn it_ends_differently_at_another_address() {
    let program = assemble(CODE, |a| {
        let mut again = a.create_label();
        begin_paged(a)?;
        a.set_label(&mut again)?;
        for pair in 0..2 {
            a.call(u64::from(SECOND + pair * 0x2000 + 0xffe))?;
            a.lea(edi, ptr(edi * 2))?;
            a.add(edi, eax)?;
        }
        a.dec(ebp)?;
        a.jne(again)?;
        end(a, edi)
    });
    let mut pieces = vec![program, head(7), (TAILS[0], tail(0x1234)), (TAILS[1], tail(0x8765))];
    pieces.extend(tables());
    let twice = |n: u32| n.wrapping_mul(2).wrapping_add(0x1234 << 8 | 7).wrapping_mul(2).wrapping_add(0x8765 << 8 | 7);
    assert_eq!(sum(&pieces), (0..ROUNDS).fold(0, |n, _| twice(n)));
}

#[test]
fn another_page_is_mapped_behind_it() {
    let entry = DIRECTORY + 0x2000 + 5 * 4;
    let program = assemble(CODE, |a| {
        let mut again = a.create_label();
        begin_paged(a)?;
        a.set_label(&mut again)?;
        // From one tail to the other in each round.
        a.xor(dword_ptr(entry), (TAILS[0] ^ TAILS[1]) as i32)?;
        a.invlpg(byte_ptr(SECOND + 0x5000))?;
        a.call(u64::from(SECOND + 0x4ffe))?;
        a.lea(edi, ptr(edi * 2))?;
        a.add(edi, eax)?;
        a.dec(ebp)?;
        a.jne(again)?;
        end(a, edi)
    });
    let mut pieces = vec![program, head(7), (TAILS[0], tail(0x1234)), (TAILS[1], tail(0x8765))];
    pieces.extend(tables());
    let next =
        |n: u32, round: u32| n.wrapping_mul(2).wrapping_add([0x8765 << 8 | 7, 0x1234 << 8 | 7][round as usize % 2]);
    assert_eq!(sum(&pieces), (0..ROUNDS).fold(0, next));
}
