//! The program as a person or a Makefile calls it: exit codes, what goes to which stream, the errors, the way out.

mod common;

use common::guest::{self, End, Program};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lyrebird");
/// No guest of these tests runs longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A folder for one test's files; gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lyrebird-cli-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn hello(&self, end: End) -> String {
        self.file("hello.elf", guest::hello_multiboot(end))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .env_remove("LYREBIRD_LOG")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    finish(command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Its output, unless it takes too long.
fn finish(mut child: Child) -> Output {
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let read_out = std::thread::spawn(move || read_all(&mut out));
    let read_err = std::thread::spawn(move || read_all(&mut err));
    let status = wait(&mut child);
    Output { status, stdout: read_out.join().unwrap(), stderr: read_err.join().unwrap() }
}

fn read_all(from: &mut Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        _ = from.read_to_end(&mut bytes);
    }
    bytes
}

fn wait(child: &mut Child) -> ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begin.elapsed() > LIMIT {
            _ = child.kill();
            panic!("the program does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Fails with what the program said if it did not end with this code.
#[track_caller]
fn expect_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "\n{}\n{}", text(&output.stdout), text(&output.stderr));
}

/// The one error that a command line gives: exit code 1, one or two lines, with the program's name.
#[track_caller]
fn error(arguments: &[&str]) -> String {
    error_of(&run(arguments))
}

#[track_caller]
fn error_of(output: &Output) -> String {
    expect_code(output, 1);
    let said = text(&output.stderr);
    assert!(said.starts_with("lyrebird: ") && said.lines().count() <= 2, "{said}");
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    said
}

/// Sends back what it gets on COM1, with "> " before the first, until a `q` comes; then the power goes off.
fn echo() -> Vec<u8> {
    fn body(p: &mut Program) -> Result<(), IcedError> {
        p.print("> ")?;
        let a = &mut p.asm;
        let (mut next, mut full) = (a.create_label(), a.create_label());
        a.set_label(&mut next)?;
        a.mov(edx, 0x3fdu32)?;
        a.in_(al, dx)?;
        a.test(al, 1)?;
        a.je(next)?;
        a.mov(edx, 0x3f8u32)?;
        a.in_(al, dx)?;
        a.mov(bl, al)?;
        a.mov(edx, 0x3fdu32)?;
        a.set_label(&mut full)?;
        a.in_(al, dx)?;
        a.test(al, 0x20)?;
        a.je(full)?;
        a.mov(edx, 0x3f8u32)?;
        a.mov(al, bl)?;
        a.out(dx, al)?;
        a.cmp(bl, i32::from(b'q'))?;
        a.jne(next)?;
        p.end(End::PowerOff)
    }
    guest::multiboot(body)
}

/// Writes `count` bytes to port E9h without a pause, and ends.
fn flood(count: u32) -> Vec<u8> {
    guest::multiboot(|p: &mut Program| {
        let a = &mut p.asm;
        let mut next = a.create_label();
        a.mov(ecx, count)?;
        a.set_label(&mut next)?;
        a.mov(al, cl)?;
        a.out(0xe9, al)?;
        a.dec(ecx)?;
        a.jne(next)?;
        p.end(End::DebugExit(0xf4, 0))
    })
}

#[test]
fn a_guest_speaks_and_powers_off() {
    let folder = Folder::new("power-off");
    let kernel = folder.hello(End::PowerOff);
    for arguments in [
        &["run", &kernel][..],
        &["run", "--kernel", &kernel, "-m", "16M", "--deterministic", "-a", "words"],
        &["run", &kernel, "--engine", "interp"],
        &["qemu", "-kernel", &kernel, "-nographic"],
        &["qemu", "-kernel", &kernel, "-nographic", "-accel", "tcg"],
        &["qemu", "-kernel", &kernel, "-display", "none", "-serial", "stdio", "-m", "16"],
    ] {
        let output = run(arguments);
        expect_code(&output, 0);
        assert!(text(&output.stdout).to_lowercase().contains("hello"), "{}", text(&output.stdout));
    }
}

#[test]
fn the_debug_exit_port_gives_the_exit_code() {
    let folder = Folder::new("debug-exit");
    let kernel = folder.hello(End::DebugExit(0xf4, 16));
    expect_code(&run(&["run", "--debug-exit", "0xf4,4", &kernel]), 33);
    let device = "isa-debug-exit,iobase=0xf4,iosize=0x04";
    expect_code(&run(&["qemu", "-kernel", &kernel, "-device", device, "-display", "none"]), 33);
}

