//! `cargo xtask screens`: boots what others have written from CDs and floppies, through firmware, and looks at the screen. A picture
//! is taken every half second of guest time, until it shows what it must; a busy host only takes longer.

use crate::check;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What `cargo xtask screens` takes.
#[derive(clap::Args)]
pub struct ScreensArgs {
    /// Only these
    names: Vec<String>,
    /// The folder of `cargo xtask guests --media --firmware`
    #[arg(long, default_value = "target/guests")]
    dir: PathBuf,
    /// This program, if it is not to be built
    #[arg(long)]
    program: Option<PathBuf>,
    /// Options to add to its command line
    #[arg(long, allow_hyphen_values = true, default_value = "")]
    options: String,
    /// Seconds for each of them
    #[arg(long, default_value_t = 400)]
    timeout: u64,
}

/// A screen to see.
struct Screen {
    name: &'static str,
    /// The options that choose it; none for our own.
    firmware: &'static str,
    /// The machine, with {img} and {fw} for the folders.
    machine: &'static str,
    keys: &'static str,
    /// What must stand on the screen, or on the serial line.
    texts: &'static [&'static str],
    /// How large the picture must be, where it is one of pixels.
    picture: Option<(u32, u32)>,
}

const SEABIOS: &str = "--bios {fw}/seabios/bios-256k.bin --vga-rom {fw}/seabios/vgabios-stdvga.bin";
const BOCHS: &str = "--bios {fw}/bochs/BIOS-bochs-latest --vga-rom {fw}/lgpl-vgabios/vgabios.bin";
const OVMF: &str =
    "--drive {fw}/ovmf/OVMF_CODE.fd,kind=flash,readonly --drive {fw}/ovmf/OVMF_VARS.fd,kind=flash,snapshot";
const OWN: &str = "";
/// To GRUB's command line, and there to its graphical terminal. A few keys at a time: the BIOS keeps fifteen, and the host may be
/// slow.
const GFXTERM: &str = "2:c,4:type=insmod all_v,6:type=ideo\\n,9:type=insmod gfxt,11:type=erm\\n,14:type=loadfont un,16:type=icode\\n,\
    19:type=set gfxmode,21:type==800x600\\n,24:type=terminal_ou,26:type=tput gfxterm\\n,30:type=ls\\n";

const SCREENS: [Screen; 11] = [
    Screen {
        name: "isolinux",
        firmware: OWN,
        machine: "--drive {img}/boot-amd64.iso",
        keys: "",
        texts: &["ISOLINUX", "MARK-INIT", "MARK-DONE"],
        picture: None,
    },
    Screen {
        name: "grub-cd",
        firmware: OWN,
        machine: "--drive {img}/grub-rescue-cdrom.iso --memory 64M",
        keys: "",
        texts: &["GNU GRUB", "version 2"],
        picture: None,
    },
    Screen {
        name: "grub-floppy",
        firmware: OWN,
        machine: "--drive {img}/grub-rescue-floppy.img,kind=floppy,readonly --memory 64M",
        keys: "",
        texts: &["GNU GRUB", "version 2"],
        picture: None,
    },
    Screen {
        name: "grub-cd-graphics",
        firmware: OWN,
        machine: "--drive {img}/grub-rescue-cdrom.iso --memory 64M",
        keys: GFXTERM,
        texts: &[],
        picture: Some((800, 600)),
    },
    Screen {
        name: "grub-floppy-graphics",
        firmware: OWN,
        machine: "--drive {img}/grub-rescue-floppy.img,kind=floppy,readonly --memory 64M",
        keys: GFXTERM,
        texts: &[],
        picture: Some((800, 600)),
    },
    Screen {
        name: "seabios",
        firmware: SEABIOS,
        machine: "--drive {img}/grub-rescue-cdrom.iso --memory 64M",
        keys: "",
        texts: &["GNU GRUB", "version 2"],
        picture: None,
    },
    Screen {
        name: "bochs",
        firmware: BOCHS,
        machine: "--drive {img}/grub-rescue-floppy.img,kind=floppy,readonly --memory 64M",
        keys: "",
        texts: &["GNU GRUB", "version 2"],
        picture: None,
    },
    Screen {
        name: "invaders",
        firmware: OWN,
        machine: "--kernel {img}/invaders.exec --memory 64M",
        keys: "0.5:ret,0.8:spc",
        texts: &["-*-"],
        picture: None,
    },
    Screen {
        name: "memtest-x64",
        firmware: OWN,
        machine: "--drive {img}/memtest-6-x64.iso --memory 64M",
        keys: "",
        texts: &["Memtest86+ v6", "Test #", "Errors: 0"],
        picture: None,
    },
    Screen {
        name: "memtest-ia32",
        firmware: OWN,
        machine: "--drive {img}/memtest-6-ia32.iso --memory 64M --cpu pentium3",
        keys: "",
        texts: &["Memtest86+ v6", "Test #", "Errors: 0"],
        picture: None,
    },
    // Its screen is a frame buffer; what it says there it says on the serial line, too.
    Screen {
        name: "ovmf",
        firmware: OVMF,
        machine: "--memory 256M",
        keys: "",
        texts: &["UEFI Interactive Shell"],
        picture: None,
    },
];

