//! Four CPUs at the same time, on threads of their own: locked operations, the order of memory, code that is rewritten while
//! others run it, pages that are moved under them. What processors promise (Intel SDM vol. 3, sections 9.1 and 9.2) must hold on
//! every engine.

mod common;

use common::flat::Kind;
use common::threads::*;
use iced_x86::code_asm::*;

#[test]
fn locked_operations_lose_nothing() {
    const ROUNDS: u32 = 6_000;
    // Each counter is in a cache line of its own; two lie across lines, one across pages.
    let place = |n: u32| DATA + 0x40 * n;
    let (across_lines, across_words, across_pages) = (DATA + 0x63e, DATA + 0x681, DATA + 0xffe);
    let (lock_bit, lock_word) = (place(10), place(11));
    let program = assemble(CODE, |a| {
        let mut again = a.create_label();
        begin(a)?;
        a.mov(ebp, ROUNDS)?;
        here(a, &mut again)?;
        a.lock().inc(dword_ptr(place(0)))?;
        a.mov(eax, 3)?;
        a.lock().xadd(qword_ptr(place(1)), rax)?;
        a.lock().add(word_ptr(place(2)), 5)?;
        a.lock().sub(byte_ptr(place(3)), 1)?;
        a.lock().inc(dword_ptr(across_lines))?;
        a.lock().add(qword_ptr(across_words), 1)?;
        a.lock().inc(dword_ptr(across_pages))?;
        {
            let mut retry = a.create_label();
            a.mov(rax, qword_ptr(place(4)))?;
            here(a, &mut retry)?;
            a.lea(rcx, ptr(rax + 7))?;
            a.lock().cmpxchg(qword_ptr(place(4)), rcx)?;
            a.jne(retry)?;
        }
        {
            let mut retry = a.create_label();
            a.mov(eax, dword_ptr(place(5)))?;
            a.mov(edx, dword_ptr(place(5) + 4))?;
            here(a, &mut retry)?;
            a.mov(ebx, eax)?;
            a.mov(ecx, edx)?;
            a.add(ebx, 0x4000_0001)?;
            a.adc(ecx, 0)?;
            a.lock().cmpxchg8b(qword_ptr(place(5)))?;
            a.jne(retry)?;
        }
        {
            let mut retry = a.create_label();
            a.mov(rax, qword_ptr(place(6)))?;
            a.mov(rdx, qword_ptr(place(6) + 8))?;
            here(a, &mut retry)?;
            a.lea(rbx, ptr(rax + 1))?;
            a.lea(rcx, ptr(rdx + 2))?;
            a.lock().cmpxchg16b(xmmword_ptr(place(6)))?;
            a.jne(retry)?;
        }
        {
            let (mut retry, mut on) = (a.create_label(), a.create_label());
            here(a, &mut retry)?;
            a.lock().bts(dword_ptr(lock_bit), 5)?;
            a.jae(on)?;
            a.pause()?;
            a.jmp(retry)?;
            here(a, &mut on)?;
            a.inc(dword_ptr(place(7)))?;
            a.lock().btr(dword_ptr(lock_bit), 5)?;
        }
        {
            let (mut retry, mut on) = (a.create_label(), a.create_label());
            here(a, &mut retry)?;
            a.mov(eax, 1)?;
            a.xchg(dword_ptr(lock_word), eax)?;
            a.test(eax, eax)?;
            a.je(on)?;
            a.pause()?;
            a.jmp(retry)?;
            here(a, &mut on)?;
            a.inc(dword_ptr(place(8)))?;
            a.mov(dword_ptr(lock_word), 0)?; // a plain store releases a lock
        }
        a.lock().not(dword_ptr(place(9)))?;
        a.dec(ebp)?;
        a.jne(again)?;
        end(a)
    });
    for kind in KINDS {
        let machine = run(kind, std::slice::from_ref(&program));
        let all = CPUS * u64::from(ROUNDS);
        let expected =
            [all, 3 * all, (5 * all) & 0xffff, 0u64.wrapping_sub(all) & 0xff, 7 * all, 0x4000_0001 * all, all];
        let found: Vec<u64> = (0..7).map(|n| number(&machine, place(n))).collect();
        assert_eq!(found, expected, "{kind:?}");
        assert_eq!(number(&machine, place(6) + 8), 2 * all, "{kind:?}");
        assert_eq!([7, 8, 9].map(|n| number(&machine, place(n)) & 0xffff_ffff), [all, all, 0], "{kind:?}");
        let crooked = [across_lines, across_words, across_pages].map(|at| number(&machine, at) & 0xffff_ffff);
        assert_eq!(crooked, [all; 3], "{kind:?}");
    }
}

