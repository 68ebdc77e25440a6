//! One 8259A (Intel data sheet 231468: "8259A Programmable Interrupt Controller").

use serde::{Deserialize, Serialize};

/// Which initialisation command word comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Init {
    #[default]
    Done,
    Icw2,
    Icw3,
    Icw4,
}

// ICW1.
const ICW1: u8 = 0x10;
const LTIM: u8 = 0x08;
const SNGL: u8 = 0x02;
const IC4: u8 = 0x01;
// ICW4.
const SFNM: u8 = 0x10;
const AEOI: u8 = 0x02;
// OCW3.
const OCW3: u8 = 0x08;
const ESMM: u8 = 0x40;
const SMM: u8 = 0x20;
const POLL: u8 = 0x04;
const RR: u8 = 0x02;

/// The chip.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Chip {
    // Pins.
    /// The levels of IR0 to IR7.
    ir: u8,
    /// Which of them have a slave behind them, when this is a master in special fully nested mode.
    cascade: u8,
    // Registers.
    irr: u8,
    isr: u8,
    imr: u8,
    /// The chipset's edge/level control register: a set bit is level-triggered.
    elcr: u8,
    // From the initialisation words.
    init: Init,
    icw1: u8,
    vector_base: u8,
    icw4: u8,
    // From the operation words.
    /// The input with the lowest priority; the next one has the highest.
    lowest: u8,
    rotate_in_aeoi: bool,
    special_mask: bool,
    read_isr: bool,
    poll: bool,
}

impl Chip {
    /// A chip with slaves at the inputs of the mask (none for a slave).
    pub fn new(cascade: u8) -> Self {
        Chip { cascade, lowest: 7, ..Chip::default() }
    }

    /// After power-on; the pins keep their levels.
    pub fn reset(&mut self) {
        *self = Chip { ir: self.ir, ..Chip::new(self.cascade) };
    }

    /// The inputs that are level-triggered.
    fn level_triggered(&self) -> u8 {
        if self.icw1 & LTIM != 0 { 0xff } else { self.elcr }
    }

    /// Drives IR`n`.
    pub fn set_ir(&mut self, n: u8, level: bool) {
        let mask = 1 << (n & 7);
        let rises = level && self.ir & mask == 0;
        if level {
            self.ir |= mask
        } else {
            self.ir &= !mask
        }
        if rises {
            self.irr |= mask;
        } else if !level {
            // Also an edge-triggered request must stay high until it is acknowledged.
            self.irr &= !mask;
        }
    }

    /// ELCR, as read from ports 4D0h and 4D1h.
    pub fn elcr(&self) -> u8 {
        self.elcr
    }

    /// Writes ELCR; bits outside of `allowed` stay zero.
    pub fn set_elcr(&mut self, value: u8, allowed: u8) {
        self.elcr = value & allowed;
        self.irr |= self.ir & self.level_triggered();
    }

    /// The inputs from the highest priority to the lowest.
    fn order(&self) -> impl Iterator<Item = u8> + use<> {
        let lowest = self.lowest;
        (1..=8).map(move |n| (lowest + n) & 7)
    }

    /// The input that INT asks the CPU for, if any.
    pub fn request(&self) -> Option<u8> {
        let pending = self.irr & !self.imr;
        if pending == 0 {
            return None;
        }
        let blocking = if self.special_mask { self.isr & !self.imr } else { self.isr };
        for n in self.order() {
            let mask = 1 << n;
            let in_service = blocking & mask != 0;
            // A master in special fully nested mode lets a slave interrupt itself.
            let nested = self.icw4 & SFNM != 0 && self.cascade & mask != 0;
            if pending & mask != 0 && (!in_service || nested) {
                return Some(n);
            }
            // In special mask mode an input that is not masked still blocks itself, but nothing below it.
            if in_service && !self.special_mask {
                return None;
            }
        }
        None
    }

    /// The INTA cycle for an input that [`Chip::request`] gave.
    fn acknowledge_input(&mut self, n: u8) {
        let mask = 1 << n;
        if self.level_triggered() & mask == 0 {
            self.irr &= !mask;
        }
        if self.icw4 & AEOI == 0 {
            self.isr |= mask;
        } else if self.rotate_in_aeoi {
            self.lowest = n;
        }
    }

    /// The INTA cycle: the input that is served, or `None` for a request that has gone (the vector is then IR7's).
    pub fn acknowledge(&mut self) -> Option<u8> {
        let n = self.request()?;
        self.acknowledge_input(n);
        Some(n)
    }

    /// The vector of an input.
    pub fn vector(&self, n: u8) -> u8 {
        self.vector_base | n & 7
    }

    /// Writes with A0 low: ICW1, OCW2, OCW3.
    pub fn write_command(&mut self, value: u8) {
        if value & ICW1 != 0 {
            // The edge sense is reset: an input must fall and rise again, unless it is level-triggered.
            let (ir, elcr, cascade) = (self.ir, self.elcr, self.cascade);
            *self = Chip { ir, elcr, icw1: value, init: Init::Icw2, ..Chip::new(cascade) };
            self.irr = self.ir & self.level_triggered();
        } else if value & OCW3 != 0 {
            self.poll = value & POLL != 0;
            if value & RR != 0 {
                self.read_isr = value & 1 != 0;
            }
            if value & ESMM != 0 {
                self.special_mask = value & SMM != 0;
            }
        } else {
            self.write_ocw2(value);
        }
    }

    fn write_ocw2(&mut self, value: u8) {
        let n = value & 7;
        match value >> 5 {
            0 => self.rotate_in_aeoi = false,
            4 => self.rotate_in_aeoi = true,
            1 | 5 => {
                let in_service = if self.special_mask { self.isr & !self.imr } else { self.isr };
                if let Some(n) = self.order().find(|n| in_service & 1 << n != 0) {
                    self.end_of_interrupt(n, value >> 5 == 5);
                }
            }
            3 | 7 => self.end_of_interrupt(n, value >> 5 == 7),
            6 => self.lowest = n,
            _ => {}
        }
    }

    fn end_of_interrupt(&mut self, n: u8, rotate: bool) {
        self.isr &= !(1 << n);
        if rotate {
            self.lowest = n;
        }
    }

    /// Writes with A0 high: ICW2 to ICW4, OCW1.
    pub fn write_data(&mut self, value: u8) {
        let after = |icw1: u8| if icw1 & IC4 != 0 { Init::Icw4 } else { Init::Done };
        match self.init {
            Init::Done => self.imr = value,
            Init::Icw2 => {
                self.vector_base = value & 0xf8;
                self.init = if self.icw1 & SNGL != 0 { after(self.icw1) } else { Init::Icw3 };
            }
            // Which inputs have slaves is how the board is wired, whatever the word says.
            Init::Icw3 => self.init = after(self.icw1),
            Init::Icw4 => {
                self.icw4 = value;
                self.init = Init::Done;
            }
        }
    }

    /// Reads with A0 low: the poll word, IRR or ISR.
    pub fn read_command(&mut self) -> u8 {
        if std::mem::take(&mut self.poll) {
            return self.acknowledge().map_or(0, |n| 0x80 | n);
        }
        if self.read_isr { self.isr } else { self.irr }
    }

    /// Reads with A0 high: the poll word or IMR.
    pub fn read_data(&mut self) -> u8 {
        if self.poll { self.read_command() } else { self.imr }
    }
}
