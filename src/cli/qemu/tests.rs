//! Command lines as QEMU's users write them, and the machines that they mean.

use super::*;
use crate::cli::clock::Clock;
use crate::cli::size::Size;

fn request(flavour: Flavour, line: &str) -> Result<Request> {
    let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    Builder::new(flavour).build(options::split(&arguments)?)
}

fn spec(line: &str) -> MachineSpec {
    request(Flavour::X86_64, line).unwrap().spec
}

fn error(line: &str) -> String {
    request(Flavour::X86_64, line).unwrap_err().to_string()
}

fn serial(line: &str) -> Vec<String> {
    spec(line).serial.iter().flatten().map(ToString::to_string).collect()
}

#[test]
fn the_defaults_are_qemus() {
    let machine = spec("");
    assert_eq!((machine.memory, machine.cpus, machine.engine), (Size(128 << 20), 1, EngineChoice::Auto));
    assert_eq!(machine.cpu.model, "qemu64");
    assert_eq!(request(Flavour::I386, "").unwrap().spec.cpu.model, "qemu32");
}

#[test]
fn the_programs_name_decides() {
    for (name, flavour) in [
        ("/usr/bin/qemu-system-x86_64", Some(Flavour::X86_64)),
        ("qemu-system-i386", Some(Flavour::I386)),
        ("./lyrebird", None),
        ("qemu-system-arm", None),
    ] {
        assert_eq!(Flavour::of_program(Some(Path::new(name))), flavour);
    }
    assert_eq!(Flavour::of_program(None), None);
}

#[test]
fn an_operating_system_courses_makefile() {
    let machine = spec(
        "-kernel kernel.elf -m 512M -smp 2 -serial mon:stdio -display none -no-reboot -no-shutdown \
         -device isa-debug-exit,iobase=0xf4,iosize=0x04 -d int,cpu_reset -D qemu.log -machine q35 -accel tcg -cpu max",
    );
    assert_eq!(machine.kernel.unwrap(), PathBuf::from("kernel.elf"));
    assert_eq!((machine.memory, machine.cpus), (Size(512 << 20), 2));
    assert_eq!(machine.debug_exit, Some(DebugExit { iobase: 0xf4, iosize: 4 }));
    assert!(machine.no_reboot && machine.no_shutdown);
    assert_eq!(machine.serial, Some(vec![Target::Stdio { escape: true }]));
}

#[test]
fn kvm_unit_tests_and_linux() {
    let machine = spec(
        "--no-reboot -nodefaults -device pc-testdev -device isa-debug-exit,iobase=0xf4,iosize=0x4 -vnc_ -vga none"
            .replace("-vnc_ ", "")
            .as_str(),
    );
    assert!(machine.test_device && machine.serial == Some(vec![]));
    let machine = spec(
        "-M pc -kernel vmlinuz -initrd initrd.gz -append console=ttyS0,115200 -nographic -name guest=x,process=y \
         -rtc base=localtime,clock=host -net none -nic none -monitor none -no-user-config -debugcon file:d.log",
    );
    assert_eq!(machine.append.unwrap(), "console=ttyS0,115200");
    assert_eq!(machine.name.unwrap(), "x");
    assert_eq!(machine.rtc, Some(Clock::Local));
    assert_eq!(machine.debugcon.unwrap().to_string(), "file:d.log");
}

#[test]
fn drives() {
    let drives = |line: &str| spec(line).drive.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(drives("disk.img"), ["disk.img,kind=disk,index=0"]);
    assert_eq!(drives("-hdb b.img -cdrom c"), ["b.img,kind=disk,index=1", "c,kind=cdrom,index=2"]);
    assert_eq!(
        drives("-drive file=a,,b,if=ide,format=qcow2,media=disk,index=3,readonly=on,cache=none -snapshot"),
        ["a,,b,kind=disk,format=qcow2,readonly,snapshot,index=3"]
    );
    assert_eq!(drives("-drive media=cdrom,index=2"), [",kind=cdrom,index=2"]);
    assert_eq!(drives("-drive x.iso"), ["x.iso,kind=disk"]);
}

