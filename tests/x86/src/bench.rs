//! The bench: see `bin/loops.rs`.

use crate::case::{Bits, Registers};
use crate::native::{Image, Native};
use anyhow::{Context, Result, ensure};
use backend_interp::InterpVcpu;
use backend_jit::{JitVcpu, Options};
use frontend_x86::model::Model;
use lyrebird_core::cpu::segment::Segment;
use lyrebird_core::{Budget, Exit, NoBus, Signals, Vcpu};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const BASE: u64 = 0x1000_0000;
const BYTES: usize = 0x40_0000;
const STACK: u64 = BASE + 0x3f_f000;
/// Where the loops return to: an INT3 natively, a HLT in the guest.
const END: u64 = BASE + 0x3f_f800;

/// The loops, and how often each does its work: some tenths of a second natively.
const LOOPS: [(&str, u32); 6] =
    [("sieve", 300), ("copy", 3000), ("sha256", 60_000), ("records", 3_000_000), ("sort", 80), ("crc", 1500)];

/// Which engine, and which loop alone: `[--engine interp|jit] [NAME]`.
pub fn main(arguments: &[String]) -> Result<()> {
    let (engine, only) = match arguments {
        [option, engine, rest @ ..] if option == "--engine" => (engine.as_str(), rest.first()),
        rest => ("interp", rest.first()),
    };
    println!(
        "{:8} {:>4} {:>10} {:>8} {:>10} {:>8} {:>7}",
        "loop",
        "bits",
        "native ms",
        "M instr",
        format!("{engine} ms"),
        "GIPS",
        "ratio"
    );
    for bits in [Bits::B64, Bits::B32] {
        let elf = compile(bits)?;
        let mut product = 1.0;
        for (name, n) in LOOPS.iter().filter(|(name, _)| only.is_none_or(|only| only == name)) {
            let entry = symbol(&elf, &format!("loop_{name}"))?;
            let (native_sum, native_time) = natively(&elf, bits, entry, *n)?;
            let (sum, time, instructions) = emulated(engine, &elf, bits, entry, *n)?;
            let ratio = time / native_time;
            product *= ratio;
            println!(
                "{name:8} {:>4} {:>10.1} {:>8.1} {:>10.1} {:>8.3} {ratio:>7.1}",
                bits.number(),
                native_time * 1e3,
                instructions as f64 / 1e6,
                time * 1e3,
                instructions as f64 / time / 1e9,
            );
            ensure!(sum == native_sum, "{name}: checksum {sum:#x}, natively {native_sum:#x}");
        }
        if only.is_none() {
            println!("{:8} {:>4} {:>53.1}", "mean", bits.number(), f64::powf(product, 1.0 / LOOPS.len() as f64));
        }
    }
    Ok(())
}

/// Seconds that this process has run for, a compiler's thread included: other programs on the host count less than by the clock
/// on the wall.
fn cpu_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a plain system call on a local.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn compile(bits: Bits) -> Result<Vec<u8>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/loops.c");
    let out: PathBuf = std::env::temp_dir().join(format!("lyrebird-loops-{}-{}", std::process::id(), bits.number()));
    let status = Command::new("gcc")
        .arg(format!("-m{}", bits.number()))
        .args(["-O2", "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static", "-fno-stack-protector"])
        .args(["-fno-tree-loop-distribute-patterns", "-fno-tree-vectorize", "-fcf-protection=none"])
        .args(["-Wall", "-Wextra", &format!("-Wl,-Ttext-segment={BASE:#x},--build-id=none"), "-o"])
        .args([&out, &source])
        .status()
        .context("the bench needs gcc")?;
    ensure!(status.success(), "gcc could not compile {} with -m{}", source.display(), bits.number());
    let elf = std::fs::read(&out)?;
    std::fs::remove_file(&out)?;
    Ok(elf)
}

/// A little-endian number in an ELF file.
fn field(elf: &[u8], at: usize, bytes: usize) -> usize {
    elf[at..at + bytes].iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
}

fn wide(elf: &[u8]) -> bool {
    elf[4] == 2
}

/// Copies the segments to where they belong in `image`, which begins at [`BASE`].
fn load(elf: &[u8], image: &mut [u8]) {
    image.fill(0);
    let (table, entry, count) = if wide(elf) {
        (field(elf, 32, 8), field(elf, 54, 2), field(elf, 56, 2))
    } else {
        (field(elf, 28, 4), field(elf, 42, 2), field(elf, 44, 2))
    };
    for at in (0..count).map(|n| table + n * entry).filter(|at| field(elf, *at, 4) == 1) {
        let (offset, address, bytes) = if wide(elf) {
            (field(elf, at + 8, 8), field(elf, at + 16, 8), field(elf, at + 32, 8))
        } else {
            (field(elf, at + 4, 4), field(elf, at + 8, 4), field(elf, at + 16, 4))
        };
        let to = address - BASE as usize;
        image[to..to + bytes].copy_from_slice(&elf[offset..offset + bytes]);
    }
}

