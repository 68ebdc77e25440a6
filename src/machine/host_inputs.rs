//! The one door by which what is not determined by the machine's own state enters it: the host's clocks, randomness, and
//! bytes from outside. A recorder stands here.

use super::{EntropySource, RtcBase};
use lyrebird_core::chars::CharInput;
use lyrebird_core::{InputEvent, InputQueue};
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// A moment of the host's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct HostInstant(Instant);

impl HostInstant {
    /// Now.
    pub fn now() -> Self {
        HostInstant(Instant::now())
    }

    /// Nanoseconds since then.
    pub fn elapsed_nanos(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Nanoseconds since an earlier moment.
    pub fn nanos_after(&self, earlier: HostInstant) -> u64 {
        u64::try_from(self.0.saturating_duration_since(earlier.0).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The moment so many nanoseconds later.
    pub fn later(&self, nanos: u64) -> Self {
        HostInstant(self.0 + Duration::from_nanos(nanos))
    }
}

/// The door.
pub struct HostInputs {
    cpu: Arc<CpuInputs>,
    serial: Vec<Option<Arc<CharInput>>>,
    person: Arc<InputQueue>,
}

/// The part of the door that vCPUs look through, which may be on threads of their own.
pub struct CpuInputs {
    entropy: Mutex<Entropy>,
    /// What the time-stamp counter showed last.
    tsc: AtomicU64,
}

enum Entropy {
    Host(Option<File>),
    Seeded(u64),
}

impl HostInputs {
    /// A door with these serial inputs, and this keyboard and mouse.
    pub fn new(entropy: EntropySource, serial: Vec<Option<Arc<CharInput>>>, person: Arc<InputQueue>) -> Self {
        let entropy = match entropy {
            EntropySource::Host => Entropy::Host(File::open("/dev/urandom").ok()),
            EntropySource::Seed(seed) => Entropy::Seeded(seed),
        };
        let cpu = Arc::new(CpuInputs { entropy: Mutex::new(entropy), tsc: AtomicU64::new(0) });
        HostInputs { cpu, serial, person }
    }

    /// Seconds since 1970 in the guest's time zone, for the real-time clock at power-on.
    pub fn wall_clock(&mut self, base: RtcBase) -> i64 {
        match base {
            RtcBase::Fixed(seconds) => seconds,
            RtcBase::Host { utc_offset } => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
                i64::try_from(now.as_secs()).unwrap_or(i64::MAX).saturating_add(utc_offset)
            }
        }
    }

    /// The part that vCPUs look through.
    pub fn cpu(&self) -> &Arc<CpuInputs> {
        &self.cpu
    }

    /// Whether a serial port has bytes waiting.
    pub fn serial_waits(&self, port: usize) -> bool {
        self.serial.get(port).and_then(Option::as_ref).is_some_and(|input| !input.is_empty())
    }

    /// Takes what was done with keyboard and mouse.
    pub fn person(&mut self) -> Vec<InputEvent> {
        self.person.take()
    }

    /// Takes up to `room` bytes for a serial port.
    pub fn serial(&mut self, port: usize, room: usize) -> Vec<u8> {
        self.serial.get(port).and_then(Option::as_ref).map_or_else(Vec::new, |input| input.take(room))
    }
}

impl CpuInputs {
    /// The time-stamp counter, given what guest time says it is. On real CPUs one RDTSC never shows what another
    /// did, and programs divide by the difference; guest time however may stand for a moment ([`super::clock`]).
    pub fn tsc(&self, ticks: u64) -> u64 {
        let mut last = self.tsc.load(Ordering::Relaxed);
        loop {
            let now = ticks.max(last.wrapping_add(1));
            match self.tsc.compare_exchange_weak(last, now, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return now,
                Err(other) => last = other,
            }
        }
    }

    /// 64 random bits.
    pub fn entropy(&self) -> u64 {
        match &mut *self.entropy.lock().unwrap_or_else(|e| e.into_inner()) {
            Entropy::Host(file) => {
                let mut bytes = [0; 8];
                match file.as_mut().map(|file| file.read_exact(&mut bytes)) {
                    Some(Ok(())) => u64::from_ne_bytes(bytes),
                    // Hosts without that file: the standard library's hash keys come from the system's generator.
                    _ => std::collections::hash_map::RandomState::new().build_hasher().finish(),
                }
            }
            Entropy::Seeded(state) => split_mix(state),
        }
    }
}

/// Vigna's SplitMix64, whose whole state is one number.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_the_host_does_not() {
        let seeded = || HostInputs::new(EntropySource::Seed(7), Vec::new(), Arc::default()).cpu().entropy();
        assert_eq!(seeded(), seeded());
        let mut host = HostInputs::new(EntropySource::Host, Vec::new(), Arc::default());
        assert_ne!(host.cpu().entropy(), host.cpu().entropy());
        assert_eq!(host.wall_clock(RtcBase::Fixed(5)), 5);
        assert_eq!([7, 7, 7, 20, 3].map(|ticks| host.cpu().tsc(ticks)), [7, 8, 9, 20, 21]);
    }
}