#[test]
fn resets_and_triple_faults_end_when_asked_to() {
    let folder = Folder::new("reset");
    let kernel = folder.hello(End::Reset);
    expect_code(&run(&["run", "--no-reboot", &kernel]), 0);
    let kernel = folder.hello(End::TripleFault);
    let output = run(&["qemu", "--no-reboot", "-nographic", "-kernel", &kernel]);
    expect_code(&output, 0);
    assert!(text(&output.stderr).contains("triple fault"), "{}", text(&output.stderr));
}

#[test]
fn a_link_with_qemus_name_takes_qemus_options() {
    let folder = Folder::new("link");
    let kernel = folder.hello(End::PowerOff);
    for name in ["qemu-system-x86_64", "qemu-system-i386"] {
        let link = folder.path(name);
        std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
        let mut command = Command::new(&link);
        command.args(["-kernel", &kernel, "-nographic"]).stdin(Stdio::null());
        expect_code(&finish(command.stdout(Stdio::piped()).spawn().unwrap()), 0);
        let help = Command::new(&link).arg("-help").output().unwrap();
        assert!(text(&help.stdout).starts_with(&format!("usage: {name}")));
    }
}

#[test]
fn no_byte_is_lost_at_the_end() {
    let folder = Folder::new("flood");
    let kernel = folder.file("flood.elf", flood(200_000));
    let expected: Vec<u8> = (1..=200_000u32).rev().map(|count| count as u8).collect();
    let output = run(&["run", "--debugcon", "stdio", "--serial", "null", "--debug-exit", "0xf4", &kernel]);
    expect_code(&output, 1);
    assert!(output.stdout == expected, "{} bytes of {}", output.stdout.len(), expected.len());

    let log = folder.path("log");
    run(&[
        "qemu",
        "-debugcon",
        &format!("file:{log}"),
        "-display",
        "none",
        "-device",
        "isa-debug-exit,iobase=0xf4",
        "-kernel",
        &kernel,
    ]);
    assert!(fs::read(log).unwrap() == expected);
}

#[test]
fn input_from_a_pipe_reaches_the_guest_and_its_end_is_no_exit() {
    let folder = Folder::new("pipe");
    let kernel = folder.file("echo.elf", echo());
    let mut child =
        command(&["run", &kernel]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Ctrl-A is nothing special in a pipe.
    child.stdin.take().unwrap().write_all(b"abc\x01xyz").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "end of input ended the program");
    signal(&child, 15);
    let output = finish(child);
    expect_code(&output, 0);
    assert_eq!(text(&output.stdout), "> abc\x01xyz");
    assert_eq!(text(&output.stderr), "lyrebird: terminating on signal 15\n");
}

fn signal(child: &Child, number: i32) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::from_named_raw(number).unwrap()).unwrap();
}

#[test]
fn a_unix_socket_is_a_serial_line() {
    let folder = Folder::new("socket");
    let (kernel, socket) = (folder.file("echo.elf", echo()), folder.path("s"));
    let target = format!("unix:{socket},server");
    let mut child = command(&["run", "--serial", &target, &kernel]).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    let mut peer = loop {
        match UnixStream::connect(&socket) {
            Ok(peer) => break peer,
            Err(_) => assert!(begin.elapsed() < LIMIT),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    peer.write_all(b"wq").unwrap();
    let mut said = String::new();
    peer.read_to_string(&mut said).unwrap();
    assert_eq!(said, "> wq");
    assert!(wait(&mut child).success());
    assert!(!PathBuf::from(socket).exists());
}

#[test]
fn a_pty_is_found_by_what_is_printed() {
    let folder = Folder::new("pty");
    let kernel = folder.file("echo.elf", echo());
    let arguments = ["qemu", "-kernel", &kernel, "-serial", "pty", "-display", "none"];
    let mut child = command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut said).unwrap();
    let path = said.strip_prefix("char device redirected to ").and_then(|rest| rest.split(' ').next()).unwrap();
    let mut user = OpenOptions::new().read(true).write(true).open(path).unwrap();
    user.write_all(b"q").unwrap();
    let mut got = [0; 3];
    user.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"> q");
    assert!(wait(&mut child).success());
}

