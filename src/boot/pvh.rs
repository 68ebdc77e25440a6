//! PVH: an ELF kernel with a 32-bit entry point in a Xen note, which finds its memory map, command line and modules through
//! `hvm_start_info` in EBX (Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h). Linux's vmlinux has it.

use super::builder::{Builder, Registers};
use super::elf::Elf;
use super::error::BootError;
use super::image::Image;
use super::plan::{BootPlan, Protocol};
use super::space::{EXTENDED, FOUR_GIB};

const XEN_ELFNOTE_PHYS32_ENTRY: u32 = 18;
const XEN_HVM_START_MAGIC_VALUE: u32 = 0x336e_c578;

/// The entry point, if the file has one.
pub fn entry(image: &Image, elf: &Elf) -> Result<Option<u32>, BootError> {
    let Some((at, note)) = elf.note(image, b"Xen", XEN_ELFNOTE_PHYS32_ENTRY)? else {
        return Ok(None);
    };
    let value = match note[..] {
        [a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, 0, 0, 0, 0] => Some(u32::from_le_bytes([a, b, c, d])),
        _ => None,
    };
    let bad = || image.error(at, "the PVH entry point is not a 32-bit address", "check how the kernel is linked");
    Ok(Some(value.ok_or_else(bad)?))
}

pub(super) fn load(mut builder: Builder<'_>, elf: &Elf, entry: u32) -> Result<BootPlan, BootError> {
    elf.place(&mut builder)?;
    let request = builder.request;
    let mut modules = Vec::new();
    for module in &request.modules {
        let image = &module.image;
        let gpa = builder.space.place_high(image.len(), 4096, EXTENDED..FOUR_GIB, "a module");
        let gpa = gpa.ok_or_else(|| builder.no_room(image, "the initial RAM disk", image.len()))?;
        builder.write_image(gpa, image, 0, image.len());
        let arguments = match module.command_line.is_empty() {
            true => 0,
            false => builder.put_small(super::c_string(&module.command_line), "a module's arguments")?,
        };
        for field in [gpa, image.len(), u64::from(arguments), 0] {
            modules.extend(field.to_le_bytes());
        }
    }
    let count = request.modules.len() as u32;
    let modules = if modules.is_empty() { 0 } else { builder.put_small(modules, "the list of modules")? };
    let command_line = builder.put_small(super::c_string(&request.command_line), "the command line")?;
    let map = builder.space.e820();
    let mut bytes = Vec::new();
    for entry in &map {
        bytes.extend(entry.base.to_le_bytes());
        bytes.extend(entry.bytes.to_le_bytes());
        bytes.extend((entry.kind as u32).to_le_bytes());
        bytes.extend(0u32.to_le_bytes());
    }
    let map_at = builder.put_small(bytes, "the memory map")?;

    let mut info = Vec::new();
    for field in [XEN_HVM_START_MAGIC_VALUE, 1, 0, count] {
        info.extend(field.to_le_bytes());
    }
    for field in [modules, command_line, builder.rsdp, map_at] {
        info.extend(u64::from(field).to_le_bytes());
    }
    info.extend((map.len() as u32).to_le_bytes());
    info.extend(0u32.to_le_bytes());
    let ebx = builder.put_small(info, "hvm_start_info")?;
    builder.finish(Protocol::Pvh, Registers { eip: entry, ebx, ..Registers::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Module;
    use crate::boot::elf::tests::{elf, loaded, phys32_entry};
    use crate::boot::tests::{plan, read_back, request};

    fn word(bytes: &[u8], offset: usize) -> u64 {
        u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
    }

    #[test]
    fn both_classes_of_elf_start_at_the_note_with_start_info() {
        for is_64 in [false, true] {
            let mut request = request(elf(is_64, 0, &[loaded(0x20_0000, b"code", 0x2000), phys32_entry(0x20_0002)]));
            request.command_line = "root=/dev/sda".into();
            request.modules = vec![Module { image: Image::new("i", vec![3; 5000]), command_line: "args".into() }];
            let (plan, memory) = plan(64, &request).unwrap();
            assert_eq!((plan.protocol, plan.start.eip), (Protocol::Pvh, 0x20_0002));
            assert_eq!(read_back(&memory, 0x20_0000, 6), b"code\0\0");
            let info = read_back(&memory, u64::from(plan.start.ebx), 56);
            assert_eq!(info[..16], [0x78, 0xc5, 0x6e, 0x33, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
            assert_eq!(read_back(&memory, word(&info, 24), 14), b"root=/dev/sda\0");
            assert_eq!(read_back(&memory, word(&info, 32), 8), b"RSD PTR ");
            let module = read_back(&memory, word(&info, 16), 32);
            assert_eq!((word(&module, 0), word(&module, 8)), ((64 << 20) - 0x2000, 5000));
            assert_eq!(read_back(&memory, word(&module, 16), 5), b"args\0");
            let map = read_back(&memory, word(&info, 40), 24 * 5);
            assert_eq!((word(&map, 0), word(&map, 8), map[16]), (0, 0x9_fc00, 1));
            assert_eq!(info[48], 5);
        }
    }
}