#[test]
fn where_the_serial_line_goes() {
    for (line, lines) in [
        ("-nographic", &["stdio"][..]),
        ("-nographic -monitor none", &["stdio,signal=on"]),
        ("-nographic -serial file:log", &["file:log"]),
        ("-nographic -nodefaults", &[]),
        ("-display none", &["null"]),
        ("-serial stdio", &["stdio,signal=on"]),
        ("-serial mon:stdio -serial pty", &["stdio", "pty"]),
        ("-serial none", &["none"]),
        ("-serial unix:/tmp/s,server,nowait", &["unix:/tmp/s,server,nowait"]),
        ("-chardev stdio,id=c,mux=on,signal=off -mon chardev=c -serial chardev:c", &["stdio"]),
    ] {
        assert_eq!(serial(line), lines, "{line}");
    }
}

#[test]
fn where_the_screen_goes() {
    for (line, display, full_screen) in [
        ("", Display::Auto, false),
        ("-nographic", Display::None, false),
        ("-display none", Display::None, false),
        ("-display sdl,gl=on,full-screen=on -k de", Display::Window, true),
        ("-display gtk -full-screen", Display::Window, true),
        ("-curses", Display::Terminal, false),
    ] {
        let machine = spec(line);
        assert_eq!((machine.display, machine.full_screen), (display, full_screen), "{line}");
    }
    assert!(error("-display sld").contains("the nearest known is `sdl`"));
    assert!(error("-display vnc=:0").contains("not supported yet"));
}

#[test]
fn accelerators() {
    let jit_or_not = if cfg!(feature = "jit") { EngineChoice::Jit } else { EngineChoice::Interp };
    for (line, engine) in [
        ("-accel tcg", jit_or_not),
        ("-accel interp", EngineChoice::Interp),
        ("-accel kvm -accel tcg,thread=multi", jit_or_not),
        ("-machine pc,accel=kvm:interp", EngineChoice::Interp),
    ] {
        assert_eq!(spec(line).engine, engine, "{line}");
    }
    assert!(error("-enable-kvm").contains("the engine `kvm` is not there yet: use interp"));
    assert_eq!(spec("-accel tcg,tb-size=32").code_cache, Some(Size(32 << 20)));
    assert_eq!(spec("-accel tcg,tb-size=0").code_cache, None);
    assert_eq!(spec("-accel tcg,thread=single").cpu_threads, Some(false));
    assert!(error("-accel tcg,thread=double").contains("thread=single or thread=multi"));
    assert!(error("-accel tgc").contains("the nearest known is `tcg`"));
    let notes = request(Flavour::X86_64, "-accel tcg -display none").unwrap().notes;
    assert_eq!(notes.iter().any(|note| note.contains("the interpreter runs")), !cfg!(feature = "jit"), "{notes:?}");
}

#[test]
fn errors_name_the_option_and_the_nearest() {
    for (line, part) in [
        ("-kernle x", "unknown option `-kernle`; the nearest known is `-kernel`"),
        ("-device isa-debug-exti", "`isa-debug-exti` is not there; the nearest known is `isa-debug-exit`"),
        ("-device isa-debug-exit,iobsae=1", "knows no `iobsae`; the nearest known is `iobase`"),
        ("-device isa-debug-exit,iobase=f4", "`f4` is no iobase"),
        ("-device e1000", "`e1000` is not there"),
        ("-machine p", "unknown machine `p`; the nearest known is `pc`"),
        ("-machine pc,acel=kvm", "the nearest known is `accel`"),
        ("-smp 0", "no number of CPUs"),
        ("-m lots", "no amount of memory"),
        ("-serial stdoi", "unknown character stream `stdoi`"),
        ("-monitor stdio", "use -monitor none"),
        ("-net user", "use -nic none"),
        ("-d itn", "unknown log item `itn`; the nearest known is `int`"),
        ("-append x", "-append only makes sense with a kernel"),
        ("-rtc base=noon", "-rtc: `noon` is no clock setting"),
        ("-sd disk.img", "`-sd` is not supported yet"),
        ("-drive file=x,if=virtio", "if=virtio is not there"),
        ("-drive fiel=x", "knows no `fiel`; the nearest known is `file`"),
        ("-drive media=disk", "needs file="),
        ("-S", "`-S` is not supported yet: the debugger"),
    ] {
        let error = error(line);
        assert!(error.contains(part), "{line}: {error}");
    }
}

#[test]
fn questions_are_answered() {
    for (line, part) in [
        ("-help", "-kernel FILE"),
        ("--version", "Lyrebird"),
        ("-cpu help", "qemu64"),
        ("-machine help", "i440FX"),
        ("-device help", "pc-testdev"),
        ("-d help", "guest_errors"),
    ] {
        let answer = request(Flavour::X86_64, line).unwrap().answer.unwrap();
        assert!(answer.contains(part), "{line}: {answer}");
    }
}
