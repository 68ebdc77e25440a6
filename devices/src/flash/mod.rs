//! A flash memory with the command set of Intel's 28F family (CFI: JEDEC JEP137 command set 0001h; data sheet 290598), 8
//! bits wide, in blocks of 4 KiB, as firmware for virtual machines expects it: it holds the firmware, or its variables.
//!
//! While it shows its array, guests read and execute it in place, and only writes come here. What is programmed goes
//! through to the image at once; where that fails, the status register says so.

mod chip;
#[cfg(test)]
mod tests;

use chip::{Chip, Done};
use lyrebird_core::block::SECTOR;
use lyrebird_core::{BlockDevice, BlockError, Device, MmioIo, ResetKind, RestoreError, Unit, VmTime};
use lyrebird_memory::{Backing, Block, BlockId, GuestMemory, MemoryError, PAGE_SIZE, Region, RegionId, Target};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Above RAM and the firmware's ROM.
const PRIORITY: i32 = 2;
const ERASED: u8 = 0xff;

/// Why there can be no such flash memory.
#[derive(Debug, thiserror::Error)]
pub enum FlashError {
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] BlockError),
    /// The host has no memory for it.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Its size is none of a flash memory's.
    #[error(
        "`{name}` has {bytes} bytes, which is no size of a flash memory: it must be 4 KiB to 16 MiB, in steps of 4 KiB"
    )]
    Size {
        /// The image.
        name: String,
        /// Its size.
        bytes: u64,
    },
}

/// The flash memory.
pub struct Flash {
    // Wiring.
    name: String,
    memory: Arc<GuestMemory>,
    image: Box<dyn BlockDevice>,
    base: u64,
    block: Arc<Block>,
    id: BlockId,
    region: RegionId,
    // State.
    chip: Chip,
    // Derived.
    /// Guests read the array in place.
    mapped: bool,
    /// Pages that were changed since guests last read them in place.
    changed: BTreeSet<u64>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    chip: Chip,
    bytes: u64,
    /// The array, if it can be written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    array: Option<Vec<u8>>,
}

impl Flash {
    /// A flash memory that ends at `end`, with the image's content.
    pub fn new(
        name: &str,
        memory: Arc<GuestMemory>,
        mut image: Box<dyn BlockDevice>,
        end: u64,
    ) -> Result<Self, FlashError> {
        let bytes = image.sectors() * SECTOR as u64;
        if bytes == 0 || bytes > 16 << 20 || !bytes.is_multiple_of(PAGE_SIZE) {
            return Err(FlashError::Size { name: image.name().into(), bytes });
        }
        let mut content = vec![0; bytes as usize];
        image.read_at(0, &mut content)?;
        let id = memory.add_block(name, bytes)?;
        let (block, base) = (memory.block(id), end - bytes);
        block.fill(0, &content)?;
        let target = Target::RomDevice { block: id, offset: 0 };
        let region = memory.map(Region { base, bytes, priority: PRIORITY, target });
        Ok(Flash {
            name: name.into(),
            memory,
            image,
            base,
            block,
            id,
            region,
            chip: Chip::default(),
            mapped: true,
            changed: BTreeSet::new(),
        })
    }

    /// Its first address.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// How long it is.
    pub fn bytes(&self) -> u64 {
        self.block.bytes()
    }

    /// What it holds.
    pub fn content(&self) -> Vec<u8> {
        let mut content = vec![0; self.bytes() as usize];
        if self.block.read(0, &mut content).is_err() {
            content.fill(ERASED);
        }
        content
    }

    /// Makes what was programmed durable.
    pub fn flush(&mut self) {
        if let Err(error) = self.image.flush() {
            tracing::warn!(%error, "flash memory");
        }
    }

    /// Lets guests read in place, or not.
    fn settle(&mut self) {
        let map = self.chip.shows_array();
        if map == self.mapped {
            return;
        }
        self.mapped = map;
        let target = if map { Target::RomDevice { block: self.id, offset: 0 } } else { Target::Device };
        self.memory.remap(self.region, Region { base: self.base, bytes: self.bytes(), priority: PRIORITY, target });
        if map {
            // Whoever has decoded code from what was changed learns of it.
            for page in std::mem::take(&mut self.changed) {
                if let Backing::RomDevice(page) = self.memory.lookup(self.base + page * PAGE_SIZE) {
                    self.memory.note_write(&page, 0, PAGE_SIZE);
                }
            }
        }
    }

