//! The keyboard at the end of the cable (IBM PS/2 technical reference, "Keyboard, 101- and 102-key"): scan code sets 1 to
//! 3, commands, typematic, the 16-byte buffer and its overrun.

use super::scancodes::{self, BREAK, EXTENDED, MODIFIERS, PAUSE, PRINT_SCREEN};
use lyrebird_core::VmTime;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

pub(super) const ACK: u8 = 0xfa;
pub(super) const RESEND: u8 = 0xfe;
pub(super) const SELF_TEST_PASSED: u8 = 0xaa;
/// How many bytes of keys wait at most.
const ROOM: usize = 16;
/// The typematic byte after reset: half a second, then 10.9 a second.
const USUAL_RATE: u8 = 0x2b;

/// What a key sends in set 3, as bits.
const MAKE_ONLY: u8 = 0;
const TYPEMATIC: u8 = 1;
const MAKE_BREAK: u8 = 2;

/// The keyboard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keyboard {
    /// Answers to commands, which go before keys.
    answers: VecDeque<u8>,
    /// What the keys said.
    keys: VecDeque<u8>,
    /// Keys that came up when there was no room to say so.
    came_up: Vec<u8>,
    /// The command that waits for its parameter.
    command: Option<u8>,
    /// Set 3: what each code's key sends.
    kinds: Vec<u8>,
    set: u8,
    leds: u8,
    scanning: bool,
    /// The typematic byte.
    rate: u8,
    /// The keys that are down.
    held: Vec<u8>,
    /// The key that repeats, and when next.
    repeat: Option<(u8, VmTime)>,
    /// What RESEND sends.
    last: u8,
}

impl Default for Keyboard {
    fn default() -> Self {
        Keyboard {
            answers: VecDeque::new(),
            keys: VecDeque::new(),
            came_up: Vec::new(),
            command: None,
            kinds: usual_kinds(),
            set: 2,
            leds: 0,
            scanning: true,
            rate: USUAL_RATE,
            held: Vec::new(),
            repeat: None,
            last: 0,
        }
    }
}

/// Set 3 after reset: most keys repeat, modifiers are held, the others are only pressed.
fn usual_kinds() -> Vec<u8> {
    let mut kinds = vec![TYPEMATIC; 256];
    for code in [0x11, 0x12, 0x14, 0x19, 0x59, 0x8b, 0x8c, 0x8d] {
        kinds[code] = MAKE_BREAK;
    }
    let pressed = [
        0x07, 0x08, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x39, 0x3f, 0x47, 0x4f, 0x56, 0x57, 0x58, 0x5e, 0x5f, 0x62,
        0x65, 0x67, 0x69, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x79, 0x7a,
        0x7d, 0x7e, 0x84,
    ];
    for code in pressed {
        kinds[code] = MAKE_ONLY;
    }
    kinds
}

impl Keyboard {
    /// Bit 0 Scroll Lock, bit 1 Num Lock, bit 2 Caps Lock.
    pub fn leds(&self) -> u8 {
        self.leds
    }

    /// A key went down or came up.
    pub fn key(&mut self, key: u8, down: bool, now: VmTime) {
        if scancodes::codes(key).is_none() {
            return;
        }
        let was_down = self.held.contains(&key);
        if down == was_down {
            return; // the host repeats by itself, or let a key go that it never pressed
        }
        if down {
            self.held.push(key);
            self.repeat = (self.scanning && self.repeats(key)).then(|| (key, now + self.delay()));
        } else {
            self.held.retain(|held| *held != key);
            if self.repeat.is_some_and(|repeat| repeat.0 == key) {
                self.repeat = None;
            }
        }
        if self.scanning {
            self.say(key, down);
        }
    }

