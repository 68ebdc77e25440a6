//! From a [`MachineSpec`] to a machine that is ready to run: checks what was asked for, reads the files, connects the
//! serial lines. What is wrong is said before anything is opened, with a remedy.

use super::clock::Clock;
use super::size::Size;
use super::spec::{Adapter, EngineChoice, MachineSpec};
use super::{drive, models, rom, script};
use crate::boot::{self, BootError, BootRequest, tables};
#[cfg(feature = "jit")]
use crate::lockstep::LockstepEngine;
use crate::machine::script::Album;
use crate::machine::{
    BootLoader, DebugExitConfig, DriveConfig, EntropySource, Machine, MachineConfig, RtcBase, TimeMode,
};
use crate::observe::{Settings, WatchEngine};
use anyhow::{Context, Result, anyhow, bail};
use backend_interp::InterpEngine;
use frontend_x86::model::{self, Feature, Model, View};
use host::serial::{Lines, Target};
use lyrebird_core::Engine;
use lyrebird_core::block::MemoryDisk;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The smallest machine: what lies below the end of the first megabyte.
const LEAST_MEMORY: Size = Size(1 << 20);
/// More CPUs have no local APIC identifier of 8 bits.
const MOST_CPUS: u32 = 255;
/// A file of more bytes is no kernel.
const LARGEST_KERNEL: u64 = 256 << 20;
/// Headers of kernels stand in so much of their beginning.
const KERNEL_HEAD: u64 = 64 << 10;
/// A PC has so many serial ports.
const MOST_SERIAL: usize = 4;
/// 2026-01-01: where a deterministic machine's calendar begins.
const DETERMINISTIC_DAY: i64 = 1_767_225_600;

/// How much memory translated code may take without a word.
#[cfg(feature = "jit")]
const CODE_CACHE: Size = Size(64 << 20);
/// Each vCPU's part is at least this: a region of code must fit into an eighth of it.
const LEAST_CODE_CACHE: u64 = 1 << 20;

/// How often code runs in lockstep before it is compiled.
#[cfg(feature = "jit")]
const LOCKSTEP_THRESHOLD: u32 = 300;
/// How often at most it runs before strips are made for it.
#[cfg(feature = "jit")]
const LOCKSTEP_WARM: u32 = 16;

/// What can be said before a machine exists.
pub struct Plan {
    config: MachineConfig,
    serial: Vec<Target>,
    parallel: Target,
    debugcon: Option<Target>,
    /// What the user should know, though it stops nothing.
    pub notes: Vec<String>,
}

/// Whether this program has an engine; the error says what to use instead.
pub fn engine_exists(engine: EngineChoice) -> Result<()> {
    match engine {
        EngineChoice::Auto | EngineChoice::Interp => Ok(()),
        EngineChoice::Jit | EngineChoice::Lockstep if cfg!(feature = "jit") => Ok(()),
        EngineChoice::Jit | EngineChoice::Lockstep => {
            bail!("this program was built without the engine `jit`: use interp, or auto for the best there is")
        }
        EngineChoice::Kvm => bail!("the engine `kvm` is not there yet: use interp, or auto for the best there is"),
    }
}

/// The engine of a machine with this CPU. `auto` is translated code, where the program has that.
fn engine(spec: &MachineSpec, model: Arc<Model>) -> Result<Box<dyn Engine>> {
    Ok(match spec.engine {
        #[cfg(feature = "jit")]
        EngineChoice::Jit | EngineChoice::Auto => {
            // As other translators do it: whoever profiles sets it for one run.
            let perf_map = std::env::var_os("LYREBIRD_PERF_MAP").is_some();
            // Beside the guest where there is a processor for that, but when each run is to be the same.
            let two = std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
            let background = two && !deterministic(spec);
            let (code_bytes, shared) = (code_bytes(spec), threads(spec));
            let options = backend_jit::Options { perf_map, background, code_bytes, shared, ..Default::default() };
            let engine = backend_jit::JitEngine::new(model, options);
            Box::new(match super::cache::open(spec)? {
                Some(kept) => engine.keeping(kept),
                None => engine,
            })
        }
        #[cfg(feature = "jit")]
        EngineChoice::Lockstep => {
            // Early, and by the vCPU itself: much is to be compiled, and the same in each run.
            let options = backend_jit::Options {
                threshold: LOCKSTEP_THRESHOLD,
                warm: LOCKSTEP_WARM,
                background: false,
                code_bytes: code_bytes(spec),
                ..Default::default()
            };
            let jit = backend_jit::JitEngine::new(model.clone(), options);
            Box::new(LockstepEngine::new(Box::new(jit), Box::new(InterpEngine::new(model))))
        }
        _ => Box::new(InterpEngine::new(model)),
    })
}

