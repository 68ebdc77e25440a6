//! The terminal is as it was before, whichever way the program ends. The test program starts itself on a pty.

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the child does when one of the tests below runs it, on a pty; nothing otherwise.
#[test]
fn child() {
    let Ok(way) = std::env::var("LYREBIRD_WAY") else { return };
    let raw = host::terminal::Raw::enter(way == "interrupt").unwrap();
    println!("RAW");
    std::io::stdout().flush().unwrap();
    let mut key = [0];
    std::io::stdin().read_exact(&mut key).unwrap();
    match way.as_str() {
        "return" => drop(raw),
        "exit" => std::process::exit(3),
        "panic" => panic!("on purpose"),
        "abort" => std::process::abort(),
        "overflow" => _ = overflow(1),
        _ => std::thread::sleep(Duration::from_secs(20)),
    }
}

#[allow(unconditional_recursion)]
fn overflow(depth: u64) -> u64 {
    let page = std::hint::black_box([depth; 512]);
    overflow(page[7] + 1) + page[9]
}

struct Terminal {
    master: std::fs::File,
    slave: OwnedFd,
    before: Termios,
    child: Child,
}

fn start(way: &str) -> Terminal {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    let before = tcgetattr(&slave).unwrap();
    let end = || Stdio::from(slave.try_clone().unwrap());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env("LYREBIRD_WAY", way);
    command.stdin(end()).stdout(end()).stderr(end());
    // SAFETY: only async-signal-safe calls between fork and exec: a new session with the pty as its terminal.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            libc::ioctl(0, libc::TIOCSCTTY, 0);
            Ok(())
        })
    };
    let child = command.spawn().unwrap();
    drop(command);
    let mut terminal = Terminal { master: master.into(), slave, before, child };
    terminal.until("RAW");
    let modes = tcgetattr(&terminal.slave).unwrap().local_modes;
    assert!(!modes.intersects(LocalModes::ECHO | LocalModes::ICANON));
    assert_eq!(modes.contains(LocalModes::ISIG), way == "interrupt");
    terminal
}

impl Terminal {
    fn until(&mut self, text: &str) {
        let mut all = Vec::new();
        let mut piece = [0; 256];
        while !String::from_utf8_lossy(&all).contains(text) {
            let count = self.master.read(&mut piece).unwrap();
            all.extend_from_slice(&piece[..count]);
        }
    }

    fn key(&mut self, key: u8) {
        self.master.write_all(&[key]).unwrap();
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a signal to our own child.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    fn end(mut self) -> std::process::ExitStatus {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < Duration::from_secs(15), "the child does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        let after = tcgetattr(&self.slave).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
        assert_eq!(after.control_modes, self.before.control_modes);
        status
    }
}

#[test]
fn return_and_exit() {
    let mut terminal = start("return");
    terminal.key(b'x');
    assert!(terminal.end().success());
    let mut terminal = start("exit");
    terminal.key(b'x');
    assert_eq!(terminal.end().code(), Some(3));
}

#[test]
fn panic_and_abort() {
    let mut terminal = start("panic");
    terminal.key(b'x');
    assert_eq!(terminal.end().code(), Some(101));
    let mut terminal = start("abort");
    terminal.key(b'x');
    assert_eq!(terminal.end().signal(), Some(libc::SIGABRT));
}

#[test]
fn stack_overflow() {
    let mut terminal = start("overflow");
    terminal.key(b'x');
    // The runtime's own message and abort still follow.
    assert_eq!(terminal.end().signal(), Some(libc::SIGABRT));
}

#[test]
fn signals() {
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGILL] {
        let terminal = start("wait");
        terminal.signal(signal);
        assert_eq!(terminal.end().signal(), Some(signal));
    }
}

#[test]
fn interrupt_key() {
    let mut terminal = start("interrupt");
    terminal.key(3);
    assert_eq!(terminal.end().signal(), Some(libc::SIGINT));
}
