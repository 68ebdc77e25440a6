//! All character streams of one program: opens them and, at the end, closes them with everything written.

use super::drain::Leaving;
use super::escape::Escape;
use super::link::Link;
use super::reader::Reader;
use super::sockets::{self, Listener};
use super::target::{LinkMode, Target};
use super::writer::{Outlet, WriterThread};
use super::{Hooks, OpenError};
use crate::terminal;
use lyrebird_core::chars::{CharInput, CharPort};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// The character streams that a program has opened.
pub struct Lines {
    hooks: Hooks,
    leaving: Arc<Leaving>,
    open: Vec<Line>,
    terminal: Option<terminal::Raw>,
    stdio: Option<String>,
}

/// One stream; dropping it ends its threads. The reader's end is told by its pipe closing, and not waited for: it may be
/// in a read that nothing but its peer can end.
struct Line {
    name: String,
    target: Target,
    writer: WriterThread,
    _stop_reader: io::PipeWriter,
    /// A socket file to remove.
    socket: Option<sockets::SocketFile>,
}

/// A stream that was opened.
pub struct Opened {
    /// The device's ends; `None` if there shall be no device.
    pub port: Option<CharPort>,
    /// Where to find the other end, when only the host knows: a pty's path, a port's number.
    pub place: Option<String>,
}

/// Tells the streams that the program ends because a person or a signal wants it: readers who stand still are not waited
/// for, and a machine that waits for one goes on.
#[derive(Clone)]
pub struct Departure(Arc<Leaving>);

impl Departure {
    /// See [`Departure`].
    pub fn hurry(&self) {
        self.0.hurry();
    }
}

impl Lines {
    /// None yet.
    pub fn new(hooks: Hooks) -> Self {
        Lines { hooks, leaving: Arc::default(), open: Vec::new(), terminal: None, stdio: None }
    }

    /// The handle by which others tell that the program ends.
    pub fn departure(&self) -> Departure {
        Departure(self.leaving.clone())
    }

    /// Opens a stream. `name` is its device's ("serial0"); `say` is told what has to be known before this call returns,
    /// since it may wait for somebody to connect.
    pub fn open(&mut self, name: &str, target: &Target, say: &mut dyn FnMut(&str)) -> Result<Opened, OpenError> {
        let fail = |error: io::Error| OpenError(format!("{name}: cannot open {target}: {error}"));
        match target {
            Target::None => Ok(Opened { port: None, place: None }),
            Target::Null => Ok(Opened { port: Some(CharPort::unconnected()), place: None }),
            Target::Stdio { escape } => self.stdio(name, target, *escape),
            Target::File { path, append } => {
                let mut options = OpenOptions::new();
                let file = if *append { options.append(true) } else { options.write(true).truncate(true) }
                    .create(true)
                    .open(path)
                    .map_err(fail)?;
                let (port, _) = self.start(name, target, Outlet::Fd(file.into()), None).map_err(fail)?;
                Ok(Opened { port: Some(port), place: None })
            }
            Target::Pty => {
                let (master, path) = sockets::pty().map_err(fail)?;
                let master = Arc::new(master);
                let port = self.link(name, target, None, move |reader, link| reader.pty(&master, link));
                Ok(Opened { port: Some(port.map_err(fail)?), place: Some(path) })
            }
            Target::Unix { path, link } => self.socket(name, target, *link, say, || match link {
                LinkMode::Client => sockets::connect_unix(path),
                LinkMode::Server { .. } => sockets::listen_unix(path),
            }),
            Target::Tcp { host, port, link, public } => self.socket(name, target, *link, say, || match link {
                LinkMode::Client => sockets::connect_tcp(host, *port),
                LinkMode::Server { .. } => sockets::listen_tcp(host, *port, *public),
            }),
        }
    }

