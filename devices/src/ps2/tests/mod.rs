mod controller;
mod keyboard;
mod mouse;
mod random;

use super::*;
use crate::request::{Request, Requests};
use lyrebird_core::{Device, InputEvent, Key, Line, PortIo, TimerQueue, TimerToken, VmTime};
use lyrebird_memory::GuestMemory;
use std::sync::Arc;

const MS: u64 = 1_000_000;

struct Bench {
    ps2: Ps2,
    irq1: Line,
    irq12: Line,
    timers: Arc<TimerQueue>,
    memory: Arc<GuestMemory>,
    requests: Requests,
    now: VmTime,
}

impl Bench {
    fn new() -> Self {
        let (irq1, irq12) = (Line::unconnected(), Line::unconnected());
        let (memory, requests, timers) = (Arc::new(GuestMemory::new()), Requests::default(), TimerQueue::new());
        let timer = timers.timer(TimerToken { device: 0, timer: 0 });
        let ps2 = Ps2::new(irq1.clone(), irq12.clone(), timer, memory.clone(), requests.clone());
        Bench { ps2, irq1, irq12, timers, memory, requests, now: VmTime::ZERO }
    }

    fn put(&mut self, port: u16, value: u8) {
        self.ps2.write(port, 1, value.into(), self.now);
    }

    fn get(&mut self, port: u16) -> u8 {
        self.ps2.read(port, 1, self.now) as u8
    }

    /// Lets time pass, with the timers that are due in it.
    fn wait(&mut self, nanos: u64) {
        let end = self.now + nanos;
        while self.timers.next_deadline() <= end {
            self.now = self.timers.next_deadline().max(self.now);
            self.timers.pop_due(self.now);
            self.ps2.timer(0, self.now);
        }
        self.now = end;
    }

    /// Reads bytes until there are none for a while.
    fn all(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            if self.get(0x64) & 1 == 0 {
                self.wait(MS);
            }
            if self.get(0x64) & 1 == 0 {
                return bytes;
            }
            bytes.push(self.get(0x60));
        }
    }

    /// Writes a byte to the keyboard and reads its answer.
    fn keyboard(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes
            .iter()
            .flat_map(|byte| {
                self.put(0x60, *byte);
                self.all()
            })
            .collect()
    }

    fn mouse(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes
            .iter()
            .flat_map(|byte| {
                self.put(0x64, 0xd4);
                self.put(0x60, *byte);
                self.all()
            })
            .collect()
    }

    /// No translation.
    fn raw(mut self) -> Self {
        self.put(0x64, 0x60);
        self.put(0x60, 0x07);
        self
    }

    fn key(&mut self, key: u8, down: bool) {
        self.ps2.input(InputEvent::Key { key: Key(key), down }, self.now);
    }

    /// Presses a key and lets it go: what that says.
    fn tap(&mut self, key: u8) -> (Vec<u8>, Vec<u8>) {
        self.key(key, true);
        let down = self.all();
        self.key(key, false);
        (down, self.all())
    }
}
