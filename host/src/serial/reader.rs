//! The threads that carry bytes from the host to a device: from a terminal or pipe, from whoever connects to a socket,
//! from a pty.

use super::escape::{Command, Escape};
use super::link::Link;
use super::writer::Message;
use crossbeam_channel::Sender;
use lyrebird_core::chars::CharInput;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// With so many bytes not yet taken by the guest, no more are read: the sender waits.
const AHEAD: usize = 64 * 1024;
/// How often to look again when there is nothing that could be waited for.
const RETRY: Duration = Duration::from_millis(20);

/// What a reader thread needs, whatever it reads from.
pub(super) struct Reader {
    /// Where bytes go.
    pub input: Arc<CharInput>,
    /// To the writer thread.
    pub writer: Sender<Message>,
    /// Becomes readable (closed) when the thread shall end.
    pub stop: io::PipeReader,
}

/// What came of waiting.
#[derive(PartialEq, Eq)]
enum Ready {
    /// There is something to read.
    Data,
    /// The other end is closed, and nothing is left to read.
    HungUp,
    /// The program ends.
    Stop,
}

impl Reader {
    /// Until end of file: commands are cut out if `escape` says so.
    pub fn stdin(&self, escape: Option<(Escape, super::Hooks)>) {
        let stdin = rustix::stdio::stdin();
        let mut buffer = [0; 4096];
        let mut escape = escape;
        loop {
            // A person who types is heard at once, whatever the guest does: Ctrl-A x must work.
            if escape.is_none() && !self.room() {
                return;
            }
            if self.wait(stdin, None) == Ready::Stop {
                return;
            }
            match rustix::io::read(stdin, &mut buffer) {
                // Nobody types any more; the machine goes on.
                Ok(0) => return,
                Ok(count) => match &mut escape {
                    None => self.input.push(&buffer[..count]),
                    Some((escape, hooks)) => escape.feed(
                        &buffer[..count],
                        |bytes| self.input.push(bytes),
                        |command| self.command(command, hooks),
                    ),
                },
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => std::thread::sleep(RETRY),
                Err(_) => return,
            }
        }
    }

    fn command(&self, command: Command, hooks: &super::Hooks) {
        let say = |text: &str| _ = self.writer.try_send(Message::Bytes(text.as_bytes().into()));
        match command {
            Command::Quit => (hooks.quit)(),
            Command::Help => say(super::escape::HELP),
            Command::Monitor => say("\r\nThe monitor is not there yet; Ctrl-A x ends the program.\r\n"),
        }
    }

    /// A connected peer, until it closes its end. Says whether to go on.
    pub fn peer(&self, fd: impl AsFd) -> bool {
        let fd = fd.as_fd();
        let mut buffer = [0; 4096];
        while self.room() {
            match self.wait(fd, None) {
                Ready::Stop => return false,
                Ready::HungUp => return true,
                Ready::Data => {}
            }
            match rustix::io::read(fd, &mut buffer) {
                Ok(0) => return true,
                Ok(count) => self.input.push(&buffer[..count]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return true,
            }
        }
        false
    }

    /// Serves one peer after another, as `accept` brings them.
    pub fn server(&self, listener: impl AsFd, accept: impl Fn() -> io::Result<OwnedFd>, link: &Link) {
        loop {
            if self.wait(listener.as_fd(), None) == Ready::Stop {
                return;
            }
            match accept() {
                Ok(peer) => {
                    if !self.serve(Arc::new(peer), link) {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!("serial line: {error}");
                    std::thread::sleep(RETRY);
                }
            }
        }
    }

    /// Serves one peer. Says whether to go on.
    pub fn serve(&self, peer: Arc<OwnedFd>, link: &Link) -> bool {
        link.connect(peer.clone());
        // A full channel means that the thread is awake and will look.
        _ = self.writer.try_send(Message::Connected);
        let go_on = self.peer(&*peer);
        if go_on {
            link.disconnect();
        }
        go_on
    }

    /// Serves whoever opens the other side of a pty. A pty does not tell when that happens: look now and then.
    pub fn pty(&self, master: &Arc<OwnedFd>, link: &Link) {
        loop {
            match self.wait(master.as_fd(), Some(Duration::ZERO)) {
                Ready::Stop => return,
                Ready::HungUp => {
                    if self.wait_stop(RETRY) {
                        return;
                    }
                }
                Ready::Data => {
                    if !self.serve(master.clone(), link) {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until the guest has taken enough. False if the program ends meanwhile.
    fn room(&self) -> bool {
        while self.input.len() >= AHEAD {
            if self.wait_stop(RETRY) {
                return false;
            }
        }
        true
    }

    fn wait_stop(&self, time: Duration) -> bool {
        let mut polled = [PollFd::new(&self.stop, PollFlags::IN)];
        matches!(poll(&mut polled, Some(&timespec(time))), Ok(count) if count > 0)
    }

    /// Waits for something to read. With a time, its passing counts as data: the peer is there and silent.
    fn wait(&self, fd: BorrowedFd<'_>, time: Option<Duration>) -> Ready {
        let time = time.map(timespec);
        loop {
            let mut polled = [PollFd::new(&self.stop, PollFlags::IN), PollFd::new(&fd, PollFlags::IN)];
            match poll(&mut polled, time.as_ref()) {
                Err(Errno::INTR) => continue,
                Err(_) => return Ready::Stop,
                Ok(_) => {}
            }
            let (stop, data) = (polled[0].revents(), polled[1].revents());
            return if !stop.is_empty() {
                Ready::Stop
            } else if data.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
                && !data.contains(PollFlags::IN)
            {
                Ready::HungUp
            } else {
                Ready::Data
            };
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos() as _ }
}
