//! The two algebras against each other: random programs on the interpreter and compiled, with equal ends.

mod common;
#[path = "common/generator.rs"]
mod generator;
#[path = "common/side.rs"]
mod side;

use backend_interp::InterpVcpu;
use backend_jit::{JitVcpu, Kept, Options};
use common::{DATA, Random, STACK, memory, model, state};
use lyrebird_core::{CpuState, Exit, Signals};
use side::Side;
use std::sync::Arc;

fn compare(long: bool, cases: u64) {
    // At once, when no jump is linked yet and there are no loops; and when the first jumps were taken.
    // Once with so little room that the place of old code is soon taken. And strips alone.
    let never = u32::MAX;
    let ways = [(1, 256, 64 << 20), (3, 1, 64 << 20), (3, 256, 96 << 10), (never, 1, 64 << 20), (never, 1, 96 << 10)];
    let mut compiled = ways.map(|(threshold, warm, code_bytes)| {
        let memory = memory();
        let options = Options { threshold, warm, code_bytes, verify: cfg!(debug_assertions), ..Options::default() };
        let vcpu = JitVcpu::new(0, model(), memory.clone(), Signals::new(), options).unwrap();
        Side { vcpu, memory }
    });
    let interp_memory = memory();
    let interp = InterpVcpu::new(0, model(), interp_memory.clone(), Signals::new());
    let mut interp = Side { vcpu: interp, memory: interp_memory };
    let plain = state(&mut interp.vcpu, long);
    let (mut budget, mut shutdown) = (0, 0);
    let only = std::env::var("CASE").ok().and_then(|v| v.parse::<u64>().ok());
    for case in 0..cases {
        if only.is_some_and(|only| only != case) {
            continue;
        }
        let mut r = Random(case << 1 | u64::from(long));
        let n = 1 + r.below(16);
        let code = generator::program(&mut r, long, n);
        let mut data: Vec<u8> = (0..512).flat_map(|_| r.number().to_le_bytes()).collect();
        data[0xff8..].copy_from_slice(&(1 + r.below(9)).to_le_bytes());
        let mut start = plain.clone();
        let mask = if long { u64::MAX } else { u64::from(u32::MAX) };
        for n in 0..if long { 16 } else { 8 } {
            start.gpr[n] = r.number() & mask;
        }
        start.gpr[1] = r.below(64);
        for n in [3, 5, 6, 7] {
            start.gpr[n] = DATA + 0x100 + r.below(0x200);
        }
        start.gpr[4] = STACK - 0x800 + r.below(8);
        start.rflags = 2 | r.next() & 0x8d5;
        let jit = &mut compiled[case as usize % ways.len()];
        let expected = interp.run(&code, &data, &start);
        let got = jit.run(&code, &data, &start);
        let bytes: Vec<String> = code.iter().map(|b| format!("{b:02x}")).collect();
        if expected != got {
            if only.is_some() {
                eprintln!("{}", jit.vcpu.last_text());
            }
            let changed = expected.2.iter().zip(&got.2).position(|(l, r)| l != r);
            panic!(
                "case {case}, long {long}, memory differs at {changed:x?}\n{}\nstart {:x?}\n{:?}\ninterpreter {:x?}\n{:?}\ncompiled    {:x?}",
                bytes.join(" "),
                brief(&start),
                expected.0,
                brief(&expected.1),
                got.0,
                brief(&got.1)
            );
        }
        match expected.0 {
            Exit::Budget => budget += 1,
            _ => shutdown += 1,
        }
    }
    eprintln!("{budget} ended, {shutdown} faulted");
    for (jit, (threshold, ..)) in compiled.iter().zip(ways) {
        let s = jit.vcpu.statistics();
        eprintln!("{s:?}");
        if only.is_none() {
            let made = if threshold == never { s.strips } else { s.traces };
            // Strips are for hosts of one kind.
            assert!(threshold != never || (made > 0) == cfg!(target_arch = "x86_64"));
            let enough = made > cases / 8 || threshold == never && made == 0;
            assert!(budget > cases / 2 && enough, "too few programs get anywhere");
            assert_eq!(s.refused, 0);
        }
    }
}

fn brief(state: &CpuState) -> (u64, u64, [u64; 16]) {
    (state.rip, state.rflags, state.gpr)
}

/// Programs whose code comes from the folder that an earlier vCPU has filled.
fn kept(long: bool, cases: u64) {
    let folder = std::env::temp_dir().join(format!("lyrebird-compare-{long}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let side = |kept: &Arc<Kept>| {
        let memory = memory();
        let options = Options { threshold: 3, verify: cfg!(debug_assertions), ..Options::default() };
        let vcpu = JitVcpu::keeping(0, model(), memory.clone(), Signals::new(), options, Some(kept.clone())).unwrap();
        Side { vcpu, memory }
    };
    let interp_memory = memory();
    let interp = InterpVcpu::new(0, model(), interp_memory.clone(), Signals::new());
    let mut interp = Side { vcpu: interp, memory: interp_memory };
    let plain = state(&mut interp.vcpu, long);
    let mut ends = Vec::new();
    for round in 0..2 {
        let kept = Arc::new(Kept::of_this_host(&folder, 1 << 30, false).unwrap().unwrap());
        let mut jit = side(&kept);
        for case in 0..cases {
            let mut r = Random(case << 1 | u64::from(long));
            let n = 1 + r.below(16);
            let code = generator::program(&mut r, long, n);
            let data: Vec<u8> = (0..512).flat_map(|_| (1 + r.below(9)).to_le_bytes()).collect();
            let mut start = plain.clone();
            start.gpr[1] = 10 + r.below(64);
            for n in [3, 5, 6, 7] {
                start.gpr[n] = DATA + 0x100 + r.below(0x200);
            }
            start.gpr[4] = STACK - 0x800;
            if round == 0 {
                ends.push(interp.run(&code, &data, &start));
            }
            assert_eq!(jit.run(&code, &data, &start), ends[case as usize], "case {case}, round {round}");
        }
        let used = kept.used();
        eprintln!("round {round}: {used:?}");
        assert_eq!(used.refused, 0);
        assert!(if round == 0 { used.added } else { used.found } > cases / 4, "round {round}: {used:?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn kept_programs_of_64_bits() {
    kept(true, 1_000);
}

#[test]
fn kept_programs_of_32_bits() {
    kept(false, 1_000);
}

#[test]
fn programs_of_64_bits() {
    compare(true, 10_000);
}

#[test]
fn programs_of_32_bits() {
    compare(false, 10_000);
}
