//! What a character stream is connected to, as a person writes it: `stdio`, `file:PATH`, `unix:PATH,server,nowait`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The forms that [`Target`] is written in, for help and error texts.
pub const FORMS: &str =
    "stdio, file:PATH, pty, unix:PATH[,server][,nowait], tcp:HOST:PORT[,server][,nowait], null, none";

/// Where a character stream goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// There is no such line: the machine has no chip for it.
    None,
    /// The chip is there; what it says goes nowhere.
    Null,
    /// The program's standard input and output.
    Stdio {
        /// Ctrl-A begins a command to us, and Ctrl-C is the guest's. Otherwise Ctrl-C ends the program.
        escape: bool,
    },
    /// A file that takes the output.
    File {
        /// Its path.
        path: PathBuf,
        /// Keep what is in it.
        append: bool,
    },
    /// A new pseudo terminal.
    Pty,
    /// A Unix socket.
    Unix {
        /// Its path.
        path: PathBuf,
        /// How it is set up.
        link: LinkMode,
    },
    /// A TCP connection.
    Tcp {
        /// Name or address; empty is the loopback.
        host: String,
        /// Port; 0 lets the host choose.
        port: u16,
        /// How it is set up.
        link: LinkMode,
        /// May be reached from other machines.
        public: bool,
    },
}

/// Who begins a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkMode {
    /// We connect.
    Client,
    /// We listen.
    Server {
        /// The machine starts only when somebody has connected.
        wait: bool,
    },
}

/// Why a text is no [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(String);

fn wrong<T>(text: impl Into<String>) -> Result<T, TargetError> {
    Err(TargetError(text.into()))
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        match (kind, rest) {
            ("none", None) => Ok(Target::None),
            ("null", None) => Ok(Target::Null),
            ("stdio" | "stdio,signal=off", None) => Ok(Target::Stdio { escape: true }),
            ("stdio,signal=on", None) => Ok(Target::Stdio { escape: false }),
            ("pty", None) => Ok(Target::Pty),
            ("file", Some(rest)) => file(rest),
            ("unix", Some(rest)) => {
                let (path, options) = Options::split(rest)?;
                if path.is_empty() {
                    return wrong("unix: needs a path, as in unix:/tmp/serial,server,nowait");
                }
                if options.public {
                    return wrong("the option `public` is for tcp: only");
                }
                Ok(Target::Unix { path: path.into(), link: options.link()? })
            }
            ("tcp", Some(rest)) => {
                let (address, options) = Options::split(rest)?;
                let Some((host, port)) = address.rsplit_once(':') else {
                    return wrong(format!("tcp:{address} has no port: write tcp:HOST:PORT, as in tcp:localhost:4444"));
                };
                let Ok(port) = port.parse() else {
                    return wrong(format!("`{port}` is no TCP port: use a number from 0 to 65535"));
                };
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                Ok(Target::Tcp { host, port, link: options.link()?, public: options.public })
            }
            ("file" | "unix" | "tcp", None) => wrong(format!("`{kind}` needs more: use one of {FORMS}")),
            _ => wrong(format!("unknown character stream `{text}`: use one of {FORMS}")),
        }
    }
}

fn file(rest: &str) -> Result<Target, TargetError> {
    let (path, append) = match rest.strip_suffix(",append=on").or_else(|| rest.strip_suffix(",append")) {
        Some(path) => (path, true),
        None => (rest, false),
    };
    if path.is_empty() {
        return wrong("file: needs a path, as in file:serial.log");
    }
    Ok(Target::File { path: path.into(), append })
}

#[derive(Default)]
struct Options {
    server: bool,
    wait: Option<bool>,
    public: bool,
}

impl Options {
    /// Splits `ADDRESS,option,...`.
    fn split(text: &str) -> Result<(&str, Options), TargetError> {
        let mut parts = text.split(',');
        let address = parts.next().unwrap_or_default();
        let mut options = Options::default();
        for part in parts {
            match part {
                "server" | "server=on" => options.server = true,
                "server=off" => options.server = false,
                "nowait" | "wait=off" => options.wait = Some(false),
                "wait" | "wait=on" => options.wait = Some(true),
                "public" => options.public = true,
                // Habits from elsewhere that change nothing here: Nagle's algorithm is always off.
                "nodelay" | "nodelay=on" | "telnet=off" => {}
                _ => return wrong(format!("unknown option `{part}`: known are server, nowait and public")),
            }
        }
        Ok((address, options))
    }

    fn link(&self) -> Result<LinkMode, TargetError> {
        match (self.server, self.wait) {
            (true, wait) => Ok(LinkMode::Server { wait: wait.unwrap_or(true) }),
            (false, None) => Ok(LinkMode::Client),
            (false, Some(_)) => wrong("nowait says how to listen: write server,nowait"),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::None => f.write_str("none"),
            Target::Null => f.write_str("null"),
            Target::Stdio { escape: true } => f.write_str("stdio"),
            Target::Stdio { escape: false } => f.write_str("stdio,signal=on"),
            Target::File { path, append } => {
                write!(f, "file:{}{}", path.display(), if *append { ",append" } else { "" })
            }
            Target::Pty => f.write_str("pty"),
            Target::Unix { path, link } => write!(f, "unix:{}{link}", path.display()),
            Target::Tcp { host, port, link, public } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                write!(f, "tcp:{host}:{port}{link}{}", if *public { ",public" } else { "" })
            }
        }
    }
}

impl fmt::Display for LinkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkMode::Client => "",
            LinkMode::Server { wait: true } => ",server",
            LinkMode::Server { wait: false } => ",server,nowait",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back() {
        for text in [
            "none",
            "null",
            "stdio",
            "stdio,signal=on",
            "pty",
            "file:a/b.log",
            "file:a,b.log,append",
            "unix:/tmp/s",
            "unix:/tmp/s,server",
            "unix:/tmp/s,server,nowait",
            "tcp:localhost:4444",
            "tcp::0,server,nowait",
            "tcp:[::1]:99,server",
            "tcp:0.0.0.0:99,server,nowait,public",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_long_spelling_means_the_same() {
        let long: Target = "unix:/s,server=on,wait=off".parse().unwrap();
        assert_eq!(long, "unix:/s,server,nowait".parse().unwrap());
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, part) in [
            ("stdoi", "use one of stdio"),
            ("file:", "needs a path"),
            ("file", "needs more"),
            ("unix:", "needs a path"),
            ("unix:/s,nowait", "server,nowait"),
            ("unix:/s,srever", "unknown option `srever`"),
            ("unix:/s,public", "for tcp: only"),
            ("tcp:4444", "has no port"),
            ("tcp:a:99999", "no TCP port"),
            ("null:x", "unknown"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
