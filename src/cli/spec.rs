//! What machine somebody wants, as plain data: both command lines and the machine file come to this.

use super::boot_order::BootSpec;
use super::clock::Clock;
use super::drive::DriveSpec;
use super::screen::Display;
use super::script::{Screenshot, Seconds, Strokes};
use super::size::Size;
use anyhow::{Context, Result, bail};
use host::serial::Target;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A machine, before anything of it exists. Each field is an option of `lyrebird run` of the same name, and a key of the
/// machine file, where it takes what the option takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MachineSpec {
    /// What to call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// RAM.
    pub memory: Size,
    /// vCPUs.
    pub cpus: u32,
    /// CPU model and changes to it.
    pub cpu: CpuSpec,
    /// What executes the guest.
    pub engine: EngineChoice,
    /// Each vCPU has a thread of its own; without a word, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_threads: Option<bool>,
    /// How much memory translated code may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_cache: Option<Size>,
    /// The folder in which translated code is kept from run to run, or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translation_cache: Option<PathBuf>,
    /// How large that may become.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translation_cache_size: Option<Size>,
    /// A Linux, PVH or multiboot kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<PathBuf>,
    /// The kernel's initial file system, or its multiboot modules (`FILE ARGUMENTS,FILE ARGUMENTS`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initrd: Option<String>,
    /// The kernel's command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append: Option<String>,
    /// A firmware image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bios: Option<PathBuf>,
    /// What to start from.
    pub boot: BootSpec,
    /// Disks, CD-ROMs, floppies and flash memories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drive: Vec<DriveSpec>,
    /// COM1 to COM4; without a word, the terminal has COM1 unless it shows the screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<Vec<Target>>,
    /// The printer at the parallel port.
    #[serde(skip_serializing_if = "is_null")]
    pub parallel: Target,
    /// Ports E9h and 402h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debugcon: Option<Target>,
    /// The port that ends the machine with an exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug_exit: Option<DebugExit>,
    /// The display adapter.
    pub vga: Adapter,
    /// Its video BIOS, for a firmware that brings none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vga_rom: Option<PathBuf>,
    /// The first disk is the tour that the program carries.
    #[serde(skip)]
    pub tour: bool,
    /// Where the screen is shown.
    pub display: Display,
    /// A window is as large as the screen.
    pub full_screen: bool,
    /// Pictures to take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub screenshot: Vec<Screenshot>,
    /// The picture at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screenshot_on_exit: Option<PathBuf>,
    /// Key strokes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Strokes>,
    /// When the machine ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_after: Option<Seconds>,
    /// The test device.
    pub test_device: bool,
    /// A reset ends the program.
    pub no_reboot: bool,
    /// A power-off leaves the machine standing.
    pub no_shutdown: bool,
    /// The machine has no HPET.
    pub no_hpet: bool,
    /// The real-time clock at power-on; without a word, UTC, or in a deterministic machine a fixed day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtc: Option<Clock>,
    /// Guest time follows retired instructions.
    pub deterministic: bool,
}

impl Default for MachineSpec {
    fn default() -> Self {
        MachineSpec {
            name: None,
            memory: Size(512 << 20),
            cpus: 1,
            cpu: CpuSpec::model("x86-64-v2"),
            engine: EngineChoice::Auto,
            cpu_threads: None,
            code_cache: None,
            translation_cache: None,
            translation_cache_size: None,
            kernel: None,
            initrd: None,
            append: None,
            bios: None,
            boot: BootSpec::default(),
            drive: Vec::new(),
            serial: None,
            parallel: Target::Null,
            debugcon: None,
            debug_exit: None,
            vga: Adapter::Std,
            vga_rom: None,
            tour: false,
            display: Display::Auto,
            full_screen: false,
            screenshot: Vec::new(),
            screenshot_on_exit: None,
            keys: Vec::new(),
            exit_after: None,
            test_device: false,
            no_reboot: false,
            no_shutdown: false,
            no_hpet: false,
            rtc: None,
            deterministic: false,
        }
    }
}

fn is_null(target: &Target) -> bool {
    *target == Target::Null
}

/// The keys of a machine file.
pub const KEYS: [&str; 33] = [
    "name",
    "memory",
    "cpus",
    "cpu",
    "engine",
    "cpu-threads",
    "code-cache",
    "translation-cache",
    "translation-cache-size",
    "kernel",
    "initrd",
    "append",
    "bios",
    "boot",
    "drive",
    "serial",
    "parallel",
    "debugcon",
    "debug-exit",
    "vga",
    "vga-rom",
    "display",
    "full-screen",
    "screenshot",
    "screenshot-on-exit",
    "keys",
    "exit-after",
    "test-device",
    "no-reboot",
    "no-shutdown",
    "no-hpet",
    "rtc",
    "deterministic",
];

