//! The controller's registers and commands.

use super::keyboard::Keyboard;
use super::mouse::Mouse;
use super::scancodes;
use crate::request::{Request, Requests};
use lyrebird_core::{Device, InputEvent, Line, PortIo, ResetKind, RestoreError, Timer, Unit, VmTime};
use lyrebird_memory::GuestMemory;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

// The status register.
const OBF: u8 = 0x01;
const SYSTEM: u8 = 0x04;
const COMMAND: u8 = 0x08;
const UNLOCKED: u8 = 0x10;
const AUX_OBF: u8 = 0x20;
// The controller command byte, which is byte 0 of its RAM.
const KBD_INTERRUPT: u8 = 0x01;
const AUX_INTERRUPT: u8 = 0x02;
const KBD_DISABLED: u8 = 0x10;
const AUX_DISABLED: u8 = 0x20;
const TRANSLATE: u8 = 0x40;
// The output port.
const NOT_RESET: u8 = 0x01;
const A20: u8 = 0x02;

/// How long the next byte of a peripheral takes over its cable, after the one before it was read. (A real one takes up to
/// 1.1 ms. Programs that read port 60h twice for one key, as old ones do, need some of that.)
const CABLE: u64 = 250_000;

/// Where a byte in the output buffer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    Keyboard,
    Aux,
}

/// The controller's state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    ram: [u8; 32],
    /// Status bit 3: what was written last was a command.
    command_written: bool,
    /// The command that waits for its data byte.
    command: Option<u8>,
    /// The controller's own answers, which go before the peripherals'.
    answers: VecDeque<(Source, u8)>,
    /// The output buffer.
    output: Option<(Source, u8)>,
    /// What port 60h reads when the buffer is empty: the last byte.
    last: u8,
    /// When the cables have the next byte.
    cable: VmTime,
    /// The translation has seen F0h.
    breaks: bool,
    keyboard: Keyboard,
    mouse: Mouse,
}

impl State {
    fn new() -> Self {
        let mut ram = [0; 32];
        ram[0] = KBD_INTERRUPT | AUX_INTERRUPT | SYSTEM | TRANSLATE;
        State {
            ram,
            command_written: false,
            command: None,
            answers: VecDeque::new(),
            output: None,
            last: 0,
            cable: VmTime::ZERO,
            breaks: false,
            keyboard: Keyboard::default(),
            mouse: Mouse::default(),
        }
    }

    /// The next byte of a peripheral whose cable is not held.
    fn receive(&mut self) -> Option<(Source, u8)> {
        while self.ram[0] & KBD_DISABLED == 0 {
            let Some(byte) = self.keyboard.read() else { break };
            let byte =
                if self.ram[0] & TRANSLATE != 0 { scancodes::translate(byte, &mut self.breaks) } else { Some(byte) };
            if let Some(byte) = byte {
                return Some((Source::Keyboard, byte));
            }
        }
        (self.ram[0] & AUX_DISABLED == 0).then(|| self.mouse.read()).flatten().map(|byte| (Source::Aux, byte))
    }

    fn peripheral_waits(&self) -> bool {
        self.ram[0] & KBD_DISABLED == 0 && self.keyboard.waits()
            || self.ram[0] & AUX_DISABLED == 0 && self.mouse.waits()
    }

    /// When something happens by itself.
    fn deadline(&self) -> VmTime {
        let delivery = if self.output.is_none() && self.peripheral_waits() { self.cable } else { VmTime::NEVER };
        delivery.min(self.keyboard.deadline()).min(self.mouse.deadline())
    }
}

/// The controller.
pub struct Ps2 {
    // Wiring.
    irq1: Line,
    irq12: Line,
    timer: Timer,
    memory: Arc<GuestMemory>,
    requests: Requests,
    // State.
    state: State,
}

impl Ps2 {
    /// The controller with a keyboard and a mouse.
    pub fn new(irq1: Line, irq12: Line, timer: Timer, memory: Arc<GuestMemory>, requests: Requests) -> Self {
        Ps2 { irq1, irq12, timer, memory, requests, state: State::new() }
    }

    /// Something that a person did: the keyboard or the mouse says so on its cable.
    pub fn input(&mut self, event: InputEvent, now: VmTime) {
        let State { keyboard, mouse, .. } = &mut self.state;
        match event {
            InputEvent::Key { key, down } => keyboard.key(key.0, down, now),
            InputEvent::MouseMove { dx, dy } => mouse.moved(dx, dy),
            InputEvent::MouseWheel { notches } => mouse.wheel(notches),
            InputEvent::MouseButton { button, down } => mouse.button(button, down),
        }
        self.settle(now);
    }

    /// The keyboard's lamps: bit 0 Scroll Lock, bit 1 Num Lock, bit 2 Caps Lock.
    pub fn leds(&self) -> u8 {
        self.state.keyboard.leds()
    }

    /// Lets happen what is due, moves the next byte into the output buffer if it is empty, and drives the lines.
    fn settle(&mut self, now: VmTime) {
        let state = &mut self.state;
        state.keyboard.tick(now);
        state.mouse.tick(now);
        if state.output.is_none() {
            state.output = state.answers.pop_front();
        }
        if state.output.is_none() && state.cable <= now {
            state.output = state.receive();
        }
        self.drive();
        self.timer.arm(self.state.deadline());
    }