#[test]
fn memory_is_ordered() {
    const ROUNDS: u32 = 1_000;
    const MESSAGES: u32 = 400_000;
    let (message, flag) = (DATA, DATA + 0x40);
    // What each CPU of a pair writes, what it has seen of the other, and in which round it is.
    let (written, seen, round) =
        ([DATA + 0x100, DATA + 0x140], [DATA + 0x180, DATA + 0x1c0], [DATA + 0x200, DATA + 0x240]);
    let program = assemble(CODE, |a| {
        let (mut reader, mut pair, mut done) = (a.create_label(), a.create_label(), a.create_label());
        begin(a)?;
        a.mov(ebp, 0)?;
        a.cmp(edi, 2)?;
        a.jae(pair)?;
        a.test(edi, edi)?;
        a.je(reader)?;
        // Stores are seen in their order.
        let mut again = a.create_label();
        here(a, &mut again)?;
        a.inc(ebp)?;
        a.mov(dword_ptr(message), ebp)?;
        a.mov(dword_ptr(flag), ebp)?;
        a.cmp(ebp, MESSAGES)?;
        a.jne(again)?;
        a.jmp(done)?;
        // Loads happen in their order.
        let (mut again, mut fine) = (a.create_label(), a.create_label());
        here(a, &mut reader)?;
        here(a, &mut again)?;
        a.mov(eax, dword_ptr(flag))?;
        a.mov(ecx, dword_ptr(message))?;
        a.cmp(ecx, eax)?;
        a.jae(fine)?;
        a.lock().inc(dword_ptr(WRONG))?;
        here(a, &mut fine)?;
        a.cmp(eax, MESSAGES)?;
        a.jne(again)?;
        a.jmp(done)?;
        // A store, MFENCE or a locked operation, a load: of two CPUs one at least sees the other's store.
        here(a, &mut pair)?;
        for (me, label) in [(0, true), (1, false)] {
            let other = 1 - me;
            let mut skip = a.create_label();
            a.cmp(edi, 2 + me as i32)?;
            a.jne(skip)?;
            let mut again = a.create_label();
            here(a, &mut again)?;
            a.inc(ebp)?;
            a.mov(dword_ptr(written[me]), ebp)?;
            a.mfence()?;
            a.mov(eax, dword_ptr(written[other]))?;
            a.mov(dword_ptr(seen[me]), eax)?;
            a.mov(ecx, ebp)?;
            a.xchg(dword_ptr(round[me]), ecx)?;
            let (mut wait, mut on, mut fine) = (a.create_label(), a.create_label(), a.create_label());
            here(a, &mut wait)?;
            a.cmp(dword_ptr(round[other]), ebp)?;
            a.jge(on)?;
            a.pause()?;
            a.jmp(wait)?;
            here(a, &mut on)?;
            if label {
                // The other one may be a round further on, and has then seen no less.
                a.cmp(dword_ptr(seen[0]), ebp)?;
                a.jge(fine)?;
                a.cmp(dword_ptr(seen[1]), ebp)?;
                a.jge(fine)?;
                a.lock().inc(dword_ptr(WRONG))?;
                here(a, &mut fine)?;
            }
            a.cmp(ebp, ROUNDS)?;
            a.jne(again)?;
            a.jmp(done)?;
            here(a, &mut skip)?;
        }
        here(a, &mut done)?;
        end(a)
    });
    for kind in KINDS {
        let machine = run(kind, std::slice::from_ref(&program));
        assert_eq!(number(&machine, WRONG), 0, "{kind:?}");
    }
}

/// Code that is changed: MOV EAX, number; RET. In a page of its own.
const CHANGED: u64 = 0x1_2000;
const NUMBER: u32 = CHANGED as u32 + 1;
const VERSION: u32 = DATA;
const CALLS: u32 = DATA + 0x40;

