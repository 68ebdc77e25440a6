//! `lyrebird run`: our own options, over those of a machine file.

use super::boot_order::BootSpec;
use super::clock::Clock;
use super::drive::DriveSpec;
use super::screen::Display;
use super::script::{Screenshot, Seconds, Strokes, picture_file};
use super::size::Size;
use super::spec::{Adapter, CpuSpec, DebugExit, EngineChoice, MachineSpec};
use super::watch::WatchArgs;
use super::{assemble, start};
use anyhow::{Result, bail};
use host::serial::Target;
use std::path::PathBuf;

/// Run a machine to its end
///
/// What is not said is as usual: 512 MiB, one CPU, the screen in a window where there can be one, the serial line on this
/// terminal. There, Ctrl-A x ends the program, Ctrl-A h shows the other keys, and everything else (Ctrl-C too) is the guest's.
#[derive(clap::Args, Debug, Default)]
#[command(after_help = "See `lyrebird run --help` for examples, and for what each option takes.")]
#[command(after_long_help = EXAMPLES)]
pub struct RunArgs {
    /// A kernel, as with --kernel, or the image of a disk, CD or floppy, as with --drive
    #[arg(value_name = "IMAGE")]
    image: Option<PathBuf>,

    /// Memory: 512M, 2G; a plain number counts megabytes [default: 512M]
    #[arg(short, long, value_name = "SIZE", help_heading = "Machine")]
    memory: Option<Size>,

    /// Number of CPUs, 1 to 255 [default: 1]
    #[arg(short, long, value_name = "N", help_heading = "Machine")]
    cpus: Option<u32>,

    /// CPU model, and features to add or take away: x86-64-v2, pentium3, max,-avx [default: x86-64-v2]
    ///
    /// `--cpu help` lists the models.
    #[arg(long, value_name = "MODEL", help_heading = "Machine")]
    cpu: Option<CpuSpec>,

    /// What executes the guest's instructions [default: auto]
    #[arg(short, long, value_name = "ENGINE", help_heading = "Machine")]
    engine: Option<EngineChoice>,

    /// Whether each CPU has a thread of its own, or all take turns on one: on or off [default: on]
    ///
    /// With --deterministic they always take turns.
    #[arg(long, value_name = "SWITCH", value_parser = on_or_off, help_heading = "Machine")]
    cpu_threads: Option<bool>,

    /// How much memory translated code may take; the oldest makes room for new code [default: 64M]
    ///
    /// The machine's CPUs share it; the least is 1M.
    #[arg(long, value_name = "SIZE", help_heading = "Machine")]
    code_cache: Option<Size>,

    /// Where translated code is kept from run to run, or `none` [default: the user's cache folder]
    ///
    /// Machines that run the same guest share it. `lyrebird cache` lists, checks and clears it.
    #[arg(long, value_name = "DIR", help_heading = "Machine")]
    translation_cache: Option<PathBuf>,

    /// How large that folder may become; the oldest files make room [default: 32M]
    #[arg(long, value_name = "SIZE", help_heading = "Machine")]
    translation_cache_size: Option<Size>,

    /// The real-time clock at power-on: utc, localtime, or 2026-01-31T12:30:00 [default: utc]
    #[arg(long, value_name = "WHEN", help_heading = "Machine")]
    rtc: Option<Clock>,

    /// Guest time follows the instructions executed, so that a run can be repeated exactly
    ///
    /// Idle time is skipped. The real-time clock then begins at 2026-01-01 unless --rtc says otherwise.
    #[arg(long, help_heading = "Machine")]
    deterministic: bool,

    /// Leave the HPET out
    #[arg(long, help_heading = "Machine")]
    no_hpet: bool,

    /// A machine file (TOML): its keys are these options' names; options given here override it
    #[arg(long, value_name = "FILE", help_heading = "Machine")]
    machine: Option<PathBuf>,

    /// What to call the machine
    #[arg(long, value_name = "NAME", help_heading = "Machine")]
    name: Option<String>,

    /// A Linux (bzImage), PVH or multiboot kernel to start without a boot loader
    #[arg(short, long, value_name = "FILE", help_heading = "What to start")]
    kernel: Option<PathBuf>,

    /// Linux: the initial file system. Multiboot: modules, as in "FILE ARGS,FILE ARGS"
    #[arg(short, long, value_name = "FILE", help_heading = "What to start")]
    initrd: Option<String>,

