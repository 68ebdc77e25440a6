//! Random user code on the host CPU and on the engines: registers, flags, memory and faults must agree.
//!
//! `ORACLE_CASES` says how many (200,000), `ORACLE_SEED` where to begin, `ORACLE_ONE` runs one seed alone.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use frontend_x86::exception::vector;
use x86_tests::case::Bits;
use x86_tests::generate::Generator;
use x86_tests::guest::{Engine, Guest, System, Way};
use x86_tests::native::{HANGS, Native, is_own};
use x86_tests::oracle::{describe, differences};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn compare(generator: &Generator, bits: Bits, guests: &[(System, Engine)], cases: u64) {
    let mut native = Native::new().expect("the host runs the cases");
    let mut guests: Vec<_> = guests.iter().map(|(system, engine)| (*engine, Guest::new(*system, *engine))).collect();
    let (first, count) = match std::env::var("ORACLE_ONE") {
        Ok(seed) => (seed.parse().expect("a number"), 1),
        _ => (number("ORACLE_SEED", 1), cases),
    };
    let mut failures = 0;
    'cases: for seed in first..first + count {
        if std::env::var_os("ORACLE_TRACE").is_some() {
            eprintln!("seed {seed}\n{}", describe(&generator.case(bits, seed)));
        }
        let case = generator.case(bits, seed);
        let host = native.run(&case);
        if host.vector == HANGS {
            continue; // an indirect jump backwards
        }
        for (engine, guest) in &mut guests {
            for way in [Way::Cold, Way::Warm, Way::Step] {
                // Stepping is slow, and only the interpreter's TLB can be kept.
                if way == Way::Step && seed % 4 != 0 || way != Way::Cold && *engine != Engine::Interp {
                    continue;
                }
                let outcome = guest.run(&case, way);
                if let Some(text) = differences(&case, &host, &outcome) {
                    if outcome.vector == vector::PF && is_own(outcome.cr2) {
                        println!("skipped: seed {seed} reaches {:#x}, which is this process's own", outcome.cr2);
                        continue 'cases;
                    }
                    println!("seed {seed} {bits:?} {engine:?} {way:?}:\n{}{text}", describe(&case));
                    failures += 1;
                    continue 'cases;
                }
            }
        }
        if failures >= number("ORACLE_FAILURES", 10) {
            break;
        }
    }
    assert!(failures == 0, "{failures} cases that differ");
}

#[test]
fn integer_64() {
    compare(&Generator::integer(), Bits::B64, &[(System::Long, Engine::Interp)], number("ORACLE_CASES", 200_000));
}

#[test]
fn integer_32() {
    compare(
        &Generator::integer(),
        Bits::B32,
        &[(System::Long, Engine::Interp), (System::Legacy, Engine::Interp)],
        number("ORACLE_CASES", 100_000),
    );
}

#[test]
fn vector_64() {
    compare(&Generator::vector(), Bits::B64, &[(System::Long, Engine::Interp)], number("ORACLE_CASES", 100_000));
}

#[test]
fn vector_32() {
    compare(&Generator::vector(), Bits::B32, &[(System::Legacy, Engine::Interp)], number("ORACLE_CASES", 20_000));
}

/// Whether the host has everything of which the cases are made.
fn has_avx() -> bool {
    let has = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("vpclmulqdq");
    if !has {
        eprintln!("skipped: the host lacks AVX2, FMA, F16C, VAES or VPCLMULQDQ");
    }
    has
}

#[test]
fn avx_64() {
    if has_avx() {
        compare(&Generator::avx(), Bits::B64, &[(System::Long, Engine::Interp)], number("ORACLE_CASES", 100_000));
    }
}

#[test]
fn avx_32() {
    if has_avx() {
        let guests = [(System::Long, Engine::Interp), (System::Legacy, Engine::Interp)];
        compare(&Generator::avx(), Bits::B32, &guests, number("ORACLE_CASES", 20_000));
    }
}

#[test]
fn x87_64() {
    compare(&Generator::x87(), Bits::B64, &[(System::Long, Engine::Interp)], number("ORACLE_CASES", 100_000));
}

#[test]
fn x87_32() {
    compare(&Generator::x87(), Bits::B32, &[(System::Legacy, Engine::Interp)], number("ORACLE_CASES", 20_000));
}

/// Compiling costs more than running, so there are fewer cases.
fn compiled(generator: &Generator, bits: Bits, system: System) {
    compare(generator, bits, &[(system, Engine::Jit)], number("ORACLE_CASES", 200_000) / 20);
}

/// Strips are made of the integer instructions.
fn strips(bits: Bits, system: System) {
    compare(&Generator::integer(), bits, &[(system, Engine::Strips)], number("ORACLE_CASES", 200_000) / 20);
}

#[test]
fn strips_64() {
    strips(Bits::B64, System::Long);
}

#[test]
fn strips_32() {
    strips(Bits::B32, System::Long);
    strips(Bits::B32, System::Legacy);
}

#[test]
fn compiled_64() {
    compiled(&Generator::integer(), Bits::B64, System::Long);
    compiled(&Generator::vector(), Bits::B64, System::Long);
    compiled(&Generator::x87(), Bits::B64, System::Long);
    if has_avx() {
        compiled(&Generator::avx(), Bits::B64, System::Long);
    }
}

#[test]
fn compiled_32() {
    compiled(&Generator::integer(), Bits::B32, System::Legacy);
    compiled(&Generator::vector(), Bits::B32, System::Legacy);
    compiled(&Generator::x87(), Bits::B32, System::Legacy);
    if has_avx() {
        compiled(&Generator::avx(), Bits::B32, System::Legacy);
    }
}
