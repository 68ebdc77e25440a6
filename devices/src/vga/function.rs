//! The adapter on its buses: the legacy ports and window, the PCI function with its linear frame buffer, its registers in memory
//! and its ROM, and the screen.

use super::chip::Chip;
use super::defaults;
use super::mmio::{self, MMIO_BYTES};
use super::picture::Picture;
use super::vram::{VRAM_BYTES, Vram};
use crate::pci::{ConfigSpace, Identity, Space, WindowBus, WindowHandle};
use lyrebird_core::{Device, Display, Frame, MmioIo, PciConfig, PortIo, ResetKind, RestoreError, Unit, VmTime, dispi};
use lyrebird_memory::{BlockId, GuestMemory, MemoryError, PAGE_SIZE, Region, RegionId, Target};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where the VGA's window is.
pub const LEGACY_BASE: u64 = 0xa_0000;
/// How long it is.
pub const LEGACY_BYTES: u64 = 0x2_0000;

/// The registers in memory: the offset that tells their window from the legacy one.
const MMIO_OFFSET: u64 = LEGACY_BYTES;

/// The expansion ROM's base address register.
const ROM_BAR: u8 = 0x30;
const LARGEST_ROM: usize = 1 << 20;

/// Why there is no adapter.
#[derive(Debug, thiserror::Error)]
pub enum VgaError {
    /// The host has no memory for it.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// All trackers of dirty pages are taken.
    #[error("too many parts of this machine watch its memory")]
    NoTracker,
    /// The ROM is no ROM.
    #[error("a video BIOS has 1 byte to 1 MiB, not {0} bytes: give another file")]
    Rom(usize),
}

/// The adapter.
pub struct Vga {
    // Wiring.
    memory: Arc<GuestMemory>,
    vram: Vram,
    /// BAR 0's window: memory, and no business of the board's.
    bar0: Arc<WindowBus>,
    /// The linear frame buffer, where BAR 0 says.
    frame_buffer: RegionId,
    /// The memory itself in the legacy window, while that does no harm.
    direct: RegionId,
    rom: Option<Rom>,
    // State.
    config: ConfigSpace,
    chip: Chip,
    // Derived.
    regions: Regions,
    picture: Picture,
}

struct Rom {
    block: BlockId,
    bytes: u64,
    region: RegionId,
}

/// What is mapped where now: first addresses, or for the legacy window the memory's first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Regions {
    frame_buffer: Option<u64>,
    direct: Option<u32>,
    rom: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    config: Vec<u8>,
    chip: Chip,
    /// The pages that are not all zero.
    vram: Vec<(u32, Vec<u8>)>,
}

impl Vga {
    /// An adapter after power-on. `mmio` is the window of BAR 2. No vCPU may be running.
    pub fn new(memory: Arc<GuestMemory>, mmio: WindowHandle) -> Result<Self, VgaError> {
        let tracker = memory.add_tracker().ok_or(VgaError::NoTracker)?;
        let vram = Vram::new(memory.clone(), tracker)?;
        let bar0 = WindowBus::new();
        let mut config = ConfigSpace::new(Identity { vendor: 0x1234, device: 0x1111, class: 0x03_0000, revision: 2 });
        config.add_bar(0, Space::Memory, VRAM_BYTES, 0, bar0.handle(0));
        config.preset(0x10, &[8]); // prefetchable
        config.add_bar(2, Space::Memory, MMIO_BYTES, MMIO_OFFSET, mmio);
        let frame_buffer = memory.map(frame_buffer(&vram, None));
        let direct = memory.map(direct(&vram, None));
        Ok(Vga {
            memory,
            vram,
            bar0,
            frame_buffer,
            direct,
            rom: None,
            config,
            chip: Chip::default(),
            regions: Regions::default(),
            picture: Picture::default(),
        })
    }

    /// Plugs a video BIOS in, which firmware finds by the expansion ROM's base address.
    pub fn with_rom(mut self, image: Vec<u8>) -> Result<Self, VgaError> {
        if image.is_empty() || image.len() > LARGEST_ROM {
            return Err(VgaError::Rom(image.len()));
        }
        let bytes = image.len().next_power_of_two().max(PAGE_SIZE as usize) as u64;
        let block = self.memory.add_block("vga-rom", bytes)?;
        self.memory.block(block).fill(0, &image)?;
        let mask = !(bytes as u32 - 1) | 1;
        self.config.allow(ROM_BAR, &mask.to_le_bytes());
        let mut rom = Rom { block, bytes, region: self.direct };
        rom.region = self.memory.map(rom.at(None));
        self.rom = Some(rom);
        Ok(self)
    }

    /// Sets up text mode 3 with a font, and the frame buffer's addresses, as firmware would: for kernels that are booted without.
    pub fn firmware_defaults(&mut self, font: &[[u8; 16]; 256], frame_buffer: u32, registers: u32) {
        defaults::text_mode(&mut self.chip, &self.vram, font);
        self.config.write(0x10, 4, frame_buffer);
        self.config.write(0x18, 4, registers);
        self.config.write(0x04, 2, 3);
        self.update();
    }

