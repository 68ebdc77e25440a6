//! The order in which CPUs see each other's loads and stores: the litmus tests of the literature (Owens, Sarkar, Sewell: "A better
//! x86 memory model: x86-TSO"; Intel SDM vol. 3, section 9.2.3), on every engine, with a thread for each CPU.
//!
//! A test is a few loads and stores for each CPU, and an outcome that processors never show. It is done in many places of memory,
//! one after the other; CPUs meet now and then, so that they stay near each other. What the host reorders, engines must not; hosts of the
//! x86 family reorder nothing more than the guest may see, so others are where this says most.

mod common;

use common::threads::*;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

/// How often each test is done, and after how many times the CPUs meet.
const TIMES: u32 = 3200;
const MEET: u32 = 64;
/// Numbers of each time, each in a cache line of its own.
const VARS: u32 = 0x10_0000;
const VAR: u32 = 0x40;
const X: u32 = 0;
const Y: u32 = 1;
/// What each CPU has loaded each time: two numbers.
const LOADED: u32 = 0x1d_0000;
const MET: u32 = DATA + 0x100;

/// What a CPU does.
#[derive(Clone, Copy)]
enum Do {
    Store(u32, u32),
    /// Into its first or second register.
    Load(usize, u32),
    Mfence,
    /// A locked operation on memory of its own.
    Lock,
    /// A store by XCHG.
    Xchg(u32, u32),
    /// A store by REP STOSD, with others behind it.
    Stos(u32, u32),
    /// A store of 16 bytes, and a load of them.
    StoreVector(u32, u32),
    LoadVector(usize, u32),
}
use Do::*;

impl Do {
    fn emit(self, a: &mut CodeAssembler) -> Result<(), IcedError> {
        let at = |var: u32| rbx + VAR * var;
        let registers = [r8d, r9d];
        match self {
            Store(var, value) => a.mov(dword_ptr(at(var)), value),
            Load(n, var) => a.mov(registers[n], dword_ptr(at(var))),
            Mfence => a.mfence(),
            Lock => a.lock().or(dword_ptr(rsp - 8), 0),
            Xchg(var, value) => {
                a.mov(eax, value)?;
                a.xchg(dword_ptr(at(var)), eax)
            }
            Stos(var, value) => {
                a.lea(rdi, ptr(at(var)))?;
                a.mov(eax, value)?;
                a.mov(ecx, 8)?;
                a.rep().stosd()
            }
            StoreVector(var, value) => {
                a.mov(eax, value)?;
                a.movd(xmm0, eax)?;
                a.pshufd(xmm0, xmm0, 0)?;
                a.movups(xmmword_ptr(at(var)), xmm0)
            }
            LoadVector(n, var) => {
                a.movups(xmm1, xmmword_ptr(at(var)))?;
                a.movd(registers[n], xmm1)
            }
        }
    }
}

/// What became of one time: what each CPU has loaded, and what is left in X and Y.
struct Seen {
    loaded: [[u32; 2]; CPUS as usize],
    left: [u32; 2],
}

/// Runs a test on every engine. `never` says what no processor shows.
#[track_caller]
fn litmus(cpus: &[&[Do]], never: impl Fn(&Seen) -> bool) {
    let program = assemble(CODE, |a| {
        let mut done = a.create_label();
        a.mov(r12d, edi)?;
        begin(a)?;
        for (cpu, what) in cpus.iter().enumerate() {
            let (mut next, mut again, mut on) = (a.create_label(), a.create_label(), a.create_label());
            let (mut wait, mut met) = (a.create_label(), a.create_label());
            a.cmp(r12d, cpu as i32)?;
            a.jne(next)?;
            a.mov(ebx, VARS)?;
            a.mov(r15d, LOADED + 8 * cpu as u32)?;
            a.mov(ebp, TIMES)?;
            a.xor(r14d, r14d)?;
            here(a, &mut again)?;
            a.test(ebp, MEET - 1)?;
            a.jne(on)?;
            a.lock().inc(dword_ptr(MET))?;
            a.add(r14d, cpus.len() as i32)?;
            here(a, &mut wait)?;
            a.cmp(dword_ptr(MET), r14d)?;
            a.jge(met)?;
            a.pause()?;
            a.jmp(wait)?;
            here(a, &mut met)?;
            here(a, &mut on)?;
            what.iter().try_for_each(|what| what.emit(a))?;
            a.mov(dword_ptr(r15), r8d)?;
            a.mov(dword_ptr(r15 + 4), r9d)?;
            a.add(rbx, 4 * VAR as i32)?;
            a.add(r15, 8 * CPUS as i32)?;
            a.dec(ebp)?;
            a.jne(again)?;
            a.jmp(done)?;
            here(a, &mut next)?;
        }
        here(a, &mut done)?;
        a.mov(edi, r12d)?;
        end(a)
    });
    for kind in KINDS {
        let machine = run(kind, std::slice::from_ref(&program));
        let word = |at: u32| machine.memory().read_uint(at.into(), 4).unwrap() as u32;
        for time in 0..TIMES {
            let loaded =
                std::array::from_fn(|cpu| [0, 4].map(|n| word(LOADED + 8 * (CPUS as u32 * time + cpu as u32) + n)));
            let left = [X, Y].map(|var| word(VARS + VAR * (4 * time + var)));
            let seen = Seen { loaded, left };
            assert!(!never(&seen), "{kind:?}, time {time}: {:?} loaded, {:?} left", seen.loaded, seen.left);
        }
    }
}

