//! Images and firmware that cannot be used: each is one clear error with the file's name and what to do, the program ends with
//! exit code 1, and not a byte of the file is another than before.

mod common;

use common::guest::{self, End};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder for one test's files; gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lyrebird-bad-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.args(["run", "--engine", "interp", "--display", "none", "--serial", "none", "--exit-after", "20"]);
    command.env_remove("LYREBIRD_LOG").stdin(Stdio::null());
    command
}

/// Runs a machine that cannot be: `{}` in its options stands for the file. The error must have all the parts.
#[track_caller]
fn refused(mut command: Command, options: &str, file: &Path, parts: &[&str]) {
    let before = fs::read(file).unwrap();
    let name = file.display().to_string();
    let output = command.args(options.split(' ').map(|word| word.replace("{}", &name))).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("lyrebird: ") && said.lines().count() == 1, "one line: {said}");
    for part in parts.iter().chain(&[name.as_str()]) {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    assert!(fs::read(file).unwrap() == before, "{name} is not as before");
}

fn own() -> Command {
    program(Path::new(env!("CARGO_BIN_EXE_lyrebird")))
}

/// A disk with one partition up to its end.
fn partitioned(sectors: u32) -> Vec<u8> {
    let mut disk = vec![0; sectors as usize * 512];
    disk[446..458].copy_from_slice(&[0x80, 1, 1, 0, 0x83, 1, 1, 0, 8, 0, 0, 0]);
    disk[458..462].copy_from_slice(&(sectors - 8).to_le_bytes());
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

/// A qcow2 image of 16 MiB with data in its last cluster, as the program itself makes it.
fn qcow2(folder: &Folder) -> Vec<u8> {
    let (raw, made) = (folder.0.join("content.img"), folder.0.join("made.qcow2"));
    let mut content = vec![0; 16 << 20];
    content[..512].fill(1);
    content[15 << 20..].fill(2);
    fs::write(&raw, content).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lyrebird"))
        .args(["image", "convert", "-O", "qcow2"])
        .args([&raw, &made])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::read(made).unwrap()
}

#[test]
fn cut_off() {
    let folder = Folder::new("cut");
    let whole = partitioned(4096);
    let disk = folder.file("disk.img", &whole[..whole.len() - 512 * 100]);
    refused(own(), "{}", &disk, &["is cut off", "partition 1 ends at byte 2097152", "at 2045952", "copy or download"]);
    refused(own(), "--drive {},snapshot", &disk, &["is cut off"]);
    let mut cd = vec![0; 600 * 2048];
    cd[0x8000..0x8007].copy_from_slice(b"\x01CD001\x01");
    cd[0x8000 + 80..][..2].copy_from_slice(&5000u16.to_le_bytes());
    cd[0x8000 + 128..][..2].copy_from_slice(&2048u16.to_le_bytes());
    refused(own(), "{}", &folder.file("dvd.iso", cd), &["is cut off", "the volume on this CD", "download it again"]);
    refused(own(), "--drive {}", &folder.file("nothing.img", b""), &["is empty", "make it as large as"]);
}

#[test]
fn bad_headers() {
    let folder = Folder::new("headers");
    let good = qcow2(&folder);
    for (name, at, bytes, parts) in [
        ("version", 4, &[0, 0, 0, 9][..], ["version 9", "qemu-img convert"]),
        ("l1", 40, &[0, 0, 0, 1, 0, 0, 0, 0], ["L1 table at 0x100000000", "damaged or not complete"]),
        ("refcounts", 48, &[0xff; 8], ["refcount table", "qemu-img check"]),
        ("clusters", 20, &[0, 0, 0, 60], ["clusters of 2^60 bytes", "damaged or not complete"]),
        ("size", 24, &[0xff; 8], ["offset 24", "damaged or not complete"]),
        ("luks", 32, &[0, 0, 0, 2], ["encrypted", "qemu-img convert"]),
    ] {
        let mut image = good.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        refused(own(), "{}", &folder.file(&format!("{name}.qcow2"), image), &parts);
    }
    let wrong = folder.file("plain.img", partitioned(64));
    refused(own(), "--drive {},format=qcow2", &wrong, &["is no qcow2 image", "leave format=qcow2 out"]);
}

#[test]
fn larger_than_its_file() {
    let folder = Folder::new("larger");
    let good = qcow2(&folder);
    let image = folder.file("larger.qcow2", &good[..good.len() - (1 << 20)]);
    refused(own(), "{}", &image, &["in the file, which ends at", "copy it again, use a backup"]);
    refused(own(), "--drive {},readonly", &image, &["in the file, which ends at"]);
}

#[test]
#[cfg(unix)]
fn unwritable() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let folder = Folder::new("unwritable");
    let disk = folder.file("disk.img", partitioned(64));
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&disk, 0o444);
    let command = || {
        if !rustix::process::geteuid().is_root() {
            return own();
        }
        // Root may write anywhere, so it is somebody else who tries; the program must be where they reach it.
        let copy = folder.0.join("lyrebird");
        if !copy.exists() {
            fs::copy(env!("CARGO_BIN_EXE_lyrebird"), &copy).unwrap();
        }
        let mut command = program(&copy);
        command.uid(65_534).gid(65_534).current_dir("/");
        command
    };
    refused(command(), "{}", &disk, &["cannot be opened", "make the file writable", "`readonly` or `snapshot`"]);
    mode(&disk, 0o000);
    let kept = folder.file("kept.img", partitioned(64));
    mode(&kept, 0o222);
    refused(command(), "--drive {},readonly", &kept, &["cannot be opened", "make the file readable"]);
}

