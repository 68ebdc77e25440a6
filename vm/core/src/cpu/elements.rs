//! The table of the CPU state's elements: one row a register, with its name, its width and how to reach it. Diffs,
//! lockstep tests, debuggers and reports walk this table, so that none of them has a list of its own.

use super::state::CpuState;

/// Reads an element.
type Get = Box<dyn Fn(&CpuState) -> [u64; 4] + Send + Sync>;
/// Writes one.
type Set = Box<dyn Fn(&mut CpuState, [u64; 4]) + Send + Sync>;

/// One element of the state.
pub struct Element {
    /// The manual's name, in lower case ("rax", "cs.base", "xmm3").
    pub name: String,
    /// How many bits it has.
    pub bits: u16,
    /// Reads it; up to 256 bits, least significant quadword first.
    pub get: Get,
    /// Writes it.
    pub set: Set,
    /// Whether two engines must agree on it at the same instruction boundary. Time-dependent ones need not.
    pub comparable: bool,
}

/// A difference between two states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which element.
    pub name: String,
    /// Its value on the left.
    pub left: [u64; 4],
    /// Its value on the right.
    pub right: [u64; 4],
}

const GPR: [&str; 16] =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
const SEG: [&str; 6] = ["es", "cs", "ss", "ds", "fs", "gs"];

/// All elements, in the order in which a person reads them.
pub fn elements() -> Vec<Element> {
    let mut table = Table(Vec::new());
    macro_rules! number {
        ($($name:expr, $bits:expr, $comparable:expr, $s:ident => $place:expr);+ $(;)?) => {$(
            table.push($name.to_string(), $bits, $comparable,
                move |$s: &CpuState| [$place as u64, 0, 0, 0], move |$s: &mut CpuState, v| $place = v[0] as _);
        )+};
    }
    for (i, name) in GPR.iter().enumerate() {
        number!(name, 64, true, s => s.gpr[i]);
    }
    number!("rip", 64, true, s => s.rip; "rflags", 64, true, s => s.rflags);
    for (i, name) in SEG.iter().enumerate() {
        number!(name, 16, true, s => s.seg[i].selector;
            format!("{name}.base"), 64, true, s => s.seg[i].base;
            format!("{name}.limit"), 32, true, s => s.seg[i].limit;
            format!("{name}.attributes"), 32, true, s => s.seg[i].attributes);
    }
    number!("ldtr", 16, true, s => s.ldtr.selector; "ldtr.base", 64, true, s => s.ldtr.base; "ldtr.limit", 32, true, s => s.ldtr.limit;
        "ldtr.attributes", 32, true, s => s.ldtr.attributes; "tr", 16, true, s => s.tr.selector; "tr.base", 64, true, s => s.tr.base;
        "tr.limit", 32, true, s => s.tr.limit; "tr.attributes", 32, true, s => s.tr.attributes;
        "gdtr.base", 64, true, s => s.gdtr.base; "gdtr.limit", 16, true, s => s.gdtr.limit;
        "idtr.base", 64, true, s => s.idtr.base; "idtr.limit", 16, true, s => s.idtr.limit;
        "cr0", 64, true, s => s.cr0; "cr2", 64, true, s => s.cr2; "cr3", 64, true, s => s.cr3; "cr4", 64, true, s => s.cr4; "xcr0", 64, true, s => s.xcr0);
    for i in 0..4 {
        number!(format!("dr{i}"), 64, true, s => s.dr[i]);
    }
    number!("dr6", 64, true, s => s.dr6; "dr7", 64, true, s => s.dr7);
    for i in 0..4 {
        number!(format!("pdpte{i}"), 64, true, s => s.pdpte[i]);
    }
    number!("efer", 64, true, s => s.efer; "star", 64, true, s => s.star; "lstar", 64, true, s => s.lstar; "cstar", 64, true, s => s.cstar;
        "sfmask", 64, true, s => s.sfmask; "kernel_gs_base", 64, true, s => s.kernel_gs_base; "tsc_aux", 64, true, s => s.tsc_aux;
        "tsc_offset", 64, false, s => s.tsc_offset; "tsc_adjust", 64, false, s => s.tsc_adjust;
        "sysenter_cs", 64, true, s => s.sysenter_cs; "sysenter_esp", 64, true, s => s.sysenter_esp;
        "sysenter_eip", 64, true, s => s.sysenter_eip; "pat", 64, true, s => s.pat; "misc_enable", 64, true, s => s.misc_enable;
        "debugctl", 64, true, s => s.debugctl; "smbase", 64, true, s => s.smbase; "microcode", 64, true, s => s.microcode;
        "mcg_status", 64, true, s => s.mcg_status; "mcg_ctl", 64, true, s => s.mcg_ctl;
        "mtrr_def_type", 64, true, s => s.mtrrs.def_type);
    for i in 0..11 {
        number!(format!("mtrr_fixed{i}"), 64, true, s => s.mtrrs.fixed[i]);
    }
    for i in 0..8 {
        number!(format!("mtrr_base{i}"), 64, true, s => s.mtrrs.base[i]; format!("mtrr_mask{i}"), 64, true, s => s.mtrrs.mask[i]);
    }
    for i in 0..8 {
        table.push(
            format!("r{i}.x87"),
            80,
            true,
            move |s| [s.x87.r[i].significand, s.x87.r[i].sign_exponent.into(), 0, 0],
            move |s, v| {
                s.x87.r[i].significand = v[0];
                s.x87.r[i].sign_exponent = v[1] as u16;
            },
        );
    }
    number!("fcw", 16, true, s => s.x87.control; "fsw", 16, true, s => s.x87.status; "ftw", 8, true, s => s.x87.valid;
        "fop", 16, true, s => s.x87.opcode; "fip", 64, true, s => s.x87.ip; "fcs", 16, true, s => s.x87.cs;
        "fdp", 64, true, s => s.x87.dp; "fds", 16, true, s => s.x87.ds; "mxcsr", 32, true, s => s.mxcsr);
    for i in 0..16 {
        table.push(format!("ymm{i}"), 256, true, move |s| s.vector[i], move |s, v| s.vector[i] = v);
    }
    number!("pending_debug", 64, true, s => s.pending_debug);
    number!("retired", 64, false, s => s.retired);
    table.0
}

