//! Linux by its 32-bit boot protocol (Documentation/arch/x86/boot.rst): the setup code is skipped, and the zero page tells the
//! kernel what it would have found out. 64-bit kernels have this entry too.

use super::builder::{Builder, Registers};
use super::error::BootError;
use super::image::Image;
use super::plan::{BootPlan, Protocol};
use super::space::{E820Entry, EXTENDED, FOUR_GIB};
use std::ops::Range;

/// Where the zero page goes. Protocols before 2.02 look for the command line relative to 90000h.
const BOOT_PARAMS: u64 = 0x9_0000;
const BOOT_PARAMS_BYTES: usize = 0x1000;
const COMMAND_LINE: u64 = BOOT_PARAMS + 0x1000;
/// The room between the command line's start and the EBDA.
const COMMAND_LINE_ROOM: usize = 0xe000;
/// The zero page has room for so many entries of the memory map.
const E820_MAX: usize = 128;

// Offsets, in the file and in the zero page alike.
const SETUP_SECTS: u64 = 0x1f1;
const SYSSIZE: u64 = 0x1f4;
const BOOT_FLAG: u64 = 0x1fe;
const JUMP: u64 = 0x200;
const HEADER: u64 = 0x202;
const VERSION: u64 = 0x206;
const TYPE_OF_LOADER: usize = 0x210;
const LOADFLAGS: u64 = 0x211;
const CODE32_START: usize = 0x214;
const RAMDISK_IMAGE: usize = 0x218;
const RAMDISK_SIZE: usize = 0x21c;
const CMD_LINE_PTR: usize = 0x228;
const INITRD_ADDR_MAX: u64 = 0x22c;
const KERNEL_ALIGNMENT: u64 = 0x230;
const RELOCATABLE_KERNEL: u64 = 0x234;
const CMDLINE_SIZE: u64 = 0x238;
const PREF_ADDRESS: u64 = 0x258;
const INIT_SIZE: u64 = 0x260;
const LOADED_HIGH: u8 = 1;
/// A loader without an assigned number.
const UNKNOWN_LOADER: u8 = 0xff;

/// Whether the file has the header of a Linux kernel since protocol 2.00.
pub fn is_linux(image: &Image) -> bool {
    image.has(HEADER, b"HdrS") && image.has(BOOT_FLAG, &[0x55, 0xaa])
}

/// What a loader must know from the setup header.
#[derive(Debug)]
struct Setup {
    version: u16,
    /// Where the protected-mode kernel starts in the file.
    kernel_offset: u64,
    relocatable: bool,
    alignment: u64,
    pref_address: u64,
    init_size: u64,
    command_line_max: usize,
    initrd_end_max: u64,
}

impl Setup {
    fn parse(image: &Image) -> Result<Self, BootError> {
        let what = "the Linux setup header";
        let version = image.u16(VERSION, what)?;
        let since = |wanted: u16| version >= wanted;
        if !since(0x200) {
            return Err(image.error(VERSION, format!("boot protocol {version:#x} is unknown"), "use a newer kernel"));
        }
        if image.u8(LOADFLAGS, what)? & LOADED_HIGH == 0 {
            return Err(image.error(
                LOADFLAGS,
                "this is an old zImage, which is loaded below 1 MiB and started in real mode",
                "build a bzImage, or boot it from a disk or CD image with a boot loader",
            ));
        }
        let setup_sects = match image.u8(SETUP_SECTS, what)? {
            0 => 4,
            n => u64::from(n),
        };
        let kernel_offset = (setup_sects + 1) * 512;
        let kernel_bytes = image.len().saturating_sub(kernel_offset);
        // syssize has 16 bits before 2.04, and big kernels overflow them.
        let expected = match since(0x204) {
            true => u64::from(image.u32(SYSSIZE, what)?) * 16,
            false => 1,
        };
        // The last paragraph need not be there in full.
        if kernel_bytes + 15 < expected || kernel_bytes == 0 {
            return Err(image.error(
                kernel_offset,
                format!("the protected-mode kernel has {kernel_bytes:#x} bytes, but the header promises {expected:#x}"),
                super::image::TRUNCATED,
            ));
        }
        let alignment = if since(0x205) { u64::from(image.u32(KERNEL_ALIGNMENT, what)?) } else { 0 };
        let relocatable = since(0x205) && image.u8(RELOCATABLE_KERNEL, what)? != 0;
        if relocatable && !alignment.is_power_of_two() {
            return Err(image.error(
                KERNEL_ALIGNMENT,
                format!("the kernel's alignment {alignment:#x} is no power of two"),
                super::image::TRUNCATED,
            ));
        }
        Ok(Setup {
            version,
            kernel_offset,
            relocatable,
            alignment,
            pref_address: if since(0x20a) { image.u64(PREF_ADDRESS, what)? } else { 0 },
            init_size: if since(0x20a) { u64::from(image.u32(INIT_SIZE, what)?) } else { 0 },
            command_line_max: match since(0x206) {
                true => image.u32(CMDLINE_SIZE, what)? as usize,
                false => 255,
            },
            initrd_end_max: match since(0x203) {
                true => u64::from(image.u32(INITRD_ADDR_MAX, what)?) + 1,
                false => 0x3800_0000,
            },
        })
    }

