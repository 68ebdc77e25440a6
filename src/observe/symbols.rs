//! Names of addresses: from an ELF file with symbols, or from Linux's System.map.

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSymbol};
use std::path::Path;

/// An address further behind a symbol than this is not in it.
const REACH: u64 = 1 << 20;

/// Symbols by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols(Vec<(u64, String)>);

impl Symbols {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read the symbols `{}`", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("`{}`", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let mut symbols: Vec<(u64, String)> = if bytes.starts_with(b"\x7fELF") {
            let file = object::File::parse(bytes).context("no ELF file that can be read")?;
            let named = file.symbols().filter(|symbol| symbol.is_definition());
            named.filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?.to_owned()))).collect()
        } else {
            let text = String::from_utf8_lossy(bytes);
            text.lines().filter_map(map_line).collect()
        };
        symbols.retain(|(_, name)| !name.is_empty());
        symbols.sort();
        symbols.dedup_by_key(|(address, _)| *address);
        if symbols.is_empty() {
            bail!("no symbols in it: give a System.map, or an ELF file that is not stripped (vmlinux)");
        }
        Ok(Symbols(symbols))
    }

    /// "name+0x12", or nothing.
    pub fn name(&self, address: u64) -> Option<String> {
        let (name, offset) = self.find(address)?;
        Some(if offset == 0 { name.to_owned() } else { format!("{name}+{offset:#x}") })
    }

    /// The symbol that an address lies in or behind, and how far.
    pub fn find(&self, address: u64) -> Option<(&str, u64)> {
        let n = self.0.partition_point(|(at, _)| *at <= address).checked_sub(1)?;
        let (at, name) = &self.0[n];
        (address - at < REACH).then_some((name.as_str(), address - at))
    }
}

/// `ffffffff81000000 T _text`; only code.
fn map_line(line: &str) -> Option<(u64, String)> {
    let mut words = line.split_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let code = matches!(words.next()?, "t" | "T" | "w" | "W");
    code.then_some((address, words.next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_map_names_addresses() {
        let map = b"ffffffff81000000 T _text\nffffffff81000010 D data\nffffffff81000040 t do_it\n";
        let symbols = Symbols::parse(map).unwrap();
        assert_eq!(symbols.name(0xffff_ffff_8100_0040).unwrap(), "do_it");
        assert_eq!(symbols.name(0xffff_ffff_8100_0012).unwrap(), "_text+0x12");
        assert_eq!(symbols.name(0x1000), None);
        assert!(Symbols::parse(b"hello").unwrap_err().to_string().contains("System.map"));
        assert!(Symbols::parse(b"\x7fELFxxx").is_err());
    }

    #[test]
    fn this_program_has_symbols() {
        if let Ok(path) = std::env::current_exe()
            && let Ok(symbols) = Symbols::read(&path)
        {
            assert!(symbols.0.len() > 100);
        }
    }
}
