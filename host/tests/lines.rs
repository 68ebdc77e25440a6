//! Serial lines over real files, sockets, ptys and pipes.

use host::serial::{Hooks, Lines, Opened, Target};
use lyrebird_core::chars::CharPort;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn lines() -> Lines {
    Lines::new(Hooks { quit: Arc::new(|| {}) })
}

fn open(lines: &mut Lines, target: &str) -> (CharPort, Option<String>) {
    let target: Target = target.parse().unwrap();
    let Opened { port, place } = lines.open("serial0", &target, &mut |_| {}).unwrap();
    (port.unwrap(), place)
}

fn error(target: &str) -> String {
    let target: Target = target.parse().unwrap();
    lines().open("serial0", &target, &mut |_| {}).err().expect("no error").to_string()
}

/// A path that no other test uses.
fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("lyrebird-{}-{name}", std::process::id()));
    _ = std::fs::remove_file(&path);
    path
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(10), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

#[test]
fn a_file_has_every_byte_when_finished() {
    let path = path("file");
    let mut lines = lines();
    let (mut port, _) = open(&mut lines, &format!("file:{}", path.display()));
    let data = pattern(300_000);
    data[..100_000].iter().for_each(|byte| port.out.write(&[*byte]));
    port.out.write(&data[100_000..]);
    assert!(lines.finish().is_empty());
    assert!(std::fs::read(&path).unwrap() == data);

    let mut lines = self::lines();
    let (mut port, _) = open(&mut lines, &format!("file:{},append", path.display()));
    port.out.write(b"more");
    port.out.flush();
    assert_eq!(std::fs::read(&path).unwrap().len(), data.len() + 4);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_full_disk_is_told() {
    let mut lines = lines();
    let (mut port, _) = open(&mut lines, "file:/dev/full");
    port.out.write(b"lost");
    port.out.write(&pattern(100_000));
    let losses = lines.finish();
    assert_eq!(losses.len(), 1);
    assert!(losses[0].starts_with("serial0: output to file:/dev/full was lost:"), "{losses:?}");
}

#[test]
fn what_was_said_before_somebody_connects_is_kept() {
    let path = path("unix");
    let mut lines = lines();
    let (mut port, place) = open(&mut lines, &format!("unix:{},server,nowait", path.display()));
    assert_eq!(place.unwrap(), path.display().to_string());
    port.out.write(b"early ");
    port.out.flush();

    let mut peer = UnixStream::connect(&path).unwrap();
    let mut got = [0; 6];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"early ");
    peer.write_all(b"typed").unwrap();
    wait_for("input", || port.input.len() == 5);
    assert_eq!(port.input.take(100), b"typed");
    drop(peer);

    // The next one is served too.
    let mut peer = UnixStream::connect(&path).unwrap();
    peer.write_all(b"again").unwrap();
    wait_for("input", || port.input.len() == 5);
    port.out.write(b"hello again");
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).map(|_| all)
    });
    assert!(lines.finish().is_empty());
    drop(port);
    assert_eq!(reading.join().unwrap().unwrap(), b"hello again");
    assert!(!path.exists(), "the socket file stays behind");
}

#[test]
fn a_slow_reader_loses_nothing_and_holds_the_writer_back() {
    let path = path("slow");
    let mut lines = lines();
    let (mut port, _) = open(&mut lines, &format!("unix:{},server,nowait", path.display()));
    let mut peer = UnixStream::connect(&path).unwrap();
    peer.write_all(b"!").unwrap();
    wait_for("connection", || port.input.len() == 1);

    let data = pattern(8 << 20);
    let sent = data.clone();
    let writing = std::thread::spawn(move || {
        sent.chunks(100).for_each(|piece| port.out.write(piece));
        port
    });
    std::thread::sleep(Duration::from_millis(100));
    assert!(!writing.is_finished(), "8 MB fit into thin air");
    let reading = std::thread::spawn(move || {
        let mut all = vec![0; 8 << 20];
        peer.read_exact(&mut all).map(|()| all)
    });
    let port = writing.join().unwrap();
    lines.finish();
    drop(port);
    assert!(reading.join().unwrap().unwrap() == data);
}

#[test]
fn a_stuck_reader_does_not_hold_up_a_person_who_leaves() {
    let path = path("stuck");
    let mut lines = lines();
    let (mut port, _) = open(&mut lines, &format!("unix:{},server,nowait", path.display()));
    let peer = UnixStream::connect(&path).unwrap();
    (&peer).write_all(b"!").unwrap();
    wait_for("connection", || port.input.len() == 1);
    let departure = lines.departure();
    let writing = std::thread::spawn(move || {
        for _ in 0..100_000 {
            port.out.write(&[0; 100]);
        }
    });
    std::thread::sleep(Duration::from_millis(50));
    let begin = Instant::now();
    departure.hurry();
    writing.join().unwrap();
    lines.finish();
    assert!(begin.elapsed() < Duration::from_secs(5));
    drop(peer);
}

