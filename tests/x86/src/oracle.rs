//! Compares a guest's outcome with the host's, and says what differs.

use crate::case::{Bits, CODE, Case, FX_BYTES, FX_UPPER, Outcome};
use crate::vendor;
use frontend_x86::flags::rflags::{AC, ARITHMETIC, DF, ID};
use frontend_x86::model::Model;
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, Mnemonic, NasmFormatter};
use std::fmt::Write;
use std::sync::OnceLock;

/// The model that cases are generated for: everything that can be emulated.
pub fn max_model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| Model::by_name("max").expect("a model of that name"))
}

const NAMES: [&str; 16] =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
/// Flags that user code can see and change, without NT and TF.
const FLAGS: u64 = ARITHMETIC | DF | AC | ID;

/// What differs, or nothing.
pub fn differences(case: &Case, host: &Outcome, guest: &Outcome) -> Option<String> {
    let stopped_at = instruction(case, host.after.rip);
    if host.vector != 3 && is_masked_store(&stopped_at) {
        // Whether bytes that are masked out fault, and which address is told, is the processor's choice (SDM vol. 2).
        return None;
    }
    if host.vector != 3 && (stopped_at.is_vsib() || vendor::is_amd() && vendor::stores_late(stopped_at.mnemonic())) {
        // How far a gather had come, and what its mask looks like then, is the processor's choice, too.
        return None;
    }
    if vendor::is_amd() && vendor::wraps(case.bits, host.vector, guest.vector) {
        return None;
    }
    let mut out = String::new();
    let mask = if case.bits == Bits::B64 { u64::MAX } else { 0xffff_ffff };
    let mut differ = |name: &str, h: u64, g: u64| {
        if h != g {
            writeln!(out, "  {name:6} host {h:016x} guest {g:016x}").expect("a string");
        }
    };
    let (h, g) = (&host.after, &guest.after);
    let registers = if case.bits == Bits::B64 { 16 } else { 8 };
    // A string instruction with 32-bit addresses that faults has cleared the upper halves of its registers or not, as the
    // processor likes.
    let narrow = host.vector != 3 && case.code.contains(&0x67);
    for (r, name) in NAMES.iter().enumerate().take(registers) {
        let mask = if narrow && matches!(r, 1 | 6 | 7) { 0xffff_ffff } else { mask };
        differ(name, h.gpr[r] & mask, g.gpr[r] & mask);
    }
    differ("rip", h.rip & mask, g.rip & mask);
    let mut known = FLAGS & !case.undefined_at(h.rip, host.vector);
    if host.vector != 3 && vendor::is_amd() && stopped_at.is_string_instruction() {
        // The flags of the iterations before the fault are in RFLAGS, or not yet.
        known &= !ARITHMETIC;
    }
    differ("flags", h.rflags & known, g.rflags & known);
    if vendor::faults_of_either_operand(&stopped_at, host.vector, guest.vector) {
        return (!out.is_empty()).then_some(out);
    }
    differ("vector", host.vector.into(), guest.vector.into());
    // Linux says of all that is not the user's that it is there; and a 32-bit guest has its kernel where the host has nothing.
    let kernel = if case.bits == Bits::B64 { 0x7fff_ffff_f000 } else { 0xc000_0000 };
    let hidden = if host.vector == 14 && host.cr2 >= kernel { 1 } else { 0 };
    differ("error", (host.error | hidden).into(), (guest.error | hidden).into());
    if host.vector == 14 {
        // Where in its second page the lanes of VMASKMOV fault: Intel's processors tell the last byte of all, AMD's the first of a lane.
        let told = if moves_chosen(&stopped_at) { !0xfff } else { u64::MAX };
        differ("cr2", host.cr2 & told, guest.cr2 & told);
    }
    if case.floating {
        // FIP and FDP are pointers into another address space; FOP, which newer processors keep for unmasked exceptions only,
        // the reserved parts of the registers and MXCSR_MASK are no results.
        // An MMX instruction that faults has cleared TOP already on Intel's processors, and nothing else.
        let first = if host.vector != 3 && is_mmx(&stopped_at) { 160 } else { 0 };
        let places = (first..416).chain(FX_UPPER..FX_BYTES).step_by(8);
        for at in places.filter(|at| *at != 8 && *at != 16) {
            let known = match at {
                0 => 0x0000_ffff_ffff_ffff,
                24 => 0xffff_ffff,
                32..160 if at % 16 == 8 => 0xffff,
                _ => u64::MAX,
            };
            let part = |fx: &[u8]| u64::from_le_bytes(fx[at..at + 8].try_into().expect("8 bytes")) & known;
            differ(&format!("fx{at}"), part(&h.fx.0), part(&g.fx.0));
        }
    }
    // A CALL to an address that is not canonical: the manual checks the target before the push, processors after it, though
    // they do not move the stack pointer.
    let top = h.gpr[4].wrapping_sub(crate::case::DATA) as usize;
    let pushed = if host.vector == 13 { top.wrapping_sub(8)..top } else { 0..0 };
    let differing = host.data.iter().zip(&guest.data).enumerate().filter(|(at, (h, g))| h != g && !pushed.contains(at));
    // Stores of ten bytes are two on Intel's processors: the first part may be done when the second one faults.
    let torn = host.vector == 14 && stopped_at.memory_size().size() == 10;
    for (at, (h, g)) in differing.take(if torn { 0 } else { 8 }) {
        differ(&format!("+{at:x}"), (*h).into(), (*g).into());
    }
    (!out.is_empty()).then_some(out)
}

