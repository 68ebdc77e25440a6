//! Images on the host's disk: what is written where, and what is said when something is wrong.

use super::*;
use lyrebird_core::BlockError;
use std::fs;
use std::path::PathBuf;

/// A folder that goes away.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lyrebird-disk-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

const PLAIN: DiskOptions = DiskOptions { format: None, read_only: false, snapshot: false };
const SNAPSHOT: DiskOptions = DiskOptions { snapshot: true, ..PLAIN };
const READ_ONLY: DiskOptions = DiskOptions { read_only: true, ..PLAIN };

fn sector(disk: &mut Box<dyn BlockDevice>, number: u64) -> [u8; 512] {
    let mut data = [0; 512];
    disk.read_at(number, &mut data).unwrap();
    data
}

fn refusal(path: &Path, options: DiskOptions) -> String {
    open(path, options).expect_err("refused").to_string()
}

/// An empty qcow2 image (version 3) of clusters of 64 KiB: header, refcount table, refcount block, L1 table.
fn qcow2(bytes: u64, backing: Option<&str>) -> Vec<u8> {
    const CLUSTER: usize = 0x1_0000;
    let mut image = vec![0u8; 4 * CLUSTER];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb");
    put(4, &3u32.to_be_bytes());
    put(20, &16u32.to_be_bytes());
    put(24, &bytes.to_be_bytes());
    put(36, &1u32.to_be_bytes());
    put(40, &(3 * CLUSTER as u64).to_be_bytes());
    put(48, &(CLUSTER as u64).to_be_bytes());
    put(56, &1u32.to_be_bytes());
    put(96, &4u32.to_be_bytes());
    put(100, &104u32.to_be_bytes());
    if let Some(name) = backing {
        put(8, &512u64.to_be_bytes());
        put(16, &(name.len() as u32).to_be_bytes());
        put(104, &0xe279_2acau32.to_be_bytes());
        put(108, &3u32.to_be_bytes());
        put(112, b"raw");
        put(512, name.as_bytes());
    }
    put(CLUSTER, &(2 * CLUSTER as u64).to_be_bytes());
    (0..4).for_each(|n| put(2 * CLUSTER + 2 * n, &1u16.to_be_bytes()));
    image
}

#[test]
fn raw_images_are_what_the_guest_writes() {
    let folder = Folder::new("raw");
    let path = folder.file("odd.img", &[7; 1000]);
    let mut disk = open(&path, PLAIN).unwrap();
    assert_eq!(disk.sectors(), 2);
    let last = sector(&mut disk, 1);
    assert_eq!((last[487], last[488]), (7, 0), "beyond the file's end are zeroes");
    disk.write_at(1, &[9; 512]).unwrap();
    disk.flush().unwrap();
    assert_eq!(sector(&mut disk, 1), [9; 512]);
    assert!(matches!(disk.read_at(2, &mut [0; 512]), Err(BlockError::OutOfRange { .. })));
    drop(disk);
    let file = fs::read(&path).unwrap();
    assert!(file.len() == 1024 && file[..512] == [7; 512] && file[512..] == [9; 512]);
    let mut disk = open(&path, READ_ONLY).unwrap();
    assert_eq!((disk.read_only(), disk.write_at(0, &[0; 512])), (true, Err(BlockError::ReadOnly)));
}

#[test]
fn a_file_that_shrinks_is_an_error_of_the_disk() {
    let folder = Folder::new("shrink");
    let path = folder.file("disk.img", &[1; 4096]);
    let mut disk = open(&path, PLAIN).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1024).unwrap();
    let error = disk.read_at(4, &mut [0; 512]).unwrap_err().to_string();
    assert!(error.contains("disk.img") && error.contains("offset 2048") && error.contains("shorter"), "{error}");
}

#[test]
fn snapshots_leave_the_image_as_it_is() {
    let folder = Folder::new("snapshot");
    for (name, content) in [("a.img", vec![5; 1 << 20]), ("a.qcow2", qcow2(1 << 20, None))] {
        let path = folder.file(name, &content);
        let mut disk = open(&path, SNAPSHOT).unwrap();
        let before = sector(&mut disk, 600)[0];
        disk.write_at(599, &[1; 3 * 512]).unwrap();
        disk.write_at(600, &[2; 512]).unwrap();
        let mut data = vec![0; 5 * 512];
        disk.read_at(598, &mut data).unwrap();
        let firsts: Vec<u8> = data.chunks(512).map(|sector| sector[0]).collect();
        assert_eq!(firsts, [before, 1, 2, 1, before]);
        disk.flush().unwrap();
        drop(disk);
        assert!(fs::read(&path).unwrap() == content, "{name}");
    }
}

