//! QEMU's habits: its options make the same [`MachineSpec`] as ours do, its exit codes are kept, and what this program
//! does not have yet says so.

mod options;
mod values;

pub use values::split_commas;

use super::drive::{self, DriveSpec, Kind};
use super::models;
use super::nearest::nearest;
use super::screen::Display;
use super::spec::{Adapter, CpuSpec, DebugExit, EngineChoice, MachineSpec, port_number};
use super::{assemble, start};
use crate::observe::{Filter, Settings};
use anyhow::{Result, anyhow, bail};
use host::serial::Target;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use values::Properties;

/// Which of QEMU's programs we stand in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// qemu-system-x86_64
    X86_64,
    /// qemu-system-i386
    I386,
}

impl Flavour {
    /// By the name that the program was called by.
    pub fn of_program(program: Option<&Path>) -> Option<Self> {
        match program?.file_stem()?.to_str()? {
            "qemu-system-x86_64" => Some(Flavour::X86_64),
            "qemu-system-i386" => Some(Flavour::I386),
            _ => None,
        }
    }

    fn program(self) -> &'static str {
        match self {
            Flavour::X86_64 => "qemu-system-x86_64",
            Flavour::I386 => "qemu-system-i386",
        }
    }

    fn model(self) -> &'static str {
        match self {
            Flavour::X86_64 => "qemu64",
            Flavour::I386 => "qemu32",
        }
    }
}

/// What the options ask for.
#[derive(Debug)]
struct Request {
    spec: MachineSpec,
    /// What the user should know, though it stops nothing.
    notes: Vec<String>,
    log: Vec<String>,
    log_file: Option<PathBuf>,
    /// Which instructions are logged.
    filter: Filter,
    pidfile: Option<PathBuf>,
    /// A text to print instead of running.
    answer: Option<String>,
}

/// Runs what QEMU's options say.
pub fn main(flavour: Flavour, arguments: &[OsString]) -> Result<u8> {
    let request = Builder::new(flavour).build(options::split(arguments)?)?;
    if let Some(answer) = request.answer {
        print!("{answer}");
        return Ok(0);
    }
    request.notes.iter().for_each(|note| say!("lyrebird: note: {note}"));
    start::log(0, &request.log, request.log_file.as_deref())?;
    if let Some(file) = &request.pidfile {
        std::fs::write(file, format!("{}\n", std::process::id()))
            .map_err(|error| anyhow!("-pidfile: cannot write `{}`: {error}", file.display()))?;
    }
    let logged = |item: &str| request.log.iter().any(|name| name == item);
    let watch = Settings {
        first: logged("in_asm"),
        registers: logged("cpu"),
        interrupts: logged("int"),
        append: true,
        log: request.log_file.clone(),
        filter: request.filter.clone(),
        ..Settings::default()
    };
    start::run(&request.spec, start::Voice::Qemu, watch)
}

/// Takes one option after the other; some have their effect only when all are known.
struct Builder {
    flavour: Flavour,
    request: Request,
    serial: Vec<String>,
    debugcon: Option<String>,
    parallel: Option<String>,
    chardevs: BTreeMap<String, Target>,
    accelerators: Vec<String>,
    nographic: bool,
    nodefaults: bool,
    vga_given: bool,
    no_monitor: bool,
    snapshot: bool,
}

impl Builder {
    fn new(flavour: Flavour) -> Self {
        let spec = MachineSpec {
            memory: super::size::Size(128 << 20),
            cpu: CpuSpec::model(flavour.model()),
            serial: Some(Vec::new()),
            ..MachineSpec::default()
        };
        let request = Request {
            spec,
            notes: Vec::new(),
            log: Vec::new(),
            log_file: None,
            filter: Filter::default(),
            pidfile: None,
            answer: None,
        };
        Builder {
            flavour,
            request,
            serial: Vec::new(),
            debugcon: None,
            parallel: None,
            chardevs: BTreeMap::new(),
            accelerators: Vec::new(),
            nographic: false,
            nodefaults: false,
            vga_given: false,
            no_monitor: false,
            snapshot: false,
        }
    }

