//! Handlers go on to the next one by a jump. Stable Rust promises no tail calls, so the disassembly has to say it: one
//! `call` in such a place grows the stack with every guest instruction.

use backend_interp::InterpVcpu;
use frontend_x86::model::Model;
use lyrebird_core::{Signals, Vcpu};
use lyrebird_memory::GuestMemory;
use std::process::Command;
use std::sync::Arc;

/// Functions of the module that call through pointers and are no handlers: the table of plain functions, and what handlers
/// leave to a function of its own.
const CALLS_FUNCTIONS: &[&str] = &["handlers::helper", "_body", "::body"];

#[test]
fn dispatches_are_jumps() {
    // Behind a trait object, so that the linker keeps the handlers, which nobody calls here.
    let memory = Arc::new(GuestMemory::new());
    let model = Arc::new(Model::by_name("max").expect("max"));
    let mut vcpu: Box<dyn Vcpu> = Box::new(InterpVcpu::new(0, model, memory, Signals::new()));
    vcpu = std::hint::black_box(vcpu);
    assert_eq!(vcpu.state().gpr[0], 0);
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        eprintln!("skipped: the code of this host is not known here");
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
            handlers += usize::from(is_handler(name));
        } else if is_handler(name) {
            let Some((_, instruction)) = line.split_once(":\t") else { continue };
            let allowed = CALLS_FUNCTIONS.iter().any(|part| name.contains(part));
            match through_pointer(instruction) {
                Some(Through::Jump) => jumps += 1,
                Some(Through::Call) if !allowed => calls.push(format!("{name}: {instruction}")),
                _ => {}
            }
        }
    }
    println!("{handlers} handlers, {jumps} jumps through pointers");
    assert!(
        handlers > 500,
        "only {handlers} handlers found: has the module moved, or does objdump not know this host?"
    );
    assert!(jumps >= handlers, "{jumps} jumps in {handlers} handlers");
    assert!(calls.is_empty(), "{} calls where jumps should be:\n{}", calls.len(), calls.join("\n"));
}

fn is_handler(name: &str) -> bool {
    name.contains("backend_interp::handlers::") || name.ends_with("backend_interp::hot::entry")
}

enum Through {
    Jump,
    Call,
}

/// How an instruction, as objdump spells it, goes where a pointer says.
fn through_pointer(instruction: &str) -> Option<Through> {
    let (name, operand) = instruction.split_once(char::is_whitespace)?;
    match name {
        "br" => Some(Through::Jump),
        "blr" => Some(Through::Call),
        // Through the global offset table go calls of other libraries' functions.
        _ if !operand.contains('*') || operand.contains("(%rip)") => None,
        _ if name.starts_with("jmp") => Some(Through::Jump),
        _ if name.starts_with("call") => Some(Through::Call),
        _ => None,
    }
}
