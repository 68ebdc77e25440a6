//! The two 8237A DMA controllers of a PC (Intel data sheet 231466) and their page registers: channels 0 to 3 for bytes at
//! ports 00h to 0Fh, 5 to 7 for words at C0h to DFh, pages at 80h to 8Fh. A device reaches memory by a [`DmaChannel`].

mod chip;
#[cfg(test)]
mod tests;

pub use chip::{Chip, Kind};

use lyrebird_core::{Device, PortIo, ResetKind, RestoreError, Unit, VmTime};
use lyrebird_memory::GuestMemory;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard};

/// Which page register is which channel's: ports 80h to 8Fh. The others are only memory; 80h shows the firmware's progress.
const PAGES: [usize; 8] = [0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa];

/// Both chips, as the devices' handles share them.
struct Pair {
    memory: Arc<GuestMemory>,
    state: State,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    chips: [Chip; 2],
    pages: [u8; 16],
}

/// The controllers.
pub struct Dma {
    pair: Arc<Mutex<Pair>>,
}

/// What a transfer moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// How many bytes.
    pub bytes: usize,
    /// The channel has reached its terminal count.
    pub terminal: bool,
}

/// A device's handle on one channel: its DREQ and DACK.
#[derive(Clone)]
pub struct DmaChannel {
    pair: Arc<Mutex<Pair>>,
    channel: usize,
}

fn lock(pair: &Mutex<Pair>) -> MutexGuard<'_, Pair> {
    pair.lock().unwrap_or_else(|e| e.into_inner())
}

impl Dma {
    /// Controllers that reach this memory.
    pub fn new(memory: Arc<GuestMemory>) -> Self {
        Dma { pair: Arc::new(Mutex::new(Pair { memory, state: State::default() })) }
    }

    /// A handle on a channel, 0 to 7 (4 is the cascade, and never ready).
    pub fn channel(&self, channel: usize) -> DmaChannel {
        DmaChannel { pair: self.pair.clone(), channel: channel & 7 }
    }
}

impl DmaChannel {
    /// Whether a request would be served now.
    pub fn ready(&self) -> bool {
        lock(&self.pair).state.chips[self.channel / 4].ready(self.channel % 4)
    }

    /// Shows or takes back a request, which is all that the guest sees of it in the status register.
    pub fn request(&self, level: bool) {
        lock(&self.pair).state.chips[self.channel / 4].set_pin(self.channel % 4, level);
    }

    /// The device gives data. What does not fit before the terminal count is not taken; a channel that is set to another
    /// direction counts and moves nothing.
    pub fn give(&self, data: &[u8]) -> Moved {
        lock(&self.pair).serve(self.channel, Data::Give(data))
    }

    /// The device takes data; what the bus does not drive reads as ones.
    pub fn take(&self, data: &mut [u8]) -> Moved {
        data.fill(0xff);
        lock(&self.pair).serve(self.channel, Data::Take(data))
    }
}

/// A device's side of a transfer.
enum Data<'a> {
    Give(&'a [u8]),
    Take(&'a mut [u8]),
    /// Nobody is there; so many bytes.
    Nobody(usize),
}

impl Data<'_> {
    fn len(&self) -> usize {
        match self {
            Data::Give(data) => data.len(),
            Data::Take(data) => data.len(),
            Data::Nobody(bytes) => *bytes,
        }
    }
}

impl Pair {
    /// The physical address of an 8237A's address on a channel.
    fn physical(&self, channel: usize, address: u16) -> u64 {
        let page = u64::from(self.state.pages[PAGES[channel]]);
        if channel < 4 { page << 16 | u64::from(address) } else { (page & 0xfe) << 16 | u64::from(address) << 1 }
    }

