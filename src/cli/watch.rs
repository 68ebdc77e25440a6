//! The options for watching a guest.

use crate::observe::filter::number;
use crate::observe::{Filter, Settings, Symbols};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// Options of `run`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct WatchArgs {
    /// Write each instruction into a file, with the registers that it changed
    ///
    /// A line: CPU, instructions of that CPU before, CPL, linear address, bytes, instruction; changed registers. Interrupts and
    /// exceptions have lines of their own. The guest then runs instruction by instruction: --trace-filter from=N starts later,
    /// and up to there it runs at full speed.
    #[arg(long, value_name = "FILE", help_heading = "Watching")]
    trace: Option<PathBuf>,

    /// What --trace shows: FIRST..LAST,cpl=N,cpu=N,from=N,to=N
    ///
    /// FIRST..LAST, FIRST+LENGTH: linear addresses, several are alternatives{n}
    /// cpl=0 the kernel, cpl=3 programs{n}
    /// cpu=N a CPU{n}
    /// from=N, to=N instructions of a CPU since power-on
    #[arg(long, value_name = "FILTER", help_heading = "Watching")]
    trace_filter: Option<Filter>,

    /// Report where the guest spent its time and why compiled code was left, at the end: to standard error, or =FILE
    ///
    /// By samples, one in about 10,000 instructions: address, symbol (--symbols), CPL, and whether it was compiled.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, help_heading = "Watching")]
    hot_spots: Option<Option<PathBuf>>,

    /// Names for addresses: a System.map, or an ELF file with symbols (Linux: boot with nokaslr)
    #[arg(long, value_name = "FILE", help_heading = "Watching")]
    symbols: Option<PathBuf>,

    /// Show a block as guest code, our operations, CLIF and host code, when it was compiled (--engine jit) or at the end
    #[arg(long, value_name = "ADDRESS", value_parser = address, help_heading = "Watching")]
    dump_block: Vec<u64>,
}

fn address(text: &str) -> Result<u64, String> {
    number(text).ok_or_else(|| format!("`{text}` is no address: give one like 0xffffffff81000000"))
}

impl WatchArgs {
    /// What they ask for.
    pub fn settings(&self) -> Result<Settings> {
        if self.trace.is_none() && self.trace_filter.is_some() {
            bail!("--trace-filter is for a trace, and there is none: add --trace FILE");
        }
        Ok(Settings {
            log: self.trace.clone(),
            instructions: self.trace.is_some(),
            interrupts: self.trace.is_some(),
            filter: self.trace_filter.clone().unwrap_or_default(),
            hot_spots: self.hot_spots.clone(),
            symbols: self.symbols.as_deref().map(Symbols::read).transpose()?,
            blocks: self.dump_block.clone(),
            ..Settings::default()
        })
    }
}