/// The first CPU writes version after version into an instruction, and into a number; the others call it all the time.
fn rewrite(last: u32, serialise: bool, kind: Kind) {
    let program = assemble(CODE, |a| {
        let (mut reader, mut done, mut again, mut spin) =
            (a.create_label(), a.create_label(), a.create_label(), a.create_label());
        begin(a)?;
        a.mov(r12d, edi)?;
        a.test(edi, edi)?;
        a.jne(reader)?;
        a.xor(ecx, ecx)?;
        here(a, &mut again)?;
        a.inc(ecx)?;
        a.mov(dword_ptr(NUMBER), ecx)?;
        a.mov(dword_ptr(VERSION), ecx)?;
        // Bursts, and time for the others to translate what is there.
        a.imul_3(edx, ecx, 0x9e5)?;
        a.and(edx, 0x1fff)?;
        a.inc(edx)?;
        here(a, &mut spin)?;
        a.dec(edx)?;
        a.jne(spin)?;
        // The others shall have called it meanwhile.
        let mut busy = a.create_label();
        a.mov(edx, ecx)?;
        a.shr(edx, 3)?;
        here(a, &mut busy)?;
        a.pause()?;
        a.cmp(dword_ptr(CALLS), edx)?;
        a.jb(busy)?;
        a.cmp(ecx, last)?;
        a.jne(again)?;
        a.jmp(done)?;
        // Whoever has seen a version and serialised executes that version's code, or a later one's; whoever has not, none that
        // is older than what it has executed before.
        let (mut again, mut fine) = (a.create_label(), a.create_label());
        here(a, &mut reader)?;
        a.xor(esi, esi)?;
        here(a, &mut again)?;
        if serialise {
            a.mov(esi, dword_ptr(VERSION))?;
            a.xor(eax, eax)?;
            a.cpuid()?;
        }
        a.call(CHANGED)?;
        a.lock().inc(dword_ptr(CALLS))?;
        a.cmp(eax, esi)?;
        a.jae(fine)?;
        a.lock().inc(dword_ptr(WRONG))?;
        here(a, &mut fine)?;
        a.mov(esi, eax)?;
        a.cmp(eax, last)?;
        a.jne(again)?;
        here(a, &mut done)?;
        a.mov(edi, r12d)?;
        end(a)
    });
    let changed = (CHANGED, vec![0xb8, 0, 0, 0, 0, 0xc3]);
    let machine = run(kind, &[program, changed]);
    assert_eq!(number(&machine, WRONG), 0, "{kind:?}");
    let calls = number(&machine, CALLS);
    assert!(calls > 300, "{kind:?}: {calls} calls are no load");
}

#[test]
fn code_is_rewritten_under_load_with_serialisation() {
    KINDS.into_iter().for_each(|kind| rewrite(3_000, true, kind));
}

#[test]
fn code_is_rewritten_under_load_without() {
    KINDS.into_iter().for_each(|kind| rewrite(3_000, false, kind));
}

#[test]
fn data_pages_become_code_under_load() {
    // A CPU writes functions into pages that were data until then, one after the other, and others execute each as soon as
    // they are told of it: the writer's fast way to the page must not outlive its becoming code. Then it writes each anew.
    const FIRST: u32 = 0x10_0000;
    const COUNT: u32 = 0x80;
    let program = assemble(CODE, |a| {
        let (mut reader, mut done, mut again) = (a.create_label(), a.create_label(), a.create_label());
        begin(a)?;
        a.test(edi, edi)?;
        a.jne(reader)?;
        a.xor(ecx, ecx)?;
        here(a, &mut again)?;
        // Page ECX mod COUNT: MOV EAX, ECX + 1; RET
        a.mov(edx, ecx)?;
        a.and(edx, COUNT - 1)?;
        a.shl(edx, 12)?;
        a.inc(ecx)?;
        a.mov(byte_ptr(rdx + FIRST), 0xb8)?;
        a.mov(dword_ptr(rdx + (FIRST + 1)), ecx)?;
        a.mov(byte_ptr(rdx + (FIRST + 5)), 0xc3)?;
        a.mov(dword_ptr(VERSION), ecx)?;
        a.mov(ebx, 200)?;
        let (mut spin, mut busy) = (a.create_label(), a.create_label());
        here(a, &mut spin)?;
        a.dec(ebx)?;
        a.jne(spin)?;
        // The others shall have called something meanwhile.
        a.mov(ebx, ecx)?;
        a.shr(ebx, 4)?;
        here(a, &mut busy)?;
        a.pause()?;
        a.cmp(dword_ptr(CALLS), ebx)?;
        a.jb(busy)?;
        a.cmp(ecx, 40 * COUNT)?;
        a.jne(again)?;
        a.jmp(done)?;
        let (mut again, mut fine) = (a.create_label(), a.create_label());
        here(a, &mut reader)?;
        a.mov(r12d, edi)?;
        here(a, &mut again)?;
        a.mov(esi, dword_ptr(VERSION))?;
        a.test(esi, esi)?;
        a.je(again)?;
        a.xor(eax, eax)?;
        a.cpuid()?;
        a.lea(edx, ptr(rsi - 1))?;
        a.and(edx, COUNT - 1)?;
        a.shl(edx, 12)?;
        a.add(edx, FIRST)?;
        a.call(rdx)?;
        a.lock().inc(dword_ptr(CALLS))?;
        a.cmp(eax, esi)?;
        a.jae(fine)?;
        a.lock().inc(dword_ptr(WRONG))?;
        here(a, &mut fine)?;
        a.cmp(esi, 40 * COUNT)?;
        a.jne(again)?;
        a.mov(edi, r12d)?;
        here(a, &mut done)?;
        end(a)
    });
    for kind in KINDS {
        let machine = run(kind, std::slice::from_ref(&program));
        assert_eq!(number(&machine, WRONG), 0, "{kind:?}");
        assert!(number(&machine, CALLS) > 300, "{kind:?}");
    }
}