    /// Moves data for a device whose request is served.
    fn serve(&mut self, channel: usize, mut data: Data<'_>) -> Moved {
        if !self.state.chips[channel / 4].ready(channel % 4) && !matches!(data, Data::Nobody(_)) {
            return Moved { bytes: 0, terminal: false };
        }
        let unit = if channel < 4 { 1 } else { 2 };
        let mut done = 0;
        while data.len() - done >= unit {
            let chip = &self.state.chips[channel / 4];
            let (address, most, falls) = chip.channel(channel % 4).piece();
            let kind = chip.channel(channel % 4).kind();
            let units = most.min(((data.len() - done) / unit) as u32);
            let bytes = units as usize * unit;
            let first = if falls { address - (units - 1) as u16 } else { address };
            let gpa = self.physical(channel, first);
            let piece = done..done + bytes;
            // Addresses without memory read as ones and forget what is written.
            match (kind, &mut data) {
                (Kind::Write, Data::Give(data)) => {
                    let forwards = turned(&data[piece], unit, falls);
                    _ = self.memory.write(gpa, &forwards);
                }
                (Kind::Write, Data::Nobody(_)) => _ = self.memory.write(gpa, &vec![0xff; bytes]),
                (Kind::Read, Data::Take(data)) => {
                    let mut from = vec![0xff; bytes];
                    _ = self.memory.read(gpa, &mut from);
                    data[piece].copy_from_slice(&turned(&from, unit, falls));
                }
                _ => {}
            }
            done += bytes;
            if self.state.chips[channel / 4].moved(channel % 4, units) {
                return Moved { bytes: done, terminal: true };
            }
        }
        Moved { bytes: done, terminal: false }
    }

    /// Serves software's request: in block mode until the terminal count, at most once through the count.
    fn serve_software(&mut self, channel: usize) {
        if channel == 0 && self.state.chips[0].copies(0) {
            loop {
                let from = self.physical(0, self.state.chips[0].channel(0).piece().0);
                let to = self.physical(1, self.state.chips[0].channel(1).piece().0);
                let byte = self.memory.read_uint(from, 1).map_or(0xff, |byte| byte as u8);
                _ = self.memory.write(to, &[byte]);
                if self.state.chips[0].copied(byte) {
                    return;
                }
            }
        }
        let unit = if channel < 4 { 1 } else { 2 };
        self.serve(channel, Data::Nobody(0x1_0000 * unit));
    }

    fn read(&mut self, port: u16) -> u8 {
        match port {
            0x00..=0x0f => self.state.chips[0].read(port as u8),
            0xc0..=0xdf => self.state.chips[1].read((port - 0xc0) as u8 >> 1),
            _ => self.state.pages[usize::from(port & 15)],
        }
    }

    fn write(&mut self, port: u16, value: u8) {
        let asked = match port {
            0x00..=0x0f => self.state.chips[0].write(port as u8, value),
            0xc0..=0xdf => self.state.chips[1].write((port - 0xc0) as u8 >> 1, value).map(|n| n + 4),
            _ => {
                self.state.pages[usize::from(port & 15)] = value;
                None
            }
        };
        if let Some(channel) = asked {
            self.serve_software(channel);
        }
    }
}

/// Data in the order of rising addresses, which is the reverse where addresses fall.
fn turned(data: &[u8], unit: usize, falls: bool) -> Vec<u8> {
    if falls { data.chunks_exact(unit).rev().flatten().copied().collect() } else { data.to_vec() }
}

impl Device for Dma {
    fn name(&self) -> &str {
        "dma"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        lock(&self.pair).state = State::default();
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { pair } = self;
        let Pair { memory: _, state } = &*lock(pair);
        Unit::pack("dma", 1, state)
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        lock(&self.pair).state = unit.unpack("dma", 1)?;
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }
}

impl PortIo for Dma {
    fn read(&mut self, port: u16, _bytes: u8, _now: VmTime) -> u32 {
        lock(&self.pair).read(port).into()
    }

    fn write(&mut self, port: u16, _bytes: u8, value: u32, _now: VmTime) {
        lock(&self.pair).write(port, value as u8);
    }
}
