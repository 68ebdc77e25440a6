//! A peer that comes and goes: whoever is at the other end of a socket or a pty at the moment.

use super::drain::{Leaving, Reader, drain};
use rustix::pty::OpenptFlags;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// As much of what was said while nobody listened is kept for the next one who does; of more, the end.
const KEPT: usize = 64 * 1024;
/// How often to look whether a pty's user has read everything, and how long it may stand still.
const TICK: Duration = Duration::from_millis(10);
const STANDSTILL: Duration = Duration::from_secs(1);

/// The connection, if there is one.
#[derive(Default)]
pub(super) struct Link {
    peer: Mutex<Option<Arc<OwnedFd>>>,
}

impl Link {
    /// Somebody is there. The descriptor does not block.
    pub fn connect(&self, peer: Arc<OwnedFd>) {
        *self.lock() = Some(peer);
    }

    /// Nobody is there any more.
    pub fn disconnect(&self) {
        *self.lock() = None;
    }

    /// Writes what is in `kept` and takes it out of there. Without a peer it stays, up to a limit.
    pub fn deliver(&self, kept: &mut Vec<u8>, leaving: &Leaving) {
        while !kept.is_empty() {
            let Some(peer) = self.lock().clone() else { break };
            let (done, result) = drain(&*peer, kept, Reader::Link, leaving);
            kept.drain(..done);
            if let Err(error) = result {
                tracing::debug!("serial peer gone: {error}");
                // It may be another peer's place by now; then that one gets what is left.
                let mut current = self.lock();
                if current.as_ref().is_some_and(|now| Arc::ptr_eq(now, &peer)) {
                    *current = None;
                }
            }
        }
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }

    /// Waits until the user of a pty has read everything, as long as it reads: what it has not when our side closes is lost.
    /// A socket needs no such care.
    pub fn settle(&self) {
        let Some(peer) = self.lock().clone() else { return };
        let Ok(other) = rustix::pty::ioctl_tiocgptpeer(&*peer, OpenptFlags::RDWR | OpenptFlags::NOCTTY) else { return };
        let (mut left, mut since) = (u64::MAX, Instant::now());
        loop {
            // The kernel carries bytes from side to side in its own time: nothing left counts only after a tick.
            std::thread::sleep(TICK);
            let now = rustix::io::ioctl_fionread(&other).unwrap_or(0);
            if now == 0 || since.elapsed() > STANDSTILL {
                return;
            }
            if now != left {
                (left, since) = (now, Instant::now());
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<OwnedFd>>> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
