//! The 82093AA I/O APIC (Intel data sheet 290566), with the EOI register of later ones (version 20h): 24 pins, each with a
//! redirection entry. The levels that the board drives say "asserted"; an entry's polarity bit changes nothing.

#[cfg(test)]
mod tests;

use crate::apic::{DeliveryMode, Destination, Message};
use lyrebird_core::{Device, MmioIo, ResetKind, RestoreError, Unit, VmTime};
use serde::{Deserialize, Serialize};

/// How many pins there are.
pub const PINS: usize = 24;

// Redirection entries.
const REMOTE_IRR: u64 = 1 << 14;
const LEVEL: u64 = 1 << 15;
const MASKED: u64 = 1 << 16;
const LOGICAL: u64 = 1 << 11;
/// Delivery status and remote IRR are the chip's own.
const READ_ONLY: u64 = 1 << 12 | REMOTE_IRR;
const WRITABLE: u64 = 0xff00_0000_0001_ffff & !READ_ONLY;

/// The chip.
pub struct IoApic {
    // Wiring.
    version: u8,
    // Pins and registers.
    pins: u32,
    /// Edges that wait for an entry to be unmasked are lost on the real chip; levels are looked at again.
    select: u8,
    id: u8,
    entries: [u64; PINS],
    outputs: Vec<Message>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    pins: u32,
    select: u8,
    id: u8,
    entries: [u64; PINS],
}

impl IoApic {
    /// The chip with version 11h, or 20h with the EOI register.
    pub fn new(version: u8) -> Self {
        IoApic { version, pins: 0, select: 0, id: 0, entries: [MASKED; PINS], outputs: Vec::new() }
    }

    /// Drives a pin.
    pub fn set_pin(&mut self, pin: usize, asserted: bool) {
        let Some(entry) = self.entries.get(pin).copied() else { return };
        let mask = 1 << pin;
        let rises = asserted && self.pins & mask == 0;
        if asserted {
            self.pins |= mask
        } else {
            self.pins &= !mask
        }
        if entry & LEVEL != 0 {
            self.service(pin);
        } else if rises && entry & MASKED == 0 {
            self.send(entry);
        }
    }

    /// Sends a level-triggered request that stands and is not being served already.
    fn service(&mut self, pin: usize) {
        let entry = self.entries[pin];
        let mode = DeliveryMode::of(entry as u32);
        if self.pins & 1 << pin != 0 && entry & (MASKED | REMOTE_IRR) == 0 && entry & LEVEL != 0 {
            if matches!(mode, DeliveryMode::Fixed | DeliveryMode::LowestPriority) {
                self.entries[pin] |= REMOTE_IRR;
            }
            self.send(entry);
        }
    }

    fn send(&mut self, entry: u64) {
        let id = (entry >> 56) as u32;
        let mode = DeliveryMode::of(entry as u32);
        self.outputs.push(Message {
            destination: if entry & LOGICAL != 0 { Destination::Logical(id) } else { Destination::Physical(id) },
            short: true,
            mode,
            vector: entry as u8,
            // NMI, INIT and SMI are edges whatever the entry says.
            level: entry & LEVEL != 0 && matches!(mode, DeliveryMode::Fixed | DeliveryMode::LowestPriority),
        });
    }

    /// A CPU has served a level-triggered vector.
    pub fn end_of_interrupt(&mut self, vector: u8) {
        for pin in 0..PINS {
            let entry = self.entries[pin];
            if entry as u8 == vector && entry & (LEVEL | REMOTE_IRR) == LEVEL | REMOTE_IRR {
                self.entries[pin] &= !REMOTE_IRR;
                self.service(pin);
            }
        }
    }

    /// The messages to deliver.
    pub fn take_outputs(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.outputs)
    }

    /// Whether there are any.
    pub fn has_outputs(&self) -> bool {
        !self.outputs.is_empty()
    }

    fn read_register(&self) -> u32 {
        match self.select {
            0 | 2 => u32::from(self.id) << 24,
            1 => (PINS as u32 - 1) << 16 | u32::from(self.version),
            n @ 0x10..0x40 => (self.entries[usize::from(n - 0x10) / 2] >> (32 * (n & 1))) as u32,
            _ => 0,
        }
    }

    fn write_register(&mut self, value: u32) {
        match self.select {
            0 => self.id = (value >> 24 & 15) as u8,
            n @ 0x10..0x40 => {
                let pin = usize::from(n - 0x10) / 2;
                let shift = 32 * (n & 1);
                let entry = &mut self.entries[pin];
                let mask = WRITABLE & 0xffff_ffff << shift;
                *entry = *entry & !mask | u64::from(value) << shift & mask;
                if *entry & LEVEL == 0 {
                    // An edge-triggered entry has no remote IRR; software on version 11h clears a stuck one this way.
                    *entry &= !REMOTE_IRR;
                }
                self.service(pin);
            }
            _ => {}
        }
    }
}

impl Device for IoApic {
    fn name(&self) -> &str {
        "ioapic"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        *self = IoApic { pins: self.pins, ..IoApic::new(self.version) };
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { version: _, pins, select, id, entries, outputs: _ } = self;
        Unit::pack("ioapic", 1, &Saved { pins: *pins, select: *select, id: *id, entries: *entries })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { pins, select, id, entries } = unit.unpack("ioapic", 1)?;
        *self = IoApic { version: self.version, pins, select, id, entries, outputs: Vec::new() };
        Ok(())
    }

    fn mmio(&mut self) -> Option<&mut dyn MmioIo> {
        Some(self)
    }
}

impl MmioIo for IoApic {
    fn read(&mut self, offset: u64, _bytes: u8, _now: VmTime) -> u64 {
        match offset {
            0x00 => self.select.into(),
            0x10 => self.read_register().into(),
            _ => 0,
        }
    }

    fn write(&mut self, offset: u64, _bytes: u8, value: u64, _now: VmTime) {
        match offset {
            0x00 => self.select = value as u8,
            0x10 => self.write_register(value as u32),
            0x40 if self.version >= 0x20 => self.end_of_interrupt(value as u8),
            _ => {}
        }
    }
}