/// How much translated code there may be.
#[cfg(feature = "jit")]
fn code_bytes(spec: &MachineSpec) -> usize {
    usize::try_from(spec.code_cache.unwrap_or(CODE_CACHE).0).unwrap_or(usize::MAX)
}

/// Whether an image given without an option is a kernel.
pub fn is_kernel(path: &Path) -> Result<bool> {
    // No kernel is so large, and disks need not be read for that.
    if std::fs::metadata(path).is_ok_and(|meta| meta.len() > LARGEST_KERNEL) {
        return Ok(false);
    }
    let image = boot::Image::head(path, KERNEL_HEAD, "give the path of a kernel or a disk image")?;
    // A kernel that is damaged is still a kernel, and its loader says best what is wrong with it.
    let elf = image.has(0, b"\x7fELF");
    Ok(elf || boot::Loader::new(BootRequest::new(image, tables::Board::default())).is_ok())
}

/// Checks everything that can be checked without opening a serial line, and reads the files. `serial` are the lines that it
/// was decided to have.
pub fn plan(spec: &MachineSpec, serial: &[Target]) -> Result<Plan> {
    let mut notes = Vec::new();
    check_sizes(spec, serial)?;
    engine_exists(spec.engine)?;
    let model = models::find(&spec.cpu, &mut notes)?;
    let apic = model.has(Feature::by_text("apic").context("the CPU models lost their APIC")?);
    if spec.cpus > 1 && !apic {
        bail!("the CPU model {} has no APIC, without which there can be one CPU only: use another model", model.name);
    }
    let model = model.with_cpus(spec.cpus).with_clock(clock());
    let board = board(spec, serial, &model, apic);
    let tables = board.clone();
    let facts = roms::Facts { board: board.clone(), boot: spec.boot.0.clone(), ..roms::Facts::default() };
    let flash = spec.drive.iter().any(|drive| drive.kind == drive::Kind::Flash);
    let own_firmware = spec.kernel.is_none() && spec.bios.is_none() && !flash;
    let boot = match own_firmware {
        true => Some(memory_types(model.physical_bits)),
        false => boot_loader(spec, board, model.physical_bits)?,
    };
    let engine = engine(spec, Arc::new(model))?;

    let mut config = MachineConfig::new(spec.memory.0.next_multiple_of(4096), engine);
    config.cpus = spec.cpus;
    config.threads = threads(spec);
    config.cpu_model = spec.cpu.to_string();
    config.debug_exit = spec.debug_exit.map(|exit| DebugExitConfig { iobase: exit.iobase, iosize: exit.iosize });
    config.testdev = spec.test_device;
    config.tables = (spec.kernel.is_none() && !own_firmware).then_some(tables);
    config.bios = spec.bios.as_deref().map(rom::read_bios).transpose()?;
    let opened = drive::open(&spec.drive)?;
    (config.drives, config.floppies, config.flash) = (opened.ide, opened.floppies, opened.flash);
    config.hpet = !spec.no_hpet;
    config.vga = spec.vga == Adapter::Std;
    config.vga_rom = match &spec.vga_rom {
        Some(_) if !config.vga => bail!("--vga-rom is for a display adapter: leave --vga none out"),
        Some(path) => Some(rom::read_video_bios(path)?),
        None => None,
    };
    if spec.tour {
        config.drives[0] = Some(DriveConfig::Disk(Box::new(MemoryDisk::new("the tour", tour::disk()))));
    }
    config.rtc_base = rtc_base(spec);
    config.no_reboot = spec.no_reboot;
    config.no_shutdown = spec.no_shutdown;
    config.apic = apic;
    config.firmware = own_firmware.then_some(facts);
    config.boot = boot;
    config.script = script::script(&spec.keys, &spec.screenshot, spec.exit_after);
    if deterministic(spec) {
        config.time = TimeMode::DETERMINISTIC;
        config.entropy = EntropySource::Seed(0);
    }
    Ok(Plan {
        config,
        serial: serial.to_vec(),
        parallel: spec.parallel.clone(),
        debugcon: spec.debugcon.clone(),
        notes,
    })
}

