//! Assembles the guest, on whatever host this is.

#[path = "program/mod.rs"]
mod program;

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=program");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let image = program::image().expect("the program can be assembled");
    std::fs::write(out.join("tour.img"), image).expect("cargo's folder can be written to");
}
