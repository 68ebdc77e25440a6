//! What all loaders have in common: plans on guest memory, and files that mean no good.

use super::elf::tests::{elf, loaded, phys32_entry};
use super::linux::tests::bzimage;
use super::multiboot::tests::header;
use super::*;
use lyrebird_memory::{Region, Target};
use proptest::prelude::*;
use std::path::PathBuf;

pub fn request(kernel: Vec<u8>) -> BootRequest {
    BootRequest::new(Image::new("kernel", kernel), tables::Board::default())
}

fn memory(mib: u64) -> GuestMemory {
    let memory = GuestMemory::new();
    let block = memory.add_block("ram", mib << 20).unwrap();
    memory.map(Region { base: 0, bytes: mib << 20, priority: 0, target: Target::Ram { block, offset: 0 } });
    memory.map(Region { base: 0xa_0000, bytes: 0x2_0000, priority: 1, target: Target::Device });
    memory
}

/// Plans on a machine with so many MiB of RAM and installs.
pub fn plan(mib: u64, request: &BootRequest) -> Result<(BootPlan, GuestMemory), BootError> {
    let memory = memory(mib);
    let plan = load(&memory, request)?;
    plan.install(&memory, &mut [CpuState::reset(0, true)])?;
    Ok((plan, memory))
}

pub fn read_back(memory: &GuestMemory, gpa: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    memory.read(gpa, &mut out).unwrap();
    out
}

/// A folder for one test's files; gone at its end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lyrebird-boot-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn file(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

fn kernels() -> Vec<Vec<u8>> {
    let code = header(0, &[]);
    let flat = header(1 << 16, &[0x10_0000, 0x10_0000, 0, 0, 0x10_0020]);
    vec![
        bzimage(3000),
        elf(true, 0x10_0000, &[loaded(0x10_0000, b"code", 0x1000), phys32_entry(0x10_0000)]),
        elf(false, 0x10_0000, &[loaded(0x10_0000, &code, 0x1000), loaded(0x10_2000, b"data", 0x1000)]),
        flat,
    ]
}

#[test]
fn the_bootstrap_processor_starts_in_flat_protected_mode() {
    for kernel in kernels() {
        let memory = memory(64);
        let mut loader = Loader::new(request(kernel)).unwrap();
        let mut cpus = [CpuState::reset(0x600, true), CpuState::reset(0x600, false)];
        let before = cpus[1].clone();
        let start = loader.install(&memory, &mut cpus).unwrap().start;
        let [cpu, other] = &cpus;
        assert_eq!(other, &CpuState { mtrrs: cpu.mtrrs, ..before });
        assert_eq!((cpu.cr0, cpu.cr4, cpu.efer, cpu.rflags), (0x11, 0, 0, 2));
        assert_eq!((cpu.seg[1].selector, cpu.seg[1].limit, cpu.seg[1].kind()), (0x10, u32::MAX, 11));
        assert_eq!((cpu.seg[3].selector, cpu.seg[3].limit, cpu.seg[3].kind()), (0x18, u32::MAX, 3));
        assert_eq!((cpu.rip, cpu.gpr[3]), (u64::from(start.eip), u64::from(start.ebx)));
        let gdt = read_back(&memory, cpu.gdtr.base, 40);
        assert_eq!(gdt[16..24], 0x00cf_9b00_0000_ffffu64.to_le_bytes());
        assert_eq!(cpu.mtrrs.mask[0], 0xf_c000_0800);
    }
}

#[test]
fn after_a_reset_the_same_is_there_again() {
    let memory = memory(64);
    let mut loader = Loader::new(request(bzimage(3000))).unwrap();
    let mut cpus = [CpuState::reset(0, true)];
    loader.install(&memory, &mut cpus).unwrap();
    let (code, state) = (read_back(&memory, 0x100_0000, 3000), cpus.clone());
    memory.write(0x100_0000, &[0xee; 3000]).unwrap();
    cpus[0] = CpuState::reset(0, true);
    loader.install(&memory, &mut cpus).unwrap();
    assert_eq!((read_back(&memory, 0x100_0000, 3000), cpus), (code, state));
}

#[test]
fn zeros_reach_all_of_a_large_bss() {
    let request = request(elf(false, 0x10_0000, &[loaded(0x10_0000, &header(0, &[]), 0x12_3456)]));
    let memory = memory(64);
    memory.write(0x22_3455, &[1, 1]).unwrap();
    load(&memory, &request).unwrap().apply(&memory).unwrap();
    assert_eq!(read_back(&memory, 0x22_3455, 2), [0, 1]);
}

