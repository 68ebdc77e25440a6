//! Direct boot: puts a kernel into guest RAM without any firmware, together with the tables that firmware would have made,
//! and says how the bootstrap processor starts. Linux bzImages, PVH and Multiboot 1 kernels.
//!
//! ```text
//!   BootRequest --load()--> BootPlan --install()--> RAM, registers      (again after every reset)
//! ```
//! [`load`] depends on the request, on what stands in its files and on where RAM is, and changes nothing. Files are not trusted:
//! whatever stands in them, the result is a plan that stays inside RAM, or an error that says what to do. They are not kept in
//! memory either: a plan says which piece of which file goes where.

mod builder;
mod elf;
mod error;
mod image;
mod linux;
mod lowmem;
mod multiboot;
mod plan;
mod pvh;
mod space;
pub use roms::tables;

pub use error::BootError;
pub use image::Image;
pub use plan::{BootPlan, Protocol, Start, Write};
pub use space::{E820Entry, MemoryType};

use builder::Builder;
use lyrebird_core::CpuState;
use lyrebird_memory::GuestMemory;
use std::path::Path;

/// A file that a kernel gets beside itself: the initial RAM disk, or a Multiboot module.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// The file.
    pub image: Image,
    /// What the kernel is told with it.
    pub command_line: String,
}

/// What to boot, and on what.
#[derive(Clone, Debug)]
pub struct BootRequest {
    /// The kernel.
    pub kernel: Image,
    /// Its initial RAM disk or modules.
    pub modules: Vec<Module>,
    /// Its command line.
    pub command_line: String,
    /// What the tables say of the machine. The size of RAM is taken from guest memory instead.
    pub board: tables::Board,
    /// How many bits a physical address has on this CPU model (CPUID leaf 80000008h).
    pub physical_bits: u32,
}

impl BootRequest {
    /// Of this kernel, and nothing else.
    pub fn new(kernel: Image, board: tables::Board) -> Self {
        BootRequest { kernel, modules: Vec::new(), command_line: String::new(), board, physical_bits: 36 }
    }

    /// Opens the files that a command line names. For a Multiboot kernel `initrd` is a list, "file arguments, file arguments";
    /// for any other kernel it is one file.
    pub fn read(
        kernel: &Path,
        initrd: Option<&str>,
        command_line: &str,
        board: tables::Board,
    ) -> Result<Self, BootError> {
        let kernel = Image::open(kernel, "give the path of a Linux, PVH or Multiboot kernel to -kernel")?;
        let remedy = "give the path of an initial RAM disk to -initrd";
        let modules = match (initrd, detect(&kernel)?) {
            (None, _) => Vec::new(),
            (Some(list), Kind::Multiboot(_)) => multiboot::split_modules(list)
                .into_iter()
                .map(|command_line| {
                    let file = command_line.split(' ').next().unwrap_or_default();
                    let image = Image::open(Path::new(file), "give \"file arguments, file arguments\" to -initrd")?;
                    Ok(Module { image, command_line })
                })
                .collect::<Result<_, BootError>>()?,
            (Some(file), _) => {
                vec![Module { image: Image::open(Path::new(file), remedy)?, command_line: String::new() }]
            }
        };
        Ok(BootRequest { modules, command_line: command_line.into(), ..BootRequest::new(kernel, board) })
    }
}

/// Plans the boot. Nothing is written until the plan is installed.
pub fn load(memory: &GuestMemory, request: &BootRequest) -> Result<BootPlan, BootError> {
    load_into(&memory.ram_ranges(), request)
}

/// [`load`] for a machine with RAM in these ranges, each `(base, bytes)`.
pub fn load_into(ram_ranges: &[(u64, u64)], request: &BootRequest) -> Result<BootPlan, BootError> {
    let kind = detect(&request.kernel)?;
    let builder = Builder::new(ram_ranges, request)?;
    match kind {
        Kind::Linux => linux::load(builder),
        Kind::Pvh(elf, entry) => pvh::load(builder, &elf, entry),
        Kind::Multiboot(header) => multiboot::load(builder, header),
    }
}

/// Boots a machine again and again. Files are read at each reset, as a PC reads its kernel at each boot: what somebody wrote
/// into them in the meantime is what boots next.
pub struct Loader {
    request: BootRequest,
    /// Where RAM is, known since the first reset.
    ram_ranges: Option<Vec<(u64, u64)>>,
}

impl Loader {
    /// For this request. The kernel's kind is looked at right away, so that a file that is no kernel is refused early.
    pub fn new(request: BootRequest) -> Result<Self, BootError> {
        detect(&request.kernel)?;
        Ok(Loader { request, ram_ranges: None })
    }