/// The address of a function.
fn symbol(elf: &[u8], name: &str) -> Result<u64> {
    let (table, entry, count) = if wide(elf) {
        (field(elf, 40, 8), field(elf, 58, 2), field(elf, 60, 2))
    } else {
        (field(elf, 32, 4), field(elf, 46, 2), field(elf, 48, 2))
    };
    // Section headers: type at 4, then offset and size, and the link to the strings.
    let section = |n: usize| table + n * entry;
    let (offset, size, link) = if wide(elf) { ((24, 8), (32, 8), 40) } else { ((16, 4), (20, 4), 24) };
    let symbols = (0..count).map(section).find(|s| field(elf, s + 4, 4) == 2).context("no symbols")?;
    let strings = section(field(elf, symbols + link, 4));
    let strings = field(elf, strings + offset.0, offset.1);
    let (start, bytes) = (field(elf, symbols + offset.0, offset.1), field(elf, symbols + size.0, size.1));
    let (each, value) = if wide(elf) { (24, (8, 8)) } else { (16, (4, 4)) };
    for at in (start..start + bytes).step_by(each) {
        let text = &elf[strings + field(elf, at, 4)..];
        if text.starts_with(name.as_bytes()) && text[name.len()] == 0 {
            return Ok(field(elf, at + value.0, value.1) as u64);
        }
    }
    anyhow::bail!("no function {name}")
}

/// Puts the argument and the return address where the calling convention wants them, and sets the stack pointer.
fn arguments(image: &mut [u8], bits: Bits, n: u32, gpr: &mut [u64; 16]) {
    gpr[4] = STACK - 8;
    let top = (STACK - 8 - BASE) as usize;
    image[top..top + 8].copy_from_slice(&END.to_le_bytes());
    if bits == Bits::B64 {
        gpr[7] = n.into();
    } else {
        image[top + 4..top + 8].copy_from_slice(&n.to_le_bytes());
    }
}

fn natively(elf: &[u8], bits: Bits, entry: u64, n: u32) -> Result<(u32, f64)> {
    let native = Native::new()?;
    let mut image = Image::new(&native, BASE, BYTES)?;
    let mut best = f64::MAX;
    let mut sum = 0;
    for _ in 0..3 {
        load(elf, image.bytes());
        let mut start = Registers { rip: entry, rflags: 0x202, ..Registers::new() };
        arguments(image.bytes(), bits, n, &mut start.gpr);
        image.bytes()[(END - BASE) as usize] = 0xcc;
        let began = cpu_time();
        // SAFETY: the loops touch their own image only.
        let (rax, vector) = unsafe { image.call(&start, bits) };
        best = f64::min(best, cpu_time() - began);
        ensure!(vector == 3, "the loop ended in exception {vector} natively");
        sum = rax as u32;
    }
    Ok((sum, best))
}

fn vcpu(engine: &str, memory: Arc<GuestMemory>) -> Result<Box<dyn Vcpu>> {
    let (model, signals) = (Arc::new(Model::by_name("max").context("max")?), Signals::new());
    Ok(match engine {
        "interp" => Box::new(InterpVcpu::new(0, model, memory, signals)),
        "jit" => Box::new(JitVcpu::new(0, model, memory, signals, Options::default())?),
        other => anyhow::bail!("there is no engine `{other}` for the loops: use interp or jit"),
    })
}

fn emulated(engine: &str, elf: &[u8], bits: Bits, entry: u64, n: u32) -> Result<(u32, f64, u64)> {
    let memory = Arc::new(GuestMemory::new());
    let ram = memory.add_block("ram", BYTES as u64)?;
    memory.map(Region { base: BASE, bytes: BYTES as u64, priority: 0, target: Target::Ram { block: ram, offset: 0 } });
    let low = memory.add_block("tables", 0x3000)?;
    memory.map(Region { base: 0, bytes: 0x3000, priority: 0, target: Target::Ram { block: low, offset: 0 } });
    let mut vcpu = vcpu(engine, memory.clone())?;
    let mut state = vcpu.state();
    let mut image = vec![0; BYTES];
    load(elf, &mut image);
    arguments(&mut image, bits, n, &mut state.gpr);
    image[(END - BASE) as usize] = 0xf4;
    memory.write(BASE, &image)?;
    let flat = |selector, attributes| Segment { selector, base: 0, limit: u32::MAX, attributes };
    state.seg = [flat(0x10, 0xc093); 6];
    state.seg[1] = flat(8, if bits == Bits::B64 { 0xa09b } else { 0xc09b });
    state.cr0 = 0x33;
    state.cr4 = 0x600;
    state.rip = entry;
    if bits == Bits::B64 {
        // Large pages, one to one.
        memory.write(0, &0x1003u64.to_le_bytes())?;
        memory.write(0x1000, &0x2003u64.to_le_bytes())?;
        for page in 0..512u64 {
            memory.write(0x2000 + page * 8, &(page << 21 | 0x83).to_le_bytes())?;
        }
        (state.cr0, state.cr4, state.efer) = (0x8000_0033, 0x620, 0x500);
    }
    vcpu.set_state(&state);
    let before = vcpu.retired();
    let began = cpu_time();
    let exit = vcpu.run(&mut NoBus, Budget::about(u64::MAX / 4));
    let time = cpu_time() - began;
    ensure!(exit == Exit::Halted, "the loop ended in {exit:?} at {:#x}", vcpu.state().rip);
    Ok((vcpu.state().gpr[0] as u32, time, vcpu.retired() - before))
}
