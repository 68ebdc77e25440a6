//! QEMU's firmware configuration device: how the machine hands tables, kernels and settings to its firmware
//! (`docs/specs/fw_cfg` of QEMU). Ports 510h (selector), 511h (data) and 514h (DMA address, big-endian).

mod store;
#[cfg(test)]
mod tests;

pub use store::Store;

use lyrebird_core::{Device, PortIo, ResetKind, RestoreError, Unit, VmTime};
use lyrebird_memory::GuestMemory;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const SELECTOR: u16 = 0x510;
const DATA: u16 = 0x511;
const DMA: u16 = 0x514;
/// What the DMA address reads as: "QEMU CFG".
const DMA_SIGNATURE: u64 = 0x5145_4d55_2043_4647;

// The bits of a DMA command's control word.
const DMA_ERROR: u32 = 1;
const DMA_READ: u32 = 2;
const DMA_SKIP: u32 = 4;
const DMA_SELECT: u32 = 8;
const DMA_WRITE: u32 = 16;

/// The device.
pub struct FwCfg {
    // Wiring.
    memory: Arc<GuestMemory>,
    // What the machine offers.
    store: Store,
    // Registers.
    selector: u16,
    offset: u32,
    dma_high: u32,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    selector: u16,
    offset: u32,
    dma_high: u32,
    /// Only what the guest may have changed; the rest comes with the machine.
    written: Vec<(u16, Vec<u8>)>,
}

impl FwCfg {
    /// A device with the signature and the interface's own items in it.
    pub fn new(memory: Arc<GuestMemory>) -> Self {
        FwCfg { memory, store: Store::new(), selector: 0, offset: 0, dma_high: 0 }
    }

    /// The items, for the board and the boot loaders to add to.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Sets a numbered item.
    pub fn set_item(&mut self, selector: u16, data: Vec<u8>) {
        self.store.set_item(selector, data);
    }

    /// Adds a named file, or replaces the one of that name. False if the name is longer than 55 bytes or there is no room.
    pub fn set_file(&mut self, name: &str, data: Vec<u8>) -> bool {
        self.store.set_file(name, data, false)
    }

    fn select(&mut self, selector: u16) {
        self.selector = selector;
        self.offset = 0;
    }

    fn next_byte(&mut self) -> u8 {
        let byte = self.store.get(self.selector).get(self.offset as usize).copied();
        if byte.is_some() {
            self.offset += 1;
        }
        byte.unwrap_or(0)
    }

    /// Runs the command at this guest-physical address; its control word is cleared, or says that it failed.
    fn dma(&mut self, address: u64) {
        let mut command = [0; 16];
        if self.memory.read(address, &mut command).is_err() {
            return;
        }
        let control = u32::from_be_bytes([command[0], command[1], command[2], command[3]]);
        let length = u32::from_be_bytes([command[4], command[5], command[6], command[7]]);
        let mut target = [0; 8];
        target.copy_from_slice(&command[8..]);
        if control & DMA_SELECT != 0 {
            self.select((control >> 16) as u16);
        }
        let done = if control & DMA_READ != 0 {
            self.dma_read(u64::from_be_bytes(target), length)
        } else if control & DMA_WRITE != 0 {
            self.dma_write(u64::from_be_bytes(target), length)
        } else {
            if control & DMA_SKIP != 0 {
                self.skip(length);
            }
            true
        };
        let result = if done { 0 } else { DMA_ERROR };
        // The command was read from there, so it is memory; a ROM drops the write.
        _ = self.memory.write(address, &result.to_be_bytes());
    }

    fn skip(&mut self, length: u32) {
        let end = self.store.get(self.selector).len().min(u32::MAX as usize) as u32;
        self.offset = self.offset.saturating_add(length).min(end);
    }

    fn dma_read(&mut self, mut target: u64, length: u32) -> bool {
        const ZEROES: [u8; 4096] = [0; 4096];
        let item = self.store.get(self.selector);
        let here = item.get(self.offset as usize..).unwrap_or(&[]);
        let here = &here[..here.len().min(length as usize)];
        let mut done = self.memory.write(target, here).is_ok();
        // Beyond the item's end it reads as zeroes. A wild length ends where memory ends.
        target = target.wrapping_add(here.len() as u64);
        let mut rest = u64::from(length) - here.len() as u64;
        while done && rest > 0 {
            let step = rest.min(4096);
            done = self.memory.write(target, &ZEROES[..step as usize]).is_ok();
            target = target.wrapping_add(step);
            rest -= step;
        }
        self.skip(length);
        done
    }

    fn dma_write(&mut self, source: u64, length: u32) -> bool {
        let offset = self.offset as usize;
        let Some(place) = self.store.writable(self.selector).and_then(|item| item.get_mut(offset..)) else {
            return false;
        };
        let Some(place) = place.get_mut(..length as usize) else { return false };
        let done = self.memory.read(source, place).is_ok();
        self.skip(length);
        done
    }
}

impl Device for FwCfg {
    fn name(&self) -> &str {
        "fw_cfg"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.select(0);
        self.dma_high = 0;
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { memory: _, store, selector, offset, dma_high } = self;
        let saved = Saved { selector: *selector, offset: *offset, dma_high: *dma_high, written: store.written() };
        Unit::pack("fw_cfg", 1, &saved)
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { selector, offset, dma_high, written } = unit.unpack("fw_cfg", 1)?;
        (self.selector, self.offset, self.dma_high) = (selector, offset, dma_high);
        for (selector, data) in written {
            if let Some(item) = self.store.writable(selector).filter(|item| item.len() == data.len()) {
                *item = data;
            }
        }
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }
}

impl PortIo for FwCfg {
    fn read(&mut self, port: u16, bytes: u8, _now: VmTime) -> u32 {
        if port >= DMA {
            let byte = |n: u16| (DMA_SIGNATURE >> (56 - 8 * (port - DMA + n).min(7))) as u32 & 0xff;
            return (0..u16::from(bytes)).fold(0, |value, n| value | byte(n) << (8 * n));
        }
        match (port, bytes) {
            (DATA, 1) => u32::from(self.next_byte()),
            _ => 0,
        }
    }

    fn write(&mut self, port: u16, bytes: u8, value: u32, _now: VmTime) {
        match (port, bytes) {
            (SELECTOR, 2) => self.select(value as u16),
            (DMA, 4) => self.dma_high = value.swap_bytes(),
            (0x518, 4) => {
                let address = u64::from(self.dma_high) << 32 | u64::from(value.swap_bytes());
                self.dma_high = 0;
                self.dma(address);
            }
            _ => {}
        }
    }
}
