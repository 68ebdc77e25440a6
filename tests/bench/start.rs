//! How soon a machine is there, and how much memory the program takes for itself. `cargo bench --bench start` prints, as the best of
//! some runs, the time from the start of the process to its end with a guest whose boot sector ends it (that is the start, all of
//! POST, and the end), and what is resident: the guest's RAM, whose mapping is the largest one, and the rest.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: u32 = 20;
/// MOV DX,F4h; MOV AL,0; OUT DX,AL.
const END: [u8; 6] = [0xba, 0xf4, 0x00, 0xb0, 0x00, 0xee];
/// HLT; JMP $-1.
const STAY: [u8; 3] = [0xf4, 0xeb, 0xfd];

fn start(folder: &Path, code: &[u8]) -> Child {
    let disk = folder.join("disk.img");
    let mut data = vec![0; 1 << 20];
    data[..code.len()].copy_from_slice(code);
    data[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(&disk, data).expect("a disk");
    Command::new(env!("CARGO_BIN_EXE_lyrebird"))
        .args(["run", "--display", "none", "--memory", "512M", "--debug-exit", "0xf4,1", "--serial", "null", "--drive"])
        .arg(format!("{},format=raw", disk.display()))
        .stdin(Stdio::null())
        .spawn()
        .expect("the program")
}

/// What is resident by /proc/PID/smaps, in KiB: of the largest mapping, and of all others.
fn resident(smaps: &str) -> (u64, u64) {
    let numbers = |name: &'static str| {
        let lines = smaps.lines().filter_map(move |line| line.strip_prefix(name));
        lines.map(|line| line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0))
    };
    let all: u64 = numbers("Rss:").sum();
    let (_, largest) = numbers("Size:").zip(numbers("Rss:")).max().unwrap_or_default();
    (largest, all - largest)
}

fn main() {
    let folder = std::env::temp_dir().join(format!("lyrebird-start-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let began = Instant::now();
        let code = start(&folder, &END).wait().expect("its end").code();
        assert_eq!(code, Some(1), "the boot sector ends the machine");
        best = best.min(began.elapsed());
    }
    println!("process start, POST, boot sector, end: {:.1} ms", best.as_secs_f64() * 1e3);

    let mut child = start(&folder, &STAY);
    std::thread::sleep(Duration::from_secs(2));
    let smaps = std::fs::read_to_string(format!("/proc/{}/smaps", child.id())).unwrap_or_default();
    _ = child.kill();
    _ = child.wait();
    let (guest, rest) = resident(&smaps);
    println!("resident: {guest} KiB of the guest's RAM, {rest} KiB beside it");
    _ = std::fs::remove_dir_all(&folder);
}
