//! What must not stand in which sources.

use super::strip::code_only;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The longest file that is still a file and not a heap.
const MAX_LINES: usize = 1000;
/// The crates that may have `unsafe` code, each block with its reason.
const MAY_BE_UNSAFE: &[&str] = &["lyrebird-memory", "backend-interp", "backend-jit", "backend-kvm", "host"];
/// The crates whose test programs may be `unsafe`: they execute instructions on the host's processor to compare, or act as the
/// user at a terminal.
const TESTS_MAY_BE_UNSAFE: &[&str] = &["lyrebird", "lyrebird-float", "frontend-x86"];
/// A crate that is nothing but such programs.
const TEST_CRATE: &str = "x86-tests";
/// The crates that may look at what they are compiled for.
const MAY_SEE_THE_TARGET: &[&str] =
    &["lyrebird-memory", "backend-interp", "backend-jit", "backend-kvm", "host", "lyrebird"];

/// Words that a crate's sources must not have, and why.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    ("devices", &["std::time", "std::thread", "Instant::now", "SystemTime"], "time comes in as an argument"),
    ("devices", &["Vcpu", "Engine"], "no device names an engine or a vCPU"),
    ("gdb", &["Vcpu", "devices"], "gdb speaks to a debug target only"),
    ("lyrebird-core", &["std::thread", "std::time"], "guest time is not the host's"),
    ("frontend-x86", &["std::thread", "std::time"], "what x86 means does not depend on the host"),
];

/// The violations in one package's sources, as lines to print.
pub fn check(package: &str, manifest: &Path, root: &Path) -> Result<Vec<String>> {
    let dir = manifest.parent().context("a manifest without a folder")?;
    let mut files = Vec::new();
    for part in ["src", "tests", "benches", "examples", "build.rs"] {
        rust_files(&dir.join(part), &mut files)?;
    }
    files.sort();
    let mut problems = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        // Test programs that are not part of the crate may look at the host.
        let shipped = file.starts_with(dir.join("src"));
        problems.extend(check_text(package, &text, shipped).into_iter().map(|problem| format!("{name}{problem}")));
    }
    Ok(problems)
}

fn check_text(package: &str, text: &str, shipped: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = text.lines().count();
    let tests = package == TEST_CRATE || !shipped && TESTS_MAY_BE_UNSAFE.contains(&package);
    let may_be_unsafe = tests || MAY_BE_UNSAFE.contains(&package);
    if lines > MAX_LINES {
        problems.push(format!(": {lines} lines; split it (at most {MAX_LINES})"));
    }
    for (index, line) in code_only(text).lines().enumerate() {
        let mut problem = |what: String| problems.push(format!(":{}: {what}", index + 1));
        if has_word(line, "unsafe") && !may_be_unsafe {
            problem(format!("`unsafe` is not allowed in {package}"));
        }
        if shipped
            && !tests
            && line.contains("cfg")
            && line.contains("target_")
            && !MAY_SEE_THE_TARGET.contains(&package)
        {
            problem(format!("{package} must not depend on the target"));
        }
        for (_, words, why) in FORBIDDEN.iter().filter(|(name, ..)| *name == package && shipped) {
            for word in words.iter().filter(|word| has_word(line, word)) {
                problem(format!("`{word}`: {why}"));
            }
        }
    }
    problems
}

/// Whether the word stands there, not as a part of another.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(part) && !line[at + word.len()..].chars().next().is_some_and(part)
    })
}

fn rust_files(path: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))? {
            let path = entry?.path();
            // A folder with a manifest is a package of its own.
            if !path.join("Cargo.toml").exists() {
                rust_files(&path, out)?;
            }
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") && path.exists() {
        out.push(path.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_found_with_their_lines() {
        assert_eq!(check_text("devices", "fn a() {}\nunsafe fn b() {}", true).len(), 1);
        assert!(check_text("devices", "// unsafe\n#![forbid(unsafe_code)]", true).is_empty());
        assert!(check_text("frontend-x86", "unsafe fn b() {}", false).is_empty());
        assert!(check_text("host", "unsafe fn b() {}", true).is_empty());
        assert!(check_text("devices", "\nuse std::time::Instant;", true)[0].starts_with(":2: `std::time`"));
        assert!(check_text("devices", "struct EngineLike; // Engine", true).is_empty());
        assert_eq!(check_text("gdb", &"x\n".repeat(1001), true).len(), 1);
        assert_eq!(check_text("frontend-x86", "#[cfg(target_arch = \"x86_64\")]", true).len(), 1);
        assert!(check_text("frontend-x86", "#[cfg(target_arch = \"x86_64\")]", false).is_empty());
    }
}
