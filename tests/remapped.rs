//! What translated code remembers of a page is forgotten when the page is mapped elsewhere: data, code that is called, and the stack, by INVLPG
//! and by a load of CR3, under code that is so hot that it is compiled wide.

mod common;

use common::flat::{CODE, assemble, end, sum};
use iced_x86::code_asm::*;

/// Page tables: a directory, the first 4 MiB as they are, the next 4 MiB.
const DIRECTORY: u32 = 0x4_0000;
const SECOND: u32 = 0x40_0000;
/// The pages of the second 4 MiB: a function, one that it calls, its data, the stack.
const CALLER: u32 = SECOND;
const CALLED: u32 = SECOND + 0x1000;
const DATA: u32 = SECOND + 0x2000;
const STACK: u32 = SECOND + 0x3000;
/// Where they are mapped to, the last three in turn.
const AT: [[u32; 2]; 4] = [[0x1_2000, 0], [0x1_4000, 0x1_5000], [0x1_6000, 0x1_7000], [0x1_8000, 0x1_9000]];
const FLIP: i32 = 0x1000;
/// What the function adds of its data, and of what lies below its stack.
const SUMMANDS: [u32; 2] = [0x1234_5678, 0x0f0f_1111];
const BELOW: [u32; 2] = [0x77, 0x9999];
const ROUNDS: u32 = 60;
const CALLS: u32 = 40;

fn entry(page: u32) -> u32 {
    DIRECTORY + 0x2000 + ((page - SECOND) >> 12) * 4
}

fn pieces() -> Vec<(u32, Vec<u8>)> {
    let program = assemble(CODE, |a| {
        let [mut again, mut calls, mut reload, mut next] = [(); 4].map(|()| a.create_label());
        a.mov(eax, DIRECTORY)?;
        a.mov(cr3, eax)?;
        a.mov(eax, cr0)?;
        a.or(eax, 0x8000_0000u32 as i32)?;
        a.mov(cr0, eax)?;
        a.mov(esp, STACK + 0x1000)?;
        a.mov(ebp, ROUNDS)?;
        a.xor(edi, edi)?;
        a.set_label(&mut again)?;
        a.mov(ecx, CALLS)?;
        a.set_label(&mut calls)?;
        a.call(u64::from(CALLER))?;
        a.dec(ecx)?;
        a.jne(calls)?;
        // Each round another page, and the data twice, once by CR3.
        a.mov(edx, ebp)?;
        a.and(edx, 3)?;
        a.je(reload)?;
        a.mov(esi, edx)?;
        a.shl(esi, 12)?;
        a.add(esi, SECOND as i32)?;
        a.xor(dword_ptr(edx * 4 + (DIRECTORY + 0x2000)), FLIP)?;
        a.invlpg(byte_ptr(esi))?;
        a.jmp(next)?;
        a.set_label(&mut reload)?;
        a.xor(dword_ptr(entry(DATA)), FLIP)?;
        a.mov(eax, cr3)?;
        a.mov(cr3, eax)?;
        a.set_label(&mut next)?;
        a.dec(ebp)?;
        a.jne(again)?;
        end(a, edi)
    });
    let caller = assemble(CALLER, |a| {
        a.push(ecx)?;
        a.lea(edi, ptr(edi + edi * 2))?;
        a.add(edi, dword_ptr(DATA + 0x10))?;
        a.call(u64::from(CALLED))?;
        a.add(dword_ptr(DATA + 0x20), edi)?;
        a.add(edi, dword_ptr(esp - 0x40))?;
        a.pop(ecx)?;
        a.ret()
    });
    let called = [
        assemble(CALLED, |a| {
            a.add(edi, 0x11)?;
            a.ret()
        }),
        assemble(CALLED, |a| {
            a.xor(edi, 0x5a5a)?;
            a.ret()
        }),
    ];
    let page = |entries: Vec<u32>| entries.into_iter().flat_map(u32::to_le_bytes).collect();
    let number = |n: u32| n.to_le_bytes().to_vec();
    let mut pieces = vec![
        program,
        (AT[0][0], caller.1),
        (DIRECTORY, page(vec![(DIRECTORY + 0x1000) | 7, (DIRECTORY + 0x2000) | 7])),
        (DIRECTORY + 0x1000, page((0..1024).map(|n| n << 12 | 7).collect())),
        (DIRECTORY + 0x2000, page(AT.map(|[first, _]| first | 7).to_vec())),
    ];
    for (n, (_, called)) in called.into_iter().enumerate() {
        pieces.push((AT[1][n], called));
        pieces.push((AT[2][n] + 0x10, number(SUMMANDS[n])));
        // The function has pushed ECX when it looks below its stack.
        pieces.push((AT[3][n] + 0x1000 - 8 - 0x40, number(BELOW[n])));
    }
    pieces
}

/// The same, as it should come out.
fn expected() -> u32 {
    let (mut sum, mut mapped) = (0u32, [0usize; 4]);
    for round in (1..=ROUNDS).rev() {
        for _ in 0..CALLS {
            sum = sum.wrapping_mul(3).wrapping_add(SUMMANDS[mapped[2]]);
            sum = if mapped[1] == 0 { sum.wrapping_add(0x11) } else { sum ^ 0x5a5a };
            sum = sum.wrapping_add(BELOW[mapped[3]]);
        }
        let page = match round % 4 {
            0 => 2,
            page => page as usize,
        };
        mapped[page] ^= 1;
    }
    sum
}

#[test]
fn pages_are_mapped_elsewhere_under_hot_code() {
    assert_eq!(sum(&pieces()), expected());
}
