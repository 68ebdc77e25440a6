//! Multiboot 1 (the Multiboot Specification 0.6.96): a header among the first 8 KiB says how to load the kernel, EBX points
//! to what the loader knows.

use super::builder::{Builder, Registers};
use super::elf::{EM_386, Elf, is_elf};
use super::error::BootError;
use super::image::Image;
use super::plan::{BootPlan, Protocol};
use super::space::{EBDA, EXTENDED, FOUR_GIB};

const HEADER_MAGIC: u32 = 0x1bad_b002;
const HEADER_MAGIC_2: u32 = 0xe852_50d6;
const BOOTLOADER_MAGIC: u32 = 0x2bad_b002;
/// The header lies within so many bytes.
const SEARCH: u64 = 8192;
/// The same of Multiboot 2.
const SEARCH_2: u64 = 32768;

// Header flags.
const PAGE_ALIGN: u32 = 1 << 0;
const MEMORY_INFO: u32 = 1 << 1;
const VIDEO_MODE: u32 = 1 << 2;
const AOUT_KLUDGE: u32 = 1 << 16;
/// The flags that a loader must understand.
const REQUIRED: u32 = 0xffff;

// Information flags.
const INFO_MEMORY: u32 = 1 << 0;
const INFO_BOOT_DEVICE: u32 = 1 << 1;
const INFO_CMDLINE: u32 = 1 << 2;
const INFO_MODS: u32 = 1 << 3;
const INFO_MEM_MAP: u32 = 1 << 6;
const INFO_BOOT_LOADER_NAME: u32 = 1 << 9;
const INFO_BYTES: usize = 120;

/// Where the header is, and its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    offset: u64,
    flags: u32,
}

impl Header {
    /// The header itself says what is loaded where.
    pub fn has_addresses(&self) -> bool {
        self.flags & AOUT_KLUDGE != 0
    }
}

/// Looks for a header.
pub fn find(image: &Image) -> Result<Option<Header>, BootError> {
    let words = words(&image.beginning(SEARCH)?);
    let at = words.windows(3).position(|header| {
        header[0] == HEADER_MAGIC && header.iter().fold(0u32, |sum, word| sum.wrapping_add(*word)) == 0
    });
    Ok(at.map(|index| Header { offset: 4 * index as u64, flags: words[index + 1] }))
}

/// Where a header of Multiboot 2 is.
pub fn find_2(image: &Image) -> Result<Option<u64>, BootError> {
    let words = words(&image.beginning(SEARCH_2)?);
    let at = words.windows(4).step_by(2).position(|header| {
        header[0] == HEADER_MAGIC_2 && header.iter().fold(0u32, |sum, word| sum.wrapping_add(*word)) == 0
    });
    Ok(at.map(|index| 8 * index as u64))
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// Splits what stands behind -initrd: "file arguments, file arguments", where a doubled comma is a comma.
pub fn split_modules(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match out.last_mut() {
            Some(last) if c != ',' || characters.next_if_eq(&',').is_some() => last.push(c),
            _ => out.push(String::new()),
        }
    }
    out.iter().map(|module| module.trim_start().to_owned()).filter(|module| !module.is_empty()).collect()
}

