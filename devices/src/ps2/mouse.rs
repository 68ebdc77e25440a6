//! The mouse at the end of the cable (IBM PS/2 technical reference, "Mouse"), with the wheel of Microsoft's IntelliMouse
//! and the five buttons of its Explorer, which a driver asks for by a knock of sample rates.

use super::keyboard::{ACK, RESEND, SELF_TEST_PASSED};
use lyrebird_core::{MouseButton, VmTime};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many bytes of answers wait at most.
const ROOM: usize = 16;
/// How far it may move between two packets. What is beyond a packet's 9 bits goes into the next; what is beyond this is
/// lost, and told as overflow.
const FARTHEST: i32 = 2048;
/// Notches of the wheel that wait at most.
const MOST_NOTCHES: i32 = 127;
/// Changes of the buttons that wait at most.
const MOST_CHANGES: usize = 32;

/// What kind of mouse it has become.
const PLAIN: u8 = 0;
const WHEEL: u8 = 3;
const EXPLORER: u8 = 4;

/// The mouse.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mouse {
    /// Answers and packets.
    output: VecDeque<u8>,
    /// The command that waits for its parameter.
    command: Option<u8>,
    /// What its identity command says.
    id: u8,
    /// The last three sample rates: the knock.
    knock: [u8; 3],
    // Modes.
    remote: bool,
    wrap: bool,
    enabled: bool,
    doubled: bool,
    resolution: u8,
    sample_rate: u8,
    // What has not been told yet.
    dx: i32,
    dy: i32,
    dz: i32,
    lost: [bool; 2],
    /// The buttons as they are, as a bit each.
    buttons: u8,
    /// The states that they went through since the last packet, so that a quick click is not lost.
    changes: VecDeque<u8>,
    told_buttons: u8,
    /// The earliest moment of the next packet.
    next: VmTime,
    /// The answer or packet that RESEND sends again.
    last: Vec<u8>,
}

impl Default for Mouse {
    fn default() -> Self {
        Mouse {
            output: VecDeque::new(),
            command: None,
            id: PLAIN,
            knock: [0; 3],
            remote: false,
            wrap: false,
            enabled: false,
            doubled: false,
            resolution: 2,
            sample_rate: 100,
            dx: 0,
            dy: 0,
            dz: 0,
            lost: [false; 2],
            buttons: 0,
            changes: VecDeque::new(),
            told_buttons: 0,
            next: VmTime::ZERO,
            last: Vec::new(),
        }
    }
}

impl Mouse {
    /// It moved; right and down are positive.
    pub fn moved(&mut self, dx: i32, dy: i32) {
        let add = |sum: &mut i32, lost: &mut bool, by: i32| {
            let far = sum.saturating_add(by);
            *sum = far.clamp(-FARTHEST, FARTHEST);
            *lost |= *sum != far;
        };
        add(&mut self.dx, &mut self.lost[0], dx);
        add(&mut self.dy, &mut self.lost[1], dy.saturating_neg()); // on the cable, up is positive
    }

    /// The wheel turned; away from the person is positive.
    pub fn wheel(&mut self, notches: i32) {
        if self.id != PLAIN {
            self.dz = self.dz.saturating_sub(notches).clamp(-MOST_NOTCHES, MOST_NOTCHES);
        }
    }

    /// A button went down or came up.
    pub fn button(&mut self, button: MouseButton, down: bool) {
        let bit = match button {
            MouseButton::Left => 1,
            MouseButton::Right => 2,
            MouseButton::Middle => 4,
            MouseButton::Back => 8,
            MouseButton::Forward => 16,
        };
        self.buttons = if down { self.buttons | bit } else { self.buttons & !bit };
        let seen = self.seen_buttons();
        if self.changes.len() >= MOST_CHANGES {
            self.changes.pop_back();
        }
        if *self.changes.back().unwrap_or(&self.told_buttons) != seen {
            self.changes.push_back(seen);
        }
    }

    fn period(&self) -> u64 {
        1_000_000_000 / u64::from(self.sample_rate.max(1))
    }

    fn seen_buttons(&self) -> u8 {
        if self.id == EXPLORER { self.buttons } else { self.buttons & 7 }
    }

    fn has_news(&self) -> bool {
        self.dx != 0 || self.dy != 0 || self.dz != 0 || !self.changes.is_empty()
    }

    /// When a packet is due, if nobody moves any more.
    pub fn deadline(&self) -> VmTime {
        if self.streams() && self.has_news() && self.output.is_empty() { self.next } else { VmTime::NEVER }
    }

    fn streams(&self) -> bool {
        self.enabled && !self.remote && !self.wrap && self.command.is_none()
    }

    /// Makes a packet of what has happened, if it is time for one.
    pub fn tick(&mut self, now: VmTime) {
        if self.deadline() <= now {
            let packet = self.packet(self.doubled);
            self.send(&packet);
            self.next = now + self.period();
        }
    }