    fn say(&mut self, key: u8, down: bool) {
        let bytes = self.sequence(key, down);
        if self.keys.len() + bytes.len() <= ROOM {
            self.keys.extend(bytes);
        } else if !down {
            self.came_up.push(key);
        } else if self.keys.len() <= ROOM && self.keys.back() != Some(&self.overrun()) {
            self.keys.push_back(self.overrun());
        }
    }

    fn overrun(&self) -> u8 {
        if self.set == 1 { 0xff } else { 0x00 }
    }

    fn holds(&self, left: u8) -> bool {
        self.held.iter().any(|key| *key == left || *key == left + 4)
    }

    /// What a key says in the present set.
    fn sequence(&self, key: u8, down: bool) -> Vec<u8> {
        let Some(codes) = scancodes::codes(key) else { return Vec::new() };
        if self.set == 3 {
            let kind = self.kinds.get(usize::from(codes.set3)).copied().unwrap_or(TYPEMATIC);
            return match (codes.set3, down) {
                (0, _) => Vec::new(),
                (code, true) => vec![code],
                (code, false) if kind & MAKE_BREAK != 0 => vec![BREAK, code],
                _ => Vec::new(),
            };
        }
        let (ctrl, shift, alt) = (self.holds(MODIFIERS), self.holds(MODIFIERS + 1), self.holds(MODIFIERS + 2));
        let second: Vec<u8> = match (key, down) {
            (PAUSE, true) if ctrl => vec![EXTENDED, 0x7e, EXTENDED, BREAK, 0x7e], // Break
            (PAUSE, true) => vec![0xe1, 0x14, 0x77, 0xe1, BREAK, 0x14, BREAK, 0x77],
            (PAUSE, false) => Vec::new(),
            (PRINT_SCREEN, true) if alt => vec![0x84],
            (PRINT_SCREEN, false) if alt => vec![BREAK, 0x84],
            // What a Shift would have said: 84-key keyboards had this key as Shift and *.
            (PRINT_SCREEN, true) if !ctrl && !shift => vec![EXTENDED, 0x12, EXTENDED, 0x7c],
            (PRINT_SCREEN, false) if !ctrl && !shift => vec![EXTENDED, BREAK, 0x7c, EXTENDED, BREAK, 0x12],
            (0x90 | 0x91, true) => vec![codes.set2], // Korean keys have no break code
            (0x90 | 0x91, false) => Vec::new(),
            _ => {
                let extended = codes.extended.then_some(EXTENDED);
                extended.into_iter().chain((!down).then_some(BREAK)).chain([codes.set2]).collect()
            }
        };
        if self.set == 2 {
            return second;
        }
        let mut breaks = false;
        second.into_iter().filter_map(|byte| scancodes::translate(byte, &mut breaks)).collect()
    }

    // ---- Typematic ----

    fn repeats(&self, key: u8) -> bool {
        let code = scancodes::codes(key).map_or(0, |codes| codes.set3);
        match self.set {
            3 => self.kinds.get(usize::from(code)).is_some_and(|kind| kind & TYPEMATIC != 0),
            _ => !matches!(key, PAUSE | 0x90 | 0x91),
        }
    }

    fn delay(&self) -> u64 {
        (u64::from(self.rate >> 5 & 3) + 1) * 250_000_000
    }

    fn period(&self) -> u64 {
        // (8 + A) * 2^B units of 1/240 s.
        ((8 + u64::from(self.rate & 7)) << (self.rate >> 3 & 3)) * 1_000_000_000 / 240
    }

    /// When a key repeats next.
    pub fn deadline(&self) -> VmTime {
        self.repeat.map_or(VmTime::NEVER, |repeat| repeat.1)
    }

    /// Repeats the key whose time has come.
    pub fn tick(&mut self, now: VmTime) {
        let Some((key, due)) = self.repeat.filter(|repeat| repeat.1 <= now) else { return };
        let period = self.period();
        // Whole periods that nobody called us for are lost.
        self.repeat = Some((key, due + (now.since(due) / period + 1).saturating_mul(period)));
        // A guest that is slower than the keyboard gets no more than it reads.
        if self.scanning && self.keys.is_empty() {
            let mut bytes = self.sequence(key, true);
            if key == PRINT_SCREEN && self.set != 3 && bytes.len() == 4 {
                bytes.drain(..2);
            }
            self.keys.extend(bytes);
        }
    }

