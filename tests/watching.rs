//! Watching a guest: traces with filters, QEMU's log items, hot spots with symbols, and what became of a block.

mod common;

use common::guest::{self, End};
use std::path::PathBuf;
use std::process::Command;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lyrebird-watch-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let folder = Folder(path);
        std::fs::write(folder.file("hello.elf"), guest::hello_multiboot(End::DebugExit(0xf4, 2))).unwrap();
        // MOV ECX, 4000000; again: ADD EAX, ECX; DEC ECX; JNZ again; OUT F4h, EAX.
        let code = [0xb9, 0, 0x09, 0x3d, 0, 0x01, 0xc8, 0x49, 0x75, 0xfb, 0x31, 0xc0, 0xe7, 0xf4];
        let mut elf = common::elf::elf32(guest::BASE, &multiboot(&code), 0, guest::BASE + 12);
        elf.resize(elf.len() + 16, 0);
        std::fs::write(folder.file("loop.elf"), elf).unwrap();
        folder
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A Multiboot header in front of code.
fn multiboot(code: &[u8]) -> Vec<u8> {
    const MAGIC: u32 = 0x1bad_b002;
    [MAGIC, 0, 0u32.wrapping_sub(MAGIC)]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .chain(code.iter().copied())
        .collect()
}

/// Runs the program; gives its exit code and standard error.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lyrebird")).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

const QUIET: [&str; 6] = ["--display", "none", "--serial", "null", "--debug-exit", "0xf4,4"];

fn own(folder: &Folder, kernel: &str, more: &[&str]) -> (Option<i32>, String) {
    let kernel = folder.file(kernel);
    run(&[&["run", "--deterministic", "--kernel", &kernel][..], &QUIET, more].concat())
}

#[test]
fn a_trace_has_every_instruction_that_its_filter_shows() {
    let folder = Folder::new("trace");
    let (code, _) = own(&folder, "loop.elf", &["--trace", &folder.file("t"), "--trace-filter", "to=8"]);
    assert_eq!(code, Some(1));
    let text = folder.read("t");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("b9 00 09 3d 00") && lines[0].contains("mov ecx, 0x3d0900 ; rcx=3d0900"), "{text}");
    assert!(lines[1].contains("add eax, ecx ; rax="), "{text}");
    assert!(lines[3].contains("jne short 0x100011"), "{text}");
    assert_eq!(lines.len(), 9, "{text}");

    let filter = "0x100013..0x100013,from=3,to=40";
    own(&folder, "loop.elf", &["--trace", &folder.file("t"), "--trace-filter", filter]);
    let text = folder.read("t");
    assert!(text.lines().count() > 8 && text.lines().all(|line| line.contains("dec ecx")), "{text}");

    let (code, error) = own(&folder, "loop.elf", &["--trace", &folder.file("t"), "--trace-filter", "ring=3"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("cpl=0"), "{error}");
    let (_, error) = own(&folder, "loop.elf", &["--trace-filter", "cpl=3"]);
    assert!(error.contains("add --trace FILE"), "{error}");
}

#[test]
fn qemus_log_items_are_reported() {
    let folder = Folder::new("items");
    let (kernel, log) = (folder.file("hello.elf"), folder.file("log"));
    let arguments = ["qemu", "-display", "none", "-serial", "null", "-device", "isa-debug-exit,iobase=0xf4"];
    let items =
        ["-accel", "interp", "-d", "in_asm,cpu,int", "-D", &log, "-dfilter", "0x100000+0x1000", "-kernel", &kernel];
    let (code, error) = run(&[&arguments[..], &items].concat());
    assert_eq!(code, Some(5), "{error}");
    let text = folder.read("log");
    assert!(text.contains("\nIN:\n0x00100"), "{text}");
    assert!(text.contains("RAX=") && text.contains("CR0=00000011"), "{text}");
    let (_, error) = run(&[&arguments[..], &["-dfilter", "x"]].concat());
    assert!(error.contains("FIRST..LAST"), "{error}");
}

#[test]
fn hot_spots_have_names_and_tiers() {
    let folder = Folder::new("hot");
    std::fs::write(folder.file("map"), "00100000 T start\n00100011 t again\n").unwrap();
    let hot = format!("--hot-spots={}", folder.file("hot"));
    own(&folder, "loop.elf", &["--engine", "jit", "--symbols", &folder.file("map"), &hot]);
    let text = folder.read("hot");
    assert!(text.contains("compiled, CPL 0"), "{text}");
    let again = text.lines().find(|line| line.ends_with("  again")).unwrap();
    assert!(again.trim_start().starts_with("9") || again.trim_start().starts_with("100"), "{text}");
    assert!(text.contains("0000000000100011   0   compiled     again"), "{text}");
    assert!(text.contains("compiled a region") && text.contains("came back: the budget was used up"), "{text}");
}

#[test]
fn a_block_is_shown_in_all_its_forms() {
    let folder = Folder::new("block");
    let (_, text) = own(&folder, "loop.elf", &["--engine", "jit", "--dump-block", "0x100011"]);
    for part in ["add eax, ecx", "is compiled", "Alu sub", "iadd", "host code, ", "block0:"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (_, text) = own(&folder, "loop.elf", &["--engine", "interp", "--dump-block", "0x100011"]);
    assert!(text.contains("add eax, ecx") && text.contains("only `--engine jit` translates"), "{text}");
    let (code, text) = own(&folder, "loop.elf", &["--dump-block", "x"]);
    assert!(code == Some(1) && text.contains("0xffffffff81000000"), "{text}");
}