    fn packet(&mut self, doubled: bool) -> Vec<u8> {
        let take = |sum: &mut i32| {
            let all = if doubled { double(*sum) } else { *sum };
            let told = all.clamp(-256, 255);
            // What is doubled is not carried over: it would be doubled again.
            *sum = if doubled { 0 } else { all - told };
            (told, doubled && told != all)
        };
        let ((x, over_x), (y, over_y)) = (take(&mut self.dx), take(&mut self.dy));
        let lost = std::mem::take(&mut self.lost);
        let buttons = self.changes.pop_front().unwrap_or(self.seen_buttons());
        self.told_buttons = buttons;
        let bit = |bit: bool, at: u8| u8::from(bit) << at;
        let first =
            buttons & 7 | 0x08 | bit(x < 0, 4) | bit(y < 0, 5) | bit(lost[0] || over_x, 6) | bit(lost[1] || over_y, 7);
        let mut packet = vec![first, x as u8, y as u8];
        match self.id {
            WHEEL => packet.push(std::mem::take(&mut self.dz) as u8),
            EXPLORER => {
                let notches = self.dz.clamp(-8, 7);
                self.dz -= notches;
                packet.push(notches as u8 & 0x0f | (buttons & 0x18) << 1);
            }
            _ => {}
        }
        packet
    }

    // ---- The cable ----

    /// Whether there is something to send.
    pub fn waits(&self) -> bool {
        !self.output.is_empty()
    }

    /// The next byte that it has to say.
    pub fn read(&mut self) -> Option<u8> {
        self.output.pop_front()
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.output.len() + bytes.len() <= ROOM {
            self.output.extend(bytes);
        }
        self.last = bytes.to_vec();
    }

    fn answer(&mut self, bytes: &[u8]) {
        if self.output.len() < ROOM {
            self.output.push_back(ACK);
        }
        if !bytes.is_empty() {
            self.send(bytes);
        }
    }

    fn forget(&mut self) {
        (self.dx, self.dy, self.dz, self.lost) = (0, 0, 0, [false; 2]);
        self.changes.clear();
        self.told_buttons = self.seen_buttons();
    }

    /// A byte from the host.
    pub fn write(&mut self, byte: u8, now: VmTime) {
        if let Some(command) = self.command.take() {
            return self.parameter(command, byte);
        }
        if self.wrap && !matches!(byte, 0xec | 0xff) {
            return self.send(&[byte]);
        }
        // A command ends the packet that is under way.
        self.output.clear();
        let first = |mouse: &Self| {
            let bit = |bit: bool, at: u8| u8::from(bit) << at;
            let [left, right, middle] = [0, 1, 2].map(|n| mouse.buttons >> n & 1 != 0);
            bit(mouse.remote, 6)
                | bit(mouse.enabled, 5)
                | bit(mouse.doubled, 4)
                | bit(left, 2)
                | bit(middle, 1)
                | bit(right, 0)
        };
        match byte {
            0xe6 => self.doubled = false,
            0xe7 => self.doubled = true,
            0xe8 | 0xf3 => self.command = Some(byte),
            0xe9 => return self.answer(&[first(self), self.resolution, self.sample_rate]),
            0xea => {
                self.remote = false;
                self.forget();
            }
            0xeb => {
                let packet = self.packet(false);
                return self.answer(&packet);
            }
            0xec => {
                self.wrap = false;
                self.forget();
            }
            0xee => {
                self.wrap = true;
                self.forget();
            }
            0xf0 => {
                self.remote = true;
                self.forget();
            }
            0xf2 => return self.answer(&[self.id]),
            0xf4 => {
                self.enabled = true;
                self.forget();
                self.next = now;
            }
            0xf5 => {
                self.enabled = false;
                self.forget();
            }
            0xf6 => {
                let (id, buttons, knock) = (self.id, self.buttons, self.knock);
                *self = Mouse { id, buttons, knock, ..Mouse::default() };
                self.forget();
            }
            0xfe => {
                let last = std::mem::take(&mut self.last);
                return self.send(&last);
            }
            0xff => {
                *self = Mouse { buttons: self.buttons, ..Mouse::default() };
                return self.answer(&[SELF_TEST_PASSED, self.id]);
            }
            _ => return self.send(&[RESEND]),
        }
        self.answer(&[]);
    }

    fn parameter(&mut self, command: u8, byte: u8) {
        match (command, byte) {
            (0xe8, 0..=3) => self.resolution = byte,
            (0xf3, 10 | 20 | 40 | 60 | 80 | 100 | 200) => {
                self.sample_rate = byte;
                self.knock = [self.knock[1], self.knock[2], byte];
                match self.knock {
                    [200, 100, 80] => self.id = WHEEL,
                    [200, 200, 80] => self.id = EXPLORER,
                    _ => {}
                }
            }
            _ => {
                self.command = None;
                return self.send(&[RESEND]);
            }
        }
        self.forget();
        self.answer(&[]);
    }
}

/// Scaling 2:1, which makes fast movements faster.
fn double(counts: i32) -> i32 {
    let size = match counts.abs() {
        few @ (0 | 1) => few,
        2 => 1,
        3 => 3,
        4 => 6,
        5 => 9,
        many => 2 * many,
    };
    size * counts.signum()
}