    fn build(mut self, given: Vec<options::Given>) -> Result<Request> {
        for (name, value) in given {
            self.option(name, &value)?;
            if self.request.answer.is_some() {
                return Ok(self.request);
            }
        }
        if self.snapshot {
            self.request.spec.drive.iter_mut().for_each(|drive| drive.snapshot = true);
        }
        if self.nodefaults && !self.vga_given {
            self.request.spec.vga = Adapter::None;
        }
        self.engine()?;
        self.lines()?;
        if self.request.spec.kernel.is_none() {
            for (option, given) in [("append", &self.request.spec.append), ("initrd", &self.request.spec.initrd)] {
                if given.is_some() {
                    bail!("-{option} only makes sense with a kernel: add -kernel FILE");
                }
            }
        }
        Ok(self.request)
    }

    fn option(&mut self, name: &str, value: &str) -> Result<()> {
        let spec = &mut self.request.spec;
        match name {
            "h" | "help" => self.request.answer = Some(options::help(self.flavour.program())),
            "version" => {
                let version = env!("CARGO_PKG_VERSION");
                self.request.answer =
                    Some(format!("Lyrebird {version}, with the options of QEMU emulator version 10.0\n"));
            }
            "machine" | "M" => self.machine(value)?,
            "cpu" => self.cpu(value)?,
            "accel" => {
                let properties = Properties::new(value);
                properties.only("-accel", &["thread", "tb-size", "one-insn-per-tb", "split-wx", "kernel-irqchip"])?;
                spec.cpu_threads = match properties.get("thread") {
                    None => spec.cpu_threads,
                    Some("multi") => Some(true),
                    Some("single") => Some(false),
                    Some(other) => bail!("-accel: thread={other} is unknown: use thread=single or thread=multi"),
                };
                if let Some(text) = properties.get("tb-size") {
                    spec.code_cache = values::megabytes("-accel: tb-size", text)?;
                }
                self.accelerators.push(properties.first.unwrap_or_default());
            }
            "enable-kvm" => self.accelerators.push("kvm".into()),
            "smp" => spec.cpus = values::cpus(value)?,
            "m" => spec.memory = values::memory(value)?,
            "name" => {
                let properties = Properties::new(value);
                spec.name = properties.get("guest").map(str::to_owned).or(properties.first);
            }
            "rtc" => spec.rtc = Some(value.parse().map_err(|error| anyhow!("-rtc: {error}"))?),
            "boot" => spec.boot = value.parse().map_err(|error| anyhow!("-boot: {error}"))?,
            "bios" => spec.bios = Some(value.into()),
            "kernel" => spec.kernel = Some(value.into()),
            "initrd" => spec.initrd = Some(value.into()),
            "append" => spec.append = Some(value.into()),
            "hda" | "hdb" | "hdc" | "hdd" => {
                let index = name.bytes().last().map(|letter| usize::from(letter - b'a'));
                spec.drive.push(DriveSpec { kind: Kind::Disk, index, ..DriveSpec::new(value) });
            }
            "cdrom" => {
                spec.drive.push(DriveSpec { kind: Kind::Cdrom, index: Some(2), ..DriveSpec::new(value) });
            }
            "fda" | "fdb" => {
                let index = Some(usize::from(name == "fdb"));
                spec.drive.push(DriveSpec { kind: Kind::Floppy, index, ..DriveSpec::new(value) });
            }
            "pflash" => spec.drive.push(DriveSpec { kind: Kind::Flash, ..DriveSpec::new(value) }),
            "drive" => spec.drive.push(values::drive(value)?),
            "snapshot" => self.snapshot = true,
            "serial" => self.serial.push(value.into()),
            "debugcon" => self.debugcon = Some(value.into()),
            "chardev" => {
                let (id, target) = values::chardev(value)?;
                self.chardevs.insert(id, target);
            }
            "device" => self.device(value)?,
            "nographic" => (self.nographic, spec.display) = (true, Display::None),
            "display" => self.display(value)?,
            "sdl" => spec.display = Display::Window,
            "curses" => spec.display = Display::Terminal,
            "full-screen" => spec.full_screen = true,
            "vga" => self.vga(value)?,
            "monitor" if matches!(value, "none" | "null") => self.no_monitor = true,
            "monitor" => bail!("-monitor {value} is not supported yet: use -monitor none"),
            "parallel" => self.parallel = Some(value.into()),
            "net" | "nic" if value != "none" => bail!("-{name} {value} is not supported yet: use -nic none"),
            "no-hpet" => spec.no_hpet = true,
            "no-reboot" => spec.no_reboot = true,
            "no-shutdown" => spec.no_shutdown = true,
            "nodefaults" => self.nodefaults = true,
            "L" => self.note("-L is ignored: the program carries what it needs".into()),
            "d" => self.log(value)?,
            "dfilter" => {
                self.request.filter = value.parse().map_err(|error| anyhow!("-dfilter: {error}"))?;
            }
            "D" => self.request.log_file = Some(value.into()),
            "pidfile" => self.request.pidfile = Some(value.into()),
            _ => {} // what the table says is ignored, and `none`s
        }
        Ok(())
    }

