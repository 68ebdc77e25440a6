//! The 16550A without its bus (National Semiconductor data sheet "PC16550D"). Sending takes no time: the holding register is
//! empty again as soon as it is written.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many bytes a FIFO holds.
const FIFO: usize = 16;

// IER.
const ERBI: u8 = 1;
const ETBEI: u8 = 2;
const ELSI: u8 = 4;
const EDSSI: u8 = 8;
// IIR.
const NONE_PENDING: u8 = 1;
const MODEM_STATUS: u8 = 0;
const THR_EMPTY: u8 = 2;
const RECEIVED: u8 = 4;
const LINE_STATUS: u8 = 6;
const TIMEOUT: u8 = 0x0c;
const FIFOS_ENABLED: u8 = 0xc0;
// LCR.
const DLAB: u8 = 0x80;
const SET_BREAK: u8 = 0x40;
// MCR.
const DTR: u8 = 1;
const RTS: u8 = 2;
const OUT1: u8 = 4;
const OUT2: u8 = 8;
const LOOP: u8 = 0x10;
// LSR.
const DR: u8 = 1;
const OE: u8 = 2;
const BI: u8 = 0x10;
const THRE: u8 = 0x20;
const TEMT: u8 = 0x40;
const ERRORS: u8 = 0x1e;
// MSR.
const CTS: u8 = 0x10;
const DSR: u8 = 0x20;
const RI: u8 = 0x40;
const DCD: u8 = 0x80;
/// A terminal that is always ready.
const CONNECTED: u8 = CTS | DSR | DCD;

/// The registers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Chip {
    ier: u8,
    lcr: u8,
    mcr: u8,
    scr: u8,
    divisor: u16,
    /// FCR: FIFOs enabled, and the receiver's trigger level.
    fifo: bool,
    trigger: u8,
    /// LSR's error bits.
    errors: u8,
    /// MSR's delta bits.
    deltas: u8,
    /// The lines as MSR showed them last.
    modem: u8,
    /// The interrupt "holding register empty" waits.
    thre: bool,
    receiver: VecDeque<u8>,
}

impl Default for Chip {
    fn default() -> Self {
        Chip {
            ier: 0,
            lcr: 0,
            mcr: 0,
            scr: 0,
            divisor: 12,
            fifo: false,
            trigger: 1,
            errors: 0,
            deltas: 0,
            modem: CONNECTED,
            thre: false,
            receiver: VecDeque::new(),
        }
    }
}

impl Chip {
    /// Master reset.
    pub fn reset(&mut self) {
        // The scratch register and the divisor are not touched by reset, nor are the modem's lines.
        *self = Chip { scr: self.scr, divisor: self.divisor, ..Chip::default() };
    }

    fn capacity(&self) -> usize {
        if self.fifo { FIFO } else { 1 }
    }

    /// How many more bytes the receiver takes without losing one.
    pub fn room(&self) -> usize {
        if self.mcr & LOOP != 0 { 0 } else { self.capacity().saturating_sub(self.receiver.len()) }
    }