pub(super) fn load(mut builder: Builder<'_>, header: Header) -> Result<BootPlan, BootError> {
    let image = builder.kernel();
    let unknown = header.flags & REQUIRED & !(PAGE_ALIGN | MEMORY_INFO | VIDEO_MODE);
    if unknown != 0 {
        return Err(image.error(
            header.offset + 4,
            format!("the Multiboot header requires features {unknown:#x}, which are unknown"),
            "boot it by a boot loader that knows them, from a disk or CD image",
        ));
    }
    if header.flags & VIDEO_MODE != 0 {
        builder.warnings.push(format!("{}: asks for a video mode; it gets text mode", image.path.display()));
    }
    let (entry, end) = match header.has_addresses() {
        true => load_by_addresses(&mut builder, header)?,
        false => load_elf(&mut builder, header)?,
    };

    let request = builder.request;
    let mut modules = Vec::new();
    for module in &request.modules {
        let image = &module.image;
        let from = end.max(EXTENDED).next_multiple_of(4096);
        let gpa = builder.space.place_low(image.len(), 4096, from..FOUR_GIB, "a module");
        let gpa = gpa.ok_or_else(|| builder.no_room(image, "a module", image.len()))?;
        builder.write_image(gpa, image, 0, image.len());
        let arguments = builder.put_small(super::c_string(&module.command_line), "a module's arguments")?;
        for field in [gpa as u32, (gpa + image.len()) as u32, arguments, 0] {
            modules.extend(field.to_le_bytes());
        }
    }
    let modules = builder.put_small(modules, "the list of modules")?;
    let mut command_line = image.path.display().to_string();
    if !request.command_line.is_empty() {
        command_line = format!("{command_line} {}", request.command_line);
    }
    let command_line = builder.put_small(super::c_string(&command_line), "the command line")?;
    let name = builder.put_small(super::c_string("lyrebird"), "the boot loader's name")?;
    let mut map = Vec::new();
    for entry in builder.space.e820() {
        map.extend(20u32.to_le_bytes()); // how long the entry is without this field
        map.extend(entry.base.to_le_bytes());
        map.extend(entry.bytes.to_le_bytes());
        map.extend((entry.kind as u32).to_le_bytes());
    }
    let map_bytes = map.len() as u32;
    let map = builder.put_small(map, "the memory map")?;

    let mut info = vec![0; INFO_BYTES];
    let mut put = |offset: usize, value: u32| info[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    let flags = INFO_MEMORY | INFO_BOOT_DEVICE | INFO_CMDLINE | INFO_MODS | INFO_MEM_MAP | INFO_BOOT_LOADER_NAME;
    put(0, flags);
    put(4, (EBDA / 1024) as u32);
    put(8, ((builder.space.low_ram_end() - EXTENDED) / 1024) as u32);
    put(12, 0x8000_ffff); // the first hard disk's first partition: nobody knows
    put(16, command_line);
    put(20, request.modules.len() as u32);
    put(24, modules);
    put(44, map_bytes);
    put(48, map);
    put(64, name);
    let ebx = builder.put_small(info, "the Multiboot information")?;
    builder.finish(Protocol::Multiboot, Registers { eip: entry, eax: BOOTLOADER_MAGIC, ebx, esi: 0 })
}

fn load_elf(builder: &mut Builder<'_>, header: Header) -> Result<(u32, u64), BootError> {
    let image = builder.kernel();
    if !is_elf(image) {
        return Err(image.error(
            header.offset + 4,
            "the Multiboot header gives no load addresses (flag bit 16), and the file is no ELF executable",
            "link the kernel as ELF32, or fill in the header's addresses",
        ));
    }
    let elf = Elf::parse(image)?;
    if elf.is_64 || elf.machine != EM_386 {
        return Err(image.error(
            if elf.is_64 { 4 } else { 18 },
            "Multiboot kernels must be 32-bit x86 ELF files, and this one is for x86-64",
            "convert it with `objcopy -O elf32-i386`, or give it a PVH entry note",
        ));
    }
    let end = elf.place(builder)?;
    let entry = u32::try_from(elf.physical_entry())
        .map_err(|_| image.error(24, "the entry point is not a 32-bit address", "check how the kernel is linked"))?;
    Ok((entry, end))
}

/// The header itself says what goes where, for files that are not ELF.
fn load_by_addresses(builder: &mut Builder<'_>, header: Header) -> Result<(u32, u64), BootError> {
    let image = builder.kernel();
    let field = |index: u64| image.u32(header.offset + 4 * index, "the Multiboot header").map(u64::from);
    let (header_addr, load_addr, load_end_addr) = (field(3)?, field(4)?, field(5)?);
    let (bss_end_addr, entry_addr) = (field(6)?, field(7)?);
    let wrong = |index: u64, problem: String| {
        Err(image.error(header.offset + 4 * index, problem, "check the addresses in the kernel's Multiboot header"))
    };
    let Some(start) = header_addr.checked_sub(load_addr).and_then(|before| header.offset.checked_sub(before)) else {
        return wrong(3, format!("header_addr {header_addr:#x} and load_addr {load_addr:#x} do not fit the file"));
    };
    let bytes = match load_end_addr {
        0 => image.len() - start,
        end if end < load_addr => {
            return wrong(5, format!("load_end_addr {end:#x} lies before load_addr {load_addr:#x}"));
        }
        end => end - load_addr,
    };
    let end = match bss_end_addr {
        0 => load_addr + bytes,
        end if end < load_addr + bytes => {
            return wrong(6, format!("bss_end_addr {end:#x} lies before the end of what is loaded"));
        }
        end => end,
    };
    image.check(start, bytes, "what the Multiboot header wants loaded")?;
    builder.claim(load_addr..end, "the kernel")?;
    builder.write_image(load_addr, image, start, bytes);
    builder.zero(load_addr + bytes, end - load_addr - bytes);
    Ok((entry_addr as u32, end))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::boot::Module;
    use crate::boot::elf::tests::{elf, loaded};
    use crate::boot::tests::{plan, read_back, request};

    pub fn header(flags: u32, addresses: &[u32]) -> Vec<u8> {
        let checksum = 0u32.wrapping_sub(HEADER_MAGIC).wrapping_sub(flags);
        [HEADER_MAGIC, flags, checksum].iter().chain(addresses).flat_map(|w| w.to_le_bytes()).collect()
    }

    fn word(bytes: &[u8], offset: usize) -> u32 {
        u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
    }

    #[test]
    fn an_elf_kernel_gets_registers_modules_and_map() {
        let mut request = request(elf(false, 0xc010_0004, &[loaded(0x10_0000, &header(3, &[]), 0x5000)]));
        request.command_line = "single".into();
        let module = |name: &str, bytes: usize| Module {
            image: Image::new(name, vec![9; bytes]),
            command_line: format!("{name} x"),
        };
        request.modules = vec![module("a", 5000), module("b", 10)];
        let (plan, memory) = plan(64, &request).unwrap();
        assert_eq!((plan.protocol, plan.start.eip, plan.start.eax), (Protocol::Multiboot, 0x10_0004, 0x2bad_b002));
        let info = read_back(&memory, u64::from(plan.start.ebx), 120);
        assert_eq!((word(&info, 0), word(&info, 4), word(&info, 8)), (0x24f, 639, 63 << 10));
        assert_eq!(read_back(&memory, u64::from(word(&info, 16)), 14), b"kernel single\0");
        assert_eq!(word(&info, 20), 2);
        let list = read_back(&memory, u64::from(word(&info, 24)), 32);
        assert_eq!((word(&list, 0), word(&list, 4)), (0x10_5000, 0x10_5000 + 5000));
        assert_eq!((word(&list, 16), word(&list, 20)), (0x10_7000, 0x10_700a));
        assert_eq!(read_back(&memory, u64::from(word(&list, 24)), 4), b"b x\0");
        let map = read_back(&memory, u64::from(word(&info, 48)), word(&info, 44) as usize);
        assert_eq!((map.len(), word(&map, 0), word(&map, 12), word(&map, 20)), (24 * 5, 20, 0x9_fc00, 1));
        assert_eq!(read_back(&memory, u64::from(word(&info, 64)), 9), b"lyrebird\0");
    }

    #[test]
    fn a_flat_file_is_loaded_by_the_addresses_of_its_header() {
        let mut bytes = vec![0x11; 0x100];
        bytes.extend(header(1 << 16, &[0x20_0100, 0x20_0080, 0x20_0180, 0x20_1000, 0x20_0120]));
        bytes.resize(0x300, 0x22);
        let (plan, memory) = plan(64, &request(bytes.clone())).unwrap();
        assert_eq!(plan.start.eip, 0x20_0120);
        assert_eq!(read_back(&memory, 0x20_0080, 0x100), bytes[0x80..0x180]);
        assert_eq!(read_back(&memory, 0x20_0180, 4), [0; 4]);
    }

    #[test]
    fn what_cannot_boot_is_refused_with_a_remedy() {
        let refused = |bytes| plan(64, &request(bytes)).err().unwrap().to_string();
        assert!(refused(elf(true, 0, &[loaded(0x10_0000, &header(0, &[]), 64)])).contains("objcopy"));
        assert!(refused(header(8, &[])).contains("requires features 0x8"));
        assert!(refused([header(0, &[]), vec![0; 8000]].concat()).contains("no ELF"));
        assert!(refused(header(1 << 16, &[0, 0x10_0000, 0, 0, 0])).contains("header_addr"));
        assert!(refused(header(1 << 16, &[0x10_0000, 0x10_0000, 0x20_0000, 0, 0])).contains("truncated"));
        assert!(refused(header(1 << 16, &[0xf00_0000, 0xf00_0000, 0, 0, 0])).contains("-m"));
        let overlap = [loaded(0x10_0000, &header(0, &[]), 0x2000), loaded(0x10_1000, b"x", 1)];
        assert!(refused(elf(false, 0, &overlap)).contains("overlaps"));
    }

    #[test]
    fn a_wish_for_a_video_mode_is_only_noted() {
        let bytes = elf(false, 0x10_0000, &[loaded(0x10_0000, &header(7, &[0, 0, 0, 0, 0, 0, 640, 480, 32]), 64)]);
        assert!(plan(64, &request(bytes)).unwrap().0.warnings[0].contains("text mode"));
    }

    #[test]
    fn module_lists_are_split_at_single_commas() {
        assert_eq!(split_modules("a b, c,,d e,"), ["a b", "c,d e"]);
        assert_eq!(split_modules(""), Vec::<String>::new());
    }
}