#[test]
fn pages_are_moved_with_a_shootdown() {
    const ROUNDS: u32 = 300;
    const MOVED: u64 = 0x18_0000;
    const FRAMES: u32 = 0x19_0000;
    const GENERATION: u32 = DATA;
    const ACKNOWLEDGED: u32 = DATA + 0x40;
    const READS: u32 = DATA + 0x80;
    let handler = assemble(CODE + 0x1000, |a| {
        a.push(rax)?;
        a.invlpg(byte_ptr(MOVED as u32))?;
        a.lock().inc(dword_ptr(ACKNOWLEDGED))?;
        a.mov(rax, u64::from(APIC + 0xb0))?;
        a.mov(dword_ptr(rax), 0)?;
        a.pop(rax)?;
        a.iretq()
    });
    let gate = |at: u64| (at & 0xffff | 8 << 16 | 0x8e00 << 32 | at >> 16 << 48).to_le_bytes();
    let gate = (IDT + 16 * u64::from(VECTOR), gate(CODE + 0x1000).to_vec());
    let program = assemble(CODE, |a| {
        let (mut reader, mut done, mut again) = (a.create_label(), a.create_label(), a.create_label());
        a.mov(r8, u64::from(APIC))?;
        a.mov(dword_ptr(r8 + 0xf0), 0x1ff)?;
        a.mov(dword_ptr(r8 + 0x350), 0x1_0000)?; // nothing from the 8259A
        a.sti()?;
        begin(a)?;
        a.test(edi, edi)?;
        a.jne(reader)?;
        a.xor(ebp, ebp)?;
        here(a, &mut again)?;
        a.inc(ebp)?;
        // The other frame gets the new number, then the page.
        a.mov(edx, ebp)?;
        a.and(edx, 1)?;
        a.shl(edx, 12)?;
        a.add(edx, FRAMES)?;
        a.mov(dword_ptr(rdx), ebp)?;
        a.or(edx, 3)?;
        a.mov(dword_ptr(ACKNOWLEDGED), 0)?;
        a.mov(qword_ptr((PAGES + 8 * (MOVED >> 12)) as u32), rdx)?;
        a.invlpg(byte_ptr(MOVED as u32))?;
        a.mov(dword_ptr(r8 + 0x310), 0)?;
        a.mov(dword_ptr(r8 + 0x300), 0xc_4000 | VECTOR)?; // to all but itself
        wait(a, ACKNOWLEDGED, CPUS as i32 - 1)?;
        a.mov(dword_ptr(GENERATION), ebp)?;
        a.cmp(ebp, ROUNDS)?;
        a.jne(again)?;
        a.jmp(done)?;
        let (mut again, mut fine) = (a.create_label(), a.create_label());
        here(a, &mut reader)?;
        here(a, &mut again)?;
        a.mov(esi, dword_ptr(GENERATION))?;
        a.mov(eax, dword_ptr(MOVED as u32))?;
        a.lock().inc(dword_ptr(READS))?;
        a.cmp(eax, esi)?;
        a.jae(fine)?;
        a.lock().inc(dword_ptr(WRONG))?;
        here(a, &mut fine)?;
        a.cmp(esi, ROUNDS)?;
        a.jne(again)?;
        here(a, &mut done)?;
        end(a)
    });
    for kind in KINDS {
        let machine = run(kind, &[program.clone(), handler.clone(), gate.clone()]);
        assert_eq!(number(&machine, WRONG), 0, "{kind:?}");
        assert!(number(&machine, READS) > u64::from(ROUNDS), "{kind:?}");
    }
}