#[test]
fn stores_are_buffered_only_up_to_a_fence() {
    let never = |seen: &Seen| seen.loaded[0][0] == 0 && seen.loaded[1][0] == 0;
    litmus(&[&[Store(X, 1), Mfence, Load(0, Y)], &[Store(Y, 1), Mfence, Load(0, X)]], never);
    litmus(&[&[Store(X, 1), Lock, Load(0, Y)], &[Store(Y, 1), Lock, Load(0, X)]], never);
    litmus(&[&[Xchg(X, 1), Load(0, Y)], &[Xchg(Y, 1), Load(0, X)]], never);
    litmus(&[&[Xchg(X, 1), Load(0, Y)], &[Store(Y, 1), Mfence, Load(0, X)]], never);
}

#[test]
fn a_cpu_sees_its_own_stores_first() {
    // SB with forwarding: what is in the buffer is what its owner loads, always.
    let never = |seen: &Seen| seen.loaded[0][0] != 1 || seen.loaded[1][0] != 1;
    litmus(&[&[Store(X, 1), Load(0, X), Load(1, Y)], &[Store(Y, 1), Load(0, Y), Load(1, X)]], never);
}

#[test]
fn messages_are_passed() {
    let never = |seen: &Seen| seen.loaded[1][0] == 1 && seen.loaded[1][1] == 0;
    let reader: &[Do] = &[Load(0, Y), Load(1, X)];
    litmus(&[&[Store(X, 1), Store(Y, 1)], reader], never);
    litmus(&[&[Stos(X, 1), Store(Y, 1)], reader], never);
    litmus(&[&[Store(X, 1), Stos(Y, 1)], reader], never);
    litmus(&[&[StoreVector(X, 1), Store(Y, 1)], &[Load(0, Y), LoadVector(1, X)]], never);
    litmus(&[&[Store(X, 1), Xchg(Y, 1)], reader], never);
    litmus(&[&[Store(X, 1), Mfence, Store(Y, 1)], &[Load(0, Y), Mfence, Load(1, X)]], never);
}

#[test]
fn loads_are_not_late() {
    let never = |seen: &Seen| seen.loaded[0][0] == 1 && seen.loaded[1][0] == 1;
    litmus(&[&[Load(0, X), Store(Y, 1)], &[Load(0, Y), Store(X, 1)]], never);
    litmus(&[&[Load(0, X), Mfence, Store(Y, 1)], &[Load(0, Y), Xchg(X, 1)]], never);
}

#[test]
fn all_see_stores_in_one_order() {
    let never = |seen: &Seen| seen.loaded[2] == [1, 0] && seen.loaded[3] == [1, 0];
    let readers: [&[Do]; 2] = [&[Load(0, X), Load(1, Y)], &[Load(0, Y), Load(1, X)]];
    litmus(&[&[Store(X, 1)], &[Store(Y, 1)], readers[0], readers[1]], never);
    litmus(&[&[Xchg(X, 1)], &[Xchg(Y, 1)], readers[0], readers[1]], never);
    let fenced: [&[Do]; 2] = [&[Load(0, X), Mfence, Load(1, Y)], &[Load(0, Y), Mfence, Load(1, X)]];
    litmus(&[&[Store(X, 1)], &[Store(Y, 1)], fenced[0], fenced[1]], never);
}

#[test]
fn stores_stay_in_order() {
    // 2+2W, S and R.
    litmus(&[&[Store(X, 1), Store(Y, 2)], &[Store(Y, 1), Store(X, 2)]], |seen| seen.left == [1, 1]);
    litmus(&[&[Xchg(X, 1), Store(Y, 2)], &[Store(Y, 1), Xchg(X, 2)]], |seen| seen.left == [1, 1]);
    litmus(&[&[Store(X, 2), Store(Y, 1)], &[Load(0, Y), Store(X, 1)]], |seen| {
        seen.loaded[1][0] == 1 && seen.left[0] == 2
    });
    litmus(&[&[Store(X, 1), Store(Y, 1)], &[Store(Y, 2), Mfence, Load(0, X)]], |seen| {
        seen.loaded[1][0] == 0 && seen.left[1] == 2
    });
}

#[test]
fn what_was_seen_is_told_on() {
    litmus(&[&[Store(X, 1)], &[Load(0, X), Store(Y, 1)], &[Load(0, Y), Load(1, X)]], |seen| {
        seen.loaded[1][0] == 1 && seen.loaded[2] == [1, 0]
    });
    // A number does not go back.
    litmus(&[&[Store(X, 1)], &[Load(0, X), Load(1, X)], &[Load(0, X), Load(1, X)]], |seen| {
        seen.loaded[1..3].contains(&[1, 0])
    });
}
