//! Runs `tests/filetests`: see `x86_tests::filetest` for the format. `BLESS=1` rewrites what is expected;
//! `FILETEST=text` runs only tests whose file or name has that in it.

use std::path::{Path, PathBuf};
use x86_tests::filetest::{File, check};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("tests/filetests") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "x86") {
            found.push(path);
        }
    }
}

#[test]
fn filetests() {
    let bless = std::env::var_os("BLESS").is_some();
    let only = std::env::var("FILETEST").unwrap_or_default();
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../filetests"), &mut paths);
    paths.sort();
    let (mut failures, mut count) = (0, 0);
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a text file");
        let mut file = File::parse(&text).unwrap_or_else(|e| panic!("{}: {e:#}", path.display()));
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let before = count;
        for test in &mut file.tests {
            if !name.contains(&only) && !test.name.contains(&only) {
                continue;
            }
            count += 1;
            if let Err(e) = check(test, bless) {
                println!("{name}:{}: {}: {e:#}", test.line, test.name);
                failures += 1;
            }
        }
        if bless && count > before {
            std::fs::write(&path, file.text()).expect("a file that may be written");
        }
    }
    println!("{count} tests");
    assert_eq!(failures, 0, "tests that fail");
}