    /// Changes the array and the image; whether both could be done.
    fn store(&mut self, offset: u64, change: impl Fn(u8) -> u8, count: usize) -> bool {
        if self.image.read_only() {
            return false;
        }
        let first = offset / SECTOR as u64;
        let last = (offset + count as u64).div_ceil(SECTOR as u64).min(self.image.sectors());
        let mut sectors = vec![0; (last.saturating_sub(first)) as usize * SECTOR];
        if self.block.read(first * SECTOR as u64, &mut sectors).is_err() {
            return false;
        }
        let inside = (offset % SECTOR as u64) as usize;
        sectors.iter_mut().skip(inside).take(count).for_each(|byte| *byte = change(*byte));
        match self.image.write_at(first, &sectors) {
            Ok(()) => {
                (offset / PAGE_SIZE..=(offset + count as u64 - 1) / PAGE_SIZE)
                    .for_each(|page| _ = self.changed.insert(page));
                self.memory.write_block(&self.block, first * SECTOR as u64, &sectors).is_ok()
            }
            Err(error) => {
                tracing::warn!(%error, "flash memory");
                false
            }
        }
    }

    fn write_byte(&mut self, offset: u64, value: u8) {
        match self.chip.write(offset, value, self.bytes()) {
            Done::Nothing => {}
            Done::Program(bytes) => {
                // Programming only clears bits.
                let mut done = true;
                let mut rest = &bytes[..];
                while let Some((at, value)) = rest.first() {
                    // Neighbours go together.
                    let run = rest.iter().zip(*at..).take_while(|(byte, at)| byte.0 == *at).count();
                    let values: Vec<u8> = rest[..run].iter().map(|byte| byte.1).collect();
                    done &= if run == 1 { self.store(*at, |old| old & value, 1) } else { self.store_all(*at, &values) };
                    rest = &rest[run..];
                }
                self.chip.programmed(done);
            }
            Done::Erase(block) => {
                let done = self.store(block, |_| ERASED, chip::BLOCK as usize);
                self.chip.erased(done);
            }
        }
    }

    fn store_all(&mut self, offset: u64, values: &[u8]) -> bool {
        let mut old = vec![0; values.len()];
        if self.block.read(offset, &mut old).is_err() {
            return false;
        }
        let new: Vec<u8> = old.iter().zip(values).map(|(old, value)| old & value).collect();
        let at = std::cell::Cell::new(0);
        self.store(
            offset,
            |_| {
                let n = at.replace(at.get() + 1);
                new[n]
            },
            new.len(),
        )
    }
}

impl Device for Flash {
    fn name(&self) -> &str {
        &self.name
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.chip = Chip::default();
        self.settle();
        self.flush();
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { name: _, memory: _, image, base: _, block, id: _, region: _, chip, mapped: _, changed: _ } = self;
        let array = (!image.read_only()).then(|| self.content());
        Unit::pack("flash", 1, &Saved { chip: chip.clone(), bytes: block.bytes(), array })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { chip, bytes, array } = unit.unpack("flash", 1)?;
        let damaged = |reason: String| RestoreError::Damaged { kind: "flash".into(), reason };
        if bytes != self.bytes() || array.as_ref().is_some_and(|array| array.len() as u64 != bytes) {
            return Err(damaged(format!("{} has {} bytes, not {bytes}", self.image.name(), self.bytes())));
        }
        if let Some(array) = array {
            let now = self.content();
            for (n, (new, old)) in array.chunks(SECTOR).zip(now.chunks(SECTOR)).enumerate() {
                if new != old {
                    self.image.write_at(n as u64, new).map_err(|error| damaged(error.to_string()))?;
                    self.block.fill((n * SECTOR) as u64, new).map_err(|error| damaged(error.to_string()))?;
                    self.changed.insert((n * SECTOR) as u64 / PAGE_SIZE);
                }
            }
        }
        self.chip = chip;
        self.settle();
        Ok(())
    }

    fn mmio(&mut self) -> Option<&mut dyn MmioIo> {
        Some(self)
    }
}

impl MmioIo for Flash {
    fn read(&mut self, offset: u64, bytes: u8, _now: VmTime) -> u64 {
        let mut value = 0;
        for n in 0..u64::from(bytes) {
            let mut array = [ERASED];
            let byte = match self.chip.read(offset + n) {
                Some(byte) => byte,
                None => match self.block.read(offset + n, &mut array) {
                    Ok(()) => array[0],
                    Err(_) => ERASED,
                },
            };
            value |= u64::from(byte) << (8 * n);
        }
        value
    }

    fn write(&mut self, offset: u64, bytes: u8, value: u64, _now: VmTime) {
        for n in 0..u64::from(bytes) {
            self.write_byte(offset + n, (value >> (8 * n)) as u8);
        }
        self.settle();
    }
}
