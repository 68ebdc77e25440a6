//! The options that QEMU's users know: which take a value, which are here, and what the others wait for.

use super::super::nearest::nearest;
use anyhow::{Result, bail};
use std::ffi::OsString;

/// An option of the table.
pub struct Known {
    /// Without its dash.
    pub name: &'static str,
    /// What its value is called; none if it takes none.
    pub value: Option<&'static str>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of an option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It works; the text is for the help.
    Here(&'static str),
    /// It changes nothing in this program.
    Ignored(&'static str),
    /// It is not there yet; the text says what it waits for.
    Later(&'static str),
}

use Fate::{Here, Ignored, Later};

const BLOCKS: &str = "only IDE drives are there: use -hda, -cdrom or -drive";
const SCREEN: &str = "the screen is in a window, a terminal or nowhere: use -display sdl, curses or none";
const NETWORK: &str = "the network is not there yet: use -nic none";
const SOUND: &str = "sound is not there yet: leave it out";
const USB: &str = "USB is not there yet: leave it out";
const DEBUG: &str = "the debugger's stub is not there yet: leave it out";
const CONTROL: &str = "the monitor is not there yet: use -monitor none";
const STATE: &str = "saved machines are not there yet: leave it out";
const REPLAY: &str = "instruction counting by -icount is not there yet; `lyrebird run --deterministic` has it";
const OTHER: &str = "leave it out";

macro_rules! table {
    ($($name:literal $($value:literal)? => $fate:expr;)*) => {
        /// All options.
        pub const TABLE: &[Known] = &[
            $(Known { name: $name, value: table!(@ $($value)?), fate: $fate },)*
        ];
    };
    (@) => { None };
    (@ $value:literal) => { Some($value) };
}

table! {
    "h" => Here("this help");
    "help" => Here("this help");
    "version" => Here("the program's version");
    "machine" "TYPE[,accel=A]" => Here("pc; q35 is taken as pc");
    "M" "TYPE[,accel=A]" => Here("the same as -machine");
    "cpu" "MODEL[,+F][,-F][,F=on|off]" => Here("CPU model; -cpu help lists them");
    "accel" "NAME[,thread=single|multi][,tb-size=MEGS]" => Here("tcg or jit (translated code), interp (the interpreter), lockstep (both, compared); kvm is not there yet");
    "enable-kvm" => Here("the same as -accel kvm");
    "smp" "[cpus=]N[,maxcpus=][,sockets=][,cores=][,threads=]" => Here("number of CPUs");
    "m" "[size=]MEGS" => Here("memory; also with a suffix: 2G");
    "name" "NAME" => Here("what to call the machine");
    "rtc" "[base=utc|localtime|DATE]" => Here("the real-time clock at power-on");
    "boot" "[order=]LETTERS[,once=LETTERS][,menu=on|off]" => Here("what to start from: a floppy, c disk, d CD");
    "bios" "FILE" => Here("firmware image");
    "kernel" "FILE" => Here("Linux (bzImage), PVH or multiboot kernel");
    "initrd" "FILE" => Here("Linux: initial file system; multiboot: FILE ARGS,FILE ARGS");
    "append" "TEXT" => Here("the kernel's command line");
    "serial" "DEV" => Here("stdio, mon:stdio, file:F, pty, unix:P[,server][,nowait], tcp:H:P[,server][,nowait], chardev:ID, null, none");
    "debugcon" "DEV" => Here("where bytes written to ports E9h and 402h go");
    "chardev" "BACKEND,id=ID,..." => Here("stdio, file, pty, socket or null, for -serial chardev:ID and -device isa-debugcon");
    "device" "NAME[,KEY=VALUE]" => Here("isa-debug-exit, pc-testdev, isa-debugcon, VGA[,romfile=FILE]");
    "hda" "FILE" => Here("hard disk on the primary IDE channel; an image without an option is one too");
    "hdb" "FILE" => Here("the second");
    "hdc" "FILE" => Here("hard disk on the secondary channel");
    "hdd" "FILE" => Here("the second");
    "cdrom" "FILE" => Here("CD-ROM on the secondary channel");
    "fda" "FILE" => Here("floppy in drive A");
    "fdb" "FILE" => Here("floppy in drive B");
    "pflash" "FILE" => Here("flash memory with the firmware; again for its variables");
    "drive" "file=F[,if=ide|floppy|pflash][,media=disk|cdrom][,format=raw|qcow2][,index=N][,readonly=on][,snapshot=on]" => Here("a drive");
    "snapshot" => Here("what is written to disks is forgotten in the end");
    "nographic" => Here("no window; the serial line on this terminal (Ctrl-A x ends, Ctrl-A h helps)");
    "display" "sdl|curses|none[,full-screen=on]" => Here("the screen in a window, in this terminal, or nowhere; gtk is taken as sdl");
    "sdl" => Here("the same as -display sdl");
    "curses" => Here("the same as -display curses");
    "full-screen" => Here("a window begins as large as the screen");
    "k" "LANGUAGE" => Ignored("keys have their places, whatever the layout");
    "vga" "std|none" => Here("display adapter: a VGA with VBE modes, or none");
    "monitor" "none" => Here("none, null");
    "mon" "chardev=ID" => Ignored("there is no monitor yet; the terminal's keys (Ctrl-A) work without");
    "parallel" "DEV" => Here("where the printer's output goes; takes what -serial takes");
    "net" "none" => Here("no network");
    "nic" "none" => Here("no network");
    "no-reboot" => Here("end at a reset instead of starting over");
    "no-shutdown" => Here("stay after the guest has powered off");
    "nodefaults" => Here("no serial line unless one is given");
    "no-user-config" => Ignored("");
    "nodefconfig" => Ignored("");
    "no-hpet" => Here("no HPET; also -machine hpet=off");
    "no-fd-bootchk" => Ignored("");
    "L" "DIR" => Ignored("the program carries what it needs");
    "d" "ITEM,..." => Here("log items; -d help lists them");
    "D" "FILE" => Here("where the log goes instead of standard error");
    "pidfile" "FILE" => Here("writes the process's number into a file");
    // What comes later.
    "blockdev" "..." => Later(BLOCKS);
    "mtdblock" "FILE" => Later(BLOCKS);
    "sd" "FILE" => Later(BLOCKS);
    "option-rom" "..." => Later(OTHER);
    "vnc" "..." => Later(SCREEN);
    "spice" "..." => Later(SCREEN);
    "g" "..." => Later(SCREEN);
    "netdev" "..." => Later(NETWORK);
    "audio" "..." => Later(SOUND);
    "audiodev" "..." => Later(SOUND);
    "soundhw" "..." => Later(SOUND);
    "usb" => Later(USB);
    "usbdevice" "..." => Later(USB);
    "s" => Later(DEBUG);
    "S" => Later(DEBUG);
    "gdb" "DEV" => Later(DEBUG);
    "singlestep" => Later(DEBUG);
    "one-insn-per-tb" => Later(DEBUG);
    "qmp" "DEV" => Later(CONTROL);
    "qmp-pretty" "DEV" => Later(CONTROL);
    "loadvm" "NAME" => Later(STATE);
    "incoming" "..." => Later(STATE);
    "only-migratable" => Later(STATE);
    "icount" "..." => Later(REPLAY);
    "object" "..." => Later(OTHER);
    "global" "..." => Later(OTHER);
    "numa" "..." => Later(OTHER);
    "smbios" "..." => Later(OTHER);
    "acpitable" "..." => Later(OTHER);
    "no-acpi" => Later(OTHER);
    "uuid" "..." => Later(OTHER);
    "fw_cfg" "..." => Later(OTHER);
    "mem-path" "..." => Later(OTHER);
    "mem-prealloc" => Later(OTHER);
    "overcommit" "..." => Later(OTHER);
    "fsdev" "..." => Later(OTHER);
    "virtfs" "..." => Later(OTHER);
    "tpmdev" "..." => Later(OTHER);
    "dtb" "..." => Later(OTHER);
    "action" "..." => Later(OTHER);
    "watchdog" "..." => Later(OTHER);
    "watchdog-action" "..." => Later(OTHER);
    "echr" "..." => Later(OTHER);
    "daemonize" => Later(OTHER);
    "sandbox" "..." => Later(OTHER);
    "runas" "..." => Later(OTHER);
    "run-with" "..." => Later(OTHER);
    "readconfig" "..." => Later(OTHER);
    "trace" "..." => Later(OTHER);
    "plugin" "..." => Later(OTHER);
    "msg" "..." => Later(OTHER);
    "dfilter" "RANGE,..." => Here("which addresses -d in_asm, cpu and int show, as in 0x1000..0x1fff or 0x1000+0x200");
    "seed" "..." => Later(OTHER);
    "semihosting" => Later(OTHER);
    "preconfig" => Later(OTHER);
    "compat" "..." => Later(OTHER);
    "set" "..." => Later(OTHER);
    "add-fd" "..." => Later(OTHER);
    "prom-env" "..." => Later(OTHER);
    "perfmap" => Later(OTHER);
    "jitdump" => Later(OTHER);
}

/// An option as it was given, and its value ("" if it takes none).
pub type Given = (&'static str, String);

/// Splits the arguments into options and values; errors name what is wrong and the nearest that is right.
pub fn split(arguments: &[OsString]) -> Result<Vec<Given>> {
    let mut given = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let argument = text(argument)?;
        let Some(name) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
            given.push(("hda", argument.to_owned()));
            continue;
        };
        let Some(known) = TABLE.iter().find(|known| known.name == name) else {
            let names = TABLE.iter().filter(|known| !matches!(known.fate, Later(_))).map(|known| known.name);
            let nearest = nearest(name, names).unwrap_or_default();
            bail!("unknown option `{argument}`; the nearest known is `-{nearest}` (-help lists all)");
        };
        if let Later(why) = known.fate {
            bail!("`-{}` is not supported yet: {}", known.name, why);
        }
        let value = match (known.value, rest.as_slice()) {
            (None, _) => String::new(),
            (Some(_), [value, ..]) => {
                rest.next();
                text(value)?.to_owned()
            }
            (Some(value), []) => bail!("option `-{}` needs a value: -{} {value}", known.name, known.name),
        };
        given.push((known.name, value));
    }
    Ok(given)
}

fn text(argument: &OsString) -> Result<&str> {
    match argument.to_str() {
        Some(text) => Ok(text),
        None => bail!("`{}` is no UTF-8 text: rename the file", argument.display()),
    }
}

/// The help: what is here.
pub fn help(program: &str) -> String {
    let mut text = format!("usage: {program} [options]\n\nOptions (with one dash or two):\n");
    for known in TABLE {
        let (Here(says) | Ignored(says)) = known.fate else { continue };
        let option = format!("-{} {}", known.name, known.value.unwrap_or_default());
        let ignored = if matches!(known.fate, Ignored(_)) { "(ignored) " } else { "" };
        if option.len() < 28 {
            text += &format!("{option:<28}{ignored}{says}\n");
        } else {
            text += &format!("{option}\n{:28}{ignored}{says}\n", "");
        }
    }
    text += "\nOther options of QEMU's are known and say what they wait for.\n";
    text += "Exit codes: 0 after a power-off, 1 after an error, (v<<1)|1 after v was written to isa-debug-exit.\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<Vec<Given>> {
        split(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn one_dash_or_two() {
        let given = run(&["-m", "1G", "--nographic", "--append", "-x"]).unwrap();
        assert_eq!(given, [("m", "1G".into()), ("nographic", String::new()), ("append", "-x".into())]);
    }

    #[test]
    fn errors() {
        for (arguments, part) in [
            (&["-kernle", "x"][..], "unknown option `-kernle`; the nearest known is `-kernel`"),
            (&["--no-rebot"], "unknown option `--no-rebot`; the nearest known is `-no-reboot`"),
            (&["-kernel"], "option `-kernel` needs a value: -kernel FILE"),
            (&["-usb"], "`-usb` is not supported yet: USB"),
            (&["-s"], "`-s` is not supported yet: the debugger"),
        ] {
            let error = run(arguments).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn no_option_is_there_twice() {
        let mut names: Vec<_> = TABLE.iter().map(|known| known.name).collect();
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
