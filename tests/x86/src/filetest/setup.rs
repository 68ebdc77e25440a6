//! The machine of a filetest: a state for each mode, with tables behind it in which every exception ends in a HLT.

use super::KERNEL;
use super::parse::{Test, number};
use super::registers;
use anyhow::{Context, Result, bail, ensure};
use lyrebird_core::CpuState;
use lyrebird_core::cpu::segment::{Segment, TableRegister};
use lyrebird_memory::GuestMemory;

pub const RAM: u64 = 0x14_0000;
const GDT: u64 = KERNEL;
const IDT: u64 = KERNEL + 0x1000;
const TSS: u64 = KERNEL + 0x2000;
pub const HANDLERS: u64 = KERNEL + 0x3000;
/// Handlers in real mode, which reaches the first megabyte only.
pub const REAL_HANDLERS: u64 = 0x500;
const KERNEL_STACK: u64 = KERNEL + 0x5000;
const TABLES: u64 = KERNEL + 0x1_0000;

/// The modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Real16,
    V86,
    Prot16,
    Prot32,
    Compat32,
    Long64,
}

impl Mode {
    fn parse(text: &str) -> Result<Mode> {
        Ok(match text {
            "real16" => Mode::Real16,
            "v86" => Mode::V86,
            "prot16" => Mode::Prot16,
            "prot32" => Mode::Prot32,
            "compat32" => Mode::Compat32,
            "long64" => Mode::Long64,
            other => bail!("no mode {other}"),
        })
    }

    /// For the disassembler.
    pub fn bits(self) -> u32 {
        match self {
            Mode::Real16 | Mode::V86 | Mode::Prot16 => 16,
            Mode::Prot32 | Mode::Compat32 => 32,
            Mode::Long64 => 64,
        }
    }

    /// Whether the kernel behind it is a 64-bit one.
    pub fn long(self) -> bool {
        matches!(self, Mode::Compat32 | Mode::Long64)
    }
}

/// The mode of a test.
pub fn mode(test: &Test) -> Result<Mode> {
    Mode::parse(test.directive("mode").and_then(|w| w.first()).context("no mode")?)
}

/// Its privilege level.
pub fn cpl(test: &Test) -> Result<u8> {
    if mode(test)? == Mode::V86 {
        return Ok(3);
    }
    test.directive("cpl").map_or(Ok(0), |w| Ok(number(&w[0])? as u8))
}

/// Fills memory and makes the state to begin in.
pub fn prepare(test: &Test, memory: &GuestMemory, reset: &CpuState) -> Result<CpuState> {
    let (mode, cpl) = (mode(test)?, cpl(test)?);
    let write = |at: u64, bytes: &[u8]| memory.write(at, bytes).context("memory of a test is below 1 MiB");
    write(0, &vec![0; RAM as usize])?;
    let mut state = reset.clone();
    state.gpr = [0; 16];
    state.gpr[4] = 0x8000;
    state.rflags = 2;
    state.x87.control = 0x37f;
    state.x87.valid = 0;
    (state.cr0, state.cr4) = (0x10, 0x600);
    tables(mode, memory)?;
    segments(&mut state, mode, cpl);
    let paged = mode.long() || test.directives.iter().any(|d| matches!(d[0].as_str(), "page" | "alias" | "paging"));
    if paged {
        paging(test, &mut state, mode, memory)?;
    }
    for d in test.directives.iter().filter(|d| d[0] == "seg") {
        segment(&mut state, &d[1..])?;
    }
    state.rip = test.code[0].at;
    for (name, value) in &test.before.registers {
        ensure!(registers::set(&mut state, name, *value), "no register {name}");
        if let Some(s) = ["es", "cs", "ss", "ds", "fs", "gs"].iter().position(|n| n == name)
            && matches!(mode, Mode::Real16 | Mode::V86)
        {
            state.seg[s].base = *value as u64 * 16;
        }
    }
    let base = state.seg[1].base;
    for code in &test.code {
        write(base + code.at, &code.bytes())?;
    }
    let last = test.code.last().context("no code")?;
    let end = if cpl == 0 { 0xf4 } else { 0xcc };
    write(base + last.at + last.bytes().len() as u64, &[end])?;
    if let Some(iopl) = test.directive("iopl") {
        state.rflags = state.rflags & !(3 << 12) | (number(&iopl[0])? as u64 & 3) << 12;
    }
    if let Some(flags) = test.before.flags {
        state.rflags |= flags;
    }
    for (at, bytes) in &test.before.memory {
        write(*at, bytes)?;
    }
    Ok(state)
}

/// GDT, IDT, TSS and handlers.
fn tables(mode: Mode, memory: &GuestMemory) -> Result<()> {
    let write = |at: u64, bytes: &[u8]| memory.write(at, bytes);
    let tss = 0x67 | (TSS & 0xff_ffff) << 16 | 0x89 << 40 | (TSS >> 24) << 56;
    // Kernel code, kernel data, user code of the mode, user data, 16-bit code and data of both levels, 64-bit user code.
    let gdt: [u64; 14] = [
        0,
        if mode.long() { 0x00af_9b00_0000_ffff } else { 0x00cf_9b00_0000_ffff },
        0x00cf_9300_0000_ffff,
        0x00cf_fb00_0000_ffff,
        0x00cf_f300_0000_ffff,
        0x0000_9b00_0000_ffff,
        0x0000_9300_0000_ffff,
        0x0000_fb00_0000_ffff,
        0x0000_f300_0000_ffff,
        0x00af_fb00_0000_ffff,
        0x00cf_9b00_0000_ffff,
        0,
        tss,
        0,
    ];
    for (n, d) in gdt.iter().enumerate() {
        write(GDT + 8 * n as u64, &d.to_le_bytes())?;
    }
    let stack = if mode.long() { KERNEL_STACK } else { 0x10 << 32 | KERNEL_STACK };
    write(TSS + 4, &stack.to_le_bytes())?;
    // No I/O port is allowed, and no interrupt of V86 mode redirected.
    write(TSS + 0x66, &0x68u16.to_le_bytes())?;
    for vector in 0..32 {
        let handler = HANDLERS + vector;
        let gate: u64 = handler & 0xffff | 8 << 16 | 0xee << 40 | handler >> 16 << 48;
        write(IDT + vector * if mode.long() { 16 } else { 8 }, &gate.to_le_bytes())?;
        write(handler, &[0xf4])?;
        if mode == Mode::Real16 {
            write(vector * 4, &((REAL_HANDLERS + vector) as u32).to_le_bytes())?;
            write(REAL_HANDLERS + vector, &[0xf4])?;
        }
    }
    Ok(())
}