#[test]
fn we_may_be_the_client() {
    let path = path("client");
    let listener = UnixListener::bind(&path).unwrap();
    let mut lines = lines();
    let (mut port, _) = open(&mut lines, &format!("unix:{}", path.display()));
    let (mut peer, _) = listener.accept().unwrap();
    port.out.write(b"to you");
    peer.write_all(b"to me").unwrap();
    let mut got = [0; 6];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"to you");
    wait_for("input", || port.input.len() == 5);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_server_may_wait() {
    let path = path("wait");
    let target: Target = format!("unix:{},server", path.display()).parse().unwrap();
    let client = path.clone();
    let mut lines = lines();
    let mut said = String::new();
    let mut connect = None;
    let opened = lines.open("serial0", &target, &mut |text| {
        said = text.to_owned();
        let client = client.clone();
        connect = Some(std::thread::spawn(move || UnixStream::connect(client).unwrap()));
    });
    assert!(said.contains("waits for somebody"), "{said}");
    opened.unwrap().port.unwrap().out.write(b"x");
    let mut got = [0];
    connect.unwrap().join().unwrap().read_exact(&mut got).unwrap();
    assert_eq!(&got, b"x");
}

#[test]
fn tcp_is_for_this_host_alone() {
    let mut lines = lines();
    let (mut port, place) = open(&mut lines, "tcp::0,server,nowait");
    let place = place.unwrap();
    assert!(place.starts_with("127.0.0.1:"), "{place}");
    let mut peer = TcpStream::connect(&place).unwrap();
    peer.write_all(b"in").unwrap();
    wait_for("input", || port.input.len() == 2);
    port.out.write(b"out");
    let mut got = [0; 3];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"out");

    let error = error("tcp:0.0.0.0:0,server,nowait");
    assert!(error.contains("use localhost, or add `,public`"), "{error}");
    open(&mut self::lines(), "tcp:0.0.0.0:0,server,nowait,public");
}

#[test]
fn a_pty_keeps_early_output_and_survives_its_users() {
    let mut lines = lines();
    let (mut port, place) = open(&mut lines, "pty");
    let place = place.unwrap();
    port.out.write(b"early\r\n");
    port.out.flush();
    for round in 0..2 {
        let mut user = OpenOptions::new().read(true).write(true).open(&place).unwrap();
        let expected: &[u8] = if round == 0 { b"early\r\n" } else { b"second" };
        let mut got = vec![0; expected.len()];
        user.read_exact(&mut got).unwrap();
        assert_eq!(got, expected);
        user.write_all(b"keys\r\x03").unwrap();
        wait_for("input", || port.input.len() == 6);
        assert_eq!(port.input.take(10), b"keys\r\x03");
        drop(user);
        if round == 0 {
            // The reader looks now and then: let it see that nobody is there.
            std::thread::sleep(Duration::from_millis(100));
            port.out.write(b"second");
        }
    }
    assert!(lines.finish().is_empty());
}

#[test]
fn errors_say_where_and_what() {
    let missing = error("file:/nonexistent/dir/log");
    assert!(missing.contains("serial0: cannot open file:/nonexistent/dir/log: No such file"), "{missing}");
    assert!(error("unix:/nonexistent/socket").contains("nobody listens there"));

    let busy = path("busy");
    let _listener = UnixListener::bind(&busy).unwrap();
    assert!(error(&format!("unix:{},server,nowait", busy.display())).contains("another program listens"));
    std::fs::remove_file(&busy).unwrap();

    let plain = path("plain");
    std::fs::write(&plain, "mine").unwrap();
    assert!(error(&format!("unix:{},server,nowait", plain.display())).contains("in use"));
    assert_eq!(std::fs::read(&plain).unwrap(), b"mine");
    std::fs::remove_file(&plain).unwrap();
}

#[test]
fn a_stale_socket_is_replaced() {
    let path = path("stale");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    open(&mut lines(), &format!("unix:{},server,nowait", path.display()));
}

#[test]
fn nothing_and_nowhere() {
    let mut lines = lines();
    let (mut port, _) = open(&mut lines, "null");
    port.out.write(b"gone");
    let none = lines.open("serial1", &Target::None, &mut |_| {}).unwrap();
    assert!(none.port.is_none());
}
