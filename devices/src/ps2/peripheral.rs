//! A keyboard or mouse at the other end of the cable: what it answers to commands.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const ACK: u8 = 0xfa;
const SELF_TEST_PASSED: u8 = 0xaa;
/// How many bytes wait at most, as in a real keyboard.
const ROOM: usize = 16;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A keyboard that speaks scan code set 2.
    Keyboard,
    /// A mouse with three buttons.
    Mouse,
}

/// The peripheral.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peripheral {
    kind: Kind,
    /// What it has to say.
    output: VecDeque<u8>,
    /// The command that waits for its parameter.
    command: Option<u8>,
    scan_code_set: u8,
    resolution: u8,
    sample_rate: u8,
    last: u8,
}

impl Peripheral {
    /// A peripheral that has passed its self-test.
    pub fn new(kind: Kind) -> Self {
        Peripheral {
            kind,
            output: VecDeque::new(),
            command: None,
            scan_code_set: 2,
            resolution: 2,
            sample_rate: 100,
            last: 0,
        }
    }

    fn answer(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.output.len() < ROOM {
                self.output.push_back(*byte);
            }
        }
    }

    /// A byte from the host.
    pub fn write(&mut self, byte: u8) {
        if let Some(command) = self.command.take() {
            self.parameter(command, byte);
            return;
        }
        match (self.kind, byte) {
            (_, 0xff) => {
                *self = Peripheral::new(self.kind);
                self.answer(&[ACK, SELF_TEST_PASSED]);
                if self.kind == Kind::Mouse {
                    self.answer(&[0]);
                }
            }
            (_, 0xfe) => self.answer(&[self.last]),
            (Kind::Keyboard, 0xf2) => self.answer(&[ACK, 0xab, 0x83]),
            (Kind::Keyboard, 0xee) => self.answer(&[0xee]),
            (Kind::Keyboard, 0xed | 0xf0 | 0xf3) | (Kind::Mouse, 0xe8 | 0xf3) => {
                self.command = Some(byte);
                self.answer(&[ACK]);
            }
            (Kind::Mouse, 0xf2) => self.answer(&[ACK, 0]),
            (Kind::Mouse, 0xe9) => self.answer(&[ACK, 0, self.resolution, self.sample_rate]),
            (Kind::Mouse, 0xeb) => self.answer(&[ACK, 0x08, 0, 0]),
            _ => self.answer(&[ACK]),
        }
    }

    fn parameter(&mut self, command: u8, byte: u8) {
        match (self.kind, command) {
            (Kind::Keyboard, 0xf0) if byte == 0 => {
                self.answer(&[ACK, self.scan_code_set]);
                return;
            }
            (Kind::Keyboard, 0xf0) => self.scan_code_set = byte.clamp(1, 3),
            (Kind::Mouse, 0xe8) => self.resolution = byte & 3,
            (Kind::Mouse, 0xf3) => self.sample_rate = byte,
            _ => {}
        }
        self.answer(&[ACK]);
    }

    /// The next byte that it has to say.
    pub fn read(&mut self) -> Option<u8> {
        let byte = self.output.pop_front()?;
        self.last = byte;
        Some(byte)
    }
}