/// The comparable elements in which two states differ.
pub fn differences(left: &CpuState, right: &CpuState) -> Vec<Difference> {
    elements()
        .iter()
        .filter(|e| e.comparable)
        .filter_map(|e| {
            let (l, r) = ((e.get)(left), (e.get)(right));
            (l != r).then(|| Difference { name: e.name.clone(), left: l, right: r })
        })
        .collect()
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = |v: &[u64; 4]| {
            let digits: String = v.iter().rev().map(|q| format!("{q:016x}")).collect();
            let short = digits.trim_start_matches('0');
            if short.is_empty() { "0".to_string() } else { short.to_string() }
        };
        write!(f, "{}: {} / {}", self.name, hex(&self.left), hex(&self.right))
    }
}

struct Table(Vec<Element>);

impl Table {
    fn push(
        &mut self,
        name: String,
        bits: u16,
        comparable: bool,
        get: impl Fn(&CpuState) -> [u64; 4] + Send + Sync + 'static,
        set: impl Fn(&mut CpuState, [u64; 4]) + Send + Sync + 'static,
    ) {
        self.0.push(Element { name, bits, get: Box::new(get), set: Box::new(set), comparable });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_written_and_read_back_alone() {
        let reset = CpuState::reset(0, true);
        let mut names = std::collections::HashSet::new();
        for element in elements() {
            assert!(names.insert(element.name.clone()), "{} stands twice", element.name);
            let mut state = reset.clone();
            let old = (element.get)(&state);
            (element.set)(&mut state, old.map(|q| !q));
            let mask = |i: u32| match u32::from(element.bits).saturating_sub(64 * i) {
                0 => 0,
                n if n >= 64 => u64::MAX,
                n => (1 << n) - 1,
            };
            let new = (element.get)(&state);
            for i in 0..4 {
                assert_eq!(new[i], !old[i] & mask(i as u32), "{}", element.name);
            }
            let found = differences(&reset, &state);
            assert_eq!(found.len(), usize::from(element.comparable), "{}", element.name);
        }
    }

    #[test]
    fn a_saved_state_is_restored_to_the_same_bytes() {
        use crate::saved::Unit;
        let mut seed = 1u64;
        let mut random = || {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            seed ^ seed >> 29
        };
        for _ in 0..200 {
            let mut state = CpuState::reset(0, true);
            for element in elements() {
                (element.set)(&mut state, std::array::from_fn(|_| random()));
            }
            let unit = Unit::pack("cpu", 1, &state);
            let restored: CpuState = unit.unpack("cpu", 1).unwrap();
            assert_eq!(restored, state);
            assert_eq!(Unit::pack("cpu", 1, &restored), unit);
        }
    }
}
