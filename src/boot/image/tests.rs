//! Images from files of all kinds.

use super::*;
use crate::boot::tests::Folder;

impl Image {
    /// The bytes of an image in memory, to be damaged.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        match &mut self.source {
            Source::Memory(bytes) => Arc::make_mut(bytes),
            Source::File { .. } => panic!("an image in a file"),
        }
    }
}

#[test]
fn a_file_is_read_where_it_is_asked_for() {
    let folder = Folder::new("pieces");
    let image = Image::open(&folder.file("f", b"0123456789"), "").unwrap();
    assert!(matches!(image.source, Source::File { bytes: 10, .. }));
    assert_eq!(image.slice(3, 4, "four").unwrap(), b"3456");
    assert_eq!((image.u8(9, "").unwrap(), image.u16(0, "").unwrap()), (b'9', 0x3130));
    assert_eq!((image.beginning(3).unwrap(), image.beginning(99).unwrap().len()), (b"012".to_vec(), 10));
    assert!(image.has(8, b"89") && !image.has(8, b"890"));
    for (offset, bytes) in [(8, 3), (11, 0), (u64::MAX, 2)] {
        let error = image.slice(offset, bytes, "this").unwrap_err().to_string();
        assert!(error.contains(&format!("/f: at offset {offset:#x}: this needs {bytes:#x} bytes here")), "{error}");
    }
}

#[test]
fn an_empty_file_has_nothing() {
    let folder = Folder::new("nothing");
    let mut image = Image::open(&folder.file("f", b""), "").unwrap();
    assert!(image.is_empty() && image.slice(0, 0, "").unwrap().is_empty());
    image.look_again().unwrap();
    assert!(image.is_empty());
}

#[test]
fn a_folder_is_no_file() {
    let error = Image::open(&std::env::temp_dir(), "give a file").unwrap_err().to_string();
    assert!(error.contains("cannot be read") && error.contains("give a file"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_any_more_is_named_with_the_offset() {
    let folder = Folder::new("unreadable");
    let path = folder.file("f", b"0123456789");
    // Opened for writing only, the host refuses each read.
    let file = File::options().write(true).open(&path).unwrap();
    let image = Image { path, source: Source::File { file: Arc::new(file), bytes: 10 } };
    let error = image.slice(4, 2, "").unwrap_err().to_string();
    assert!(error.contains("/f: at offset 0x4: cannot be read:") && error.contains("check the disk"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn what_comes_through_a_pipe_is_kept() {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    let (reader, mut writer) = std::io::pipe().unwrap();
    let written = std::thread::spawn(move || writer.write_all(&[5; 100_000]).unwrap());
    let path = format!("/dev/fd/{}", reader.as_raw_fd());
    let mut image = Image::open(Path::new(&path), "").unwrap();
    written.join().unwrap();
    for _ in 0..2 {
        assert_eq!(image.slice(1, 99_999, "").unwrap(), vec![5; 99_999]);
        image.look_again().unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_length_is_told_as_zero_is_kept() {
    let image = Image::open(Path::new("/proc/version"), "").unwrap();
    assert!(matches!(&image.source, Source::Memory(_)) && image.has(0, b"Linux"));
}
