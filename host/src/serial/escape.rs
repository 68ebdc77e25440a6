//! The way out of a raw terminal: Ctrl-A begins a command to us, everything else is the guest's.

/// Ctrl-A.
const PREFIX: u8 = 0x01;

/// What the keys stand for, to be shown on Ctrl-A h. Lines end in CR LF since the terminal may be raw.
pub const HELP: &str = "\r\nKeys of this terminal:\r\n\
    \x20 Ctrl-A x       end the program, as if the plug were pulled\r\n\
    \x20 Ctrl-A h       this help\r\n\
    \x20 Ctrl-A c       the monitor (not there yet)\r\n\
    \x20 Ctrl-A Ctrl-A  send Ctrl-A to the guest\r\n";

/// A command that a person gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// End the program.
    Quit,
    /// Show the keys.
    Help,
    /// Go to the monitor.
    Monitor,
}

/// Splits what is typed into bytes for the guest and commands for us.
#[derive(Debug, Default)]
pub struct Escape {
    pending: bool,
}

impl Escape {
    /// Takes what was typed; gives the guest's bytes to `guest` and the commands to `command`, in their order.
    pub fn feed(&mut self, typed: &[u8], mut guest: impl FnMut(&[u8]), mut command: impl FnMut(Command)) {
        let mut start = 0;
        for (at, &byte) in typed.iter().enumerate() {
            if self.pending {
                self.pending = false;
                start = at + 1;
                match byte {
                    b'x' | b'X' => command(Command::Quit),
                    b'h' | b'H' | b'?' => command(Command::Help),
                    b'c' | b'C' => command(Command::Monitor),
                    PREFIX => guest(&[PREFIX]),
                    _ => {} // no such command: neither key reaches the guest
                }
            } else if byte == PREFIX {
                self.pending = true;
                if start < at {
                    guest(&typed[start..at]);
                }
                start = at + 1;
            }
        }
        if start < typed.len() {
            guest(&typed[start..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pieces: &[&[u8]]) -> (Vec<u8>, Vec<Command>) {
        let (mut escape, mut guest, mut commands) = (Escape::default(), vec![], vec![]);
        for piece in pieces {
            escape.feed(piece, |b| guest.extend_from_slice(b), |c| commands.push(c));
        }
        (guest, commands)
    }

    #[test]
    fn plain_bytes_pass() {
        assert_eq!(run(&[b"ls\r", b"\x03"]), (b"ls\r\x03".to_vec(), vec![]));
    }

    #[test]
    fn commands_are_cut_out() {
        let (guest, commands) = run(&[b"a\x01hb\x01cc\x01x"]);
        assert_eq!(guest, b"abc");
        assert_eq!(commands, [Command::Help, Command::Monitor, Command::Quit]);
    }

    #[test]
    fn the_prefix_may_end_a_read() {
        assert_eq!(run(&[b"a\x01", b"x", b"b"]), (b"ab".to_vec(), vec![Command::Quit]));
    }

    #[test]
    fn prefix_twice_sends_it_once() {
        assert_eq!(run(&[b"\x01\x01\x01", b"\x01z"]), (b"\x01\x01z".to_vec(), vec![]));
    }

    #[test]
    fn unknown_commands_vanish() {
        assert_eq!(run(&[b"a\x01qb"]), (b"ab".to_vec(), vec![]));
    }
}