#[test]
fn qcow2_keeps_what_is_written() {
    let folder = Folder::new("qcow2");
    let path = folder.file("a.qcow2", &qcow2(300 << 20, None));
    let mut disk = open(&path, PLAIN).unwrap();
    assert_eq!((disk.sectors(), sector(&mut disk, 599_999)), (600 << 10, [0; 512]));
    let data: Vec<u8> = (0..200 * 512).map(|n| (n / 512) as u8).collect();
    disk.write_at(100, &data).unwrap();
    disk.write_at(600_000, &data).unwrap();
    disk.flush().unwrap();
    drop(disk);
    let mut disk = open(&path, READ_ONLY).unwrap();
    let mut back = vec![0; data.len()];
    for first in [100, 600_000] {
        disk.read_at(first, &mut back).unwrap();
        assert!(back == data);
    }
    assert_eq!(sector(&mut disk, 99), [0; 512]);
}

#[test]
fn backing_files_show_through() {
    let folder = Folder::new("backing");
    folder.file("base.img", &[3; 1 << 20]);
    let top = folder.file("top.qcow2", &qcow2(1 << 20, Some("base.img")));
    let mut disk = open(&top, PLAIN).unwrap();
    disk.write_at(8, &[4; 512]).unwrap();
    assert_eq!((sector(&mut disk, 7), sector(&mut disk, 8)), ([3; 512], [4; 512]));
    drop(disk);
    assert!(fs::read(folder.0.join("base.img")).unwrap() == [3; 1 << 20]);
    fs::remove_file(folder.0.join("base.img")).unwrap();
    let said = refusal(&top, PLAIN);
    assert!(said.contains("needs its backing file") && said.contains("base.img"), "{said}");
    // A chain in circles.
    let mut circle = qcow2(1 << 20, Some("c.qcow2"));
    circle[108..119].copy_from_slice(b"\0\0\0\x05qcow2\0\0");
    let path = folder.file("c.qcow2", &circle);
    assert!(refusal(&path, READ_ONLY).contains("more than 32 backing files"));
}

#[test]
fn images_in_use_are_locked() {
    let folder = Folder::new("lock");
    let path = folder.file("disk.img", &[0; 1024]);
    let disk = open(&path, PLAIN).unwrap();
    for options in [PLAIN, SNAPSHOT, READ_ONLY] {
        assert!(refusal(&path, options).contains("in use by another program"));
    }
    drop(disk);
    let readers = (open(&path, SNAPSHOT).unwrap(), open(&path, READ_ONLY).unwrap());
    assert!(refusal(&path, PLAIN).contains("in use"));
    drop(readers);
}

#[test]
fn bad_headers_are_refused_before_anything_is_changed() {
    let folder = Folder::new("headers");
    let good = qcow2(1 << 20, None);
    let changes: [(&str, usize, &[u8], &str); 14] = [
        ("version", 4, &[0, 0, 0, 4], "version 4"),
        ("luks", 32, &[0, 0, 0, 2], "encrypted (method 2 at offset 32)"),
        ("refcounts", 48, &[0, 0, 0, 0, 0, 1, 0, 8], "refcount table at 0x10008"),
        ("refcounts far", 48, &[0x7f, 0, 0, 0, 0, 0, 0, 0], "no place in the file"),
        ("refcounts zero", 48, &[0; 8], "refcount table at 0x0"),
        ("many refcounts", 56, &[1, 0, 0, 0], "refcount table of 16777216 clusters"),
        ("l1 far", 40, &[0, 0, 0, 1, 0, 0, 0, 0], "L1 table at 0x100000000"),
        ("l1 small", 36, &[0, 0, 0, 0], "0 L1 entries"),
        ("clusters", 20, &[0, 0, 0, 63], "clusters of 2^63"),
        ("size", 24, &[0xff; 8], "offset 24"),
        ("zstd", 79, &[8], "another method than zlib"),
        ("extended", 79, &[16], "extended L2"),
        ("corrupt", 79, &[2], "marked as corrupt"),
        ("snapshots", 60, &[0, 0, 0, 1], "1 internal snapshots"),
    ];
    for (name, at, bytes, part) in changes {
        let mut image = good.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        let path = folder.file(name, &image);
        let said = refusal(&path, PLAIN);
        assert!(said.contains(part) && said.contains(name), "{name}: {said}");
        assert!(fs::read(&path).unwrap() == image);
    }
    for length in [60, 100, 0x1_0000, 0x3_0000] {
        assert!(open(&folder.file("short", &good[..length]), PLAIN).is_err(), "{length}");
    }
    let snapshots = folder.0.join("snapshots");
    assert!(open(&snapshots, SNAPSHOT).is_ok(), "reading is no danger");
}

