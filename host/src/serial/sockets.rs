//! Making the descriptors of serial lines whose peer comes and goes: Unix sockets, TCP, ptys.

use super::lines::nonblocking;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Where peers come from: a listening socket, or one connection that we made.
pub(super) struct Listener {
    /// The listening socket.
    pub socket: Option<Socket>,
    /// The connection that we made.
    pub first: Option<OwnedFd>,
    /// Where others reach it.
    pub place: Option<String>,
    /// The socket's file, to be removed at the end.
    pub file: Option<SocketFile>,
}

pub(super) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Unix(socket) => socket.as_fd(),
            Socket::Tcp(socket) => socket.as_fd(),
        }
    }
}

impl Listener {
    /// The next peer.
    pub fn accept(&self) -> io::Result<OwnedFd> {
        match &self.socket {
            Some(Socket::Unix(socket)) => nonblocking(socket.accept()?.0),
            Some(Socket::Tcp(socket)) => tcp(socket.accept()?.0),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The same, waiting for it.
    pub fn accept_blocking(&self) -> io::Result<OwnedFd> {
        if let Some(socket) = &self.socket {
            rustix::io::ioctl_fionbio(socket, false)?;
        }
        let peer = self.accept()?;
        if let Some(socket) = &self.socket {
            rustix::io::ioctl_fionbio(socket, true)?;
        }
        Ok(peer)
    }

    fn connected(peer: OwnedFd) -> Self {
        Listener { socket: None, first: Some(peer), place: None, file: None }
    }
}

/// Characters are typed and shown one by one: do not hold them back.
fn tcp(peer: TcpStream) -> io::Result<OwnedFd> {
    peer.set_nodelay(true)?;
    nonblocking(peer)
}

/// A socket's file; removed when dropped.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

pub(super) fn connect_unix(path: &Path) -> Result<Listener, String> {
    let peer = UnixStream::connect(path).map_err(|error| {
        format!("{error}; nobody listens there: start that first, or let us listen by `,server,nowait`")
    })?;
    Ok(Listener::connected(nonblocking(peer).map_err(|error| error.to_string())?))
}

pub(super) fn listen_unix(path: &Path) -> Result<Listener, String> {
    // A socket that nobody serves any more is a leftover of a program that was killed. Anything else stays untouched.
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        match UnixStream::connect(path) {
            Ok(_) => return Err("another program listens there: choose another path".into()),
            Err(_) => std::fs::remove_file(path).map_err(|error| error.to_string())?,
        }
    }
    let socket = UnixListener::bind(path).map_err(|error| error.to_string())?;
    socket.set_nonblocking(true).map_err(|error| error.to_string())?;
    Ok(Listener {
        socket: Some(Socket::Unix(socket)),
        first: None,
        place: Some(path.display().to_string()),
        file: Some(SocketFile(path.to_owned())),
    })
}

pub(super) fn connect_tcp(host: &str, port: u16) -> Result<Listener, String> {
    let host = if host.is_empty() { "localhost" } else { host };
    let peer = TcpStream::connect((host, port)).map_err(|error| {
        format!("{error}; nobody listens there: start that first, or let us listen by `,server,nowait`")
    })?;
    Ok(Listener::connected(tcp(peer).map_err(|error| error.to_string())?))
}

pub(super) fn listen_tcp(host: &str, port: u16, public: bool) -> Result<Listener, String> {
    let host = match (host, public) {
        ("", false) => "127.0.0.1",
        ("", true) => "0.0.0.0",
        _ => host,
    };
    let addresses: Vec<_> = (host, port).to_socket_addrs().map_err(|error| error.to_string())?.collect();
    if !public && !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err("that address is open to other machines, and a serial line asks nobody for a password: \
            use localhost, or add `,public` if you mean it"
            .into());
    }
    let socket = TcpListener::bind(&*addresses).map_err(|error| error.to_string())?;
    socket.set_nonblocking(true).map_err(|error| error.to_string())?;
    let place = socket.local_addr().map_err(|error| error.to_string())?.to_string();
    Ok(Listener { socket: Some(Socket::Tcp(socket)), first: None, place: Some(place), file: None })
}

/// A new pty in raw mode: our side and the path of the other.
pub(super) fn pty() -> io::Result<(OwnedFd, String)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let master = rustix::pty::openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let path = ptsname(&master, Vec::new())?.to_string_lossy().into_owned();
    // Raw, or what the guest says would come back as its input. That the other side is opened and closed once also makes
    // the kernel tell from then on whether somebody has it open.
    let other = ioctl_tiocgptpeer(&master, flags)?;
    let mut modes = tcgetattr(&other)?;
    modes.make_raw();
    tcsetattr(&other, OptionalActions::Now, &modes)?;
    Ok((nonblocking(master)?, path))
}