impl MachineSpec {
    /// Reads a machine file. Paths in it are relative to where it is.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the machine file `{}`", path.display()))?;
        let mut spec = Self::from_toml(&text).with_context(|| format!("machine file `{}`", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in [&mut spec.kernel, &mut spec.bios, &mut spec.vga_rom].into_iter().flatten() {
            *file = folder.join(&file);
        }
        for file in spec.drive.iter_mut().filter_map(|drive| drive.file.as_mut()) {
            *file = folder.join(&file);
        }
        if let Some(modules) = &mut spec.initrd {
            let join = |module: &str| folder.join(module).display().to_string();
            *modules = modules.split(',').map(join).collect::<Vec<_>>().join(",");
        }
        Ok(spec)
    }

    /// The same, from text.
    pub fn from_toml(text: &str) -> Result<Self> {
        let table: toml::Table = toml::from_str(text).map_err(|error| anyhow::anyhow!("{}", one_line(text, &error)))?;
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let nearest = super::nearest::nearest(key, KEYS).unwrap_or_default();
            bail!("unknown key `{key}`; did you mean `{nearest}`? Known are {}", KEYS.join(", "));
        }
        toml::from_str(text).map_err(|error| anyhow::anyhow!("{}", one_line(text, &error)))
    }
}

/// A TOML error in one line, with the line's number.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message().replace('\n', " ");
    line.map_or(message.clone(), |line| format!("line {line}: {message}"))
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// The best that this program and host have
    Auto,
    /// The interpreter: works everywhere
    Interp,
    /// Translated code: faster, and young
    Jit,
    /// The host's own virtualisation (Linux on x86-64)
    Kvm,
    /// Translated code checked by the interpreter, slowly: ends at the first difference, with exit code 1. Implies
    /// --deterministic
    Lockstep,
}

/// A display adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Adapter {
    /// A VGA with modes to 2560x1600 in 32 bits, as QEMU's
    Std,
    /// None
    None,
}

/// A CPU model, and features to switch on or off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CpuSpec {
    /// The model's name.
    pub model: String,
    /// Changes in the order in which they were given.
    pub features: Vec<(String, bool)>,
}

impl CpuSpec {
    /// A model as it is.
    pub fn model(name: &str) -> Self {
        CpuSpec { model: name.into(), features: Vec::new() }
    }
}

impl FromStr for CpuSpec {
    type Err = String;

    /// `MODEL,+feature,-feature,feature=on,feature=off`
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let model = parts.next().unwrap_or_default();
        if model.is_empty() {
            return Err("a CPU model is missing, as in `qemu64` or `max`".into());
        }
        let mut cpu = CpuSpec::model(model);
        for part in parts.filter(|part| !part.is_empty()) {
            let feature = match (part.strip_prefix('+'), part.strip_prefix('-'), part.split_once('=')) {
                (Some(name), _, _) => (name, true),
                (_, Some(name), _) => (name, false),
                (_, _, Some((name, "on" | "yes" | "true"))) => (name, true),
                (_, _, Some((name, "off" | "no" | "false"))) => (name, false),
                (_, _, None) => (part, true),
                _ => return Err(format!("`{part}` is no CPU feature: write +NAME, -NAME, NAME=on or NAME=off")),
            };
            cpu.features.push((feature.0.to_owned(), feature.1));
        }
        Ok(cpu)
    }
}

impl fmt::Display for CpuSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model)?;
        self.features.iter().try_for_each(|(name, on)| write!(f, ",{}{name}", if *on { '+' } else { '-' }))
    }
}

impl TryFrom<String> for CpuSpec {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<CpuSpec> for String {
    fn from(cpu: CpuSpec) -> String {
        cpu.to_string()
    }
}

/// Where the debug exit port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DebugExit {
    /// Its first port.
    pub iobase: u16,
    /// How many ports it has.
    pub iosize: u16,
}

impl FromStr for DebugExit {
    type Err = String;

    /// `IOBASE[,IOSIZE]`
    fn from_str(text: &str) -> Result<Self, String> {
        let (base, size) = text.split_once(',').unwrap_or((text, "2"));
        let iobase =
            port_number(base).ok_or_else(|| format!("`{base}` is no I/O port: use 0x0 to 0xffff, as in 0xf4"))?;
        let iosize = port_number(size)
            .filter(|size| *size > 0)
            .ok_or_else(|| format!("`{size}` is no number of I/O ports, as in 4"))?;
        if u32::from(iobase) + u32::from(iosize) > 0x1_0000 {
            return Err(format!("ports {iobase:#x} and {iosize} more leave the 64 Ki ports of a PC"));
        }
        Ok(DebugExit { iobase, iosize })
    }
}

/// A number of a port, in hexadecimal with 0x or decimal.
pub fn port_number(text: &str) -> Option<u16> {
    match text.trim().strip_prefix("0x").or(text.trim().strip_prefix("0X")) {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => text.trim().parse().ok(),
    }
}

impl TryFrom<String> for DebugExit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DebugExit> for String {
    fn from(exit: DebugExit) -> String {
        format!("{:#x},{:#x}", exit.iobase, exit.iosize)
    }
}
