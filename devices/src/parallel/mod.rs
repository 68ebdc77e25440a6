//! A parallel port at ports 378h to 37Ah with a printer on it that is always ready (IBM Personal Computer AT technical
//! reference, "Serial/parallel adapter"). What is printed goes to a [`CharOut`]; IRQ 7 follows its acknowledgements.

#[cfg(test)]
mod tests;

use lyrebird_core::chars::CharOut;
use lyrebird_core::{Device, Line, PortIo, ResetKind, RestoreError, Timer, Unit, VmTime};
use serde::{Deserialize, Serialize};

// Control register.
const STROBE: u8 = 1 << 0;
const INIT: u8 = 1 << 2;
const IRQ_ENABLE: u8 = 1 << 4;
const INPUT: u8 = 1 << 5;
// Status register, as the pins are: some are active low.
const NOT_BUSY: u8 = 1 << 7;
const NOT_ACK: u8 = 1 << 6;
const SELECTED: u8 = 1 << 4;
const NO_ERROR: u8 = 1 << 3;
const UNUSED: u8 = 3 << 1;

/// How long the printer is busy with a byte, and how much of that it acknowledges at the end.
const BUSY_TIME: u64 = 10_000;
const ACK_TIME: u64 = 5_000;

/// The port.
pub struct Parallel {
    // Wiring.
    irq: Line,
    timer: Timer,
    out: Box<dyn CharOut>,
    /// Something was printed since the last flush.
    unflushed: bool,
    // State.
    state: State,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
struct State {
    data: u8,
    control: u8,
    /// When the printer has finished with the last byte; it was told so if that is [`VmTime::NEVER`].
    busy: VmTime,
}

impl Default for State {
    fn default() -> Self {
        State { data: 0, control: INIT, busy: VmTime::NEVER }
    }
}

impl Parallel {
    /// A port whose printer is `out`.
    pub fn new(irq: Line, timer: Timer, out: Box<dyn CharOut>) -> Self {
        Parallel { irq, timer, out, unflushed: false, state: State::default() }
    }

    /// Makes what was printed visible.
    pub fn flush(&mut self) {
        if std::mem::take(&mut self.unflushed) {
            self.out.flush();
        }
    }

    fn status(&self, now: VmTime) -> u8 {
        let ready = UNUSED | SELECTED | NO_ERROR;
        match self.state.busy {
            VmTime::NEVER => ready | NOT_BUSY | NOT_ACK,
            busy if now >= busy => ready | NOT_BUSY | NOT_ACK,
            busy if now + ACK_TIME >= busy => ready,
            _ => ready | NOT_ACK,
        }
    }
}

impl Device for Parallel {
    fn name(&self) -> &str {
        "parallel0"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.state = State::default();
        self.timer.cancel();
        self.irq.set(false);
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { irq: _, timer: _, out: _, unflushed: _, state } = self;
        Unit::pack("parallel", 1, state)
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        self.state = unit.unpack("parallel", 1)?;
        self.irq.restore(false);
        self.timer.arm(self.state.busy);
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }

    fn timer(&mut self, _timer: u32, now: VmTime) {
        if self.state.busy <= now {
            self.state.busy = VmTime::NEVER;
            if self.state.control & IRQ_ENABLE != 0 {
                self.irq.pulse(); // the end of the acknowledgement
            }
        }
    }
}

impl PortIo for Parallel {
    fn read(&mut self, port: u16, _bytes: u8, now: VmTime) -> u32 {
        let value = match port & 3 {
            0 if self.state.control & INPUT != 0 => 0xff, // nobody drives the lines
            0 => self.state.data,
            1 => self.status(now),
            2 => 0xc0 | self.state.control,
            _ => 0xff,
        };
        value.into()
    }

    fn write(&mut self, port: u16, _bytes: u8, value: u32, now: VmTime) {
        let value = value as u8;
        match port & 3 {
            0 => self.state.data = value,
            2 => {
                let before = std::mem::replace(&mut self.state.control, value & 0x3f);
                if !before & value & STROBE != 0 && value & INIT != 0 {
                    self.out.write(&[self.state.data]);
                    self.unflushed = true;
                    self.state.busy = now + BUSY_TIME;
                    self.timer.arm(self.state.busy);
                }
            }
            _ => {}
        }
    }
}
