//! Stack frames across two pages that lie apart in the guest's memory, in code so hot that it is compiled for that: what was written into them is
//! read back, wherever in the frame the second page begins, also by accesses that are in both pages, with a stack that is not aligned, and after
//! a page was moved.

mod common;

use common::flat::{CODE, assemble, end, sum};
use iced_x86::code_asm::*;

/// Page tables: a directory, the first 4 MiB as they are, the next 4 MiB.
const DIRECTORY: u32 = 0x4_0000;
const SECOND: u32 = 0x40_0000;
/// Where the two pages of the stack are, the second one in turn.
const PAGES: [u32; 3] = [0x1_6000, 0x1_4000, 0x1_8000];
/// The second one's entry in the page table.
const ENTRY: u32 = DIRECTORY + 0x2000 + 4;
/// The stack pointer of the lowest frame.
const TOP: u32 = SECOND + 0x1000;
const ROUNDS: u32 = 60_000;
/// What is moved how often, as masks of rounds.
const MOVED: u32 = 63;
const CROOKED: u32 = 0x4000;

/// The places in a frame, and how many bytes of a round's number are written there.
const PLACES: [(i32, u32); 10] =
    [(0, 4), (4, 4), (0xc, 4), (0x10, 1), (0x11, 4), (0x16, 2), (0x19, 2), (0x1b, 1), (0x1e, 4), (0x24, 4)];

#[test]
fn frames_keep_what_is_written() {
    let program = assemble(CODE, |a| {
        let [mut again, mut stay, mut straight, mut called, mut odd] = [(); 5].map(|()| a.create_label());
        a.mov(eax, DIRECTORY)?;
        a.mov(cr3, eax)?;
        a.mov(eax, cr0)?;
        a.or(eax, 0x8000_0000u32 as i32)?;
        a.mov(cr0, eax)?;
        a.fninit()?;
        a.mov(ebp, ROUNDS)?;
        a.xor(edi, edi)?;
        a.set_label(&mut again)?;
        a.test(ebp, MOVED)?;
        a.jne(stay)?;
        a.xor(dword_ptr(ENTRY), (PAGES[1] ^ PAGES[2]) as i32)?;
        a.invlpg(byte_ptr(SECOND + 0x1000))?;
        a.set_label(&mut stay)?;
        a.mov(eax, ebp)?;
        a.and(eax, 15)?;
        a.lea(esp, ptr(eax * 4 + TOP))?;
        a.test(ebp, CROOKED)?;
        a.je(straight)?;
        a.add(esp, 3)?;
        a.set_label(&mut straight)?;
        a.call(called)?;
        // Where the function returned to.
        a.mov(dword_ptr(esp - 4), 0)?;
        a.dec(ebp)?;
        a.jne(again)?;
        for page in PAGES {
            let mut next = a.create_label();
            a.xor(eax, eax)?;
            a.set_label(&mut next)?;
            a.add(edi, dword_ptr(eax + page))?;
            a.add(eax, 4)?;
            a.cmp(eax, 0x1000)?;
            a.jne(next)?;
        }
        end(a, edi)?;

        a.set_label(&mut called)?;
        a.push(ebp)?;
        a.sub(esp, 0x28)?;
        a.imul_3(eax, ebp, 0x01234567)?;
        for (n, (at, bytes)) in PLACES.into_iter().enumerate() {
            match bytes {
                1 => a.mov(byte_ptr(esp + at), al)?,
                2 => a.mov(word_ptr(esp + at), ax)?,
                _ => a.mov(dword_ptr(esp + at), eax)?,
            }
            // What is ahead is uncertain from here on.
            if n == 3 {
                a.test(ebp, 1)?;
                a.jne(odd)?;
                a.rol(eax, 5)?;
                a.set_label(&mut odd)?;
            }
            a.inc(eax)?;
        }
        for (at, bytes) in PLACES {
            match bytes {
                1 => a.movzx(edx, byte_ptr(esp + at))?,
                2 => a.movzx(edx, word_ptr(esp + at))?,
                _ => a.mov(edx, dword_ptr(esp + at))?,
            }
            a.lea(edi, ptr(edi + edi * 2))?;
            a.add(edi, edx)?;
        }
        // In both pages at times, however the stack is aligned.
        a.fild(qword_ptr(esp + 0xc))?;
        a.fistp(qword_ptr(esp + 4))?;
        a.add(edi, dword_ptr(esp + 8))?;
        a.add(esp, 0x28)?;
        a.pop(ebp)?;
        a.ret()
    });
    let page = |entries: Vec<u32>| entries.into_iter().flat_map(u32::to_le_bytes).collect();
    let pieces = [
        program,
        (DIRECTORY, page(vec![(DIRECTORY + 0x1000) | 7, (DIRECTORY + 0x2000) | 7])),
        (DIRECTORY + 0x1000, page((0..1024).map(|n| n << 12 | 7).collect())),
        (DIRECTORY + 0x2000, page(vec![PAGES[0] | 7, PAGES[1] | 7])),
    ];
    assert_eq!(sum(&pieces), expected());
}

/// What the program does.
fn expected() -> u32 {
    let (mut pages, mut second, mut sum) = ([[0u8; 0x1000]; 3], 1, 0u32);
    for round in (1..=ROUNDS).rev() {
        if round & MOVED == 0 {
            second = 3 - second;
        }
        let top = TOP + (round & 15) * 4 + if round & CROOKED != 0 { 3 } else { 0 };
        let mut frame = [0; 0x28 + 8];
        frame[0x28..0x2c].copy_from_slice(&round.to_le_bytes());
        let mut number = round.wrapping_mul(0x0123_4567);
        for (n, (at, bytes)) in PLACES.into_iter().enumerate() {
            let (at, bytes) = (at as usize, bytes as usize);
            frame[at..at + bytes].copy_from_slice(&number.to_le_bytes()[..bytes]);
            if n == 3 && round & 1 == 0 {
                number = number.rotate_left(5);
            }
            number = number.wrapping_add(1);
        }
        for (at, bytes) in PLACES {
            sum = sum.wrapping_mul(3).wrapping_add(number_of(&frame[at as usize..][..bytes as usize]));
        }
        frame.copy_within(0xc..0x14, 4);
        sum = sum.wrapping_add(number_of(&frame[8..12]));
        for (n, byte) in frame.into_iter().enumerate() {
            let at = (top - SECOND) as usize - frame.len() + n;
            // What no place has stays as it was.
            if PLACES.iter().any(|(from, bytes)| (*from..*from + *bytes as i32).contains(&(n as i32)))
                || n >= 0x28
                || (4..12).contains(&n)
            {
                pages[if at < 0x1000 { 0 } else { second }][at & 0xfff] = byte;
            }
        }
    }
    let dwords = pages.iter().flat_map(|page| page.chunks_exact(4));
    dwords.fold(sum, |sum, dword| sum.wrapping_add(number_of(dword)))
}

fn number_of(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