fn segments(state: &mut CpuState, mode: Mode, cpl: u8) {
    let user = u32::from(cpl) << 5;
    let flat = |selector: u16, attributes| Segment {
        selector: selector | u16::from(cpl),
        base: 0,
        limit: u32::MAX,
        attributes: attributes | user,
    };
    let small = |selector: u16, attributes| Segment {
        selector: selector | u16::from(cpl),
        base: 0,
        limit: 0xffff,
        attributes: attributes | user,
    };
    let inner = cpl == 0;
    let (data, code) = match mode {
        Mode::Real16 => {
            state.seg = [Segment::real(0); 6];
            state.idtr = TableRegister { base: 0, limit: 0x3ff };
            return;
        }
        Mode::V86 => {
            state.seg = [Segment { attributes: 0xf3, ..Segment::real(0) }; 6];
            state.rflags |= 1 << 17 | 3 << 12;
            (state.seg[0], state.seg[1])
        }
        Mode::Prot16 if inner => (small(0x30, 0x93), small(0x28, 0x9b)),
        Mode::Prot16 => (small(0x40, 0x93), small(0x38, 0x9b)),
        Mode::Prot32 if inner => (flat(0x10, 0xc093), flat(8, 0xc09b)),
        Mode::Compat32 if inner => (flat(0x10, 0xc093), flat(0x50, 0xc09b)),
        Mode::Prot32 | Mode::Compat32 => (flat(0x20, 0xc093), flat(0x18, 0xc09b)),
        Mode::Long64 if inner => (flat(0x10, 0xc093), flat(8, 0xa09b)),
        Mode::Long64 => (flat(0x20, 0xc093), flat(0x48, 0xa09b)),
    };
    state.seg = [data; 6];
    state.seg[1] = code;
    state.cr0 |= 0x21;
    let limit = if mode.long() { 511 } else { 255 };
    (state.gdtr, state.idtr) = (TableRegister { base: GDT, limit: 111 }, TableRegister { base: IDT, limit });
    state.tr = Segment { selector: 0x60, base: TSS, limit: 0x67, attributes: 0x8b };
}

/// Maps everything one to one in 4 KiB pages, but what the test wants otherwise. PAE tables, under a fourth level in long mode.
fn paging(test: &Test, state: &mut CpuState, mode: Mode, memory: &GuestMemory) -> Result<()> {
    let put = |at: u64, value: u64| memory.write(at, &value.to_le_bytes());
    let (pml4, pdpt, pd, pt) = (TABLES, TABLES + 0x1000, TABLES + 0x2000, TABLES + 0x4000);
    put(pml4, pdpt | 7)?;
    put(pdpt, pd | if mode.long() { 7 } else { 1 })?;
    for page in 0..RAM >> 12 {
        if page % 512 == 0 {
            put(pd + page / 512 * 8, pt + page * 8 | 7)?;
        }
        let kernel = page << 12 >= KERNEL;
        put(pt + page * 8, page << 12 | if kernel { 3 } else { 7 })?;
    }
    for d in &test.directives {
        let place = |n: usize| -> Result<u64> { Ok(number(d.get(n).context("no page")?)? as u64) };
        match d[0].as_str() {
            "page" => {
                let page = place(1)? & !0xfff;
                let bits = match d.get(2).map(String::as_str) {
                    Some("none") => 6,
                    Some("ro") => 5,
                    Some("super") => 3,
                    Some("nx") => 7 | 1 << 63,
                    _ => bail!("a page is none, ro, super or nx"),
                };
                put(pt + (page >> 12) * 8, page | bits)?;
            }
            "alias" => put(pt + (place(1)? >> 12) * 8, place(2)? & !0xfff | 7)?,
            _ => {}
        }
    }
    state.cr0 |= 0x8001_0000;
    state.cr4 |= 0x20;
    state.efer = if mode.long() { 0xd01 } else { 0x800 };
    state.cr3 = if mode.long() { pml4 } else { pdpt };
    state.pdpte[0] = pd | 1;
    Ok(())
}

fn segment(state: &mut CpuState, words: &[String]) -> Result<()> {
    let which = ["es", "cs", "ss", "ds", "fs", "gs"].iter().position(|n| *n == words[0]).context("no such segment")?;
    let segment = &mut state.seg[which];
    for pair in words[1..].chunks(2) {
        let value = number(pair.get(1).context("no value")?)? as u64;
        match pair[0].as_str() {
            "base" => segment.base = value,
            "limit" => segment.limit = value as u32,
            "attr" => segment.attributes = value as u32,
            "sel" => segment.selector = value as u16,
            other => bail!("a segment has no {other}"),
        }
    }
    Ok(())
}
