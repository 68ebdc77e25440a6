//! Writes the list of shapes that get a handler of their own. The list follows what guests execute; everything else runs
//! through the unspecialised handler of its function.

use std::fmt::Write;

struct List {
    text: String,
    seen: std::collections::HashSet<String>,
}

impl List {
    #[allow(clippy::too_many_arguments, reason = "one argument a field of the shape")]
    fn add(&mut self, func: &str, sub: &str, w: &str, w2: &str, k0: &str, k1: &str, form: &str, bits: &str) {
        let shape = format!(
            "Ins {{ func: Func::{func}, sub: {sub}, w: Width::{w}, w2: Width::{w2}, k0: Kind::{k0}, k1: Kind::{k1}, \
             form: Form::{form}, bits: {bits} }}.pack()"
        );
        if self.seen.insert(shape.clone()) {
            let name = snake(func);
            writeln!(self.text, "    ({shape}, {name}::<{{ {shape} }}>),").unwrap();
        }
    }
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    if out == "loop" { "loop_".into() } else { out }
}

/// Forms of data addresses, with the stack width of the mode that they belong to.
const FORMS: [(&str, &str); 2] = [("A64", "Q"), ("Flat32", "D")];
const MOV_FORMS: [(&str, &str); 4] = [("A64", "Q"), ("A64Seg", "Q"), ("Flat32", "D"), ("Seg32", "D")];

