//! A peer that comes and goes: whoever is at the other end of a socket or a pty at the moment.

use super::drain::{Leaving, Reader, drain};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// As much of what was said while nobody listened is kept for the next one who does; of more, the end.
const KEPT: usize = 64 * 1024;

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

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<OwnedFd>>> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