#[test]
fn rom_where_the_tables_go_is_an_error() {
    let memory = memory(64);
    let rom = memory.add_block("rom", 0x1_0000).unwrap();
    memory.map(Region { base: 0xf_0000, bytes: 0x1_0000, priority: 1, target: Target::Rom { block: rom, offset: 0 } });
    let plan = load(&memory, &request(bzimage(3000))).unwrap();
    assert!(plan.apply(&memory).unwrap_err().to_string().contains("PAM"));
}

#[test]
fn files_that_are_no_kernels_are_named() {
    let says = |bytes: &[u8]| load_into(&[(0, 64 << 20)], &request(bytes.to_vec())).unwrap_err().to_string();
    assert!(says(b"").contains("empty"));
    assert!(says(&[0x1f, 0x8b, 8, 0]).contains("gzip -d"));
    assert!(says(b"hello").contains("kernel: at offset 0x0: this is no kernel"));
    assert!(says(&elf(true, 0, &[loaded(0x10_0000, b"x", 1)])).contains("CONFIG_PVH"));
    let mut iso = vec![0; 0x8800];
    iso[0x8001..0x8006].copy_from_slice(b"CD001");
    assert!(says(&iso).contains("-cdrom"));
    let mut sector = vec![0; 512];
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    assert!(says(&sector).contains("-hda"));
    let multiboot_2: Vec<u8> =
        [0xe852_50d6u32, 0, 16, 0u32.wrapping_sub(0xe852_50d6 + 16)].iter().flat_map(|w| w.to_le_bytes()).collect();
    assert!(says(&multiboot_2).contains("Multiboot 2"));
    let mut arm = elf(true, 0, &[loaded(0x10_0000, b"x", 1)]);
    arm[18] = 183;
    assert!(says(&arm).contains("another processor"));
}

