//! The guest's screen and keyboard, without a display: pictures in files, scripted keys, the screen in a terminal.

mod common;

use common::guest;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder for one test's files; gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lyrebird-screen-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyrebird"));
    command.args(["run", "--display", "none", "--serial", "none", "--deterministic"]).args(arguments);
    command.env_remove("LYREBIRD_LOG").output().unwrap()
}

#[test]
fn pictures_and_keys_come_at_their_times() {
    let folder = Folder::new("times");
    let kernel = folder.path("greeter.elf");
    std::fs::write(&kernel, guest::greeter()).unwrap();
    let (early, late, png) = (folder.path("early.txt"), folder.path("late.txt"), folder.path("a.png"));
    let output = run(&[
        &kernel,
        "--debug-exit=0xf4,4",
        "--keys=0.02:a",
        &format!("--screenshot={early}@0.01"),
        &format!("--screenshot={png}@0.01"),
        &format!("--screenshot-on-exit={late}"),
    ]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // A's scan code in set 1, or in set 2 where nobody has asked the controller to translate.
    assert!(matches!(output.status.code(), Some(0x3d | 0x39)), "{:?} {said}", output.status);
    let early = std::fs::read_to_string(early).unwrap();
    assert_eq!(early.lines().skip(1).take(3).collect::<Vec<_>>(), ["Guten Tag!", "Type something.", ""]);
    let late = std::fs::read_to_string(late).unwrap();
    assert_eq!(late.lines().nth(3), Some("☺"));
    let picture = host::screen::picture::load(Path::new(&png)).unwrap();
    assert_eq!((picture.width, picture.height), (720, 400));
    assert!(picture.pixels.contains(&0xff_ff55), "yellow letters");
}

#[test]
fn a_machine_ends_after_its_time_and_takes_no_picture_of_nothing() {
    let folder = Folder::new("nothing");
    let kernel = folder.path("greeter.elf");
    std::fs::write(&kernel, guest::greeter()).unwrap();
    let output = run(&[&kernel, "--exit-after=0.01"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let png = folder.path("a.png");
    let output = run(&[&kernel, "--vga=none", "--exit-after=0.01", &format!("--screenshot-on-exit={png}")]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no display adapter"), "{output:?}");
    assert!(!Path::new(&png).exists());
}
