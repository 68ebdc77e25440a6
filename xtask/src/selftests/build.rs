//! Builds the tests with the host's C compiler and packs them, with busybox and the C libraries of both widths, into an initial
//! file system.

use crate::command;
use crate::cpio::Archive;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const INIT: &[u8] = include_bytes!("init.sh");

/// A program to build.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    name: String,
    bits: u32,
}

/// Builds everything into `work` and writes the initial file system to `to`.
pub fn initramfs(source: &Path, busybox: &Path, work: &Path, to: &Path) -> Result<()> {
    let dir = source.join("tools/testing/selftests/x86");
    let makefile = dir.join("Makefile");
    let text = fs::read_to_string(&makefile)
        .with_context(|| format!("{} cannot be read: give a Linux source tree to --source", makefile.display()))?;
    fs::create_dir_all(work)?;
    let mut archive = Archive::default();
    for directory in ["bin", "dev", "etc", "lib", "lib32", "lib64", "proc", "sys", "tmp", "t"] {
        archive.directory(directory);
    }
    archive.copy("bin/busybox", busybox)?;
    archive.file("init", INIT);
    let mut built = 0;
    for test in tests(&text) {
        let program = work.join(format!("{}_{}", test.name, test.bits));
        match compile(&dir, &test, &program) {
            Ok(()) => {
                archive.copy(&format!("t/{}_{}", test.name, test.bits), &program)?;
                built += 1;
            }
            Err(error) => eprintln!("{}_{} is left out: {error:#}", test.name, test.bits),
        }
    }
    if built == 0 {
        bail!("no test could be built: apt-get install gcc-multilib libc6-dev-i386");
    }
    libraries(&mut archive)?;
    archive.write_gzip(to)?;
    eprintln!("{built} tests in {}", to.display());
    Ok(())
}

/// The tests that the selftests' own Makefile names, for each width.
fn tests(makefile: &str) -> Vec<Test> {
    let joined = makefile.replace("\\\n", " ");
    let list = |variable: &str| -> Vec<String> {
        let line = joined.lines().find_map(|line| line.strip_prefix(variable)?.trim_start().strip_prefix(":="));
        line.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let both = [list("TARGETS_C_BOTHBITS"), list("TARGETS_C_32BIT_NEEDED")].concat();
    let mut out = Vec::new();
    for (bits, only) in [(64, "TARGETS_C_64BIT_ONLY"), (32, "TARGETS_C_32BIT_ONLY")] {
        let names = both.iter().cloned().chain(list(only));
        out.extend(names.map(|name| Test { name, bits }));
    }
    out
}

/// The assembler parts and flags by which some tests differ, as in the Makefile.
fn extras(test: &Test) -> (&'static [&'static str], &'static [&'static str]) {
    match (test.name.as_str(), test.bits) {
        ("sysret_ss_attrs", 64) => (&["thunks.S"], &[]),
        ("ptrace_syscall", 32) => (&["raw_syscall_helper_32.S"], &[]),
        ("test_syscall_vdso", 32) => (&["thunks_32.S"], &[]),
        ("check_initial_reg_state", _) => (&[], &["-Wl,-ereal_start", "-static"]),
        _ => (&[], &[]),
    }
}

fn compile(dir: &Path, test: &Test, to: &Path) -> Result<()> {
    let (parts, flags) = extras(test);
    command::run(
        Command::new("gcc")
            .current_dir(dir)
            .arg(format!("-m{}", test.bits))
            .args(["-O2", "-std=gnu99", "-pthread", "-w", "-no-pie", "-DCAN_BUILD_32", "-DCAN_BUILD_64"])
            .args(["-I.", "-I../../../include"])
            .args(flags)
            .arg("-o")
            .arg(to.canonicalize().unwrap_or(absolute(to)?))
            .arg(format!("{}.c", test.name))
            .args(parts)
            .args(["-lrt", "-ldl", "-lm"]),
    )
}

fn absolute(path: &Path) -> Result<PathBuf> {
    Ok(std::env::current_dir()?.join(path))
}

/// The C libraries, wherever this system's compiler finds them.
fn libraries(archive: &mut Archive) -> Result<()> {
    const NAMES: [&str; 6] = ["libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libgcc_s.so.1"];
    for (bits, folder, loader, loader_folder) in
        [("-m64", "lib64", "ld-linux-x86-64.so.2", "lib64"), ("-m32", "lib32", "ld-linux.so.2", "lib")]
    {
        for (name, folder) in NAMES.map(|name| (name, folder)).into_iter().chain([(loader, loader_folder)]) {
            let found = command::output(Command::new("gcc").arg(bits).arg(format!("-print-file-name={name}")))?;
            let found = Path::new(found.trim());
            if found.is_absolute() {
                archive.copy(&format!("{folder}/{name}"), found)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_makefiles_lists_are_read() {
        let makefile = "TARGETS_C_BOTHBITS := a b \\\n\t\tc\nTARGETS_C_32BIT_ONLY := d\nTARGETS_C_64BIT_ONLY := e\n\
                        TARGETS_C_32BIT_NEEDED := f\n";
        let names: Vec<String> = tests(makefile).iter().map(|test| format!("{}{}", test.name, test.bits)).collect();
        assert_eq!(names.join(" "), "a64 b64 c64 f64 e64 a32 b32 c32 f32 d32");
    }
}