    fn note(&mut self, text: String) {
        self.request.notes.push(text);
    }

    fn machine(&mut self, value: &str) -> Result<()> {
        let properties = Properties::new(value);
        let kind = properties.first.as_deref().or(properties.get("type")).unwrap_or("pc");
        if kind == "help" || kind == "?" {
            let text = "Supported machines are:\npc    PC (i440FX + PIIX3)\nq35   taken as pc\n";
            self.request.answer = Some(text.into());
            return Ok(());
        }
        match kind {
            "pc" => {}
            _ if kind.starts_with("pc-i440fx-") => {}
            _ if kind == "q35" || kind.starts_with("pc-q35-") => {
                self.note(format!("-machine {kind} is taken as pc: there is no Q35 chipset yet"));
            }
            _ => {
                let nearest = nearest(kind, ["pc", "q35"]).unwrap_or_default();
                bail!("-machine: unknown machine `{kind}`; the nearest known is `{nearest}` (known: pc, q35)");
            }
        }
        for (key, value) in &properties.rest {
            match key.as_str() {
                "accel" => self.accelerators.extend(value.split(':').map(str::to_owned)),
                // How the host provides memory or interrupts, or what the board has anyway: nothing to change.
                "hpet" => {
                    self.request.spec.no_hpet =
                        !drive::switch(key, value).map_err(|error| anyhow!("-machine: {error}"))?
                }
                "type" | "usb" | "vmport" | "kernel-irqchip" | "kernel_irqchip" | "dump-guest-core" | "mem-merge"
                | "acpi" | "smm" | "graphics" => {}
                _ => {
                    let nearest = nearest(key, ["accel", "usb", "kernel-irqchip", "hpet", "acpi", "smm"]);
                    bail!("-machine knows no `{key}`; the nearest known is `{}`", nearest.unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    fn cpu(&mut self, value: &str) -> Result<()> {
        if value == "help" || value == "?" {
            self.request.answer = Some(models::list());
            return Ok(());
        }
        self.request.spec.cpu = value.parse().map_err(|error| anyhow!("-cpu: {error}"))?;
        Ok(())
    }

    fn device(&mut self, value: &str) -> Result<()> {
        const KNOWN: [&str; 4] = ["isa-debug-exit", "pc-testdev", "isa-debugcon", "VGA"];
        let properties = Properties::new(value);
        let kind = properties.first.as_deref().or(properties.get("driver")).unwrap_or_default();
        let whose = format!("-device {kind}");
        let number = |key: &str, usual: u16| match properties.get(key) {
            None => Ok(usual),
            Some(text) => port_number(text)
                .ok_or_else(|| anyhow!("{whose}: `{text}` is no {key}: use a number to 0xffff, as in {key}=0xf4")),
        };
        match kind {
            "isa-debug-exit" => {
                properties.only(&whose, &["iobase", "iosize", "id", "driver"])?;
                let text = format!("{:#x},{:#x}", number("iobase", 0x501)?, number("iosize", 2)?);
                let exit: DebugExit = text.parse().map_err(|error| anyhow!("{whose}: {error}"))?;
                self.request.spec.debug_exit = Some(exit);
            }
            "pc-testdev" => {
                properties.only(&whose, &["id", "driver"])?;
                self.request.spec.test_device = true;
            }
            "isa-debugcon" => {
                properties.only(&whose, &["iobase", "chardev", "readback", "id", "driver"])?;
                let port = number("iobase", 0xe9)?;
                if !matches!(port, 0xe9 | 0x402) {
                    bail!("{whose}: port {port:#x} is not supported: use iobase=0xe9 or iobase=0x402");
                }
                let Some(id) = properties.get("chardev") else { bail!("{whose}: needs chardev=ID, or use -debugcon") };
                self.debugcon = Some(format!("chardev:{id}"));
            }
            "VGA" => {
                properties.only(&whose, &["romfile", "vgamem_mb", "edid", "id", "bus", "addr", "driver"])?;
                (self.vga_given, self.request.spec.vga) = (true, Adapter::Std);
                self.request.spec.vga_rom =
                    properties.get("romfile").filter(|file| !file.is_empty()).map(PathBuf::from);
            }
            "help" | "?" => self.request.answer = Some(KNOWN.join("\n") + "\n"),
            _ => {
                let nearest = nearest(kind, KNOWN).unwrap_or_default();
                bail!("-device: `{kind}` is not there; the nearest known is `{nearest}` (known: {})", KNOWN.join(", "));
            }
        }
        Ok(())
    }

    fn display(&mut self, value: &str) -> Result<()> {
        const KNOWN: [&str; 9] =
            ["sdl", "none", "curses", "gtk", "cocoa", "default", "dbus", "spice-app", "egl-headless"];
        let properties = Properties::new(value);
        // -display vnc=:0 has a value where others have none.
        let first = || properties.rest.first().map(|(key, _)| key.as_str());
        let kind = properties.first.as_deref().or(properties.get("type")).or_else(first).unwrap_or_default();
        self.request.spec.display = match kind {
            "none" => Display::None,
            "curses" => Display::Terminal,
            "sdl" | "default" => Display::Window,
            "help" | "?" => {
                self.request.answer = Some("Available display backend types:\nsdl\ncurses\nnone\n".into());
                return Ok(());
            }
            "gtk" | "cocoa" => {
                self.note(format!("-display {kind} is taken as sdl"));
                Display::Window
            }
            "dbus" | "spice-app" | "egl-headless" => {
                self.note(format!("-display {kind} is not there yet, and taken as none"));
                Display::None
            }
            "vnc" => bail!("-display vnc is not supported yet: use -display none or sdl"),
            _ => {
                let nearest = nearest(kind, KNOWN).unwrap_or_default();
                bail!(
                    "-display: unknown display `{kind}`; the nearest known is `{nearest}` (known: sdl, curses, none)"
                );
            }
        };
        // The others are about how QEMU draws its own window.
        self.request.spec.full_screen |= matches!(properties.get("full-screen"), Some("on" | "yes" | "true"));
        Ok(())
    }

    fn vga(&mut self, value: &str) -> Result<()> {
        const KNOWN: [&str; 8] = ["std", "none", "cirrus", "vmware", "qxl", "virtio", "xenfb", "tcx"];
        self.vga_given = true;
        self.request.spec.vga = match value {
            "std" => Adapter::Std,
            "none" => Adapter::None,
            "help" | "?" => {
                self.request.answer = Some("none    no graphic card\nstd     standard VGA (default)\n".into());
                return Ok(());
            }
            _ if KNOWN.contains(&value) => {
                self.note(format!("-vga {value} is not there, and taken as std"));
                Adapter::Std
            }
            _ => {
                let nearest = nearest(value, KNOWN).unwrap_or_default();
                bail!("-vga: unknown display adapter `{value}`; the nearest known is `{nearest}` (known: std, none)");
            }
        };
        Ok(())
    }

    fn log(&mut self, value: &str) -> Result<()> {
        for item in value.split(',').filter(|item| !item.is_empty()) {
            if item == "help" || item == "?" {
                let items = start::LOG_ITEMS.iter().map(|(name, text)| format!("{name:<14}{text}\n"));
                self.request.answer = Some(items.collect());
                return Ok(());
            }
            let Some((_, shows)) = start::LOG_ITEMS.iter().find(|(name, _)| *name == item) else {
                let nearest = nearest(item, start::LOG_ITEMS.iter().map(|(name, _)| *name)).unwrap_or_default();
                bail!("-d: unknown log item `{item}`; the nearest known is `{nearest}` (-d help lists all)");
            };
            if *shows == start::NOT_REPORTED {
                self.request.notes.push(format!("-d {item}: nothing reports that yet"));
            }
            self.request.log.push(item.to_owned());
        }
        Ok(())
    }

    /// The first accelerator of those asked for that is there.
    fn engine(&mut self) -> Result<()> {
        let mut refused = None;
        for name in std::mem::take(&mut self.accelerators) {
            let choice = match name.as_str() {
                "tcg" => match assemble::engine_exists(EngineChoice::Jit) {
                    Ok(()) => EngineChoice::Jit,
                    Err(_) => {
                        self.note("-accel tcg: this program has no translated code, so the interpreter runs".into());
                        EngineChoice::Interp
                    }
                },
                "interp" => EngineChoice::Interp,
                "jit" => EngineChoice::Jit,
                "kvm" => EngineChoice::Kvm,
                "lockstep" => EngineChoice::Lockstep,
                _ => {
                    let nearest = nearest(&name, ["tcg", "interp", "jit", "kvm", "lockstep"]).unwrap_or_default();
                    let known = "known: tcg, interp, jit, kvm, lockstep";
                    refused = refused.or(Some(format!(
                        "-accel: unknown accelerator `{name}`; the nearest known is `{nearest}` ({known})"
                    )));
                    continue;
                }
            };
            match assemble::engine_exists(choice) {
                Ok(()) => {
                    self.request.spec.engine = choice;
                    return Ok(());
                }
                Err(why) => refused = refused.or(Some(why.to_string())),
            }
        }
        refused.map_or(Ok(()), |why| bail!(why))
    }

    /// Serial lines and the debug console, with QEMU's idea of what is there by itself.
    fn lines(&mut self) -> Result<()> {
        if self.serial.is_empty() && !self.nodefaults {
            let usual = match (self.nographic, self.no_monitor) {
                (true, false) => "mon:stdio",
                (true, true) => "stdio",
                (false, _) => "null",
            };
            self.serial.push(usual.into());
        }
        for text in std::mem::take(&mut self.serial) {
            let target = values::target("serial", &text, &self.chardevs)?;
            self.request.spec.serial.get_or_insert_default().push(target);
        }
        if let Some(text) = self.parallel.take() {
            self.request.spec.parallel = values::target("parallel", &text, &self.chardevs)?;
        }
        self.request.spec.debugcon =
            self.debugcon.take().map(|text| values::target("debugcon", &text, &self.chardevs)).transpose()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