/// Looks at all of them.
pub fn main(arguments: &ScreensArgs) -> Result<()> {
    if let Some(name) = arguments.names.iter().find(|name| SCREENS.iter().all(|screen| screen.name != **name)) {
        let known: Vec<&str> = SCREENS.iter().map(|screen| screen.name).collect();
        bail!("there is no screen `{name}`: known are {}", known.join(", "));
    }
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => check::metadata()?.target_directory.join("release/lyrebird"),
    };
    let folder = arguments.dir.join("screens");
    fs::create_dir_all(&folder)?;
    let mut failed = Vec::new();
    for screen in
        SCREENS.iter().filter(|screen| arguments.names.is_empty() || arguments.names.iter().any(|n| n == screen.name))
    {
        let began = Instant::now();
        let seen = look(screen, &program, arguments, &folder)?;
        let missing: Vec<&&str> = screen.texts.iter().filter(|text| !seen.text.contains(**text)).collect();
        let good = missing.is_empty() && (screen.picture.is_none() || seen.picture == screen.picture);
        println!("{}: {} ({} s)", screen.name, if good { "seen" } else { "NOT seen" }, began.elapsed().as_secs());
        if !missing.is_empty() {
            println!("{missing:?} stand neither on the screen nor on the serial line:\n{}", seen.text);
        } else if !good {
            println!(
                "the picture is {:?} large and not {:?}: look at {}",
                seen.picture,
                screen.picture,
                folder.display()
            );
        }
        if !good {
            failed.push(screen.name);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("not as expected: {}", failed.join(", ")) }
}

/// What a machine shows.
struct Seen {
    /// The screen's characters, and those of the serial line.
    text: String,
    /// The picture's width and height.
    picture: Option<(u32, u32)>,
}

/// The size of a picture (PNG specification, 11.2.1).
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let word = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    Some((word(16)?, word(20)?))
}

/// Runs a machine until its screen or its serial line show what they must, and gives what they show.
fn look(screen: &Screen, program: &Path, arguments: &ScreensArgs, folder: &Path) -> Result<Seen> {
    let (images, firmware) = (arguments.dir.join("img"), arguments.dir.join("fw"));
    let fill = |word: &str| {
        word.replace("{img}", &images.display().to_string()).replace("{fw}", &firmware.display().to_string())
    };
    let end = if screen.picture.is_some() { "png" } else { "txt" };
    let shown = folder.join(format!("{}.{end}", screen.name));
    let serial = folder.join(format!("{}.serial", screen.name));
    for file in [&shown, &serial] {
        _ = fs::remove_file(file);
    }
    let mut command = Command::new(program);
    command.args(["run", "--no-reboot", "--display", "none", "--serial"]);
    command.arg(format!("file:{}", serial.display()));
    for words in [screen.firmware, screen.machine, &arguments.options] {
        command.args(words.split_whitespace().map(fill));
    }
    if !screen.keys.is_empty() {
        command.args(["--keys", screen.keys]);
    }
    if screen.picture.is_some() {
        command.args(["--exit-after", "40"]);
    }
    for half in (1..=2 * arguments.timeout.min(120)).filter(|_| screen.picture.is_none()) {
        command.arg("--screenshot").arg(format!("{}@{}", shown.display(), half as f64 / 2.0));
    }
    command.arg("--screenshot-on-exit").arg(&shown);
    let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.with_context(|| format!("{} cannot be started", program.display()))?;
    let read = |path: &Path| fs::read(path).unwrap_or_default();
    let end = Instant::now() + Duration::from_secs(arguments.timeout);
    loop {
        let ended = child.try_wait()?.is_some();
        let (screenshot, serial) = (read(&shown), read(&serial));
        let seen = Seen {
            text: String::from_utf8_lossy(&screenshot).into_owned() + &String::from_utf8_lossy(&serial),
            picture: screen.picture.and_then(|_| size(&screenshot)),
        };
        // A picture is looked at when all keys have been pressed.
        let all = screen.texts.iter().all(|text| seen.text.contains(text)) && screen.picture.is_none();
        if ended || Instant::now() > end || all {
            _ = child.kill();
            _ = child.wait();
            return Ok(seen);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
