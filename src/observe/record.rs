//! What is wanted, and where it is written.

use super::disassembly::Code;
use super::filter::Filter;
use super::hot::Samples;
use super::symbols::Symbols;
use anyhow::{Context, Result};
use lyrebird_core::cpu::segment::SegReg;
use lyrebird_core::{Cause, CpuState, Delivery};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write, stderr};
use std::path::{Path, PathBuf};

/// One sample in about so many instructions.
pub const PERIOD: u64 = 10_000;

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where traces go; nothing: standard error.
    pub log: Option<PathBuf>,
    /// That file has been begun by somebody else.
    pub append: bool,
    /// Each instruction, with the registers that it changed.
    pub instructions: bool,
    /// Each instruction when it is executed for the first time.
    pub first: bool,
    /// The registers at the beginning of each block.
    pub registers: bool,
    /// Interrupts and exceptions.
    pub interrupts: bool,
    /// Which instructions.
    pub filter: Filter,
    /// A report of hot spots, into this file or to standard error.
    pub hot_spots: Option<Option<PathBuf>>,
    /// Names for addresses.
    pub symbols: Option<Symbols>,
    /// Blocks that are to be explained.
    pub blocks: Vec<u64>,
}

impl Settings {
    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        !self.stepping() && !self.interrupts && self.hot_spots.is_none() && self.blocks.is_empty()
    }

    /// Whether instructions are looked at one by one.
    pub fn stepping(&self) -> bool {
        self.instructions || self.first || self.registers
    }
}

/// What was seen so far, by all vCPUs.
pub struct Record {
    /// What is wanted.
    pub settings: Settings,
    out: Box<dyn Write + Send>,
    seen: HashSet<u64>,
    /// Where the last line of `first` ended.
    contiguous: u64,
    /// Hot spots.
    pub samples: Samples,
    /// What engines have counted, and why they came back.
    pub counts: BTreeMap<String, u64>,
}

fn open(path: &Path, append: bool) -> Result<Box<dyn Write + Send>> {
    let file = if append { File::options().append(true).create(true).open(path) } else { File::create(path) };
    let file = file.with_context(|| format!("cannot write `{}`: choose another file", path.display()))?;
    Ok(Box::new(BufWriter::new(file)))
}

impl Record {
    /// Opens what is to be written.
    pub fn new(settings: Settings) -> Result<Self> {
        if let Some(Some(path)) = &settings.hot_spots {
            open(path, false)?;
        }
        let out = match &settings.log {
            Some(path) => open(path, settings.append)?,
            None => Box::new(stderr()),
        };
        let (samples, counts) = (Samples::default(), BTreeMap::new());
        Ok(Record { settings, out, seen: HashSet::new(), contiguous: 0, samples, counts })
    }

    fn line(&mut self, line: &str) {
        _ = writeln!(self.out, "{line}");
    }

    fn name(&self, linear: u64) -> String {
        let name = self.settings.symbols.as_ref().and_then(|symbols| symbols.name(linear));
        name.map_or(String::new(), |name| format!(" <{name}>"))
    }

    /// An instruction was executed.
    pub fn instruction(&mut self, cpu: u32, code: &Code, before: &CpuState, after: &CpuState) {
        let cpl = before.seg[SegReg::Ss as usize].dpl();
        let mut changed = String::new();
        for (n, name) in GPR.iter().enumerate() {
            if before.gpr[n] != after.gpr[n] {
                changed += &format!(" {name}={:x}", after.gpr[n]);
            }
        }
        let name = self.name(code.linear);
        self.line(&format!(
            "{cpu} {:12} {cpl} {code}{name}{}{changed}",
            before.retired,
            if changed.is_empty() { "" } else { " ;" }
        ));
    }

    /// Something else happened in place of an instruction.
    pub fn remark(&mut self, cpu: u32, before: &CpuState, text: &str) {
        self.line(&format!("{cpu} {:12} - {text}", before.retired));
    }

    /// An instruction is executed, perhaps for the first time.
    pub fn first(&mut self, code: &Code) {
        if !self.seen.insert(code.linear) {
            return;
        }
        if self.contiguous != code.linear {
            let name = self.name(code.linear);
            self.line(&format!("----------------\nIN:{name}"));
        }
        self.contiguous = code.linear.wrapping_add(code.bytes.len() as u64);
        let bytes: String = code.bytes.iter().map(|byte| format!("{byte:02x} ")).collect();
        self.line(&format!("0x{:08x}:  {bytes:32}{}", code.linear, code.text));
    }

    /// The registers, in QEMU's order.
    pub fn registers(&mut self, state: &CpuState) {
        let mut text = String::new();
        for row in GPR_ROWS {
            for n in row {
                text += &format!("{}={:016x} ", GPR[n].to_uppercase(), state.gpr[n]);
            }
            text.push('\n');
        }
        let cpl = state.seg[SegReg::Ss as usize].dpl();
        text += &format!("RIP={:016x} RFL={:08x} CPL={cpl}\n", state.rip, state.rflags);
        for (n, name) in ["ES", "CS", "SS", "DS", "FS", "GS"].iter().enumerate() {
            let s = &state.seg[n];
            text += &format!("{name} ={:04x} {:016x} {:08x} {:05x}\n", s.selector, s.base, s.limit, s.attributes);
        }
        text += &format!(
            "CR0={:08x} CR2={:016x} CR3={:016x} CR4={:08x} EFER={:016x}",
            state.cr0, state.cr2, state.cr3, state.cr4, state.efer
        );
        self.line(&text);
    }

    /// An interrupt or exception, as `-d int` of QEMU's shows it.
    pub fn delivery(&mut self, cpu: u32, number: u64, d: &Delivery) {
        let Delivery { vector, cause, error, cpl, cs, rip, ss, rsp, cr2 } = *d;
        let what = match cause {
            Cause::Interrupt => "interrupt",
            Cause::Nmi => "nmi",
            Cause::Software => "software",
            Cause::Exception => "exception",
        };
        let name = self.name(rip);
        let address =
            if vector == 14 && cause == Cause::Exception { format!(" CR2={cr2:016x}") } else { String::new() };
        self.line(&format!(
            "{number:6}: v={vector:02x} e={:04x} i={} cpl={cpl} IP={cs:04x}:{rip:016x}{name} SP={ss:04x}:{rsp:016x}{address} ({what}, CPU {cpu})",
            error.unwrap_or(0),
            u8::from(cause == Cause::Software),
        ));
    }

    /// A text of its own.
    pub fn explain(&mut self, text: &str) {
        say!("{text}");
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        _ = self.out.flush();
        let Some(place) = &self.settings.hot_spots else { return };
        let mut text = self.samples.report(self.settings.symbols.as_ref(), PERIOD);
        text.push_str("\nHow often the engine\n");
        for (name, count) in &self.counts {
            text.push_str(&format!("{count:14}  {name}\n"));
        }
        match place {
            None => say!("{text}"),
            Some(path) => {
                if let Err(error) = std::fs::write(path, text) {
                    say!("lyrebird: cannot write `{}`: {error}", path.display());
                }
            }
        }
    }
}

const GPR: [&str; 16] =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
const GPR_ROWS: [[usize; 4]; 4] = [[0, 3, 1, 2], [6, 7, 5, 4], [8, 9, 10, 11], [12, 13, 14, 15]];
