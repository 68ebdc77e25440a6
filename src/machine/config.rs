//! What a machine is made of, as the command line or a test asks for it: plain data and the host halves to plug in.

use devices::fw_cfg::FwCfg;
use devices::rtc::Rtc;
use lyrebird_core::chars::{CharOut, CharPort};
use lyrebird_core::{BlockDevice, CpuState, Engine};
use lyrebird_memory::GuestMemory;
use std::sync::Arc;

/// Everything that [`super::Machine::new`] needs to know.
pub struct MachineConfig {
    /// RAM in bytes; a whole number of pages, at least 1 MiB. What does not fit below 3 GiB appears from 4 GiB.
    pub memory: u64,
    /// How many vCPUs, 1 to 255.
    pub cpus: u32,
    /// The CPU model's name, for reports; the engine was made for it.
    pub cpu_model: String,
    /// What executes the guest's instructions.
    pub engine: Box<dyn Engine>,
    /// COM1 to COM4; `None` leaves a port out of the machine.
    pub serial: Vec<Option<CharPort>>,
    /// Where bytes written to the debug ports E9h and 402h go; `None` leaves them out.
    pub debugcon: Option<Box<dyn CharOut>>,
    /// What is connected to the IDE channels.
    pub drives: super::Drives,
    /// The floppy drives.
    pub floppies: super::Floppies,
    /// Flash memories that end at 4 GiB, from the top down: they hold the firmware, and there is no [`MachineConfig::bios`].
    pub flash: Vec<Box<dyn BlockDevice>>,
    /// The printer at the parallel port; `None` leaves the port out.
    pub parallel: Option<Box<dyn CharOut>>,
    /// There is an HPET.
    pub hpet: bool,
    /// A port by which the guest ends the machine with an exit code.
    pub debug_exit: Option<DebugExitConfig>,
    /// The test device at ports E0h and 2000h and memory FF000000h.
    pub testdev: bool,
    /// A firmware image: it ends at 4 GiB, and its last 128 KiB also at 1 MiB. Without one the chipset is set up as a
    /// firmware would leave it, for the direct boot loaders.
    pub bios: Option<Vec<u8>>,
    /// Our own firmware, if there is no other and no kernel is put in place: what it needs to know, but for RAM.
    pub firmware: Option<roms::Facts>,
    /// What the tables for a firmware of QEMU's machines say; without them it gets none.
    pub tables: Option<roms::tables::Board>,
    /// What the real-time clock shows at power-on.
    pub rtc_base: RtcBase,
    /// A reset ends the machine with [`super::Outcome::Reset`].
    pub no_reboot: bool,
    /// A power-off stops the machine and leaves it standing until somebody quits it.
    pub no_shutdown: bool,
    /// How guest time passes.
    pub time: TimeMode,
    /// vCPUs have threads of their own, if there are several and guest time follows the host's clock.
    pub threads: bool,
    /// Local APICs and an IOAPIC are there; more than one vCPU needs them.
    pub apic: bool,
    /// Puts a kernel in place; called before the first instruction and again after each reset.
    pub boot: Option<BootLoader>,
    /// Named files for the guest's firmware.
    pub fw_cfg_files: Vec<(String, Vec<u8>)>,
    /// CMOS bytes to set over the standard ones, as index and value.
    pub cmos: Vec<(u8, u8)>,
    /// The first order of devices to boot from, as CMOS 3Dh and 38h encode it: 1 floppy, 2 disk, 3 CD-ROM.
    pub boot_order: [u8; 3],
    /// A display adapter is there.
    pub vga: bool,
    /// The video BIOS in its expansion ROM.
    pub vga_rom: Option<Vec<u8>>,
    /// Where random numbers come from.
    pub entropy: EntropySource,
    /// What happens at given moments of guest time.
    pub script: super::Script,
}

impl MachineConfig {
    /// A machine with one vCPU and nothing plugged in.
    pub fn new(memory: u64, engine: Box<dyn Engine>) -> Self {
        MachineConfig {
            memory,
            cpus: 1,
            cpu_model: String::new(),
            engine,
            serial: Vec::new(),
            debugcon: None,
            drives: Default::default(),
            floppies: Default::default(),
            flash: Vec::new(),
            parallel: None,
            hpet: true,
            debug_exit: None,
            testdev: false,
            bios: None,
            firmware: None,
            tables: None,
            rtc_base: RtcBase::Host { utc_offset: 0 },
            no_reboot: false,
            no_shutdown: false,
            time: TimeMode::RealTime,
            threads: false,
            apic: true,
            boot: None,
            fw_cfg_files: Vec::new(),
            cmos: Vec::new(),
            boot_order: [2, 3, 1],
            vga: false,
            vga_rom: None,
            entropy: EntropySource::Host,
            script: Default::default(),
        }
    }
}

/// Where the debug exit port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebugExitConfig {
    /// Its first port.
    pub iobase: u16,
    /// How many ports it has.
    pub iosize: u16,
}

impl Default for DebugExitConfig {
    fn default() -> Self {
        DebugExitConfig { iobase: 0x501, iosize: 2 }
    }
}

/// What the real-time clock shows when the machine is powered on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtcBase {
    /// The host's clock, with so many seconds added to UTC (a time zone; zero for UTC).
    Host {
        /// Seconds east of Greenwich.
        utc_offset: i64,
    },
    /// A fixed moment, in seconds since 1970-01-01 00:00.
    Fixed(i64),
}

/// How guest time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeMode {
    /// With the host's monotonic clock, while the machine is not paused.
    RealTime,
    /// By instructions retired, so that a run can be repeated; idle time is skipped.
    Deterministic {
        /// Nanoseconds of guest time an instruction; at least 1.
        nanos_per_instruction: u32,
    },
}

impl TimeMode {
    /// Deterministic, one nanosecond an instruction.
    pub const DETERMINISTIC: TimeMode = TimeMode::Deterministic { nanos_per_instruction: 1 };
}

/// Where the guest's random numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntropySource {
    /// The host's own.
    Host,
    /// A generator that gives the same numbers in each run.
    Seed(u64),
}

/// Puts a kernel, its data and the CPUs' registers in place.
pub type BootLoader = Box<dyn FnMut(&mut BootTarget<'_>) -> anyhow::Result<()> + Send>;

/// What a [`BootLoader`] may touch. The CPUs have been reset and the chipset is as [`MachineConfig::bios`] says.
pub struct BootTarget<'a> {
    /// Guest memory.
    pub memory: &'a Arc<GuestMemory>,
    /// The vCPUs' states, the bootstrap processor's first. The application processors wait for their SIPI.
    pub cpus: &'a mut [CpuState],
    /// The firmware configuration device.
    pub fw_cfg: &'a mut FwCfg,
    /// The clock chip, for its CMOS bytes.
    pub rtc: &'a mut Rtc,
}
