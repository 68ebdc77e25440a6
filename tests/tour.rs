//! The guest that the program carries, on our own firmware: its pages look as they did when somebody looked at them, and its
//! self-test finds nothing wrong.

mod common;

use common::screens;
use std::path::PathBuf;
use std::process::Command;

/// Runs it in a machine whose every run is the same; pictures go to the folder that is returned.
fn tour(name: &str, arguments: &[&str], shots: &[(&str, f64)]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("lyrebird-tour-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyrebird"));
    command.args(["tour", "--display", "none", "--deterministic", "-m", "32M", "--engine", "interp"]).args(arguments);
    for (file, at) in shots {
        command.arg(format!("--screenshot={}@{at}", folder.join(file).display()));
    }
    let output = command.env_remove("LYREBIRD_LOG").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    folder
}

#[test]
fn its_pages_look_as_they_should() {
    let shots = [
        ("tour-menu.png", 0.9),
        ("tour-text.png", 1.5),
        ("tour-planes.png", 2.9),
        ("tour-true-colour.png", 3.9),
        ("tour-keyboard.png", 4.6),
    ];
    let keys = "--keys=1:1,2:spc,2.3:3,3:spc,3.3:4,4:spc,4.2:5,4.4:press=a,press=left";
    let folder = tour("pages", &["--serial=none", keys, "--exit-after=4.7"], &shots);
    for (name, _) in shots {
        screens::expect(&folder.join(name), name, 0);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn its_self_test_finds_nothing_wrong_and_it_powers_off() {
    let log = std::env::temp_dir().join(format!("lyrebird-tour-{}.log", std::process::id()));
    let serial = format!("--serial=file:{}", log.display());
    let folder = tour(
        "self-test",
        &[&serial, "--keys=1:0,8:spc,8.5:esc", "--exit-after=60"],
        &[("end.txt", 7.9), ("after.txt", 50.0)],
    );
    let said = std::fs::read_to_string(&log).unwrap();
    let screen = std::fs::read_to_string(folder.join("end.txt")).unwrap();
    assert!(said.ends_with("tour: everything works\r\n"), "{said}\n{screen}");
    assert!(screen.contains("Everything works as it should."), "{screen}");
    assert!(!folder.join("after.txt").exists(), "Esc powers the machine off");
    std::fs::remove_file(log).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