    /// Puts everything in place; see [`BootPlan::install`]. Gives the plan, for its warnings.
    pub fn install(&mut self, memory: &GuestMemory, cpus: &mut [CpuState]) -> Result<BootPlan, BootError> {
        self.request.kernel.look_again()?;
        for module in &mut self.request.modules {
            module.image.look_again()?;
        }
        let ram_ranges = self.ram_ranges.get_or_insert_with(|| memory.ram_ranges());
        let plan = load_into(ram_ranges, &self.request)?;
        plan.install(memory, cpus)?;
        Ok(plan)
    }
}

/// Where a boot sector has its signature.
const BOOT_SIGNATURE: u64 = 0x1fe;

/// What a kernel file is, with what was found out on the way.
enum Kind {
    Linux,
    Pvh(elf::Elf, u32),
    Multiboot(multiboot::Header),
}

/// Recognises a kernel in the order in which QEMU does: Linux, Multiboot, PVH; but a 64-bit ELF file, which Multiboot cannot
/// boot, is started by PVH where it can be.
fn detect(kernel: &Image) -> Result<Kind, BootError> {
    if linux::is_linux(kernel) {
        return Ok(Kind::Linux);
    }
    let header = multiboot::find(kernel)?;
    if !elf::is_elf(kernel) {
        // A boot sector with a header for its ELF payload is still only bootable as a boot sector.
        let header = header.filter(|h| h.has_addresses() || !kernel.has(BOOT_SIGNATURE, &[0x55, 0xaa]));
        return header.map(Kind::Multiboot).ok_or_else(|| no_kernel(kernel));
    }
    let elf = elf::Elf::parse(kernel)?;
    match header {
        Some(header) if !elf.is_64 => return Ok(Kind::Multiboot(header)),
        _ => {}
    }
    match (pvh::entry(kernel, &elf)?, header) {
        (Some(entry), _) => Ok(Kind::Pvh(elf, entry)),
        (None, Some(header)) => Ok(Kind::Multiboot(header)),
        (None, None) if multiboot::find_2(kernel)?.is_some() => Err(no_kernel(kernel)),
        (None, None) => Err(kernel.error(
            0,
            "this ELF file has neither a Multiboot header nor a PVH entry note",
            "give a bzImage, build Linux with CONFIG_PVH, or add a Multiboot 1 header to the first 8192 bytes",
        )),
    }
}

/// Says what a file is that is no kernel.
fn no_kernel(image: &Image) -> BootError {
    const KERNELS: &str = "give a Linux bzImage, a PVH ELF file or a Multiboot 1 kernel";
    let compressed = |name, command| {
        image.error(0, format!("this file is compressed with {name}"), format!("unpack it first: {command}"))
    };
    let media = |offset, what: &str, option: &str| {
        image.error(offset, format!("this is {what}, not a kernel"), format!("give it to {option} instead"))
    };
    if image.is_empty() {
        return image.error(0, "the file is empty", KERNELS);
    }
    if image.has(0, &[0x1f, 0x8b]) {
        return compressed("gzip", "gzip -d");
    }
    if image.has(0, &[0xfd, b'7', b'z', b'X', b'Z']) {
        return compressed("xz", "xz -d");
    }
    if image.has(0, &[0x28, 0xb5, 0x2f, 0xfd]) {
        return compressed("zstd", "zstd -d");
    }
    if image.has(0, b"BZh") {
        return compressed("bzip2", "bzip2 -d");
    }
    if let Ok(Some(at)) = multiboot::find_2(image) {
        return image.error(
            at,
            "this is a Multiboot 2 kernel, and direct boot knows Multiboot 1",
            "add a Multiboot 1 header, or boot it by GRUB from a disk or CD image",
        );
    }
    if image.has(0x8001, b"CD001") {
        return media(0x8001, "a CD image", "-cdrom");
    }
    if image.has(0, b"QFI\xfb") {
        return media(0, "a qcow2 disk image", "-hda");
    }
    if image.has(BOOT_SIGNATURE, &[0x55, 0xaa]) {
        return image.error(
            BOOT_SIGNATURE,
            "this is a boot sector, a disk image or a kernel of before boot protocol 2.00",
            "give a disk image to -hda or -fda; boot old kernels by a boot loader from such an image",
        );
    }
    if image.has(0, b"MZ") {
        return image.error(0, "this is an EFI or DOS program", KERNELS);
    }
    image.error(0, "this is no kernel of a known kind", KERNELS)
}

/// A string for a guest: without zeros inside, and one at the end.
fn c_string(text: &str) -> Vec<u8> {
    text.bytes().filter(|b| *b != 0).chain([0]).collect()
}

#[cfg(test)]
mod tests;