    /// Bytes from the line. What there is no room for is lost, with an overrun error.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.mcr & LOOP == 0 {
            bytes.iter().for_each(|byte| self.shift_in(*byte));
        }
    }

    fn shift_in(&mut self, byte: u8) {
        if self.receiver.len() < self.capacity() {
            self.receiver.push_back(byte);
        } else {
            self.errors |= OE;
            if !self.fifo {
                // Without FIFOs the new byte replaces the old one.
                self.receiver.clear();
                self.receiver.push_back(byte);
            }
        }
    }

    /// The interrupt that IIR names, in the order of priority.
    fn pending(&self) -> Option<u8> {
        let received = self.receiver.len();
        if self.ier & ELSI != 0 && self.errors != 0 {
            Some(LINE_STATUS)
        } else if self.ier & ERBI != 0 && received >= usize::from(if self.fifo { self.trigger } else { 1 }) {
            Some(RECEIVED)
        } else if self.ier & ERBI != 0 && received > 0 {
            // Nothing more is on its way: the character timeout has passed.
            Some(TIMEOUT)
        } else if self.ier & ETBEI != 0 && self.thre {
            Some(THR_EMPTY)
        } else if self.ier & EDSSI != 0 && self.deltas != 0 {
            Some(MODEM_STATUS)
        } else {
            None
        }
    }

    /// The interrupt output, which a PC gates with OUT2; in loopback the gate is closed.
    pub fn irq(&self) -> bool {
        self.mcr & (OUT2 | LOOP) == OUT2 && self.pending().is_some()
    }

    fn update_modem(&mut self) {
        let lines = if self.mcr & LOOP != 0 {
            let bit = |from: u8, to: u8| if self.mcr & from != 0 { to } else { 0 };
            bit(RTS, CTS) | bit(DTR, DSR) | bit(OUT1, RI) | bit(OUT2, DCD)
        } else {
            CONNECTED
        };
        let changed = lines ^ self.modem;
        // RI counts when it ends (TERI).
        let counted = changed & !RI | changed & self.modem & RI;
        self.deltas |= counted >> 4;
        self.modem = lines;
    }

    /// Reads a register.
    pub fn read(&mut self, register: u16) -> u8 {
        let dlab = self.lcr & DLAB != 0;
        match register & 7 {
            0 if dlab => self.divisor as u8,
            0 => self.receiver.pop_front().unwrap_or(0),
            1 if dlab => (self.divisor >> 8) as u8,
            1 => self.ier,
            2 => {
                let pending = self.pending();
                if pending == Some(THR_EMPTY) {
                    self.thre = false;
                }
                pending.unwrap_or(NONE_PENDING) | if self.fifo { FIFOS_ENABLED } else { 0 }
            }
            3 => self.lcr,
            4 => self.mcr,
            5 => {
                let ready = if self.receiver.is_empty() { 0 } else { DR };
                ready | THRE | TEMT | std::mem::take(&mut self.errors)
            }
            6 => self.modem | std::mem::take(&mut self.deltas),
            _ => self.scr,
        }
    }

    /// Writes a register. A byte that goes out to the line is returned; call [`Chip::sent`] when it has gone.
    pub fn write(&mut self, register: u16, value: u8) -> Option<u8> {
        let dlab = self.lcr & DLAB != 0;
        match register & 7 {
            0 if dlab => self.divisor = self.divisor & 0xff00 | u16::from(value),
            0 => {
                self.thre = false;
                if self.mcr & LOOP == 0 {
                    return Some(value);
                }
                self.shift_in(value & self.word_mask());
                self.thre = true;
            }
            1 if dlab => self.divisor = self.divisor & 0xff | u16::from(value) << 8,
            1 => {
                // Enabling the interrupt while the register is empty raises it.
                if value & !self.ier & ETBEI != 0 {
                    self.thre = true;
                }
                self.ier = value & 0x0f;
            }
            2 => self.write_fcr(value),
            3 => {
                if value & !self.lcr & SET_BREAK != 0 && self.mcr & LOOP != 0 {
                    self.shift_in(0);
                    self.errors |= BI;
                }
                self.lcr = value;
            }
            4 => {
                self.mcr = value & 0x1f;
                self.update_modem();
            }
            7 => self.scr = value,
            5 => self.errors = value & ERRORS, // a factory test
            _ => {}
        }
        None
    }

    /// The byte that [`Chip::write`] gave has left.
    pub fn sent(&mut self) {
        self.thre = true;
    }

    /// Words have 5 to 8 bits.
    fn word_mask(&self) -> u8 {
        0xff >> (3 - (self.lcr & 3))
    }

    fn write_fcr(&mut self, value: u8) {
        let enable = value & 1 != 0;
        // Changing the enable bit empties the FIFOs.
        if enable != self.fifo || enable && value & 2 != 0 {
            self.receiver.clear();
        }
        self.fifo = enable;
        if enable {
            if value & 4 != 0 {
                self.thre = true;
            }
            self.trigger = [1, 4, 8, 14][usize::from(value >> 6)];
        }
    }
}
