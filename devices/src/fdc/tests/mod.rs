mod data;
mod registers;

use super::*;
use crate::dma::Dma;
use lyrebird_core::block::{MemoryDisk, SECTOR};
use lyrebird_core::{Device, Line, PortIo, TimerQueue, TimerToken, VmTime};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

const MS: u64 = 1_000_000;
/// Where DMA goes.
const BUFFER: u64 = 0x2_0000;

struct Bench {
    fdc: Fdc,
    dma: Dma,
    irq: Line,
    timers: Arc<TimerQueue>,
    memory: Arc<GuestMemory>,
    now: VmTime,
}

fn pattern(sector: usize) -> Vec<u8> {
    (0..SECTOR).map(|n| (sector * 7 + n) as u8).collect()
}

fn floppy(kib: usize) -> Box<MemoryDisk> {
    Box::new(MemoryDisk::new("test", (0..kib * 2).flat_map(pattern).collect()))
}

impl Bench {
    fn bare() -> Self {
        let memory = Arc::new(GuestMemory::new());
        let block = memory.add_block("ram", 0x10_0000).unwrap();
        memory.map(Region { base: 0, bytes: 0x10_0000, priority: 0, target: Target::Ram { block, offset: 0 } });
        let (dma, timers, irq) = (Dma::new(memory.clone()), TimerQueue::new(), Line::unconnected());
        let timer = timers.timer(TimerToken { device: 0, timer: 0 });
        let fdc = Fdc::new(irq.clone(), timer, dma.channel(2));
        Bench { fdc, dma, irq, timers, memory, now: VmTime::ZERO }
    }

    /// A 1.44 MB floppy in drive 0, out of reset, its motor on, recalibrated.
    fn new() -> Self {
        let mut b = Bench::bare();
        b.fdc.connect(0, Some(floppy(1440)));
        b.begin(0);
        b
    }

    fn begin(&mut self, rate: u8) {
        self.out(0x3f2, 0x1c);
        self.wait(MS);
        for n in 0..4 {
            assert_eq!(self.command(&[0x08]), [0xc0 | n, 0]);
        }
        self.out(0x3f7, rate);
        self.command(&[0x03, 0xdf, 0x02]);
        self.command(&[0x07, 0]);
        self.wait(MS);
        assert_eq!(self.command(&[0x08]), [0x20, 0]);
    }

    fn out(&mut self, port: u16, value: u8) {
        self.fdc.write(port, 1, value.into(), self.now);
    }

    fn inp(&mut self, port: u16) -> u8 {
        self.fdc.read(port, 1, self.now) as u8
    }

    fn wait(&mut self, nanos: u64) {
        let end = self.now + nanos;
        while self.timers.next_deadline() <= end {
            self.now = self.timers.next_deadline().max(self.now);
            self.timers.pop_due(self.now);
            self.fdc.timer(0, self.now);
        }
        self.now = end;
    }

    fn results(&mut self) -> Vec<u8> {
        let mut results = Vec::new();
        while self.inp(0x3f4) & 0xd0 == 0xd0 {
            results.push(self.inp(0x3f5));
        }
        results
    }

    /// A command without an execution phase, or the beginning of one that has.
    fn command(&mut self, bytes: &[u8]) -> Vec<u8> {
        for byte in bytes {
            assert_eq!(self.inp(0x3f4) & 0xc0, 0x80, "ready for a byte");
            self.out(0x3f5, *byte);
        }
        self.results()
    }

    /// A command with an execution phase, to its results.
    fn run(&mut self, bytes: &[u8]) -> Vec<u8> {
        assert_eq!(self.command(bytes), []);
        assert_eq!(self.inp(0x3f4) & 0x10, 0x10);
        self.wait(1_500 * MS);
        assert!(self.irq.level());
        let results = self.results();
        assert!(!self.irq.level());
        results
    }

    /// Programs the DMA channel; mode 44h is into memory, 48h from it.
    fn channel(&mut self, mode: u8, count: usize) {
        let [low, high] = ((count - 1) as u16).to_le_bytes();
        for (port, value) in
            [(0x0a, 6), (0x0c, 0), (0x0b, mode | 2), (4, 0), (4, 0), (0x81, 2), (5, low), (5, high), (0x0a, 2)]
        {
            self.dma.write(port, 1, value.into(), self.now);
        }
    }

    fn bytes(&self, gpa: u64, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.memory.read(gpa, &mut bytes).unwrap();
        bytes
    }
}