    // ---- The cable ----

    /// Whether there is something to send.
    pub fn waits(&self) -> bool {
        !self.answers.is_empty() || !self.keys.is_empty()
    }

    /// The next byte that it has to say.
    pub fn read(&mut self) -> Option<u8> {
        let byte = self.answers.pop_front().or_else(|| {
            let byte = self.keys.pop_front();
            while self.keys.len() + 3 <= ROOM && !self.came_up.is_empty() {
                let key = self.came_up.remove(0);
                self.say(key, false);
            }
            byte
        })?;
        self.last = byte;
        Some(byte)
    }

    fn answer(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.answers.len() < ROOM {
                self.answers.push_back(*byte);
            }
        }
    }

    /// A byte from the host.
    pub fn write(&mut self, byte: u8) {
        match self.command.take() {
            // A command in a parameter's place is the next command.
            Some(command) if byte < 0xed => self.parameter(command, byte),
            _ => self.start(byte),
        }
    }

    fn start(&mut self, byte: u8) {
        match byte {
            0xed | 0xf0 | 0xf3 | 0xfb..=0xfd => self.command = Some(byte),
            0xee => return self.answer(&[0xee]),
            0xf2 => return self.answer(&[ACK, 0xab, 0x83]),
            0xf4 => {
                self.keys.clear();
                self.scanning = true;
            }
            0xf5 => {
                self.defaults();
                self.scanning = false;
            }
            0xf6 => {
                self.defaults();
                self.scanning = true;
            }
            0xf7 => self.kinds.fill(TYPEMATIC),
            0xf8 => self.kinds.fill(MAKE_BREAK),
            0xf9 => self.kinds.fill(MAKE_ONLY),
            0xfa => self.kinds.fill(TYPEMATIC | MAKE_BREAK),
            0xfe => return self.answers.push_front(self.last),
            0xff => {
                let held = std::mem::take(&mut self.held);
                *self = Keyboard { held, ..Keyboard::default() };
                return self.answer(&[ACK, SELF_TEST_PASSED]);
            }
            _ => return self.answer(&[RESEND]),
        }
        self.answer(&[ACK]);
        self.stop_repeating_if_silent();
    }

    /// The state that commands F5h and F6h restore; lamps and scanning stay.
    fn defaults(&mut self) {
        self.keys.clear();
        self.came_up.clear();
        self.rate = USUAL_RATE;
        self.set = 2;
        self.kinds = usual_kinds();
        self.repeat = None;
    }

    fn stop_repeating_if_silent(&mut self) {
        if self.repeat.is_some_and(|repeat| !self.scanning || !self.repeats(repeat.0)) {
            self.repeat = None;
        }
    }

    fn parameter(&mut self, command: u8, byte: u8) {
        match command {
            0xed => self.leds = byte & 7,
            0xf0 if byte == 0 => return self.answer(&[ACK, self.set]),
            0xf0 if byte > 3 => return self.answer(&[RESEND]),
            0xf0 => {
                self.keys.clear();
                self.set = byte;
            }
            0xf3 => {
                self.rate = byte & 0x7f; // from the next repetition on
            }
            // Any number of keys may follow; the next command ends them.
            _ => {
                if let Some(kind) = self.kinds.get_mut(usize::from(byte)) {
                    *kind = [TYPEMATIC, MAKE_BREAK, MAKE_ONLY][usize::from(command - 0xfb) % 3];
                }
                self.command = Some(command);
            }
        }
        self.answer(&[ACK]);
        self.stop_repeating_if_silent();
    }
}