/// The program on a terminal of its own.
struct OnTerminal {
    master: std::fs::File,
    slave: OwnedFd,
    child: Child,
    said: String,
}

impl OnTerminal {
    fn start(arguments: &[&str]) -> Self {
        Self::start_in(arguments, true)
    }

    /// The terminal may be that of the program's session, which is sent SIGHUP when the terminal is gone.
    fn start_in(arguments: &[&str], session: bool) -> Self {
        // The program must not have it, too: then it would never vanish.
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave: OwnedFd = OpenOptions::new().read(true).write(true).open(path).unwrap().into();
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut command = command(arguments);
        command.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: setsid and the ioctl are allowed between fork and exec.
        unsafe {
            command.pre_exec(move || {
                rustix::process::setsid()?;
                if session {
                    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
                }
                Ok(())
            })
        };
        let child = command.spawn().unwrap();
        OnTerminal { master: master.into(), slave, child, said: String::new() }
    }

    fn until(&mut self, words: &str) {
        let mut piece = [0; 256];
        while !self.said.contains(words) {
            let count = self.master.read(&mut piece).unwrap();
            self.said += &text(&piece[..count]);
        }
    }

    fn keys(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.slave).unwrap().local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }
}

#[test]
fn a_terminal_has_a_way_out_and_is_given_back() {
    let folder = Folder::new("terminal");
    let kernel = folder.file("echo.elf", echo());
    for arguments in [&["run", &kernel][..], &["qemu", "-nographic", "-kernel", &kernel]] {
        let mut terminal = OnTerminal::start(arguments);
        terminal.until("> ");
        assert!(terminal.is_raw());
        terminal.keys(b"a\x03b\x01\x01c"); // Ctrl-C and a doubled Ctrl-A are the guest's
        terminal.until("a\x03b\x01c");
        terminal.keys(b"\x01h");
        terminal.until("Ctrl-A x       end the program");
        terminal.keys(b"\x01x");
        terminal.until("lyrebird: terminated");
        assert!(wait(&mut terminal.child).success());
        assert!(!terminal.is_raw());
    }
}

#[test]
fn a_terminal_that_vanishes_takes_the_machine_with_it() {
    let folder = Folder::new("vanish");
    let kernel = folder.file("greeter.elf", guest::greeter());
    for session in [true, false] {
        let mut terminal = OnTerminal::start_in(&["run", "--display", "terminal", &kernel], session);
        terminal.until("Type something.");
        drop(terminal.master);
        assert!(wait(&mut terminal.child).success(), "{session}");
    }
    let kernel = folder.file("echo.elf", echo());
    let mut terminal = OnTerminal::start(&["run", &kernel]);
    terminal.until("> ");
    drop(terminal.master);
    assert!(wait(&mut terminal.child).success());
}

#[test]
fn a_terminal_shows_the_guests_screen() {
    let folder = Folder::new("screen");
    let kernel = folder.file("greeter.elf", guest::greeter());
    let arguments = ["run", "--display", "terminal", "--debug-exit", "0xf4,4", &kernel];
    let mut terminal = OnTerminal::start(&arguments);
    terminal.until("Guten Tag!");
    terminal.until("Type something.");
    assert!(terminal.is_raw());
    terminal.keys(b"\x01h");
    terminal.until("Keys of this terminal");
    terminal.keys(b"a");
    // The scan code of A, in set 1 or 2, twice and one.
    assert!(matches!(wait(&mut terminal.child).code(), Some(0x3d | 0x39)));
    terminal.until("\x1b[?1049l");
    assert!(!terminal.is_raw());

    let mut terminal = OnTerminal::start(&arguments);
    terminal.until("Guten Tag!");
    terminal.keys(b"\x01x");
    terminal.until("\x1b[?1049l");
    assert!(wait(&mut terminal.child).success());
    assert!(!terminal.is_raw());
}

#[test]
fn with_plain_stdio_control_c_ends_the_program() {
    let folder = Folder::new("interrupt");
    let kernel = folder.file("echo.elf", echo());
    let mut terminal = OnTerminal::start(&["qemu", "-display", "none", "-serial", "stdio", "-kernel", &kernel]);
    terminal.until("> ");
    terminal.keys(b"\x01x"); // both keys are the guest's
    terminal.until("\x01x");
    terminal.keys(b"\x03");
    terminal.until("terminating on signal 2");
    assert!(wait(&mut terminal.child).success());
    assert!(!terminal.is_raw());
}