/// A machine with the disk, waiting for a byte that does not come.
struct Holder(Child);

impl Holder {
    fn new(kernel: &Path, disk: &Path, options: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lyrebird"));
        command.args([
            "run",
            "--engine",
            "interp",
            "--display",
            "none",
            "--serial",
            "stdio",
            "--no-shutdown",
            "--kernel",
        ]);
        command.arg(kernel).arg(format!("--drive={}{options}", disk.display()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the guest speaks");
        Holder(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn locked() {
    let folder = Folder::new("locked");
    let kernel = folder.file("hello.elf", guest::hello_multiboot(End::PowerOff));
    let disk = folder.file("disk.img", partitioned(64));
    let image = folder.file("disk.qcow2", qcow2(&folder));
    for file in [&disk, &image] {
        let writer = Holder::new(&kernel, file, "");
        let use_by_another = "is in use by another program";
        refused(own(), "{}", file, &[use_by_another, "end that program first", "`readonly`, `snapshot` or a copy"]);
        refused(own(), "--drive {},snapshot", file, &[use_by_another, "or use a copy"]);
        drop(writer);
        let reader = Holder::new(&kernel, file, ",readonly");
        refused(own(), "{}", file, &[use_by_another, "end that program first"]);
        drop(reader);
    }
}

#[test]
fn firmware_of_a_wrong_size() {
    let folder = Folder::new("firmware");
    let cut = folder.file("bios.bin", vec![0xff; (256 << 10) - 512]);
    refused(own(), "--bios {}", &cut, &["261632 bytes", "no size of a ROM", "in steps of 64 KiB"]);
    let large = folder.file("large.bin", vec![0xff; 17 << 20]);
    refused(own(), "--bios {}", &large, &["no size of a ROM", "64 KiB to 16 MiB"]);
    let code = folder.file("code.fd", vec![0xff; 100_000]);
    refused(own(), "--drive {},kind=flash", &code, &["no size of a flash memory", "in steps of 4 KiB"]);
    let mut video = vec![0; 20_000];
    video[..3].copy_from_slice(&[0x55, 0xaa, 64]);
    let video = folder.file("vgabios.bin", video);
    refused(own(), "--vga-rom {}", &video, &["20000 bytes", "should have 32768", "copy it again"]);
    let none = folder.file("text.bin", b"no ROM at all");
    refused(own(), "--vga-rom {}", &none, &["is no video BIOS", "give another file"]);
}