impl Plan {
    /// Watches the engine.
    pub fn watch(mut self, settings: Settings) -> Result<Self> {
        if !settings.is_empty() {
            self.config.engine = Box::new(WatchEngine::new(self.config.engine, settings)?);
        }
        Ok(self)
    }

    /// Gives the pictures that the machine takes of itself to `album`.
    pub fn pictures(&mut self, last: Option<PathBuf>, album: Album) {
        self.config.script = std::mem::take(&mut self.config.script).pictures(last, album);
    }

    /// Connects the serial lines and builds the machine. `say` gets the name of each line's place.
    pub fn build(mut self, lines: &mut Lines, say: &mut dyn FnMut(Message<'_>)) -> Result<Machine> {
        for (number, target) in self.serial.iter().enumerate() {
            let port = open(lines, &format!("serial{number}"), target, say)?;
            self.config.serial.push(port);
        }
        self.config.parallel = open(lines, "parallel0", &self.parallel, say)?.map(|port| port.out);
        if let Some(target) = &self.debugcon {
            self.config.debugcon = open(lines, "debugcon", target, say)?.map(|port| port.out);
        }
        Machine::new(self.config)
    }
}

/// What the user is told while lines are opened.
pub enum Message<'a> {
    /// Something is waited for.
    Waiting(&'a str),
    /// A line's name, and where its other end is.
    Place(&'a str, &'a str),
}

fn open(
    lines: &mut Lines,
    name: &str,
    target: &Target,
    say: &mut dyn FnMut(Message<'_>),
) -> Result<Option<lyrebird_core::chars::CharPort>> {
    let opened = lines.open(name, target, &mut |text| say(Message::Waiting(text)))?;
    if let Some(place) = &opened.place {
        say(Message::Place(name, place));
    }
    Ok(opened.port)
}

fn check_sizes(spec: &MachineSpec, serial: &[Target]) -> Result<()> {
    if spec.memory < LEAST_MEMORY {
        bail!("{} of memory is too little for a PC: use -m {LEAST_MEMORY} or more", spec.memory);
    }
    if let Some(host) = host::facts::physical_memory()
        && spec.memory.0 > host
    {
        let gigabytes = host as f64 / (1u64 << 30) as f64;
        let enough = Size((host / 2) >> 20 << 20);
        bail!("{} of memory is more than this host has ({gigabytes:.1}G): use -m {enough} or less", spec.memory);
    }
    if !(1..=MOST_CPUS).contains(&spec.cpus) {
        bail!("a machine cannot have {} CPUs: use 1 to {MOST_CPUS}", spec.cpus);
    }
    if let Some(size) = spec.code_cache.filter(|size| size.0 < LEAST_CODE_CACHE) {
        bail!("{size} is too little for translated code: use --code-cache {} or more", Size(LEAST_CODE_CACHE));
    }
    if spec.cpu_threads == Some(true) && deterministic(spec) {
        bail!("a run that can be repeated exactly has no CPUs on threads of their own: leave --cpu-threads on out");
    }
    if serial.len() > MOST_SERIAL {
        bail!("a PC has {MOST_SERIAL} serial lines, not {}: leave some out", serial.len());
    }
    let flash = spec.drive.iter().find(|drive| drive.kind == drive::Kind::Flash).and_then(|drive| drive.file.as_ref());
    if flash.is_some() && spec.bios.is_some() {
        bail!("flash memory takes the place of a firmware's ROM: leave --bios out, or the flash memory")
    }
    match (&spec.kernel, &spec.bios.as_ref().or(flash)) {
        (Some(_), Some(_)) => {
            bail!("a kernel is started without firmware: leave -bios out, or leave -kernel out")
        }
        (None, _) if spec.append.is_some() || spec.initrd.is_some() => {
            bail!("-append and -initrd are for a kernel, and there is none: add -kernel")
        }
        _ => Ok(()),
    }
}

/// What CPUID says of the clocks of this board.
fn clock() -> model::Clock {
    model::Clock { crystal_hz: 1_000_000_000, numerator: 1, denominator: 1 }
}

/// What the tables for the guest's kernel say.
fn board(spec: &MachineSpec, serial: &[Target], model: &Model, apic: bool) -> tables::Board {
    let leaf = model.cpuid(1, 0, &View { apic, ..View::default() });
    let mut serial_ports = [false; MOST_SERIAL];
    for (there, target) in serial_ports.iter_mut().zip(serial) {
        *there = *target != Target::None;
    }
    tables::Board {
        cpus: spec.cpus,
        ram_bytes: spec.memory.0,
        cpu_signature: leaf[0],
        cpu_features: leaf[3],
        apic,
        serial_ports,
        parallel_port: spec.parallel != Target::None,
        floppy: spec.drive.iter().any(|drive| drive.kind == drive::Kind::Floppy),
        hpet: !spec.no_hpet,
        ..tables::Board::default()
    }
}

/// Our own firmware's part that only a CPU itself could do: its MTRRs.
fn memory_types(physical_bits: u32) -> BootLoader {
    let start = boot::Start { physical_bits, ..boot::Start::default() };
    Box::new(move |target| {
        target.cpus.iter_mut().for_each(|cpu| start.set_mtrrs(cpu));
        Ok(())
    })
}

fn boot_loader(spec: &MachineSpec, board: tables::Board, physical_bits: u32) -> Result<Option<BootLoader>> {
    let Some(kernel) = &spec.kernel else { return Ok(None) };
    let append = spec.append.as_deref().unwrap_or_default();
    let mut request = BootRequest::read(kernel, spec.initrd.as_deref(), append, board).map_err(boot_error)?;
    request.physical_bits = physical_bits;
    let mut loader = boot::Loader::new(request).map_err(boot_error)?;
    let mut told = false;
    Ok(Some(Box::new(move |target| {
        let plan = loader.install(target.memory, target.cpus).map_err(boot_error)?;
        if !std::mem::replace(&mut told, true) {
            plan.warnings.iter().for_each(|warning| say!("lyrebird: note: {warning}"));
        }
        Ok(())
    })))
}

fn boot_error(error: BootError) -> anyhow::Error {
    anyhow!("{error}")
}

/// Whether vCPUs have threads of their own.
pub fn threads(spec: &MachineSpec) -> bool {
    spec.cpus > 1 && spec.cpu_threads.unwrap_or(true) && !deterministic(spec)
}

/// Whether guest time follows the instructions: a difference between engines is to be found again in the next run.
fn deterministic(spec: &MachineSpec) -> bool {
    spec.deterministic || spec.engine == EngineChoice::Lockstep
}

fn rtc_base(spec: &MachineSpec) -> RtcBase {
    match spec.rtc {
        Some(Clock::At(moment)) => RtcBase::Fixed(moment),
        None if deterministic(spec) => RtcBase::Fixed(DETERMINISTIC_DAY),
        None | Some(Clock::Utc) => RtcBase::Host { utc_offset: 0 },
        Some(Clock::Local) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
            RtcBase::Host { utc_offset: host::facts::local_offset(now) }
        }
    }
}