    /// The kernel's command line, as in "console=ttyS0 quiet"
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "What to start")]
    append: Option<String>,

    /// A drive; give it again for more
    ///
    /// kind=disk, cdrom, floppy or flash says what it is (usual: a disk, or a CD-ROM if the file is named .iso){n}
    /// format=raw or format=qcow2 says how the image is laid out, if that is not to be guessed{n}
    /// readonly lets nobody write; snapshot keeps the image as it is, and forgets in the end what was written{n}
    /// index=N is its place: on IDE, primary channel 0 and 1, secondary channel 2 and 3; floppy A and B, 0 and 1{n}
    /// kind=flash holds the firmware (index=0) and its variables (index=1), as with OVMF_CODE.fd and OVMF_VARS.fd{n}
    /// A comma in a file's name is written twice. Without a file, kind=cdrom or kind=floppy is an empty drive.
    #[arg(short, long, value_name = "FILE[,KEY=VALUE]", help_heading = "Disks")]
    drive: Vec<DriveSpec>,

    /// A firmware image, from 64 KiB, to start instead of a kernel
    #[arg(short, long, value_name = "FILE", help_heading = "What to start")]
    bios: Option<PathBuf>,

    /// The display adapter [default: std]
    #[arg(long, value_name = "ADAPTER", help_heading = "Screen and keyboard")]
    vga: Option<Adapter>,

    /// The display adapter's video BIOS, for a firmware that brings none (SeaBIOS: vgabios-stdvga.bin)
    #[arg(long, value_name = "FILE", help_heading = "Screen and keyboard")]
    vga_rom: Option<PathBuf>,

    /// Where the guest's screen is shown [default: auto]
    ///
    /// In the window, Ctrl+Alt+G gives it the mouse and takes it back (a click gives it, too), Ctrl+Alt+F is full screen,
    /// Ctrl+Alt+V types what was copied elsewhere, Ctrl+Alt+S writes a picture into the current folder, Ctrl+Alt+P pauses and
    /// resumes, Ctrl+Alt+R resets, Ctrl+Alt+M too and asks what to start, Ctrl+Alt+B presses the power button, and Ctrl+Alt+Q
    /// or closing it ends the program.
    #[arg(long, value_name = "WHERE", help_heading = "Screen and keyboard")]
    display: Option<Display>,

    /// A window begins as large as the screen
    #[arg(long, help_heading = "Screen and keyboard")]
    full_screen: bool,

    /// Take a picture after so many seconds of guest time; give it again for more
    ///
    /// A file named .png gets the picture, one named .txt the characters of a text mode. Guest time begins at power-on and
    /// stands while the machine is paused.
    #[arg(long, value_name = "FILE@SECONDS", help_heading = "Screen and keyboard")]
    screenshot: Vec<Screenshot>,

    /// Take a picture when the machine ends
    #[arg(long, value_name = "FILE", value_parser = picture_file, help_heading = "Screen and keyboard")]
    screenshot_on_exit: Option<PathBuf>,

    /// Press keys and move the mouse at given times: "5:ret,8.5:ctrl-alt-delete,type=ls -l\n"
    ///
    /// SECONDS:ITEM, where SECONDS are of guest time; an item without them follows the one before.{n}
    /// ret, esc, spc, a, shift-a, f1, kp_0: keys by the names of QEMU's sendkey, together with a - between{n}
    /// type=TEXT    text, on an American keyboard (\n is Enter, a comma is written twice){n}
    /// wait=SECONDS{n}
    /// mouse=RIGHT,DOWN   wheel=NOTCHES   click=left (or right, middle){n}
    /// press=KEY    release=KEY    mousedown=BUTTON    mouseup=BUTTON{n}
    /// order=power-button (or reset, boot-menu, nmi, pause, eject for the CD, quit)    insert=FILE of a CD or floppy
    #[arg(long, value_name = "SCRIPT", help_heading = "Screen and keyboard")]
    keys: Vec<Strokes>,

    /// What to start from: c the disk, d the CD, a the floppy, in this order [default: cda]
    ///
    /// order=LETTERS is the same; once=LETTERS holds for the first start only; menu=on asks.
    #[arg(long, value_name = "ORDER", help_heading = "What to start")]
    boot: Option<BootSpec>,

    /// Serial line; give it again for COM2 to COM4 [default: stdio]
    ///
    /// Where nothing is said and the terminal shows the screen: null. With a window and no kernel: stdio,signal=on.{n}
    /// stdio                           this terminal; Ctrl-A x ends, Ctrl-A h helps{n}
    /// stdio,signal=on                 this terminal; Ctrl-C ends, no other keys are ours{n}
    /// file:PATH                       output into a file{n}
    /// pty                             a new pseudo terminal; its path is shown{n}
    /// unix:PATH,server,nowait         a Unix socket (without `nowait` the machine waits for a peer; without `server` we connect){n}
    /// tcp:localhost:PORT,server,nowait  the same by TCP, for this host only unless `,public` is added{n}
    /// null                            a serial line that nobody reads{n}
    /// none                            no serial line
    #[arg(short, long, value_name = "WHERE", help_heading = "Lines")]
    serial: Vec<Target>,

    /// Where the printer at the parallel port prints; takes what --serial takes [default: null]
    #[arg(long, value_name = "WHERE", help_heading = "Lines")]
    parallel: Option<Target>,

    /// Where bytes written to the debug ports E9h and 402h go; takes what --serial takes
    #[arg(long, value_name = "WHERE", help_heading = "Lines")]
    debugcon: Option<Target>,

    /// A port that ends the machine: writing v gives exit code 2v+1, as in 0xf4,4
    #[arg(long, value_name = "IOBASE[,IOSIZE]", help_heading = "The end")]
    debug_exit: Option<DebugExit>,

    /// End at a reset instead of starting over
    #[arg(long, help_heading = "The end")]
    no_reboot: bool,

    /// Stay after the guest has powered off
    #[arg(long, help_heading = "The end")]
    no_shutdown: bool,

    /// End after so many seconds of guest time
    #[arg(long, value_name = "SECONDS", help_heading = "The end")]
    exit_after: Option<Seconds>,

    /// Add the test device (ports E0h to E4h and 2000h, memory at FF000000h)
    #[arg(long, help_heading = "The end")]
    test_device: bool,

    #[command(flatten)]
    watch: WatchArgs,

    /// Say more about what happens; give it again for still more (LYREBIRD_LOG takes filters)
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Print the machine as a machine file, and do not run it
    #[arg(long)]
    print_machine: bool,
}

