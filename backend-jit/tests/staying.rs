//! Compiled code goes on by itself where nothing unusual happens.

mod common;
#[path = "common/side.rs"]
mod side;

use backend_jit::{JitVcpu, Options};
use common::{CODE, DATA, memory, model, state};
use lyrebird_core::{Signals, Vcpu};
use side::Side;

/// Where RET is.
const CALLED: u64 = 19;
/// More than what happens until all is known, far less than the rounds.
const FEW: u64 = 30;

/// The operand is told by RIP, the place that is pushed to is not.
#[test]
fn operands_by_rip_are_pushed_and_called() {
    let memory = memory();
    let options = Options { threshold: 2, ..Options::default() };
    let vcpu = JitVcpu::new(0, model(), memory.clone(), Signals::new(), options).unwrap();
    let mut jit = Side { vcpu, memory };
    let start = state(&mut jit.vcpu, true);
    let by_rip = |next: u64| (DATA.wrapping_sub(CODE + next) as u32).to_le_bytes();
    let mut code = vec![0xff, 0x35]; // PUSH [RIP + ...]
    code.extend(by_rip(6));
    code.extend([0x58, 0xff, 0x15]); // POP RAX; CALL [RIP + ...]
    code.extend(by_rip(13));
    code.extend([0xff, 0xc9, 0x75, 0xef, 0xeb, 0xfe, 0xc3]); // DEC ECX; JNE to the beginning; JMP to itself; RET
    let (_, end, _) = jit.run(&code, &(CODE + CALLED).to_le_bytes(), &start);
    assert_eq!(end.gpr[0], CODE + CALLED);
    assert_eq!(end.gpr[4], start.gpr[4]);
    let left = |op: &str| {
        let name = format!("left compiled code to interpret {op}");
        jit.vcpu.counters().into_iter().find(|(what, _)| *what == name).map_or(0, |(_, count)| count)
    };
    for op in ["Push", "Pop", "CallIndirect", "Ret"] {
        assert!(left(op) < FEW, "{op}: {}", left(op));
    }
}
