//! Handlers go on to the next one by a jump. Stable Rust promises no tail calls, so the disassembly has to say it: one
//! `call` in such a place grows the stack with every guest instruction.

use backend_interp::InterpVcpu;
use frontend_x86::model::Model;
use lyrebird_core::{Signals, Vcpu};
use lyrebird_memory::GuestMemory;
use std::process::Command;
use std::sync::Arc;

/// Functions of the module that call through pointers and are no handlers' ends: the table of plain functions.
const CALLS_FUNCTIONS: &str = "handlers::helper";

#[test]
fn dispatches_are_jumps() {
    // So that the linker keeps the handlers.
    let memory = Arc::new(GuestMemory::new());
    let mut vcpu = InterpVcpu::new(0, Arc::new(Model::by_name("max").expect("max")), memory, Signals::new());
    assert_eq!(vcpu.state().gpr[0], 0);
    if cfg!(debug_assertions) || !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: only the code of a release build for x86-64 is looked at");
        return;
    }
    let program = std::env::current_exe().expect("this program");
    let Ok(output) = Command::new("objdump").args(["-d", "-C", "--no-show-raw-insn"]).arg(program).output() else {
        eprintln!("skipped: there is no objdump");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let (mut name, mut handlers, mut jumps, mut calls) = ("", 0, 0, Vec::new());
    for line in text.lines() {
        if let Some(symbol) = line.strip_suffix(">:") {
            name = symbol.split_once('<').map_or("", |(_, name)| name);
            handlers += usize::from(name.contains("backend_interp::handlers::"));
        } else if name.contains("backend_interp::handlers::") {
            let Some((_, instruction)) = line.split_once(":\t") else { continue };
            jumps += usize::from(instruction.starts_with("jmp") && instruction.contains('*'));
            if instruction.starts_with("call") && instruction.contains('*') && !name.contains(CALLS_FUNCTIONS) {
                calls.push(format!("{name}: {instruction}"));
            }
        }
    }
    println!("{handlers} handlers, {jumps} jumps through pointers");
    assert!(handlers > 500, "only {handlers} handlers found: has the module moved?");
    assert!(jumps >= handlers, "{jumps} jumps in {handlers} handlers");
    assert!(calls.is_empty(), "calls where jumps should be:\n{}", calls.join("\n"));
}
