//! The controller's registers and commands.

use super::peripheral::{Kind, Peripheral};
use crate::request::{Request, Requests};
use lyrebird_core::{Device, Line, PortIo, ResetKind, RestoreError, Unit, VmTime};
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
    keyboard: Peripheral,
    mouse: Peripheral,
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
            keyboard: Peripheral::new(Kind::Keyboard),
            mouse: Peripheral::new(Kind::Mouse),
        }
    }
}

/// The controller.
pub struct Ps2 {
    // Wiring.
    irq1: Line,
    irq12: Line,
    memory: Arc<GuestMemory>,
    requests: Requests,
    // State.
    state: State,
}

impl Ps2 {
    /// Something that a person did: the keyboard or the mouse says so on its cable.
    pub fn input(&mut self, _event: lyrebird_core::InputEvent, _now: VmTime) {}

    /// The controller with a keyboard and a mouse.
    pub fn new(irq1: Line, irq12: Line, memory: Arc<GuestMemory>, requests: Requests) -> Self {
        Ps2 { irq1, irq12, memory, requests, state: State::new() }
    }

    /// Moves the next byte into the output buffer if it is empty, and drives the lines.
    fn settle(&mut self) {
        let state = &mut self.state;
        if state.output.is_none() {
            let keyboard = state.ram[0] & KBD_DISABLED == 0;
            let aux = state.ram[0] & AUX_DISABLED == 0;
            state.output = state
                .answers
                .pop_front()
                .or_else(|| state.keyboard.read_if(keyboard).map(|byte| (Source::Keyboard, byte)))
                .or_else(|| state.mouse.read_if(aux).map(|byte| (Source::Aux, byte)));
        }
        let from = state.output.map(|output| output.0);
        self.irq1.set(from == Some(Source::Keyboard) && state.ram[0] & KBD_INTERRUPT != 0);
        self.irq12.set(from == Some(Source::Aux) && state.ram[0] & AUX_INTERRUPT != 0);
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
            0xa7 => self.state.ram[0] |= AUX_DISABLED,
            0xa8 => self.state.ram[0] &= !AUX_DISABLED,
            0xa9 | 0xab => answer(self, 0), // interface tests: no error
            0xaa => {
                self.state.ram[0] |= SYSTEM;
                answer(self, 0x55);
            }
            0xad => self.state.ram[0] |= KBD_DISABLED,
            0xae => self.state.ram[0] &= !KBD_DISABLED,
            0xc0 => answer(self, 0x80), // input port: keyboard not locked
            0xd0 => {
                let output = self.output_port();
                answer(self, output);
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

    fn data(&mut self, byte: u8) {
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
                self.state.mouse.write(byte);
            }
            None => {
                // Talking to the keyboard enables it.
                self.state.ram[0] &= !KBD_DISABLED;
                self.state.keyboard.write(byte);
            }
        }
    }
}

impl Peripheral {
    fn read_if(&mut self, enabled: bool) -> Option<u8> {
        if enabled { self.read() } else { None }
    }
}

impl Device for Ps2 {
    fn name(&self) -> &str {
        "ps2"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.state = State::new();
        self.settle();
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { irq1: _, irq12: _, memory: _, requests: _, state } = self;
        Unit::pack("ps2", 1, state)
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        self.state = unit.unpack("ps2", 1)?;
        let from = self.state.output.map(|output| output.0);
        self.irq1.restore(from == Some(Source::Keyboard) && self.state.ram[0] & KBD_INTERRUPT != 0);
        self.irq12.restore(from == Some(Source::Aux) && self.state.ram[0] & AUX_INTERRUPT != 0);
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }
}

impl PortIo for Ps2 {
    fn read(&mut self, port: u16, _bytes: u8, _now: VmTime) -> u32 {
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
            // The lines fall before the next byte raises them again.
            self.irq1.set(false);
            self.irq12.set(false);
            self.settle();
        }
        self.state.last.into()
    }

    fn write(&mut self, port: u16, _bytes: u8, value: u32, _now: VmTime) {
        if port & 4 != 0 {
            self.command(value as u8);
        } else {
            self.data(value as u8);
        }
        self.settle();
    }
}
