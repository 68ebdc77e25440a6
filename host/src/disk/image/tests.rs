//! Images that no machine uses; what `qemu-img` says of ours, where it is installed.

use super::*;
use crate::disk::tests::Folder;
use crate::disk::{DiskOptions, open};
use std::path::PathBuf;
use std::process::Command;

/// What `qemu-img` says, and whether it is content; nothing without it.
fn qemu_img(arguments: &[&str]) -> Option<(bool, String)> {
    let output = match Command::new("qemu-img").args(arguments).output() {
        Ok(output) => output,
        Err(_) => {
            eprintln!("skipped a comparison: qemu-img is not installed (Debian: qemu-utils)");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Some((output.status.success(), text))
}

fn check(path: &Path) {
    if let Some((good, text)) = qemu_img(&["check", path.to_str().unwrap()]) {
        assert!(good && text.contains("No errors"), "{}: {text}", path.display());
    }
}

fn same(a: &Path, b: &Path) {
    if let Some((good, text)) = qemu_img(&["compare", a.to_str().unwrap(), b.to_str().unwrap()]) {
        assert!(good, "{} and {}: {text}", a.display(), b.display());
    }
}

fn qcow2(size: u64) -> Create {
    Create::new(Format::Qcow2, Some(size))
}

/// A raw image with data here and there, and holes.
fn patchwork(folder: &Folder) -> PathBuf {
    let path = folder.file("patchwork.img", b"");
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(40 << 20).unwrap();
    for (n, at) in [0u64, 5000, 70_000, 3 << 20, (9 << 20) + 512, (40 << 20) - 512].into_iter().enumerate() {
        let data: Vec<u8> = (0..512 * (1 + n % 3)).map(|byte| (byte + n) as u8 | 1).collect();
        let end = data.len().min(((40 << 20) - at) as usize);
        crate::disk::raw::write_all_at(&file, &data[..end], at).unwrap();
    }
    path
}

#[test]
fn new_images_are_as_they_were_asked_for() {
    let folder = Folder::new("create");
    for (name, how) in [
        ("plain.qcow2", qcow2(1 << 30)),
        ("small.qcow2", Create { cluster_size: Some(512), refcount_bits: Some(1), ..qcow2(10 << 20) }),
        ("large.qcow2", Create { cluster_size: Some(2 << 20), refcount_bits: Some(64), ..qcow2(1 << 40) }),
        ("odd.qcow2", qcow2(1_000_001)),
        ("metadata.qcow2", Create { preallocation: Preallocation::Metadata, ..qcow2(10 << 20) }),
        ("full.qcow2", Create { preallocation: Preallocation::Full, ..qcow2(10 << 20) }),
    ] {
        let path = folder.path(name);
        let size = create(&path, &how).unwrap();
        assert_eq!(size, how.size.unwrap().next_multiple_of(512));
        let found = info(&path, None).unwrap();
        assert_eq!((found.format, found.size, found.in_use), (Format::Qcow2, size, false), "{name}");
        let qcow2 = found.qcow2.unwrap();
        assert_eq!((qcow2.version, qcow2.cluster), (3, how.cluster_size.unwrap_or(0x1_0000)));
        assert_eq!(qcow2.refcount_bits, how.refcount_bits.unwrap_or(16));
        check(&path);
        let mut disk = open(&path, DiskOptions::default()).unwrap();
        disk.write_at(size / 512 - 1, &[7; 512]).unwrap();
        disk.flush().unwrap();
        drop(disk);
        check(&path);
    }
    for (name, preallocation, allocated) in [("a.img", Preallocation::Off, 0), ("b.img", Preallocation::Full, 1 << 20)]
    {
        let path = folder.path(name);
        create(&path, &Create { preallocation, ..Create::new(Format::Raw, Some(1 << 20)) }).unwrap();
        let found = info(&path, None).unwrap();
        assert_eq!((found.format, found.size), (Format::Raw, 1 << 20));
        assert!(!cfg!(unix) || found.allocated >= allocated);
    }
}

#[test]
fn what_cannot_be_made_leaves_nothing_behind() {
    let folder = Folder::new("refused");
    let path = folder.path("new.img");
    let backing = |name: &str| Some(Backing { file: name.into(), format: None, unchecked: false });
    for (how, part) in [
        (Create { cluster_size: Some(1000), ..qcow2(1 << 20) }, "clusters of 1000 bytes"),
        (Create { refcount_bits: Some(3), ..qcow2(1 << 20) }, "refcounts of 3 bits"),
        (Create { cluster_size: Some(512), ..qcow2(1 << 40) }, "use larger clusters"),
        (Create { size: None, ..qcow2(0) }, "give one, as in 10G"),
        (qcow2(0), "would have no bytes"),
        (qcow2(u64::MAX), "larger than a file can be"),
        (Create { backing: backing("none.img"), ..qcow2(1 << 20) }, "none.img"),
        (Create { backing: backing("new.img"), ..qcow2(1 << 20) }, "new.img"),
        (Create { cluster_size: Some(512), ..Create::new(Format::Raw, Some(512)) }, "has no clusters"),
    ] {
        let said = create(&path, &how).unwrap_err().to_string();
        assert!(said.contains(part), "{said}");
        assert!(!path.exists(), "{said}");
    }
}

#[test]
fn images_in_use_are_not_touched() {
    let folder = Folder::new("in-use");
    let path = folder.file("disk.img", &[5; 4096]);
    let other = folder.file("other.img", &[6; 4096]);
    let user = open(&path, DiskOptions::default()).unwrap();
    assert!(info(&path, None).unwrap().in_use);
    let to_user = Conversion {
        from: &other,
        format: None,
        to: &path,
        target: Target::New(Create::new(Format::Raw, None)),
        sparse: 4096,
    };
    let said = [
        create(&path, &qcow2(1 << 20)).unwrap_err(),
        resize(&path, None, Change::Grow(512), false).unwrap_err(),
        convert(&to_user, &mut |_, _| ()).unwrap_err(),
    ];
    assert!(said.iter().all(|error| error.to_string().contains("in use by another program")), "{said:?}");
    drop(user);
    assert!(std::fs::read(&path).unwrap() == [5; 4096]);
    let onto_itself = Conversion { from: &path, ..to_user };
    assert!(convert(&onto_itself, &mut |_, _| ()).unwrap_err().to_string().contains("onto itself"));
    assert!(std::fs::read(&path).unwrap() == [5; 4096]);
}

#[test]
fn copies_are_the_same_and_sparse() {
    let folder = Folder::new("convert");
    let first = patchwork(&folder);
    let to = |from: &Path, name: &str, how: Create| {
        let to = folder.path(name);
        let what = Conversion { from, format: None, to: &to, target: Target::New(how), sparse: 4096 };
        let mut shown = Vec::new();
        convert(&what, &mut |done, all| shown.push((done, all))).unwrap();
        assert_eq!(shown.last(), Some(&(40 << 20, 40 << 20)));
        assert!(shown.is_sorted());
        same(from, &to);
        to
    };
    let second = to(&first, "second.qcow2", Create::new(Format::Qcow2, None));
    check(&second);
    assert!(std::fs::metadata(&second).unwrap().len() < 1 << 20);
    let third = to(&second, "third.qcow2", Create { cluster_size: Some(4096), ..Create::new(Format::Qcow2, None) });
    check(&third);
    let fourth = to(&third, "fourth.img", Create::new(Format::Raw, None));
    assert!(std::fs::read(&first).unwrap() == std::fs::read(&fourth).unwrap());
    assert!(!cfg!(unix) || info(&fourth, None).unwrap().allocated < 1 << 20);
    // What differs from the backing file, and only that; also where the copy has zeroes.
    let base = folder.path("base.img");
    std::fs::copy(&first, &base).unwrap();
    let file = File::options().write(true).open(&base).unwrap();
    crate::disk::raw::write_all_at(&file, &[9; 8192], 20 << 20).unwrap();
    drop(file);
    let backing = Some(Backing { file: "base.img".into(), format: None, unchecked: false });
    let fifth = to(&first, "fifth.qcow2", Create { backing, ..Create::new(Format::Qcow2, None) });
    check(&fifth);
    assert!(std::fs::metadata(&fifth).unwrap().len() < 600 << 10);
    // Into what is there.
    let sixth = folder.file("sixth.img", &[3; 41 << 20]);
    let there =
        Conversion { from: &fifth, format: None, to: &sixth, target: Target::There(Some(Format::Raw)), sparse: 0 };
    convert(&there, &mut |_, _| ()).unwrap();
    let copy = std::fs::read(&sixth).unwrap();
    assert!(copy[..40 << 20] == std::fs::read(&first).unwrap() && copy[40 << 20..] == [3; 1 << 20]);
    let small = folder.file("small.img", &[3; 4096]);
    let said = convert(&Conversion { to: &small, ..there }, &mut |_, _| ()).unwrap_err().to_string();
    assert!(said.contains("has 4096 bytes") && said.contains("resize"), "{said}");
}

#[test]
fn compressed_images_of_qemu_are_read() {
    let folder = Folder::new("compressed");
    let first = patchwork(&folder);
    let packed = folder.path("packed.qcow2");
    let arguments = ["convert", "-c", "-O", "qcow2", first.to_str().unwrap(), packed.to_str().unwrap()];
    if qemu_img(&arguments).is_none() {
        return;
    }
    let copy = folder.path("copy.img");
    let target = Target::New(Create::new(Format::Raw, None));
    convert(&Conversion { from: &packed, format: None, to: &copy, target, sparse: 4096 }, &mut |_, _| ()).unwrap();
    assert!(std::fs::read(&first).unwrap() == std::fs::read(&copy).unwrap());
}

#[test]
fn sizes_change() {
    let folder = Folder::new("resize");
    let path = folder.path("disk.qcow2");
    create(&path, &qcow2(10 << 20)).unwrap();
    let raw = folder.file("disk.img", &[1; 1 << 20]);
    assert_eq!(resize(&path, None, Change::Grow(10 << 30), false).unwrap(), (10 << 20, (10 << 20) + (10 << 30)));
    check(&path);
    assert_eq!(resize(&raw, None, Change::To(2 << 20), false).unwrap(), (1 << 20, 2 << 20));
    for path in [&path, &raw] {
        let said = resize(path, None, Change::To(1 << 20), false).unwrap_err().to_string();
        assert!(said.contains("--shrink"), "{said}");
        resize(path, None, Change::To(1 << 19), true).unwrap();
        assert_eq!(info(path, None).unwrap().size, 1 << 19);
        assert!(resize(path, None, Change::Shrink(1 << 20), true).is_err());
    }
    check(&path);
    // What a larger image shows is zero, whatever is under it.
    let base = folder.file("base.img", &[4; 1 << 20]);
    let top = folder.path("top.qcow2");
    let backing = Some(Backing { file: base, format: Some(Format::Raw), unchecked: false });
    create(&top, &Create { backing, ..qcow2(1 << 19) }).unwrap();
    resize(&top, None, Change::To(1 << 20), false).unwrap();
    check(&top);
    let mut disk = open(&top, DiskOptions::default()).unwrap();
    let mut data = vec![1; 1 << 20];
    disk.read_at(0, &mut data).unwrap();
    assert!(data[..1 << 19] == [4; 1 << 19] && data[1 << 19..] == [0; 1 << 19]);
}
