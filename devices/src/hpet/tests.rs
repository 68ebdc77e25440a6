use super::*;
use lyrebird_core::{LineBus, TimerQueue, TimerToken};
use std::sync::Arc;

struct Bench {
    hpet: Hpet,
    bus: Arc<LineBus>,
    timers: Arc<TimerQueue>,
    now: VmTime,
}

impl Bench {
    fn new() -> Self {
        let (bus, timers) = (LineBus::new(), TimerQueue::new());
        let timer = timers.timer(TimerToken { device: 0, timer: 0 });
        let hpet = Hpet::new([0, 8].map(|n| bus.line(n)), [20, 21, 22, 23].map(|n| bus.line(n)), timer);
        Bench { hpet, bus, timers, now: VmTime::ZERO }
    }

    fn put(&mut self, offset: u64, value: u64) {
        self.hpet.write(offset, 4, value, self.now);
    }

    fn get(&mut self, offset: u64) -> u64 {
        self.hpet.read(offset, 8, self.now)
    }

    /// Lets time pass; how often each line rose.
    fn wait(&mut self, nanos: u64) -> Vec<u32> {
        let end = self.now + nanos;
        while self.timers.next_deadline() <= end {
            self.now = self.timers.next_deadline().max(self.now);
            self.timers.pop_due(self.now);
            self.hpet.timer(0, self.now);
        }
        self.now = end;
        self.bus.take().into_iter().filter(|change| change.1).map(|change| change.0).collect()
    }
}

#[test]
fn the_counter_runs_stands_and_is_set() {
    let mut b = Bench::new();
    assert_eq!(b.get(0), 0x0098_9680_8086_a201);
    b.wait(1_000);
    assert_eq!(b.get(0xf0), 0);
    b.put(0x10, 1);
    b.wait(1_000);
    assert_eq!(b.get(0xf0), 100);
    b.put(0x10, 0);
    b.wait(1_000);
    assert_eq!(b.get(0xf0), 100);
    b.put(0xf0, 0xffff_ffff);
    b.put(0x10, 1);
    b.wait(10);
    assert_eq!(b.get(0xf0), 0x1_0000_0000);
    assert_eq!(b.hpet.read(0xf4, 4, b.now), 1);
}

#[test]
fn one_shot_by_route() {
    let mut b = Bench::new();
    b.put(0x10, 1);
    b.put(0x140, 21 << 9 | 4);
    b.put(0x148, 100);
    b.put(0x14c, 0);
    assert_eq!(b.wait(999), []);
    assert_eq!(b.wait(1), [21]);
    assert_eq!(b.wait(1_000_000_000), [], "64 bits do not come round");
    assert_eq!(b.get(0x140) >> 32, 0x00f0_0000);
}

#[test]
fn periodic_in_place_of_the_8254() {
    let mut b = Bench::new();
    b.put(0x10, 3);
    assert!(b.hpet.replaces_legacy());
    b.wait(500);
    // As Linux does: first the value, then the period.
    b.put(0x100, 0x14c);
    b.put(0x108, 150);
    b.put(0x108, 100);
    assert_eq!(b.wait(999), []);
    assert_eq!(b.wait(1), [0]);
    assert_eq!(b.wait(3_000), [0, 0, 0]);
    assert_eq!(b.get(0x108), 550);
    // Late by several periods: the next match is in time again.
    b.now = b.now + 2_550;
    assert_eq!(b.wait(0), [0]);
    assert_eq!(b.get(0x108), 750);
}

#[test]
fn level_triggered_until_it_is_acknowledged() {
    let mut b = Bench::new();
    b.put(0x10, 1);
    b.put(0x120, 22 << 9 | 6);
    b.put(0x128, 10);
    b.put(0x12c, 0);
    assert_eq!(b.wait(100), [22]);
    assert_eq!(b.get(0x20), 2);
    assert!(b.hpet.routes[2].level());
    b.put(0x20, 2);
    assert!(!b.hpet.routes[2].level());
    assert_eq!(b.get(0x20), 0);
}

#[test]
fn thirty_two_bits_come_round() {
    let mut b = Bench::new();
    b.put(0xf0, 0xffff_fff0);
    b.put(0x140, 20 << 9 | 0x104);
    b.put(0x148, 0x10);
    b.put(0x10, 1);
    assert_eq!(b.wait(319), []);
    assert_eq!(b.wait(1), [20]);
}

#[test]
fn nothing_that_a_guest_does_panics_and_states_survive() {
    let mut seed = 5u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u32
    };
    let mut b = Bench::new();
    for step in 0..20_000 {
        let offset = u64::from(
            [0x10, 0x20, 0xf0, 0xf4, 0x100, 0x108, 0x10c, 0x128, 0x140, next() % 0x400][next() as usize % 10],
        );
        let bytes = [1, 2, 4, 4, 4, 8][next() as usize % 6];
        match next() % 4 {
            0 => _ = b.hpet.read(offset, bytes, b.now),
            1 => b.hpet.write(offset, bytes, (next() & 0xf).into(), b.now),
            2 => b.hpet.write(offset, bytes, u64::from(next()) << 13, b.now),
            _ => {
                b.now = b.now + u64::from(next() % 100_000);
                if b.timers.pop_due(b.now).is_some() {
                    b.hpet.timer(0, b.now);
                }
            }
        }
        if step % 100 == 0 {
            let saved = b.hpet.save(b.now);
            let mut other = Bench::new();
            other.hpet.restore(&saved, b.now).unwrap();
            assert_eq!(other.hpet.save(b.now), saved);
            assert_eq!(other.hpet.levels(), b.hpet.levels());
        }
    }
}
