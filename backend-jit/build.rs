//! Gives the translator a name (`LYREBIRD_TRANSLATOR`) that changes with everything that compiled code depends on: kept code
//! of another build is never executed.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

/// What decides about the code, from the workspace's root.
const SOURCES: [&str; 6] = ["backend-jit", "backend-interp", "frontend-x86", "float", "vm", "Cargo.lock"];

fn hash(path: &Path, hasher: &mut DefaultHasher) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().for_each(|path| hash(path, hasher));
    } else if let Ok(bytes) = std::fs::read(path) {
        bytes.hash(hasher);
    }
}

fn main() {
    let mut hasher = DefaultHasher::new();
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    for source in SOURCES {
        let path = root.join(source);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
            hash(&path, &mut hasher);
        }
    }
    for variable in
        ["PROFILE", "OPT_LEVEL", "DEBUG", "TARGET", "CARGO_CFG_TARGET_FEATURE", "CARGO_CFG_DEBUG_ASSERTIONS"]
    {
        println!("cargo::rerun-if-env-changed={variable}");
        std::env::var(variable).unwrap_or_default().hash(&mut hasher);
    }
    let rustc = std::env::var("RUSTC").unwrap_or("rustc".into());
    if let Ok(version) = std::process::Command::new(rustc).arg("-vV").output() {
        version.stdout.hash(&mut hasher);
    }
    println!("cargo::rustc-env=LYREBIRD_TRANSLATOR={:016x}", hasher.finish());
}