#[test]
fn images_that_were_cut_off_are_refused() {
    let folder = Folder::new("cut");
    let path = folder.file("a.qcow2", &qcow2(300 << 20, None));
    let mut disk = open(&path, PLAIN).unwrap();
    disk.write_at(0, &[1; 512]).unwrap();
    disk.write_at(400_000, &[2; 512]).unwrap();
    disk.flush().unwrap();
    drop(disk);
    let whole = fs::read(&path).unwrap();
    assert!(open(&path, PLAIN).is_ok());
    for length in (0..whole.len()).step_by(0x8000) {
        let path = folder.file("cut.qcow2", &whole[..length]);
        for options in [PLAIN, SNAPSHOT, READ_ONLY] {
            // A part of the last cluster may be missing: nobody has written it.
            match open(&path, options) {
                Ok(_) => assert!(length + 0x1_0000 > whole.len(), "{length:#x}"),
                Err(error) => assert!(length == 0 || error.to_string().contains("backup"), "{error}"),
            }
        }
        assert!(fs::read(&path).unwrap() == whole[..length]);
    }
}

#[test]
fn raw_images_that_say_that_they_are_longer_are_refused() {
    let folder = Folder::new("extent");
    let mut disk = vec![0; 64 * 512];
    disk[446..462].copy_from_slice(&[0x80, 1, 1, 0, 0x83, 1, 1, 0, 8, 0, 0, 0, 56, 0, 0, 0]);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    let mut cd = vec![0; 400 * 2048];
    cd[0x8000..0x8007].copy_from_slice(b"\x01CD001\x01");
    cd[0x8000 + 80..][..2].copy_from_slice(&400u16.to_le_bytes());
    cd[0x8000 + 128..][..2].copy_from_slice(&2048u16.to_le_bytes());
    let mut gpt = vec![0; 64 * 512];
    gpt[446..462].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    gpt[510..512].copy_from_slice(&[0x55, 0xaa]);
    gpt[512..520].copy_from_slice(b"EFI PART");
    gpt[512 + 32] = 63;
    let raw = DiskOptions { format: Some(Format::Raw), ..PLAIN };
    for (name, whole, cut, part) in [
        ("disk", &disk, 63 * 512, "partition 1 ends at byte 32768, and the file at 32256"),
        ("cd", &cd, 200 * 2048, "the volume on this CD ends at byte 512000"),
        ("gpt", &gpt, 63 * 512, "the second partition table of this GPT disk"),
    ] {
        assert!(open(&folder.file(name, whole), PLAIN).is_ok(), "{name}");
        let path = folder.file(name, &whole[..cut]);
        let said = refusal(&path, PLAIN);
        assert!(said.contains(part) && said.contains("format=raw") && said.contains(name), "{said}");
        assert!(fs::read(&path).unwrap() == whole[..cut]);
        assert!(open(&path, raw).is_ok(), "if one insists");
    }
    // What only looks like a table: a floppy's boot sector with text where the partitions would be.
    disk[446..510].fill(b'x');
    assert!(open(&folder.file("floppy", &disk), PLAIN).is_ok());
}

/// As QEMU's block driver locks what it has open.
#[cfg(target_os = "linux")]
#[test]
fn images_that_qemu_uses_are_locked_too() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};
    let folder = Folder::new("qemu-lock");
    let path = folder.file("disk.img", &[0; 4096]);
    let mut command = Command::new("qemu-io");
    command.args(["-f", "raw"]).arg(&path);
    let Ok(mut writer) = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn() else {
        eprintln!("skipped: qemu-io is not installed (Debian: qemu-utils)");
        return;
    };
    // It waits for a command, with the image open.
    let start = Instant::now();
    while open(&path, READ_ONLY).is_ok() && start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    for options in [PLAIN, SNAPSHOT, READ_ONLY] {
        assert!(refusal(&path, options).contains("in use by another program"));
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    let ours = open(&path, PLAIN).unwrap();
    let refused = Command::new("qemu-io").args(["-f", "raw", "-c", "length"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&[refused.stdout, refused.stderr].concat()).into_owned();
    assert!(said.contains("lock"), "{said}");
    drop(ours);
}

#[test]
fn other_errors_have_a_remedy() {
    let folder = Folder::new("errors");
    for (path, parts) in [
        (folder.0.join("none.img"), ["none.img", "check the path"]),
        (folder.0.clone(), ["folder", "disk image"]),
        (folder.file("empty.img", b""), ["is empty", "truncate"]),
        (folder.file("x.vmdk", b"KDMV and more"), ["is a VMDK", "qemu-img convert"]),
        (folder.file("x.luks", b"LUKS\xba\xbe\0\x01"), ["is a LUKS", "format=raw"]),
    ] {
        let said = refusal(&path, READ_ONLY);
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
    let raw = DiskOptions { format: Some(Format::Raw), ..READ_ONLY };
    assert!(open(&folder.0.join("x.vmdk"), raw).is_ok(), "if one insists");
    let qcow2 = DiskOptions { format: Some(Format::Qcow2), ..READ_ONLY };
    assert!(refusal(&folder.0.join("x.vmdk"), qcow2).contains("no qcow2 image"));
}