    /// Brings the memory map to what the registers say.
    fn update(&mut self) {
        self.bar0.take(); // where the window is stands in the configuration space
        let rom = self.config.read(ROM_BAR, 4);
        let regions = Regions {
            frame_buffer: self.config.window(0).map(|window| window.base),
            // The function's memory decoding covers the legacy window too, but firmware that knows no PCI never sets it.
            direct: self.chip.direct(),
            rom: self.rom.as_ref().and_then(|plugged| {
                let base = u64::from(rom & !(plugged.bytes as u32 - 1));
                // By PCI's specification the function's memory decoding would have to be on, too; the Bochs BIOS copies the ROM
                // before it turns that on.
                (rom & 1 != 0 && base != 0).then_some(base)
            }),
        };
        if regions.frame_buffer != self.regions.frame_buffer {
            self.memory.remap(self.frame_buffer, frame_buffer(&self.vram, regions.frame_buffer));
        }
        if regions.direct != self.regions.direct {
            self.memory.remap(self.direct, direct(&self.vram, regions.direct));
        }
        if let Some(plugged) = &self.rom
            && regions.rom != self.regions.rom
        {
            self.memory.remap(plugged.region, plugged.at(regions.rom));
        }
        self.regions = regions;
    }

    fn settle(&mut self) {
        if self.chip.take_moved() {
            self.update();
        }
    }
}

/// Below plain RAM: a base address register that points there shows nothing.
fn frame_buffer(vram: &Vram, base: Option<u64>) -> Region {
    let target = Target::DeviceRam { block: vram.id(), offset: 0 };
    Region { base: base.unwrap_or(0), bytes: base.map_or(0, |_| VRAM_BYTES.into()), priority: -1, target }
}

/// Above the legacy window, which is the device's.
fn direct(vram: &Vram, first: Option<u32>) -> Region {
    let target = Target::DeviceRam { block: vram.id(), offset: first.unwrap_or(0).into() };
    Region { base: LEGACY_BASE, bytes: first.map_or(0, |_| 0x1_0000), priority: 2, target }
}

impl Rom {
    fn at(&self, base: Option<u64>) -> Region {
        let target = Target::Rom { block: self.block, offset: 0 };
        Region { base: base.unwrap_or(0), bytes: base.map_or(0, |_| self.bytes), priority: -1, target }
    }
}

impl Device for Vga {
    fn name(&self) -> &str {
        "vga"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.config.reset();
        self.chip = Chip::default();
        self.update();
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { memory: _, vram, bar0: _, frame_buffer: _, direct: _, rom: _, config, chip, regions: _, picture: _ } =
            self;
        Unit::pack("vga", 1, &Saved { config: config.save(), chip: chip.clone(), vram: vram.save() })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { config, chip, vram } = unit.unpack("vga", 1)?;
        self.config.restore(&config);
        self.chip = chip;
        self.chip.sanitise();
        self.vram.restore(&vram);
        self.update();
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }

    fn mmio(&mut self) -> Option<&mut dyn MmioIo> {
        Some(self)
    }

    fn pci(&mut self) -> Option<&mut dyn PciConfig> {
        Some(self)
    }
}

impl PortIo for Vga {
    fn read(&mut self, port: u16, bytes: u8, now: VmTime) -> u32 {
        match port {
            dispi::INDEX_PORT => self.chip.dispi_index().into(),
            dispi::DATA_PORT..=dispi::ALIGNED_DATA_PORT => self.chip.read_dispi(self.chip.dispi_index()).into(),
            _ => (0..bytes.min(4))
                .fold(0, |value, n| value | u32::from(self.chip.read(port.wrapping_add(n.into()), now)) << (8 * n)),
        }
    }

    fn write(&mut self, port: u16, bytes: u8, value: u32, _now: VmTime) {
        match port {
            dispi::INDEX_PORT => self.chip.set_dispi_index(value as u16),
            dispi::DATA_PORT..=dispi::ALIGNED_DATA_PORT => {
                self.chip.write_dispi(self.chip.dispi_index(), value as u16, &self.vram)
            }
            _ => {
                for n in 0..bytes.min(4) {
                    self.chip.write(port.wrapping_add(n.into()), (value >> (8 * n)) as u8);
                }
            }
        }
        self.settle();
    }
}

impl MmioIo for Vga {
    fn read(&mut self, offset: u64, bytes: u8, now: VmTime) -> u64 {
        if offset >= MMIO_OFFSET {
            return mmio::read(&mut self.chip, offset - MMIO_OFFSET, bytes, now);
        }
        (0..bytes.min(8))
            .fold(0, |value, n| value | u64::from(self.chip.load(offset as u32 + u32::from(n), &self.vram)) << (8 * n))
    }

    fn write(&mut self, offset: u64, bytes: u8, value: u64, _now: VmTime) {
        if offset >= MMIO_OFFSET {
            mmio::write(&mut self.chip, &self.vram, offset - MMIO_OFFSET, bytes, value);
            self.settle();
            return;
        }
        for n in 0..bytes.min(8) {
            self.chip.store(offset as u32 + u32::from(n), (value >> (8 * n)) as u8, &self.vram);
        }
    }
}

impl PciConfig for Vga {
    fn config_read(&mut self, offset: u8, bytes: u8, _now: VmTime) -> u32 {
        self.config.read(offset, bytes)
    }

    fn config_write(&mut self, offset: u8, bytes: u8, value: u32, _now: VmTime) {
        self.config.write(offset, bytes, value);
        self.update();
    }
}

impl Display for Vga {
    fn draw(&mut self, frame: &mut Frame, now: VmTime) -> bool {
        self.picture.draw(&mut self.chip, &self.vram, frame, now)
    }
}
