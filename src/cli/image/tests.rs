//! What the options mean, and what is shown.

use super::options::{Wanted, bytes, people};
use super::{Standalone, info};
use clap::Parser;
use host::disk::Format;
use host::disk::image::{BackingInfo, Info, Qcow2Info};
use std::path::Path;

fn wanted<'a>(options: &'a [String]) -> Wanted<'a> {
    let (size, backing) = (None, None);
    Wanted { format: Format::Qcow2, size, backing, backing_format: None, unchecked: false, options }
}

#[test]
fn sizes_are_bytes() {
    for (text, value) in
        [("512", 512), ("1k", 1024), ("1.5G", 3 << 29), ("2T", 2 << 40), ("1E", 1 << 60), ("4MiB", 4 << 20)]
    {
        assert_eq!(bytes(text), Ok(value), "{text}");
    }
    for text in ["", "G", "-1", "12Q", "99E", "1.2.3G"] {
        assert!(bytes(text).is_err(), "{text}");
    }
    for (value, text) in
        [(512, "512 B"), (1 << 30, "1 GiB"), (3 << 29, "1.5 GiB"), (196 << 10, "196 KiB"), (1000, "0.98 KiB")]
    {
        assert_eq!(people(value), text);
    }
}

#[test]
fn options_come_together() {
    let options =
        ["size=1G,cluster_size=4k".to_owned(), "refcount_bits=1,backing_file=a,,b,backing_fmt=raw".to_owned()];
    let create = wanted(&options).create().unwrap();
    assert_eq!((create.size, create.cluster_size, create.refcount_bits), (Some(1 << 30), Some(4096), Some(1)));
    let backing = create.backing.unwrap();
    assert_eq!((backing.file.to_str(), backing.format), (Some("a,b"), Some(Format::Raw)));
    for (option, part) in [
        ("clustersize=4k", "nearest known is `cluster_size`"),
        ("compat=0.10", "version 3"),
        ("encryption=on", "do not have that"),
        ("preallocation=some", "off, metadata, falloc or full"),
        ("backing_fmt=raw", "give that file by -b"),
        ("size=big", "no size"),
    ] {
        let said = wanted(&[option.to_owned()]).create().unwrap_err().to_string();
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn commands_of_qemu_img_are_understood() {
    for line in [
        "create -f qcow2 -b base.img -F raw top.qcow2",
        "create -q -f qcow2 -o cluster_size=2M,preallocation=metadata x.qcow2 10G",
        "convert -p -f qcow2 -O raw -t none -T none -m 8 -W a.qcow2 b.img",
        "convert -n -O raw a.qcow2 /dev/sdx",
        "info -U --output=json --backing-chain x.qcow2",
        "resize -f raw --shrink x.img -1G",
        "resize x.img +1G",
    ] {
        let words = std::iter::once("qemu-img").chain(line.split_whitespace());
        assert!(Standalone::try_parse_from(words).is_ok(), "{line}");
    }
}

#[test]
fn information_is_for_people_and_programs() {
    let backing = BackingInfo { name: "base.img".into(), path: "dir/base.img".into(), format: Some(Format::Raw) };
    let qcow2 = Qcow2Info {
        version: 3,
        cluster: 0x1_0000,
        refcount_bits: 16,
        lazy_refcounts: false,
        dirty: false,
        corrupt: false,
        snapshots: 0,
        backing: Some(backing),
    };
    let info = Info { format: Format::Qcow2, size: 1 << 30, allocated: 196 << 10, in_use: false, qcow2: Some(qcow2) };
    let text = info::human(Path::new("dir/top.qcow2"), &info);
    for line in [
        "virtual size: 1 GiB (1073741824 bytes)",
        "disk size: 196 KiB",
        "backing file: base.img (actual path: dir/base.img)",
        "    compat: 1.1",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} in {text}");
    }
    let value = info::for_programs(Path::new("dir/top.qcow2"), &info);
    assert_eq!(value["virtual-size"], 1u64 << 30);
    assert_eq!(value["backing-filename-format"], "raw");
    assert_eq!(value["format-specific"]["data"]["compat"], "1.1");
}