    /// Where the kernel is put, and the memory it uses until it has read the memory map.
    fn place(&self, image: &Image) -> Result<(u64, Range<u64>), BootError> {
        let bytes = image.len() - self.kernel_offset;
        let load = match self.relocatable && self.pref_address > EXTENDED {
            true => self.pref_address.checked_next_multiple_of(self.alignment),
            false => Some(EXTENDED),
        };
        let run = if self.pref_address == 0 { Some(EXTENDED) } else { load.map(|l| l.max(self.pref_address)) };
        let bad = || {
            image.error(
                PREF_ADDRESS,
                format!("the kernel wants to run at {:#x}, which is not below 4 GiB", self.pref_address),
                super::image::TRUNCATED,
            )
        };
        let (load, run) = load.zip(run).ok_or_else(bad)?;
        let end = run.checked_add(self.init_size).map(|end| end.max(load.saturating_add(bytes))).ok_or_else(bad)?;
        if end > FOUR_GIB { Err(bad()) } else { Ok((load, load.min(run)..end)) }
    }
}

pub(super) fn load(mut builder: Builder<'_>) -> Result<BootPlan, BootError> {
    let image = builder.kernel();
    let setup = Setup::parse(image)?;
    let (load, runs_in) = setup.place(image)?;
    builder.claim(BOOT_PARAMS..COMMAND_LINE + COMMAND_LINE_ROOM as u64, "the kernel's parameters")?;
    builder.claim(runs_in, "the kernel while it unpacks itself")?;

    let mut params = vec![0u8; BOOT_PARAMS_BYTES];
    // The header ends where the jump over it leads.
    let header_end = HEADER + u64::from(image.u8(JUMP + 1, "the setup header's jump")?);
    let header = image.slice(SETUP_SECTS, header_end - SETUP_SECTS, "the Linux setup header")?;
    put(&mut params, SETUP_SECTS as usize, &header);

    put(&mut params, TYPE_OF_LOADER, &[UNKNOWN_LOADER]);
    put(&mut params, CODE32_START, &(load as u32).to_le_bytes());
    let command_line = command_line(&builder, &setup)?;
    match setup.version {
        0x200 | 0x201 => {
            put(&mut params, 0x20, &0xa33fu16.to_le_bytes());
            put(&mut params, 0x22, &((COMMAND_LINE - BOOT_PARAMS) as u16).to_le_bytes());
        }
        _ => put(&mut params, CMD_LINE_PTR, &(COMMAND_LINE as u32).to_le_bytes()),
    }
    if let Some((gpa, bytes)) = initrd(&mut builder, &setup)? {
        put(&mut params, RAMDISK_IMAGE, &gpa.to_le_bytes());
        put(&mut params, RAMDISK_SIZE, &bytes.to_le_bytes());
    }
    screen_info(&mut params);
    put(&mut params, 0x70, &u64::from(builder.rsdp).to_le_bytes());
    memory_map(&mut params, &builder);

    builder.write_image(load, image, setup.kernel_offset, image.len() - setup.kernel_offset);
    builder.write(BOOT_PARAMS, params);
    builder.write(COMMAND_LINE, command_line);
    builder.finish(Protocol::Linux, Registers { eip: load as u32, esi: BOOT_PARAMS as u32, ..Registers::default() })
}

