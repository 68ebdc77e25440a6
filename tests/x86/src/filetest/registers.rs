//! The names of registers in filetests.

use lyrebird_core::CpuState;

const GPR: [&str; 16] =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
const SEG: [&str; 6] = ["es", "cs", "ss", "ds", "fs", "gs"];
const OTHER: [&str; 13] =
    ["rip", "cr0", "cr2", "cr3", "cr4", "efer", "xcr0", "dr6", "dr7", "mxcsr", "fcw", "fsw", "ftw"];

/// All names, in the order in which they are written.
pub fn names() -> impl Iterator<Item = String> {
    let numbered = |prefix: &'static str, n: usize| (0..n).map(move |i| format!("{prefix}{i}"));
    let plain = GPR.iter().chain(&SEG).chain(&OTHER).map(|s| String::from(*s));
    plain.chain(numbered("st", 8)).chain(numbered("xmm", 16))
}

fn numbered(name: &str, prefix: &str, limit: usize) -> Option<usize> {
    name.strip_prefix(prefix)?.parse().ok().filter(|n| *n < limit)
}

/// The value of a register; `None` if there is none of that name.
pub fn get(state: &CpuState, name: &str) -> Option<u128> {
    if let Some(r) = GPR.iter().position(|n| *n == name) {
        return Some(state.gpr[r].into());
    }
    if let Some(s) = SEG.iter().position(|n| *n == name) {
        return Some(state.seg[s].selector.into());
    }
    if let Some(i) = numbered(name, "xmm", 16) {
        return Some(u128::from(state.vector[i][0]) | u128::from(state.vector[i][1]) << 64);
    }
    if let Some(i) = numbered(name, "st", 8) {
        let r = state.x87.r[(state.x87.top() + i) % 8];
        return Some(u128::from(r.significand) | u128::from(r.sign_exponent) << 64);
    }
    Some(match name {
        "rip" => state.rip.into(),
        "cr0" => state.cr0.into(),
        "cr2" => state.cr2.into(),
        "cr3" => state.cr3.into(),
        "cr4" => state.cr4.into(),
        "efer" => state.efer.into(),
        "xcr0" => state.xcr0.into(),
        "dr6" => state.dr6.into(),
        "dr7" => state.dr7.into(),
        "mxcsr" => state.mxcsr.into(),
        "fcw" => state.x87.control.into(),
        "fsw" => state.x87.status.into(),
        "ftw" => state.x87.valid.into(),
        _ => return None,
    })
}

/// Sets it; false if there is none of that name.
pub fn set(state: &mut CpuState, name: &str, value: u128) -> bool {
    let low = value as u64;
    if let Some(r) = GPR.iter().position(|n| *n == name) {
        state.gpr[r] = low;
    } else if let Some(s) = SEG.iter().position(|n| *n == name) {
        state.seg[s].selector = low as u16;
    } else if let Some(i) = numbered(name, "xmm", 16) {
        (state.vector[i][0], state.vector[i][1]) = (low, (value >> 64) as u64);
    } else if let Some(i) = numbered(name, "st", 8) {
        let place = (state.x87.top() + i) % 8;
        let r = &mut state.x87.r[place];
        (r.significand, r.sign_exponent) = (low, (value >> 64) as u16);
    } else {
        match name {
            "rip" => state.rip = low,
            "cr0" => state.cr0 = low,
            "cr2" => state.cr2 = low,
            "cr3" => state.cr3 = low,
            "cr4" => state.cr4 = low,
            "efer" => state.efer = low,
            "xcr0" => state.xcr0 = low,
            "dr6" => state.dr6 = low,
            "dr7" => state.dr7 = low,
            "mxcsr" => state.mxcsr = low as u32,
            "fcw" => state.x87.control = low as u16,
            "fsw" => state.x87.status = low as u16,
            "ftw" => state.x87.valid = low as u8,
            _ => return false,
        }
    }
    true
}

/// RFLAGS bits by name.
pub const FLAGS: [(&str, u64); 16] = [
    ("cf", 1 << 0),
    ("pf", 1 << 2),
    ("af", 1 << 4),
    ("zf", 1 << 6),
    ("sf", 1 << 7),
    ("tf", 1 << 8),
    ("if", 1 << 9),
    ("df", 1 << 10),
    ("of", 1 << 11),
    ("nt", 1 << 14),
    ("rf", 1 << 16),
    ("vm", 1 << 17),
    ("ac", 1 << 18),
    ("vif", 1 << 19),
    ("vip", 1 << 20),
    ("id", 1 << 21),
];