    fn stdio(&mut self, name: &str, target: &Target, escape: bool) -> Result<Opened, OpenError> {
        let fail = |error: io::Error| OpenError(format!("{name}: cannot use standard input and output: {error}"));
        if let Some(other) = &self.stdio {
            return Err(OpenError(format!(
                "{name} and {other} cannot both have stdio: give one of them another place (file:PATH, pty, null)"
            )));
        }
        // Not our descriptor itself: closing it would surprise whoever prints at the end.
        let out = rustix::stdio::stdout().try_clone_to_owned().map_err(fail)?;
        let terminal = rustix::termios::isatty(rustix::stdio::stdin());
        if terminal {
            self.terminal = Some(terminal::Raw::enter(!escape).map_err(fail)?);
        }
        let leaving = self.leaving.clone();
        let quit = self.hooks.quit.clone();
        let hooks = Hooks {
            quit: Arc::new(move || {
                leaving.hurry();
                quit();
            }),
        };
        let escape = (terminal && escape).then(|| (Escape::default(), hooks));
        let (port, reader) = self.start(name, target, Outlet::Fd(out), None).map_err(fail)?;
        spawn(name, move || reader.stdin(escape)).map_err(fail)?;
        self.stdio = Some(name.to_owned());
        Ok(Opened { port: Some(port), place: None })
    }

    fn socket(
        &mut self,
        name: &str,
        target: &Target,
        mode: LinkMode,
        say: &mut dyn FnMut(&str),
        make: impl FnOnce() -> Result<Listener, String>,
    ) -> Result<Opened, OpenError> {
        let fail = |error: io::Error| OpenError(format!("{name}: cannot open {target}: {error}"));
        let mut listener = make().map_err(|why| OpenError(format!("{name}: cannot open {target}: {why}")))?;
        let place = listener.place.clone();
        let file = listener.file.take();
        let first = match mode {
            LinkMode::Client => listener.first.take(),
            LinkMode::Server { wait: false } => None,
            LinkMode::Server { wait: true } => {
                let at = place.as_deref().unwrap_or("its socket");
                say(&format!("{name} waits for somebody to connect to {at}"));
                Some(listener.accept_blocking().map_err(fail)?)
            }
        };
        let port = self.link(name, target, file, move |reader, link| {
            if let Some(first) = first
                && !reader.serve(Arc::new(first), link)
            {
                return;
            }
            if let Some(socket) = &listener.socket {
                reader.server(socket, || listener.accept(), link);
            }
        });
        Ok(Opened { port: Some(port.map_err(fail)?), place })
    }

    /// Starts both threads of a stream whose peer comes and goes.
    fn link(
        &mut self,
        name: &str,
        target: &Target,
        socket: Option<sockets::SocketFile>,
        read: impl FnOnce(&Reader, &Link) + Send + 'static,
    ) -> io::Result<CharPort> {
        let link = Arc::new(Link::default());
        let (port, reader) = self.start(name, target, Outlet::Link(link.clone()), socket)?;
        spawn(name, move || read(&reader, &link))?;
        Ok(port)
    }

    /// Starts the writer thread and makes what the reader needs.
    fn start(
        &mut self,
        name: &str,
        target: &Target,
        outlet: Outlet,
        socket: Option<sockets::SocketFile>,
    ) -> io::Result<(CharPort, Reader)> {
        let input: Arc<CharInput> = Arc::default();
        let writer = WriterThread::start(name, outlet, self.leaving.clone())?;
        let (stop, stop_writer) = io::pipe()?;
        let port = CharPort { out: Box::new(writer.writer()), input: input.clone() };
        let reader = Reader { input, writer: writer.sender(), stop };
        let line = Line { name: name.into(), target: target.clone(), writer, _stop_reader: stop_writer, socket };
        self.open.push(line);
        Ok((port, reader))
    }

    /// Writes everything that devices have said, ends the threads and gives the terminal back. Says which bytes were lost
    /// and why; a reader that went away by itself is no loss.
    pub fn finish(mut self) -> Vec<String> {
        let mut losses = Vec::new();
        for mut line in self.open.drain(..) {
            if let Some(error) = line.writer.finish()
                && error.kind() != io::ErrorKind::BrokenPipe
            {
                losses.push(format!("{}: output to {} was lost: {error}", line.name, line.target));
            }
            drop(line.socket.take());
        }
        losses
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(format!("{name} in")).spawn(body).map(drop)
}

/// Makes reads and writes return when they would wait.
pub(super) fn nonblocking(fd: impl AsFd + Into<OwnedFd>) -> io::Result<OwnedFd> {
    rustix::io::ioctl_fionbio(&fd, true)?;
    Ok(fd.into())
}