#[test]
fn a_machine_file_says_the_same() {
    let folder = Folder::new("file");
    folder.hello(End::DebugExit(0xf4, 3));
    let file = folder.file("m.toml", "kernel = 'hello.elf'\nmemory = '16M'\ndebug-exit = '0xf4,4'\nserial = ['null']");
    expect_code(&run(&["run", "--machine", &file]), 7);
    let printed = run(&["run", "--machine", &file, "-c", "2", "--print-machine"]);
    expect_code(&printed, 0);
    assert!(text(&printed.stdout).contains("cpus = 2"));
    let wrong = folder.file("wrong.toml", "kernle = 'x'");
    let said = error(&["run", "--machine", &wrong]);
    assert!(said.contains("unknown key `kernle`; did you mean `kernel`"), "{said}");
}

#[test]
fn errors_have_a_remedy() {
    let folder = Folder::new("errors");
    let kernel = folder.hello(End::PowerOff);
    let garbage = folder.file("garbage", "this is no kernel at all");
    let truncated = folder.file("truncated.elf", &guest::hello_multiboot(End::PowerOff)[..150]);
    let small_bios = folder.file("bios.bin", [0; 1000]);
    for (arguments, parts) in [
        (
            &["run", "--kernel", "/nonexistent/vmlinuz"][..],
            &["/nonexistent/vmlinuz", "No such file", "give the path"][..],
        ),
        (&["run", "/nonexistent/vmlinuz"], &["/nonexistent/vmlinuz", "No such file"]),
        (&["run", "-k", &garbage], &["no kernel of a known kind", "give a Linux bzImage"]),
        (&["run", "-k", &truncated], &["truncated.elf", "truncated"]),
        (&["run", "-k", &kernel, "-m", "1000T"], &["more than this host has", "use -m"]),
        (&["run", "-k", &kernel, "-m", "64K"], &["too little", "use -m"]),
        (&["run", "-k", &kernel, "-m", "lots"], &["`lots` is no amount of memory"]),
        (&["run", "-k", &kernel, "-c", "0"], &["use 1 to 255"]),
        (&["run", "-k", &kernel, "-c", "4", "--code-cache", "512K"], &["too little", "--code-cache 1M"]),
        (&["qemu", "-kernel", &kernel, "-accel", "tcg,tb-size=many"], &["`many` is no number of megabytes"]),
        (&["run", "-k", &kernel, "--cpu", "pentum"], &["unknown CPU model `pentum`", "`pentium`", "x86-64-v2"]),
        (&["run", "-k", &kernel, "--cpu", "max,+popcmt"], &["unknown CPU feature `popcmt`", "`popcnt`"]),
        (&["run", "-k", &kernel, "--cpu", "486", "-c", "2"], &["no APIC"]),
        (&["run", "-k", &kernel, "--engine", "kvm"], &["`kvm` is not there yet", "use interp"]),
        (&["run", "-k", &kernel, "--serial", "stdoi"], &["unknown character stream", "stdio, file:PATH"]),
        (&["run", "-k", &kernel, "--serial", "stdio", "--debugcon", "stdio"], &["cannot both have stdio"]),
        (&["run", "-k", &kernel, "--serial", "tcp:0.0.0.0:0,server"], &["open to other machines", "localhost"]),
        (&["run", "--bios", &small_bios], &["bios.bin", "64 KiB to 16 MiB"]),
        (&["run", "--bios", &small_bios, "-k", &kernel], &["without firmware"]),
        (&["run", "--kernal", "x"], &["--kernal", "--kernel", "--help"]),
        (&["rnu"], &["rnu", "run"]),
        (&["qemu", "-kernle", &kernel], &["`-kernle`", "`-kernel`"]),
        (&["run", "-k", &kernel, "-d", "/nonexistent.img"], &["/nonexistent.img", "No such file", "check the path"]),
        (&["run", "-k", &kernel, "--drive", "x,formt=raw"], &["`formt`", "`format`"]),
        (&["qemu", "-sd", "x.img"], &["`-sd` is not supported yet"]),
        (&["qemu", "-kernel", &kernel, "-enable-kvm"], &["`kvm` is not there yet"]),
        (&["qemu", "-kernel", &kernel, "-cpu", "qemu46", "-nographic"], &["unknown CPU model", "`qemu64`"]),
    ] {
        let said = error(arguments);
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn without_memory_for_translated_code_the_interpreter_runs() {
    let folder = Folder::new("refused");
    let kernel = folder.hello(End::PowerOff);
    for (limit, cache, said) in [
        // No file may be so large, not even one in memory.
        ("ulimit -f 512", "64M", "the interpreter runs instead"),
        // No process has so many addresses, but some.
        ("ulimit -v 4000000", "64G", "less memory for translated code"),
    ] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{limit}; exec {PROGRAM} run -k {kernel} -m 16M --vga none --code-cache {cache} --serial stdio --engine jit")]);
        shell.stdin(Stdio::null());
        let output = finish(shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        expect_code(&output, 0);
        assert!(text(&output.stderr).contains(said), "{limit}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains("hello"), "{limit}: {}", text(&output.stdout));
    }
}

/// The figures are for `docs/SPEC.md`; the bounds are wide, since tests run beside each other and not optimised.
#[test]
fn the_program_starts_quickly_and_needs_little_memory() {
    let folder = Folder::new("start");
    let kernel = folder.hello(End::PowerOff);
    let mut times: Vec<Duration> = (0..20)
        .map(|_| {
            let begin = Instant::now();
            expect_code(&run(&["run", &kernel]), 0);
            begin.elapsed()
        })
        .collect();
    times.sort();
    println!("from the start of the process over a guest's few instructions to its end: {:?}", times[10]);
    assert!(times[10] < Duration::from_millis(500), "{times:?}");

    let kernel = folder.file("echo.elf", echo());
    let mut terminal = OnTerminal::start(&["run", &kernel]);
    terminal.until("> ");
    let status = fs::read_to_string(format!("/proc/{}/status", terminal.child.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    println!("resident memory with a guest that touches next to none of its own: {kib} KiB");
    assert!(kib < 64 << 10);
    terminal.keys(b"\x01x");
    assert!(wait(&mut terminal.child).success());
}

#[test]
fn help_teaches() {
    for arguments in [&["--help"][..], &["run", "--help"], &["qemu", "-help"], &["qemu", "--help"]] {
        let output = run(arguments);
        expect_code(&output, 0);
        let said = text(&output.stdout);
        assert!(said.contains("kernel") && said.contains("Ctrl-A"), "{arguments:?}: {said}");
    }
    assert!(text(&run(&["run", "--cpu", "help"]).stdout).contains("x86-64-v2"));
    expect_code(&run(&["--version"]), 0);
    expect_code(&run(&[]), 1);
}

/// Whether the linker was LLVM's, which leaves out a library that only code in vain calls.
#[cfg(all(target_os = "linux", feature = "window"))]
fn is_linked_by_lld() -> bool {
    use object::{Object, ObjectSection};
    let program = fs::read(PROGRAM).unwrap();
    let program = object::File::parse(&*program).unwrap();
    let comment = program.section_by_name(".comment").map(|section| text(section.data().unwrap()));
    comment.is_some_and(|comment| comment.contains("LLD"))
}

#[test]
#[cfg(all(target_os = "linux", feature = "window"))]
fn the_library_of_the_window_is_loaded_when_there_is_to_be_one() {
    let output = command(&[]).env("LD_TRACE_LOADED_OBJECTS", "1").output().unwrap();
    let libraries = text(&output.stdout);
    assert!(libraries.contains("libc.so"), "{libraries}");
    if is_linked_by_lld() {
        assert!(!libraries.contains("SDL"), "{libraries}");
    } else {
        println!("skipped: this linker has the library loaded with the program, and it does not start without it");
    }

    let folder = Folder::new("late");
    folder.file("libSDL2-2.0.so.0", "");
    let mut without = command(&["run", "--display", "window", &folder.hello(End::PowerOff)]);
    without.env("DISPLAY", ":0").env("LD_LIBRARY_PATH", &folder.0);
    let output = without.output().unwrap();
    if is_linked_by_lld() {
        let said = error_of(&output);
        assert!(
            ["libSDL2-2.0.so.0", "apt-get install libsdl2", "--display terminal"].iter().all(|s| said.contains(s)),
            "{said}"
        );
    }
}