/// The instruction of a case at an address.
fn instruction(case: &Case, rip: u64) -> Instruction {
    let at = (rip.wrapping_sub(CODE) as usize).wrapping_sub(case.offset);
    let code = case.code.get(at..).unwrap_or(&[]);
    Decoder::new(case.bits.number(), code, DecoderOptions::NONE).decode()
}

fn is_masked_store(instr: &Instruction) -> bool {
    use Mnemonic as M;
    matches!(instr.mnemonic(), M::Maskmovq | M::Maskmovdqu | M::Vmaskmovdqu)
}

fn moves_chosen(instr: &Instruction) -> bool {
    use Mnemonic as M;
    matches!(instr.mnemonic(), M::Vmaskmovps | M::Vmaskmovpd | M::Vpmaskmovd | M::Vpmaskmovq)
}

fn is_mmx(instr: &Instruction) -> bool {
    (0..instr.op_count()).any(|i| instr.op_register(i).is_mm())
}

/// The case in words: disassembly, bytes, and the state before.
pub fn describe(case: &Case) -> String {
    let mut out = String::new();
    let ip = CODE + case.offset as u64;
    let mut decoder = Decoder::with_ip(case.bits.number(), &case.code, ip, DecoderOptions::NONE);
    let mut formatter = NasmFormatter::new();
    while decoder.can_decode() {
        let instr = decoder.decode();
        let at = instr.ip() as usize - ip as usize;
        let bytes: Vec<String> = case.code[at..at + instr.len()].iter().map(|b| format!("{b:02x}")).collect();
        let mut text = String::new();
        formatter.format(&instr, &mut text);
        writeln!(out, "  {:x}: {:24} {text}", instr.ip(), bytes.join(" ")).expect("a string");
    }
    for (n, (name, value)) in NAMES.iter().zip(case.before.gpr).enumerate() {
        write!(out, "  {name:3} {value:016x}{}", if n % 4 == 3 { "\n" } else { "" }).expect("a string");
    }
    if case.floating {
        let fx = |at: usize| u64::from_le_bytes(case.before.fx.0[at..at + 8].try_into().expect("8 bytes"));
        writeln!(out, "  control {:x} mxcsr {:x}", fx(0), fx(24)).expect("a string");
        for i in 0..16 {
            let st = if i < 8 {
                format!("  st{i} {:04x} {:016x}", fx(40 + 16 * i) & 0xffff, fx(32 + 16 * i))
            } else {
                String::new()
            };
            let upper = FX_UPPER + 16 * i;
            let ymm = [upper + 8, upper, 168 + 16 * i, 160 + 16 * i].map(|at| format!(" {:016x}", fx(at))).concat();
            writeln!(out, "  ymm{i:<2}{ymm}{st}").expect("a string");
        }
    }
    writeln!(out, "  flags {:x}, undefined {:x?}", case.before.rflags, case.undefined).expect("a string");
    out
}