fn put(params: &mut [u8], offset: usize, bytes: &[u8]) {
    params[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn command_line(builder: &Builder<'_>, setup: &Setup) -> Result<Vec<u8>, BootError> {
    let mut text = builder.request.command_line.clone().into_bytes();
    let limit = setup.command_line_max.min(COMMAND_LINE_ROOM - 1);
    if text.len() > limit {
        return Err(BootError::CommandLine { path: builder.kernel().path.clone(), length: text.len(), limit });
    }
    text.push(0);
    Ok(text)
}

/// Places the initial RAM disk as high as kernel and RAM allow.
fn initrd(builder: &mut Builder<'_>, setup: &Setup) -> Result<Option<(u32, u32)>, BootError> {
    let request = builder.request;
    let [module] = request.modules.as_slice() else {
        return match request.modules.is_empty() {
            true => Ok(None),
            false => Err(BootError::Unsupported {
                path: request.kernel.path.clone(),
                problem: "a Linux kernel takes one initial RAM disk".into(),
                remedy: "give one file to -initrd (several cpio archives can be put behind each other with cat)".into(),
            }),
        };
    };
    let image = &module.image;
    if image.is_empty() {
        builder.warnings.push(format!("{}: the initial RAM disk is empty", image.path.display()));
        return Ok(None);
    }
    let place = builder.space.place_high(image.len(), 4096, EXTENDED..setup.initrd_end_max, "the initial RAM disk");
    let gpa = place.ok_or_else(|| builder.no_room(image, "the initial RAM disk", image.len()))?;
    builder.write_image(gpa, image, 0, image.len());
    Ok(Some((gpa as u32, image.len() as u32)))
}

/// Colour text of 80 columns and 25 rows on a VGA, as the setup code finds it after the BIOS.
fn screen_info(params: &mut [u8]) {
    put(params, 0x06, &[3, 80]); // orig_video_mode, orig_video_cols
    put(params, 0x0a, &[3, 0]); // orig_video_ega_bx: colour, 256 KiB
    put(params, 0x0e, &[25, 1, 16, 0]); // orig_video_lines, orig_video_isVGA, orig_video_points
}

fn memory_map(params: &mut [u8], builder: &Builder<'_>) {
    let extended_kib = (builder.space.low_ram_end() - EXTENDED) / 1024;
    put(params, 0x02, &(extended_kib.min(0xfc00) as u16).to_le_bytes());
    put(params, 0x1e0, &(extended_kib as u32).to_le_bytes());
    let map = builder.space.e820();
    let map = &map[..map.len().min(E820_MAX)];
    params[0x1e8] = map.len() as u8;
    for (index, E820Entry { base, bytes, kind }) in map.iter().enumerate() {
        let at = 0x2d0 + 20 * index;
        put(params, at, &base.to_le_bytes());
        put(params, at + 8, &bytes.to_le_bytes());
        put(params, at + 16, &(*kind as u32).to_le_bytes());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::boot::tests::{plan, read_back, request};
    use crate::boot::{BootRequest, Module};

    /// A bzImage of protocol 2.15 whose protected-mode kernel has `bytes` bytes.
    pub fn bzimage(bytes: usize) -> Vec<u8> {
        let mut image = vec![0; 1024];
        put(&mut image, SETUP_SECTS as usize, &[1]);
        put(&mut image, SYSSIZE as usize, &((bytes as u32).div_ceil(16)).to_le_bytes());
        put(&mut image, BOOT_FLAG as usize, &[0x55, 0xaa, 0xeb, 0x6a]);
        put(&mut image, HEADER as usize, b"HdrS\x0f\x02");
        put(&mut image, LOADFLAGS as usize, &[LOADED_HIGH]);
        put(&mut image, CODE32_START, &0x10_0000u32.to_le_bytes());
        put(&mut image, INITRD_ADDR_MAX as usize, &0x7fff_ffffu32.to_le_bytes());
        put(&mut image, KERNEL_ALIGNMENT as usize, &0x20_0000u32.to_le_bytes());
        put(&mut image, RELOCATABLE_KERNEL as usize, &[1]);
        put(&mut image, CMDLINE_SIZE as usize, &2047u32.to_le_bytes());
        put(&mut image, PREF_ADDRESS as usize, &0x100_0000u64.to_le_bytes());
        put(&mut image, INIT_SIZE as usize, &0x80_0000u32.to_le_bytes());
        image.extend((0..bytes).map(|i| (i * 7) as u8));
        image
    }

    fn u32_of(params: &[u8], offset: usize) -> u32 {
        u32::from_le_bytes(params[offset..offset + 4].try_into().unwrap())
    }

    #[test]
    fn a_relocatable_kernel_is_put_where_it_prefers_with_its_initrd_on_top() {
        let mut request = request(bzimage(5000));
        request.command_line = "console=ttyS0".into();
        request.modules = vec![Module { image: Image::new("i", vec![7; 9000]), ..Module::default() }];
        let (plan, memory) = plan(64, &request).unwrap();
        assert_eq!((plan.protocol, plan.start.eip, plan.start.esi), (Protocol::Linux, 0x100_0000, 0x9_0000));
        assert_eq!(read_back(&memory, 0x100_0000, 5000), bzimage(5000)[1024..]);
        let params = read_back(&memory, 0x9_0000, 4096);
        assert_eq!(&params[0x202..0x206], b"HdrS");
        assert_eq!((params[0x1ef], params[TYPE_OF_LOADER]), (0, 0xff));
        assert_eq!((u32_of(&params, CODE32_START), u32_of(&params, RAMDISK_SIZE)), (0x100_0000, 9000));
        assert_eq!(u32_of(&params, RAMDISK_IMAGE), (64 << 20) - 0x3000);
        assert_eq!(read_back(&memory, (64 << 20) - 0x3000, 9000), vec![7; 9000]);
        assert_eq!(read_back(&memory, u64::from(u32_of(&params, CMD_LINE_PTR)), 14), b"console=ttyS0\0");
        let rsdp = read_back(&memory, u64::from(u32_of(&params, 0x70)), 8);
        assert_eq!(rsdp, b"RSD PTR ");
        assert_eq!((params[0x1e8], u32_of(&params, 0x1e0)), (5, 63 << 10));
    }

    #[test]
    fn an_initrd_stays_below_what_the_kernel_can_reach() {
        let mut request = request(bzimage(5000));
        request.kernel.bytes_mut()[INITRD_ADDR_MAX as usize..][..4].copy_from_slice(&0x1ff_ffffu32.to_le_bytes());
        request.modules = vec![Module { image: Image::new("i", vec![7; 4096]), ..Module::default() }];
        let (_, memory) = plan(64, &request).unwrap();
        assert_eq!(u32_of(&read_back(&memory, 0x9_0000, 4096), RAMDISK_IMAGE), 0x1ff_f000);
    }

    fn refused(change: impl FnOnce(&mut BootRequest)) -> String {
        let mut request = request(bzimage(5000));
        change(&mut request);
        plan(64, &request).err().unwrap().to_string()
    }

    #[test]
    fn what_cannot_boot_is_refused_with_a_remedy() {
        assert!(refused(|r| r.command_line = "x".repeat(2048)).contains("at most 2047"));
        assert!(refused(|r| r.kernel.bytes_mut()[LOADFLAGS as usize] = 0).contains("zImage"));
        assert!(refused(|r| r.kernel.bytes_mut().truncate(3000)).contains("truncated"));
        assert!(refused(|r| r.kernel.bytes_mut()[INIT_SIZE as usize + 3] = 0x10).contains("-m"));
        assert!(refused(|r| r.kernel.bytes_mut()[PREF_ADDRESS as usize + 7] = 0xff).contains("4 GiB"));
        assert!(refused(|r| r.modules = vec![Module::default(), Module::default()]).contains("one initial RAM disk"));
        let huge = Module { image: Image::new("big", vec![0; 60 << 20]), ..Module::default() };
        assert!(refused(|r| r.modules = vec![huge]).contains("does not fit"));
    }

    #[test]
    fn old_protocols_get_the_command_line_by_its_old_place() {
        let mut request = request(bzimage(5000));
        request.kernel.bytes_mut()[VERSION as usize] = 1;
        request.command_line = "old".into();
        let (plan, memory) = plan(64, &request).unwrap();
        assert_eq!(plan.start.eip, 0x10_0000);
        let params = read_back(&memory, 0x9_0000, 4096);
        assert_eq!(&params[0x20..0x24], [0x3f, 0xa3, 0x00, 0x10]);
        assert_eq!(read_back(&memory, 0x9_1000, 4), b"old\0");
    }
}