const EXAMPLES: &str = "\
Examples:
  Linux, to its serial console in this terminal:
    lyrebird run -k vmlinuz -i initrd.gz -a console=ttyS0

  Four CPUs, 2 GiB, the console in a log file, and the end when the guest restarts:
    lyrebird run -c 4 -m 2G --serial file:console.log --no-reboot -k vmlinuz -i initrd.gz -a console=ttyS0

  A kernel's test in CI; it ends itself with an exit code (out 0xf4):
    lyrebird run --debug-exit 0xf4,4 --no-reboot --serial stdio tests/kernel.elf

  Another firmware:
    lyrebird run --bios /usr/share/seabios/bios.bin --debugcon file:bios.log

  A disk that stays as it is, and a CD:
    lyrebird run --bios bios.bin --drive disk.qcow2,snapshot --drive tools.iso

  A screen in a test: two seconds after the start Enter is pressed, one second later there is a picture and the end:
    lyrebird run disk.img --display none --keys 2:ret --screenshot menu.png@3 --exit-after 3

  A machine in a file (linux.toml), with one thing changed:
    memory = \"1G\"
    kernel = \"vmlinuz\"            # paths are relative to the file
    append = \"console=ttyS0\"
    serial = [\"stdio\", \"null\"]

    lyrebird run --machine linux.toml --cpus 2

Exit codes: 0 after a power-off, 1 after an error, 2v+1 after v was written to the debug exit port.";

/// Runs the tour, on a machine as the options say.
pub fn tour(arguments: RunArgs) -> Result<u8> {
    run(arguments, |spec| {
        if let Some(drive) = spec.drive.iter().find(|drive| drive.index == Some(0)) {
            bail!("the tour is a disk at index 0, and `{drive}` cannot be there: give it another index");
        }
        spec.tour = true;
        spec.name.get_or_insert_with(|| "Tour".into());
        Ok(())
    })
}

/// Runs what the options say.
pub fn main(arguments: RunArgs) -> Result<u8> {
    run(arguments, |_| Ok(()))
}

fn run(arguments: RunArgs, change: impl FnOnce(&mut MachineSpec) -> Result<()>) -> Result<u8> {
    start::log(arguments.verbose, &[], None)?;
    if arguments.cpu.as_ref().is_some_and(|cpu| cpu.model == "help" || cpu.model == "?") {
        print!("{}", super::models::list());
        return Ok(0);
    }
    let print = arguments.print_machine;
    let watch = arguments.watch.settings()?;
    let mut spec = arguments.spec()?;
    change(&mut spec)?;
    if print {
        print!("{}", toml::to_string(&spec)?);
        return Ok(0);
    }
    start::run(&spec, start::Voice::Own, watch)
}

impl RunArgs {
    /// The machine file, if there is one, with the options over it.
    fn spec(self) -> Result<MachineSpec> {
        let mut spec = match &self.machine {
            Some(file) => MachineSpec::from_file(file)?,
            None => MachineSpec::default(),
        };
        if let Some(image) = self.image {
            match assemble::is_kernel(&image)? {
                true if self.kernel.is_some() => {
                    bail!("both an image (`{}`) and --kernel: give one of them", image.display())
                }
                true => spec.kernel = Some(image),
                false => spec.drive.insert(0, DriveSpec::guess(image)),
            }
        }
        set(&mut spec.memory, self.memory);
        set(&mut spec.cpus, self.cpus);
        set(&mut spec.cpu, self.cpu);
        set(&mut spec.engine, self.engine);
        set_option(&mut spec.cpu_threads, self.cpu_threads);
        set_option(&mut spec.code_cache, self.code_cache);
        set_option(&mut spec.translation_cache, self.translation_cache);
        set_option(&mut spec.translation_cache_size, self.translation_cache_size);
        set_option(&mut spec.rtc, self.rtc);
        set_option(&mut spec.name, self.name);
        set_option(&mut spec.kernel, self.kernel);
        set_option(&mut spec.initrd, self.initrd);
        set_option(&mut spec.append, self.append);
        set_option(&mut spec.bios, self.bios);
        set(&mut spec.boot, self.boot);
        set_option(&mut spec.debugcon, self.debugcon);
        set(&mut spec.parallel, self.parallel);
        spec.no_hpet |= self.no_hpet;
        set_option(&mut spec.debug_exit, self.debug_exit);
        spec.drive.extend(self.drive);
        if !self.serial.is_empty() {
            spec.serial = Some(self.serial);
        }
        set(&mut spec.vga, self.vga);
        set_option(&mut spec.vga_rom, self.vga_rom);
        set(&mut spec.display, self.display);
        set_option(&mut spec.screenshot_on_exit, self.screenshot_on_exit);
        set_option(&mut spec.exit_after, self.exit_after);
        spec.screenshot.extend(self.screenshot);
        spec.keys.extend(self.keys);
        spec.full_screen |= self.full_screen;
        spec.deterministic |= self.deterministic;
        spec.no_reboot |= self.no_reboot;
        spec.no_shutdown |= self.no_shutdown;
        spec.test_device |= self.test_device;
        Ok(spec)
    }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    super::drive::switch("--cpu-threads", text)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn set_option<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        run: RunArgs,
    }

    fn spec(arguments: &[&str]) -> MachineSpec {
        Program::try_parse_from([&["run"], arguments].concat()).unwrap().run.spec().unwrap()
    }

    #[test]
    fn nothing_said_is_the_default_machine() {
        assert_eq!(spec(&[]), MachineSpec::default());
    }

    #[test]
    fn options_reach_the_machine() {
        let machine = spec(&[
            "-m",
            "1G",
            "-c",
            "4",
            "--cpu",
            "pentium3,-sse",
            "-e",
            "interp",
            "-k",
            "k",
            "-i",
            "i",
            "-a",
            "-x y",
            "-s",
            "null",
            "--serial",
            "file:log",
            "--debugcon",
            "null",
            "--debug-exit",
            "0xf4,4",
            "--rtc",
            "localtime",
            "--deterministic",
            "--no-reboot",
            "--no-shutdown",
            "--test-device",
            "--name",
            "n",
            "-b",
            "rom",
        ]);
        assert_eq!(machine.memory, Size(1 << 30));
        assert_eq!(machine.cpus, 4);
        assert_eq!(machine.cpu.to_string(), "pentium3,-sse");
        assert_eq!(machine.engine, EngineChoice::Interp);
        assert_eq!(machine.kernel.unwrap(), PathBuf::from("k"));
        assert_eq!(machine.append.unwrap(), "-x y");
        assert_eq!(machine.serial.unwrap(), ["null".parse().unwrap(), "file:log".parse().unwrap()]);
        assert_eq!(machine.debug_exit, Some(DebugExit { iobase: 0xf4, iosize: 4 }));
        assert_eq!(machine.rtc, Some(Clock::Local));
        assert!(machine.deterministic && machine.no_reboot && machine.no_shutdown && machine.test_device);
    }

    #[test]
    fn options_override_the_file() {
        let file = std::env::temp_dir().join(format!("lyrebird-run-{}.toml", std::process::id()));
        std::fs::write(&file, "memory = '64M'\ncpus = 3\nserial = ['null']\nno-reboot = true").unwrap();
        let machine = spec(&["--machine", file.to_str().unwrap(), "-c", "2", "--serial", "pty"]);
        std::fs::remove_file(&file).unwrap();
        assert_eq!((machine.memory, machine.cpus), (Size(64 << 20), 2));
        assert_eq!(machine.serial, Some(vec![Target::Pty]));
        assert!(machine.no_reboot);
    }
}