fn main() {
    let mut list = List { text: String::from("&[\n"), seen: Default::default() };
    let l = &mut list;
    // The form of an op without a memory operand is A64, and its second width the stack's.
    let flags = ["FLAGS", "0"];
    for w in ["B", "W", "D", "Q"] {
        for w2 in ["Q", "D"] {
            for sub in 0..9 {
                let sub = sub.to_string();
                if w != "W" {
                    for f in flags {
                        l.add("Alu", &sub, w, w2, "Reg", "Reg", "A64", f);
                        l.add("Alu", &sub, w, w2, "Reg", "Imm", "A64", f);
                    }
                }
            }
            for f in flags {
                for sub in 0..4 {
                    l.add("Unary", &sub.to_string(), w, w2, "Reg", "None", "A64", f);
                }
                if w == "D" || w == "Q" {
                    for sub in [0, 1, 4, 5, 7] {
                        l.add("Shift", &sub.to_string(), w, w2, "Reg", "Imm", "A64", f);
                        l.add("Shift", &sub.to_string(), w, w2, "Reg", "Reg", "A64", f);
                    }
                }
            }
            l.add("Mov", "0", w, w2, "Reg", "Reg", "A64", "FLAGS");
            l.add("Mov", "0", w, w2, "Reg", "Imm", "A64", "FLAGS");
            if w == "D" || w == "Q" {
                for f in flags {
                    for sub in ["0", "1"] {
                        l.add("Imul", sub, w, w2, "Reg", "Reg", "A64", f);
                        l.add("MulWide", sub, w, w2, "Reg", "None", "A64", f);
                    }
                    l.add("BitTest", "0", w, w2, "Reg", "Imm", "A64", f);
                    l.add("BitTest", "0", w, w2, "Reg", "Reg", "A64", f);
                    for sub in 0..5 {
                        l.add("BitScan", &sub.to_string(), w, w2, "Reg", "Reg", "A64", f);
                    }
                }
                l.add("Div", "0", w, w2, "Reg", "None", "A64", "FLAGS");
                l.add("Div", "1", w, w2, "Reg", "None", "A64", "FLAGS");
                l.add("ExtendA", "0", w, w2, "None", "None", "A64", "FLAGS");
                l.add("ExtendD", "0", w, w2, "None", "None", "A64", "FLAGS");
                l.add("Bswap", "0", w, w2, "Reg", "None", "A64", "FLAGS");
                for cc in 0..16 {
                    l.add("Cmovcc", &cc.to_string(), w, w2, "Reg", "Reg", "A64", "FLAGS");
                    l.add("Jcc", &cc.to_string(), w, w2, "Imm", "None", "A64", "FLAGS");
                }
                l.add("Jmp", "0", w, w2, "Imm", "None", "A64", "FLAGS");
                l.add("JmpIndirect", "0", w, w2, "Reg", "None", "A64", "FLAGS");
                for narrow in ["B", "W", "D"] {
                    l.add("Movzx", "0", w, narrow, "Reg", "Reg", "A64", "FLAGS");
                    l.add("Movsx", "0", w, narrow, "Reg", "Reg", "A64", "FLAGS");
                    for (form, _) in MOV_FORMS {
                        l.add("Movzx", "0", w, narrow, "Reg", "Mem", form, "FLAGS");
                        l.add("Movsx", "0", w, narrow, "Reg", "Mem", form, "FLAGS");
                    }
                }
            }
        }
        for (form, w2) in FORMS {
            for sub in 0..9 {
                let sub = sub.to_string();
                l.add("Alu", &sub, w, w2, "Reg", "Mem", form, "FLAGS");
                l.add("Alu", &sub, w, w2, "Mem", "Reg", form, "FLAGS");
                l.add("Alu", &sub, w, w2, "Mem", "Imm", form, "FLAGS");
            }
            l.add("Unary", "0", w, w2, "Mem", "None", form, "FLAGS");
            l.add("Unary", "1", w, w2, "Mem", "None", form, "FLAGS");
            // Without REP: loops of byte after byte.
            for func in ["Movs", "Stos", "Lods"] {
                l.add(func, "0", w, w2, "None", "None", form, "FLAGS");
            }
        }
        for (form, w2) in MOV_FORMS {
            l.add("Mov", "0", w, w2, "Reg", "Mem", form, "FLAGS");
            l.add("Mov", "0", w, w2, "Mem", "Reg", form, "FLAGS");
            l.add("Mov", "0", w, w2, "Mem", "Imm", form, "FLAGS");
        }
    }
    // Real mode and 16-bit code: boot loaders and firmware.
    for w in ["B", "W"] {
        l.add("Mov", "0", w, "W", "Reg", "Mem", "Seg16", "FLAGS");
        l.add("Mov", "0", w, "W", "Mem", "Reg", "Seg16", "FLAGS");
        l.add("Mov", "0", w, "W", "Reg", "Reg", "A64", "FLAGS");
        l.add("Mov", "0", w, "W", "Reg", "Imm", "A64", "FLAGS");
        for sub in 0..9 {
            l.add("Alu", &sub.to_string(), w, "W", "Reg", "Reg", "A64", "FLAGS");
            l.add("Alu", &sub.to_string(), w, "W", "Reg", "Imm", "A64", "FLAGS");
        }
    }
    for cc in 0..16 {
        l.add("Jcc", &cc.to_string(), "W", "W", "Imm", "None", "A64", "FLAGS");
        for w2 in ["Q", "D"] {
            l.add("Setcc", &cc.to_string(), "B", w2, "Reg", "None", "A64", "FLAGS");
        }
    }
    for (form, w) in FORMS {
        l.add("Lea", "0", w, w, "Reg", "Mem", form, "FLAGS");
        l.add("Lea", "0", "D", w, "Reg", "Mem", form, "FLAGS");
        for k in ["Reg", "Imm", "Mem"] {
            l.add("Push", "0", w, w, k, "None", form, "FLAGS");
        }
        l.add("Pop", "0", w, w, "Reg", "None", form, "FLAGS");
        l.add("Leave", "0", w, w, "None", "None", form, "FLAGS");
        // Loops that decode bits are full of these.
        l.add("Pushf", "0", w, w, "None", "None", form, "FLAGS");
        l.add("Popf", "0", w, w, "None", "None", form, "FLAGS");
        l.add("Call", "0", w, w, "Imm", "None", form, "FLAGS");
        l.add("CallIndirect", "0", w, w, "Reg", "None", form, "FLAGS");
        l.add("CallIndirect", "0", w, w, "Mem", "None", form, "FLAGS");
        l.add("JmpIndirect", "0", w, w, "Mem", "None", form, "FLAGS");
        l.add("Ret", "0", w, w, "None", "None", form, "FLAGS");
        for product in ["D", w] {
            l.add("Imul", "0", product, w, "Reg", "Mem", form, "FLAGS");
            l.add("Imul", "1", product, w, "Reg", "Mem", form, "FLAGS");
        }
        for cc in [2, 3, 4, 5, 6, 7, 12, 13, 14, 15] {
            l.add("Cmovcc", &cc.to_string(), w, w, "Reg", "Mem", form, "FLAGS");
        }
        for f in flags {
            for sub in ["4", "5"] {
                l.add("Shift", sub, "D", w, "Mem", "Imm", form, f);
            }
        }
        l.add("Nop", "0", w, w, "Mem", "None", form, "FLAGS");
        l.add("Movsx", "0", "Q", "D", "Reg", "Mem", form, "FLAGS");
    }
    l.add("Goto", "0", "Q", "D", "None", "None", "A64", "FLAGS");
    l.add("Nop", "0", "D", "Q", "None", "None", "A64", "FLAGS");
    l.add("Nop", "0", "D", "D", "None", "None", "A64", "FLAGS");
    fused(l);
    list.text.push(']');
    let out = |name: &str| std::path::Path::new(&std::env::var("OUT_DIR").unwrap()).join(name);
    std::fs::write(out("shapes.rs"), list.text).unwrap();
    std::fs::write(out("pairs.rs"), pairs()).unwrap();
    println!("cargo:rerun-if-changed=build.rs");
}