    fn levels(&self) -> [bool; 2] {
        let from = self.state.output.map(|output| output.0);
        let enabled = self.state.ram[0];
        [
            from == Some(Source::Keyboard) && enabled & KBD_INTERRUPT != 0,
            from == Some(Source::Aux) && enabled & AUX_INTERRUPT != 0,
        ]
    }

    fn drive(&self) {
        let [irq1, irq12] = self.levels();
        self.irq1.set(irq1);
        self.irq12.set(irq12);
    }

    fn answer(&mut self, source: Source, byte: u8) {
        // Guests wait for each answer; one that does not gets no more than a few.
        if self.state.answers.len() < 16 {
            self.state.answers.push_back((source, byte));
        }
    }

    fn command(&mut self, command: u8) {
        self.state.command_written = true;
        self.state.command = None;
        let answer = |ps2: &mut Self, byte| ps2.answer(Source::Keyboard, byte);
        match command {
            0x20..=0x3f => answer(self, self.state.ram[usize::from(command & 31)]),
            0xa1 => answer(self, 0),    // the controller's version
            0xa4 => answer(self, 0xf1), // no password is installed
            0xa7 => self.state.ram[0] |= AUX_DISABLED,
            0xa8 => self.state.ram[0] &= !AUX_DISABLED,
            0xa9 | 0xab => answer(self, 0), // interface tests: no error
            0xaa => {
                self.state.ram[0] |= SYSTEM;
                answer(self, 0x55);
            }
            0xad => self.state.ram[0] |= KBD_DISABLED,
            0xae => self.state.ram[0] &= !KBD_DISABLED,
            0xc0..=0xc2 => answer(self, 0x80), // input port: keyboard not locked
            0xd0 => {
                let output = self.output_port();
                answer(self, output);
            }
            0xe0 => {
                // Test inputs: the clocks of the two cables.
                let enabled = !self.state.ram[0];
                answer(self, enabled >> 4 & 1 | enabled >> 4 & 2);
            }
            0x60..=0x7f | 0xd1..=0xd4 => self.state.command = Some(command),
            0xdd => self.memory.set_a20(false),
            0xdf => self.memory.set_a20(true),
            // Pulses those of the output port's lower bits that are zero; bit 0 is the CPU's reset.
            0xf0..=0xff if command & 1 == 0 => self.requests.ask(Request::Reset),
            _ => {}
        }
    }

    fn output_port(&self) -> u8 {
        let full = |source| self.state.output.is_some_and(|output| output.0 == source);
        let a20 = if self.memory.a20() { A20 } else { 0 };
        0xc0 | NOT_RESET | a20 | u8::from(full(Source::Keyboard)) << 4 | u8::from(full(Source::Aux)) << 5
    }

    fn data(&mut self, byte: u8, now: VmTime) {
        self.state.command_written = false;
        match self.state.command.take() {
            Some(command @ 0x60..=0x7f) => self.state.ram[usize::from(command & 31)] = byte,
            Some(0xd1) => {
                self.memory.set_a20(byte & A20 != 0);
                if byte & NOT_RESET == 0 {
                    self.requests.ask(Request::Reset);
                }
            }
            Some(0xd2) => self.answer(Source::Keyboard, byte),
            Some(0xd3) => self.answer(Source::Aux, byte),
            Some(_) => {
                self.state.ram[0] &= !AUX_DISABLED;
                self.state.mouse.write(byte, now);
            }
            None => {
                // Talking to the keyboard enables it.
                self.state.ram[0] &= !KBD_DISABLED;
                self.state.keyboard.write(byte);
            }
        }
    }
}

impl Device for Ps2 {
    fn name(&self) -> &str {
        "ps2"
    }

    fn reset(&mut self, _kind: ResetKind, now: VmTime) {
        self.state = State::new();
        self.settle(now);
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { irq1: _, irq12: _, timer: _, memory: _, requests: _, state } = self;
        Unit::pack("ps2", 1, state)
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        self.state = unit.unpack("ps2", 1)?;
        let [irq1, irq12] = self.levels();
        self.irq1.restore(irq1);
        self.irq12.restore(irq12);
        self.timer.arm(self.state.deadline());
        Ok(())
    }

    fn timer(&mut self, _timer: u32, now: VmTime) {
        self.settle(now);
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }
}

impl PortIo for Ps2 {
    fn read(&mut self, port: u16, _bytes: u8, now: VmTime) -> u32 {
        let state = &mut self.state;
        if port & 4 != 0 {
            let output = match state.output {
                None => 0,
                Some((Source::Keyboard, _)) => OBF,
                Some((Source::Aux, _)) => OBF | AUX_OBF,
            };
            let command = if state.command_written { COMMAND } else { 0 };
            return u32::from(output | state.ram[0] & SYSTEM | command | UNLOCKED);
        }
        if let Some((_, byte)) = state.output.take() {
            state.last = byte;
            state.cable = now + CABLE;
            // The lines fall before the next byte raises them again.
            self.drive();
            self.settle(now);
        }
        self.state.last.into()
    }

    fn write(&mut self, port: u16, _bytes: u8, value: u32, now: VmTime) {
        if port & 4 != 0 {
            self.command(value as u8);
        } else {
            self.data(value as u8, now);
        }
        self.settle(now);
    }
}
