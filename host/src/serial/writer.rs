//! The thread that carries a device's output to the host, so that the machine waits for a slow reader only when a whole
//! channel of bytes is on its way.

use super::drain::{Leaving, Reader, drain};
use super::link::Link;
use crossbeam_channel::{Receiver, Sender, bounded};
use lyrebird_core::chars::CharOut;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Messages under way; a device that writes more must wait.
const CHANNEL: usize = 4 * 1024;
/// As much is written at once.
const BATCH: usize = 64 * 1024;
/// A device speaks a byte at a time: after each write the thread sleeps this long, so that many bytes are carried by one
/// wake-up and one system call.
const GATHER: Duration = Duration::from_micros(500);

/// What travels to the thread.
pub(super) enum Message {
    Byte(u8),
    Bytes(Box<[u8]>),
    /// Answer when all that came before is written.
    Flush(Sender<()>),
    /// Somebody connected: write what was kept for them.
    Connected,
    /// Write what came before, and end.
    Stop,
}

/// Where the thread writes.
pub(super) enum Outlet {
    /// A file, or our standard output.
    Fd(OwnedFd),
    /// Somebody who may or may not be connected.
    Link(Arc<Link>),
}

/// The device's end.
pub(super) struct Writer {
    sender: Sender<Message>,
}

impl CharOut for Writer {
    fn write(&mut self, bytes: &[u8]) {
        // The channel is closed only when the program has ended its serial lines; then nobody speaks any more.
        match bytes {
            [] => {}
            [byte] => _ = self.sender.send(Message::Byte(*byte)),
            _ => bytes.chunks(BATCH).for_each(|piece| _ = self.sender.send(Message::Bytes(piece.into()))),
        }
    }

    fn flush(&mut self) {
        flush(&self.sender);
    }
}

fn flush(sender: &Sender<Message>) {
    let (done, wait) = bounded(1);
    if sender.send(Message::Flush(done)).is_ok() {
        _ = wait.recv(); // an error means that the thread has ended, and it writes everything before it does
    }
}

/// The program's end of the thread: ends it, with everything written.
pub(super) struct WriterThread {
    sender: Sender<Message>,
    thread: Option<JoinHandle<()>>,
    leaving: Arc<Leaving>,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl WriterThread {
    /// Starts the thread.
    pub fn start(name: &str, outlet: Outlet, leaving: Arc<Leaving>) -> io::Result<Self> {
        let (sender, receiver) = bounded(CHANNEL);
        let failure = Arc::default();
        let carrier = Carrier { outlet, leaving: leaving.clone(), failure: Arc::clone(&failure), kept: Vec::new() };
        let thread = std::thread::Builder::new().name(format!("{name} out")).spawn(move || carrier.run(&receiver))?;
        Ok(WriterThread { sender, thread: Some(thread), leaving, failure })
    }

    /// The device's end.
    pub fn writer(&self) -> Writer {
        Writer { sender: self.sender.clone() }
    }

    /// For those who have something to tell the thread, or to write between the guest's bytes.
    pub fn sender(&self) -> Sender<Message> {
        self.sender.clone()
    }

    /// Writes all that is under way and ends the thread. The error is the first one that cost bytes.
    pub fn finish(&mut self) -> Option<io::Error> {
        self.leaving.finish();
        if let Some(thread) = self.thread.take() {
            _ = self.sender.send(Message::Stop);
            _ = thread.join();
        }
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The thread itself.
struct Carrier {
    outlet: Outlet,
    leaving: Arc<Leaving>,
    failure: Arc<Mutex<Option<io::Error>>>,
    /// What was said while nobody was connected.
    kept: Vec<u8>,
}

impl Carrier {
    fn run(mut self, receiver: &Receiver<Message>) {
        let mut batch = Vec::new();
        let mut waiting = Vec::new();
        while let Ok(first) = receiver.recv() {
            let mut stop = false;
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Byte(byte) => batch.push(byte),
                    Message::Bytes(bytes) => batch.extend_from_slice(&bytes),
                    Message::Flush(done) => waiting.push(done),
                    Message::Connected => {}
                    Message::Stop => stop = true,
                }
                next = if stop || batch.len() >= BATCH { None } else { receiver.try_recv().ok() };
            }
            self.put(&batch);
            batch.clear();
            let asked = !waiting.is_empty();
            waiting.drain(..).for_each(|done: Sender<()>| _ = done.send(()));
            if stop {
                if let Outlet::Link(link) = &self.outlet {
                    link.settle();
                }
                return;
            }
            if !asked && receiver.len() < CHANNEL / 2 {
                std::thread::sleep(GATHER);
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        match &self.outlet {
            Outlet::Fd(fd) => {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                if failure.is_none() {
                    *failure = drain(fd, bytes, Reader::Own, &self.leaving).1.err();
                }
            }
            Outlet::Link(link) => {
                self.kept.extend_from_slice(bytes);
                link.deliver(&mut self.kept, &self.leaving);
            }
        }
    }
}