#[test]
fn a_missing_file_is_named() {
    let read = |kernel: &str, initrd| BootRequest::read(Path::new(kernel), initrd, "", tables::Board::default());
    assert!(
        read("/nonexistent/vmlinuz", None).unwrap_err().to_string().contains("/nonexistent/vmlinuz: cannot be read")
    );
    let folder = Folder::new("missing");
    let kernel = folder.file("k", &kernels()[2]);
    let module = folder.file("m", b"module");
    let list = format!("{0} one, {0} two", module.display());
    let request = read(kernel.to_str().unwrap(), Some(&list)).unwrap();
    assert_eq!(request.modules.len(), 2);
    assert!(request.modules[1].command_line.ends_with("/m two"));
    let error = read(kernel.to_str().unwrap(), Some("/nonexistent/m")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/m"));
}

/// A Linux kernel and its initial RAM disk in files, and a machine that they have been put into.
fn booted(folder: &Folder) -> (PathBuf, PathBuf, Loader, GuestMemory) {
    // More than one piece, and the last one is not a whole one.
    let (kernel, initrd) = (folder.file("k", &bzimage(150_000)), folder.file("i", &[7; 9000]));
    let request = BootRequest::read(&kernel, initrd.to_str(), "", tables::Board::default()).unwrap();
    let (mut loader, memory) = (Loader::new(request).unwrap(), memory(64));
    install(&mut loader, &memory).unwrap();
    (kernel, initrd, loader, memory)
}

fn install(loader: &mut Loader, memory: &GuestMemory) -> Result<BootPlan, BootError> {
    loader.install(memory, &mut [CpuState::reset(0, true)])
}

#[test]
fn files_are_read_at_each_reset() {
    let folder = Folder::new("reset");
    let (kernel, initrd, mut loader, memory) = booted(&folder);
    assert_eq!(read_back(&memory, 0x100_0000, 150_000), bzimage(150_000)[1024..]);
    assert_eq!(read_back(&memory, (64 << 20) - 0x3000, 9000), vec![7; 9000]);
    // Written into the same files: another kernel, and a RAM disk of another size.
    let mut other = bzimage(70_000);
    other[1024..].fill(0x90);
    std::fs::write(&kernel, other).unwrap();
    std::fs::write(&initrd, [8; 20_000]).unwrap();
    install(&mut loader, &memory).unwrap();
    assert_eq!(read_back(&memory, 0x100_0000, 70_000), vec![0x90; 70_000]);
    assert_eq!(read_back(&memory, (64 << 20) - 0x5000, 20_000), vec![8; 20_000]);
    // Other files by these names are none of ours.
    std::fs::remove_file(&kernel).unwrap();
    folder.file("k", b"no kernel");
    install(&mut loader, &memory).unwrap();
}

#[test]
fn a_file_that_was_cut_short_is_an_error_at_the_next_reset() {
    let folder = Folder::new("cut");
    let (kernel, initrd, mut loader, memory) = booted(&folder);
    std::fs::File::options().write(true).open(&initrd).unwrap().set_len(0).unwrap();
    assert!(install(&mut loader, &memory).unwrap().warnings[0].contains("the initial RAM disk is empty"));
    std::fs::File::options().write(true).open(&kernel).unwrap().set_len(80_000).unwrap();
    let error = install(&mut loader, &memory).unwrap_err().to_string();
    assert!(error.contains("/k: at offset 0x400:") && error.contains("copy or download it again"), "{error}");
    std::fs::File::options().write(true).open(&kernel).unwrap().set_len(0).unwrap();
    assert!(install(&mut loader, &memory).unwrap_err().to_string().contains("the file is empty"));
}

#[test]
fn a_file_that_is_cut_short_while_it_is_read_is_an_error() {
    let folder = Folder::new("while");
    let kernel = folder.file("k", &bzimage(150_000));
    let request = BootRequest::read(&kernel, None, "", tables::Board::default()).unwrap();
    let memory = memory(64);
    let plan = load(&memory, &request).unwrap();
    std::fs::File::options().write(true).open(&kernel).unwrap().set_len(100_000).unwrap();
    let error = plan.apply(&memory).unwrap_err().to_string();
    assert!(error.contains("/k: at offset 0x10400: the file has become shorter"), "{error}");
}

#[test]
fn a_kernel_from_a_file_must_arrive_below_1_mib_too() {
    let folder = Folder::new("low");
    let file = folder.file("k", &elf(false, 0x1_0000, &[loaded(0x1_0000, &header(0, &[]), 0x1000)]));
    let request = BootRequest::read(&file, None, "", tables::Board::default()).unwrap();
    let memory = memory(64);
    let plan = load(&memory, &request).unwrap();
    plan.apply(&memory).unwrap();
    let rom = memory.add_block("rom", 0x1000).unwrap();
    memory.map(Region { base: 0x1_0000, bytes: 0x1000, priority: 1, target: Target::Rom { block: rom, offset: 0 } });
    assert!(plan.apply(&memory).unwrap_err().to_string().contains("0x10000 is not writable RAM"));
}

/// Every write of a plan must be inside RAM, whatever the file said.
fn check_plan(bytes: Vec<u8>) {
    let ram = [(0, 0xa_0000), (0xc_0000, (32 << 20) - 0xc_0000)];
    if let Ok(plan) = load_into(&ram, &request(bytes)) {
        for write in &plan.writes {
            let (gpa, bytes) = match write {
                Write::Bytes { gpa, bytes } => (*gpa, bytes.len() as u64),
                Write::Image { gpa, image, offset, bytes } => {
                    image.check(*offset, *bytes, "").unwrap();
                    (*gpa, *bytes)
                }
                Write::Zeros { gpa, bytes } => (*gpa, *bytes),
            };
            assert!(ram.iter().any(|r| r.0 <= gpa && gpa + bytes <= r.0 + r.1), "{gpa:#x} {bytes:#x}");
        }
    }
}

#[test]
fn nothing_is_written_where_a_damaged_kernel_has_nothing() {
    let mut kernel = kernels().swap_remove(3);
    for (at, count) in [(1164, 5), (945, 7)] {
        let length = kernel.len();
        let at = at % length;
        kernel[at..(at + count).min(length)].fill(0xff);
    }
    check_plan(kernel);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048), which in 0usize..4) {
        check_plan(bytes.clone());
        // Behind a magic number, so that the parsers are reached.
        let kernel = kernels().swap_remove(which);
        let keep = [0x206, 20, 20, 12][which];
        check_plan([&kernel[..keep], &bytes].concat());
    }

    #[test]
    fn mutated_kernels_never_panic(
        which in 0usize..4,
        changes in prop::collection::vec((0usize..1400, prop_oneof![Just(0u8), Just(0xff), Just(0x7f), any::<u8>()], 1usize..9), 1..8),
        cut in prop::option::of(0usize..3000),
    ) {
        let mut kernel = kernels().swap_remove(which);
        for (at, value, count) in changes {
            let length = kernel.len();
            let at = at % length;
            kernel[at..(at + count).min(length)].fill(value);
        }
        if let Some(cut) = cut {
            kernel.truncate(cut);
        }
        check_plan(kernel);
    }
}
