//! Pictures of guests' screens against those in `tests/screens` that somebody has looked at.
//!
//! To make or replace one, run the test with LYREBIRD_REVIEW=1, look at the new file, and commit it.

use host::screen::picture;
use lyrebird_core::Frame;
use std::path::{Path, PathBuf};

/// Where two pictures differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// They have not the same size: the first's and the second's.
    Size((u32, u32), (u32, u32)),
    /// The smallest rectangle with all that differs (columns and rows, both without their ends), and how many pixels that are.
    Pixels { columns: (u32, u32), rows: (u32, u32), count: usize },
}

/// The first difference that matters: a part of a colour that is further away than `tolerance`.
pub fn difference(a: &Frame, b: &Frame, tolerance: u8) -> Option<Difference> {
    if (a.width, a.height) != (b.width, b.height) {
        return Some(Difference::Size((a.width, a.height), (b.width, b.height)));
    }
    let differs = |(a, b): (&u32, &u32)| {
        let parts = a.to_be_bytes().into_iter().zip(b.to_be_bytes()).skip(1);
        parts.into_iter().any(|(a, b)| a.abs_diff(b) > tolerance)
    };
    let places: Vec<(u32, u32)> = (0u32..)
        .zip(a.pixels.iter().zip(&b.pixels))
        .filter(|(_, pixels)| differs(*pixels))
        .map(|(place, _)| (place % a.width, place / a.width))
        .collect();
    let range = |part: fn(&(u32, u32)) -> u32| {
        let values = places.iter().map(part);
        Some((values.clone().min()?, values.max()? + 1))
    };
    Some(Difference::Pixels { columns: range(|p| p.0)?, rows: range(|p| p.1)?, count: places.len() })
}

/// The folder with the reviewed pictures.
fn reviewed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(name)
}

/// Fails unless the picture in `file` is the reviewed one of this name; says where it differs, and leaves the actual one
/// where it can be looked at.
#[track_caller]
pub fn expect(file: &Path, name: &str, tolerance: u8) {
    let actual = picture::load(file).expect("a picture was taken");
    let path = reviewed(name);
    if std::env::var_os("LYREBIRD_REVIEW").is_some() {
        picture::save(&actual, &path).expect("the folder of reviewed pictures can be written to");
        println!("look at {}", path.display());
        return;
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("actual-{name}"));
    let expected = match picture::load(&path) {
        Ok(expected) => expected,
        Err(error) => {
            _ = picture::save(&actual, &kept);
            panic!("{error}; the actual picture is in {}", kept.display());
        }
    };
    if let Some(difference) = difference(&actual, &expected, tolerance) {
        _ = picture::save(&actual, &kept);
        panic!("{name}: {difference:?}; the actual picture is in {}", kept.display());
    }
}

#[test]
fn differences_are_found_and_named() {
    let frame = |pixels: Vec<u32>| Frame { width: 4, height: 2, pixels, text: None };
    let black = frame(vec![0; 8]);
    assert_eq!(difference(&black, &black, 0), None);
    let spots = frame(vec![0, 0, 0, 0, 0, 0x0000_0300, 0x0005_0000, 0]);
    let all = Difference::Pixels { columns: (1, 3), rows: (1, 2), count: 2 };
    assert_eq!(difference(&black, &spots, 0), Some(all));
    let one = Difference::Pixels { columns: (2, 3), rows: (1, 2), count: 1 };
    assert_eq!(difference(&black, &spots, 3), Some(one));
    assert_eq!(difference(&black, &spots, 5), None);
    let wide = Frame { width: 8, height: 1, ..black.clone() };
    assert_eq!(difference(&black, &wide, 255), Some(Difference::Size((4, 2), (8, 1))));
}
