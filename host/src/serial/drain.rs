//! Writing to something that may be slow: waits for room, gives up only when the program is leaving and nothing moves.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// A pipe that polls as writable takes this much without blocking (PIPE_BUF).
const PIECE: usize = 4096;
/// How often the wait looks whether the program is leaving.
const TICK: Duration = Duration::from_millis(50);
/// How long a socket or a pty that has a reader may stand still while the program ends.
const LINK_PATIENCE: Duration = Duration::from_secs(5);
/// How long anything may stand still when a person wants to be out.
const HURRY_PATIENCE: Duration = Duration::from_secs(1);

/// How far the program is on its way out.
#[derive(Default)]
pub(super) struct Leaving(AtomicU8);

impl Leaving {
    /// The machine has ended; output still wants to be complete.
    pub fn finish(&self) {
        self.0.fetch_max(1, Ordering::AcqRel);
    }

    /// A person (or a signal) wants the program to end.
    pub fn hurry(&self) {
        self.0.fetch_max(2, Ordering::AcqRel);
    }

    /// How long a reader may stand still, as things are.
    fn patience(&self, reader: Reader) -> Option<Duration> {
        match (self.0.load(Ordering::Acquire), reader) {
            (0, _) | (1, Reader::Own) => None,
            (1, Reader::Link) => Some(LINK_PATIENCE),
            _ => Some(HURRY_PATIENCE),
        }
    }
}

/// Who reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Our own standard output or a file: whoever started us reads, be it slowly.
    Own,
    /// Somebody who connected, and may have forgotten it.
    Link,
}

/// Writes `bytes`; says how many were taken, and what ended it if not all were.
pub(super) fn drain(fd: impl AsFd, bytes: &[u8], reader: Reader, leaving: &Leaving) -> (usize, io::Result<()>) {
    let mut done = 0;
    let mut since = Instant::now();
    while done < bytes.len() {
        match step(fd.as_fd(), &bytes[done..]) {
            Ok(0) => {}
            Ok(count) => {
                done += count;
                since = Instant::now();
                continue;
            }
            Err(error) => return (done, Err(error.into())),
        }
        if leaving.patience(reader).is_some_and(|patience| since.elapsed() >= patience) {
            return (done, Err(io::ErrorKind::TimedOut.into()));
        }
    }
    (done, Ok(()))
}

/// Waits a tick for room and writes a piece. 0 means that there was none.
fn step(fd: std::os::fd::BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    let mut polled = [PollFd::new(&fd, PollFlags::OUT)];
    let tick = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as _ };
    match poll(&mut polled, Some(&tick)) {
        Ok(0) | Err(Errno::INTR) => return Ok(0),
        Ok(_) if polled[0].revents().contains(PollFlags::HUP) => return Err(Errno::PIPE),
        Ok(_) => {}
        Err(error) => return Err(error),
    }
    match rustix::io::write(fd, &bytes[..bytes.len().min(PIECE)]) {
        Err(Errno::INTR | Errno::AGAIN) => Ok(0),
        result => result,
    }
}
