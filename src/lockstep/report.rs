//! What the user is told of a difference.

use super::pair::Pair;
use super::twins::Place;
use crate::observe::disassembly::{Code, code_at};
use lyrebird_core::cpu::elements::{Element, elements};
use lyrebird_core::{CpuState, Vcpu};
use lyrebird_memory::GuestMemory;
use std::fmt::Write;

/// A difference.
pub struct Trouble {
    /// The first engine's state.
    pub left: CpuState,
    /// The second one's.
    pub right: CpuState,
    /// What it asked the bus for and should not have.
    pub asked: Option<String>,
    /// Where memory differs.
    pub memory: Option<Place>,
}

/// The way to a difference, as the second engine went it.
pub struct Where {
    /// Where both agreed.
    pub start: CpuState,
    /// The instructions from there, or the last of them.
    pub lines: Vec<Code>,
    /// How many instructions are not among `lines`.
    pub skipped: usize,
}

/// Told whether they differ or not.
const ALWAYS: [&str; 18] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
    "rip", "rflags",
];

impl Pair {
    /// The instruction that a state stands at, with its bytes as the second engine sees them.
    pub fn line(&mut self, n: usize, state: &CpuState) -> Code {
        let cpu = self.log[n].cpu;
        code_at(&mut *self.cpus[cpu].right, &self.twins.right, state)
    }

    /// The report when the place was found.
    pub fn report(&mut self, cpu: usize, trouble: &Trouble, place: &Where) -> String {
        let mut text = self.head(cpu, trouble);
        states(&mut text, self.names, trouble, Some(&place.start));
        let at = place.start.rip;
        _ = writeln!(text, "\nBoth agreed at {at:#x}, after {} instructions. From there:", place.start.retired);
        if place.skipped > 0 {
            _ = writeln!(text, "  ... {} instructions, then", place.skipped);
        }
        for line in &place.lines {
            _ = writeln!(text, "  {line}");
        }
        more(&mut text, at);
        text
    }

    /// The report when it was not found again.
    pub fn coarse(&mut self, cpu: usize, trouble: &Trouble) -> String {
        let mut text = self.head(cpu, trouble);
        states(&mut text, self.names, trouble, None);
        let (spans, instructions) = (self.log.len(), self.log.iter().map(|span| span.retired).sum::<u64>());
        _ = writeln!(
            text,
            "\nExecuted again from the last checkpoint ({spans} spans, {instructions} instructions ago) the engines agree, so \
             that the block is not known. It is in the last {} instructions.",
            self.log.last().map_or(0, |span| span.retired)
        );
        more(&mut text, trouble.right.rip);
        text
    }

    fn head(&self, cpu: usize, trouble: &Trouble) -> String {
        let [first, second] = self.names;
        let mut text = format!(
            "lockstep: `{first}` and `{second}` differ on CPU {cpu} after {} instructions ({} spans were equal)\n",
            trouble.right.retired,
            self.compared.saturating_sub(1)
        );
        if let Some(asked) = &trouble.asked {
            _ = writeln!(text, "  `{second}` {asked}");
        }
        if let Some(Place { block, offset, left, right }) = &trouble.memory {
            let hex = |bytes: &[u8; 8]| bytes.map(|b| format!("{b:02x}")).join(" ");
            _ = writeln!(
                text,
                "  memory differs in {block} at {offset:#x}: {} by `{first}`, {} by `{second}`",
                hex(left),
                hex(right)
            );
        }
        text
    }
}

/// A table of registers: all that people look at first, and whatever differs, marked.
fn states(text: &mut String, names: [&str; 2], trouble: &Trouble, start: Option<&CpuState>) {
    let [first, second] = names;
    _ = writeln!(text, "\n  {:14} {second:>20}   {first:>20}   {}", "", start.map_or("", |_| "where both agreed"));
    for Element { name, get, bits, .. } in elements() {
        let (l, r) = (get(&trouble.left), get(&trouble.right));
        if l == r && !ALWAYS.contains(&name.as_str()) {
            continue;
        }
        let digits = usize::from(bits).div_ceil(4);
        let mark = if l == r { ' ' } else { '>' };
        let before = start.map_or(String::new(), |start| hex(&get(start), digits));
        _ = writeln!(text, "{mark} {name:14} {:>20}   {:>20}   {before}", hex(&r, digits), hex(&l, digits));
    }
    for (name, l, r) in [
        ("activity", format!("{:?}", trouble.left.activity), format!("{:?}", trouble.right.activity)),
        ("shadow", format!("{:?}", trouble.left.shadow), format!("{:?}", trouble.right.shadow)),
        ("nmi_blocked", trouble.left.nmi_blocked.to_string(), trouble.right.nmi_blocked.to_string()),
    ] {
        if l != r {
            _ = writeln!(text, "> {name:14} {r:>20}   {l:>20}");
        }
    }
}

fn hex(value: &[u64; 4], digits: usize) -> String {
    let all: String = value.iter().rev().map(|quad| format!("{quad:016x}")).collect();
    all[all.len() - digits.min(all.len())..].to_owned()
}

/// What to do next.
fn more(text: &mut String, at: u64) {
    let command = std::env::args().collect::<Vec<_>>().join(" ");
    _ = write!(
        text,
        "\nTo see what the first engine made of this code, run with `--engine jit --deterministic --dump-block {at:#x}` in place \
         of the lockstep engine:\n  {command}"
    );
}

/// Whether a state stands at a string instruction that repeats.
pub fn at_repeat(vcpu: &mut dyn Vcpu, state: &CpuState, memory: &GuestMemory) -> bool {
    code_at(vcpu, memory, state).repeats
}