/// Comparison and conditional jump in one.
fn fused(l: &mut List) {
    for (w2, form) in [("Q", "A64"), ("D", "Flat32")] {
        for w in ["B", "W", "D", "Q"] {
            if w == "Q" && w2 == "D" {
                continue;
            }
            for cc in 2..16 {
                if cc == 10 || cc == 11 {
                    continue; // P, NP
                }
                let bits = "FLAGS | FUSED";
                for sub in [7, 8, 5, 4, 0] {
                    let logical = sub == 8 || sub == 4;
                    if logical && !matches!(cc, 4 | 5 | 8 | 9 | 14 | 15) || (sub == 0 || sub == 5) && cc > 9 {
                        continue;
                    }
                    let sub_cc = (sub | cc << 4).to_string();
                    if w != "W" || sub >= 7 {
                        l.add("Alu", &sub_cc, w, w2, "Reg", "Reg", "A64", bits);
                        l.add("Alu", &sub_cc, w, w2, "Reg", "Imm", "A64", bits);
                    }
                    if sub >= 7 {
                        l.add("Alu", &sub_cc, w, w2, "Mem", "Imm", form, bits);
                        l.add("Alu", &sub_cc, w, w2, "Mem", "Reg", form, bits);
                    }
                    if sub == 7 {
                        l.add("Alu", &sub_cc, w, w2, "Reg", "Mem", form, bits);
                    }
                }
            }
            for (sub, cc) in [(1, 4), (1, 5), (0, 4), (0, 5), (1, 8), (1, 9)] {
                // INC and DEC with JE, JNE, JS, JNS: the condition stands above the operation, as for the ALU.
                let sub_cc = (sub | cc << 4).to_string();
                l.add("Unary", &sub_cc, w, w2, "Reg", "None", "A64", "FLAGS | FUSED");
            }
        }
    }
}

/// Which two ops one after the other have a handler for both: those that compilers' code is full of.
fn pairs() -> String {
    let mut text = String::from("&[\n");
    for (form, w) in FORMS {
        let shape = |op: &str| {
            let (func, k0, k1, form) = match op {
                "push" => ("Push", "Reg", "None", form),
                "pop" => ("Pop", "Reg", "None", form),
                "ret" => ("Ret", "None", "None", form),
                "load" => ("Mov", "Reg", "Mem", form),
                "store" => ("Mov", "Mem", "Reg", form),
                _ => ("Mov", "Reg", "Reg", "A64"),
            };
            format!(
                "Ins {{ func: Func::{func}, sub: 0, w: Width::{w}, w2: Width::{w}, k0: Kind::{k0}, k1: Kind::{k1}, \
                 form: Form::{form}, bits: FLAGS }}"
            )
        };
        let pairs = [
            ("pop", "pop"),
            ("pop", "ret"),
            ("push", "push"),
            ("push", "move"),
            ("move", "push"),
            ("move", "move"),
            ("load", "load"),
            ("load", "store"),
            ("store", "load"),
            ("store", "store"),
        ];
        for (first, second) in pairs {
            let function = |op| if matches!(op, "load" | "store" | "move") { "mov" } else { op };
            let (a, b) = (shape(first), shape(second));
            let name = format!("{}_{}", function(first), function(second));
            writeln!(text, "    (({a}.pack(), {b}.pack()), {name}::<{{ {a}.pack() }}, {{ {b}.pack() }}>),").unwrap();
        }
    }
    text.push(']');
    text
}
