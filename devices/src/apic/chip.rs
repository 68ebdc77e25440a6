//! The local APIC's registers (Intel SDM vol. 3, chapter 11), without bus and clock.

use super::message::{DeliveryMode, Destination, Message};
use super::timer::{Mode, Timer};
use super::vectors::Vectors;
use lyrebird_core::VmTime;
use serde::{Deserialize, Serialize};

// Register numbers: the offset in the xAPIC's page divided by 16, or the x2APIC's MSR less 800h.
pub(super) const ID: u32 = 0x02;
const VERSION: u32 = 0x03;
const TPR: u32 = 0x08;
const APR: u32 = 0x09;
const PPR: u32 = 0x0a;
const EOI: u32 = 0x0b;
pub(super) const LDR: u32 = 0x0d;
pub(super) const DFR: u32 = 0x0e;
const SVR: u32 = 0x0f;
const ISR: u32 = 0x10;
const TMR: u32 = 0x18;
const IRR: u32 = 0x20;
const ESR: u32 = 0x28;
pub(super) const ICR_LOW: u32 = 0x30;
pub(super) const ICR_HIGH: u32 = 0x31;
const LVT_TIMER: u32 = 0x32;
const LVT_ERROR: u32 = 0x37;
const INITIAL_COUNT: u32 = 0x38;
const CURRENT_COUNT: u32 = 0x39;
const DIVIDE: u32 = 0x3e;
pub(super) const SELF_IPI: u32 = 0x3f;

// Indices in `lvt`.
const TIMER: usize = 0;
pub(super) const LINT0: usize = 3;
const ERROR: usize = 5;

const MASKED: u32 = 1 << 16;
const LEVEL_TRIGGERED: u32 = 1 << 15;
const REMOTE_IRR: u32 = 1 << 14;
const SOFTWARE_ENABLE: u32 = 1 << 8;
/// Version 14h, with six LVT entries.
const VERSION_VALUE: u32 = 0x0005_0014;
/// The bits that each LVT entry keeps: timer, thermal, performance, LINT0, LINT1, error.
const LVT_BITS: [u32; 6] = [0x0007_00ff, 0x0001_07ff, 0x0001_07ff, 0x0001_a7ff, 0x0001_a7ff, 0x0001_00ff];

// The error status register.
const SEND_ILLEGAL_VECTOR: u32 = 1 << 5;
const RECEIVE_ILLEGAL_VECTOR: u32 = 1 << 6;
const ILLEGAL_REGISTER: u32 = 1 << 7;

/// What the APIC tells its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// An inter-processor interrupt.
    Ipi(Message),
    /// A level-triggered vector has been served.
    Eoi(u8),
}

/// What the APIC tells its CPU, besides the INTR level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuEvents {
    /// An NMI.
    pub nmi: bool,
    /// An INIT.
    pub init: bool,
    /// A start-up IPI with its page.
    pub sipi: Option<u8>,
}

/// The chip.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chip {
    /// Which CPU's it is.
    pub(super) cpu: u32,
    pub(super) x2apic: bool,
    pub(super) id: u32,
    pub(super) ldr: u32,
    pub(super) dfr: u32,
    tpr: u32,
    svr: u32,
    irr: Vectors,
    isr: Vectors,
    tmr: Vectors,
    /// What the error status register shows, and what has come since it was last written.
    esr: u32,
    errors: u32,
    pub(super) icr: u64,
    pub(super) lvt: [u32; 6],
    pub(super) timer: Timer,
    /// The levels at LINT0 and LINT1.
    lint: [bool; 2],
    /// A message asked for an interrupt from the 8259A.
    ext_int: bool,
    pub(super) events: CpuEvents,
    #[serde(skip)]
    pub(super) outputs: Vec<Output>,
}

impl Chip {
    pub(super) fn new(cpu: u32) -> Self {
        let mut lvt = [MASKED; 6];
        if cpu == 0 {
            // The bootstrap processor starts in virtual wire mode, as a firmware would set it up at once: a guest that
            // has never heard of APICs gets its interrupts.
            lvt[LINT0] = 0x700;
        }
        Chip {
            cpu,
            x2apic: false,
            id: cpu,
            ldr: 0,
            dfr: 0xffff_ffff,
            tpr: 0,
            svr: 0xff,
            irr: Vectors::default(),
            isr: Vectors::default(),
            tmr: Vectors::default(),
            esr: 0,
            errors: 0,
            icr: 0,
            lvt,
            timer: Timer::default(),
            lint: [false; 2],
            ext_int: false,
            events: CpuEvents::default(),
            outputs: Vec::new(),
        }
    }

    /// INIT, reset, or the APIC switched off: everything but the pins as after power-on.
    pub(super) fn reset(&mut self) {
        let fresh = Chip::new(self.cpu);
        let outputs = std::mem::take(&mut self.outputs);
        *self = Chip { lint: self.lint, events: self.events, x2apic: self.x2apic, outputs, ..fresh };
        if self.x2apic {
            self.ldr = self.logical_x2apic_id();
        }
    }

    pub(super) fn logical_x2apic_id(&self) -> u32 {
        self.cpu >> 4 << 16 | 1 << (self.cpu & 15)
    }

    /// Whether SVR's software enable bit is set.
    pub fn software_enabled(&self) -> bool {
        self.svr & SOFTWARE_ENABLE != 0
    }

    pub(super) fn tpr(&self) -> u8 {
        self.tpr as u8
    }

    pub(super) fn set_tpr(&mut self, value: u8) {
        self.tpr = value.into();
    }

    /// The processor priority register.
    pub fn ppr(&self) -> u8 {
        let (tpr, isr) = (self.tpr as u8, self.isr.highest().unwrap_or(0));
        if tpr >> 4 >= isr >> 4 { tpr } else { isr & 0xf0 }
    }

    /// The vector that the CPU should take now.
    pub fn request(&self) -> Option<u8> {
        let vector = self.irr.highest()?;
        (self.software_enabled() && vector >> 4 > self.ppr() >> 4).then_some(vector)
    }

    /// The CPU takes it.
    pub fn acknowledge(&mut self) -> Option<u8> {
        let vector = self.request()?;
        self.irr.set(vector, false);
        self.isr.set(vector, true);
        Some(vector)
    }

    /// Whether the 8259A's INTR gets through to the CPU: LINT0 is open as ExtINT, or a message asked for it.
    pub fn accepts_pic(&self) -> bool {
        let lint0 = self.lvt[LINT0];
        self.ext_int || lint0 & MASKED == 0 && DeliveryMode::of(lint0) == DeliveryMode::ExtInt
    }

    /// The 8259A has been acknowledged.
    pub(super) fn pic_acknowledged(&mut self) {
        self.ext_int = false;
    }

    /// Takes a fixed interrupt.
    fn accept_vector(&mut self, vector: u8, level: bool) {
        if vector < 16 {
            self.error(RECEIVE_ILLEGAL_VECTOR);
            return;
        }
        // While it is disabled by software it takes no fixed interrupts.
        if self.software_enabled() {
            self.irr.set(vector, true);
            self.tmr.set(vector, level);
        }
    }

    /// Takes a message that is meant for this APIC.
    pub fn accept(&mut self, message: &Message) {
        match message.mode {
            DeliveryMode::Fixed | DeliveryMode::LowestPriority => self.accept_vector(message.vector, message.level),
            DeliveryMode::Nmi => self.events.nmi = true,
            DeliveryMode::Init => {
                self.events.init = true;
                self.events.sipi = None;
            }
            DeliveryMode::StartUp => self.events.sipi = Some(message.vector),
            DeliveryMode::ExtInt => self.ext_int = true,
            DeliveryMode::Smi | DeliveryMode::Reserved => {} // there is no SMM
        }
    }

    /// Drives LINT0 (the 8259A) or LINT1 (NMI).
    pub(super) fn set_lint(&mut self, pin: usize, level: bool) {
        let rises = level && !self.lint[pin];
        self.lint[pin] = level;
        let lvt = self.lvt[LINT0 + pin];
        // A level is sent once until its EOI; an edge when it comes.
        let standing = level && lvt & (LEVEL_TRIGGERED | REMOTE_IRR) == LEVEL_TRIGGERED;
        if lvt & MASKED == 0 && (rises || standing) {
            self.local_interrupt(LINT0 + pin);
        }
    }

    fn local_interrupt(&mut self, entry: usize) {
        let lvt = self.lvt[entry];
        match DeliveryMode::of(lvt) {
            DeliveryMode::Fixed => {
                // Only LINT0 may be level-triggered.
                let level = entry == LINT0 && lvt & LEVEL_TRIGGERED != 0;
                if level {
                    self.lvt[entry] |= REMOTE_IRR;
                }
                self.accept_vector(lvt as u8, level);
            }
            DeliveryMode::Nmi => self.events.nmi = true,
            DeliveryMode::Init => self.events.init = true,
            _ => {} // ExtINT is a level, seen by `accepts_pic`
        }
    }

    fn error(&mut self, bit: u32) {
        self.errors |= bit;
        let lvt = self.lvt[ERROR];
        if lvt & MASKED == 0 && lvt & 0xff >= 16 {
            self.accept_vector(lvt as u8, false);
        }
    }

    fn timer_mode(&self) -> Mode {
        Mode::of(self.lvt[TIMER])
    }

    /// When the timer must be looked at.
    pub(super) fn timer_deadline(&self) -> VmTime {
        self.timer.next(self.timer_mode())
    }

    /// Takes the timer's interrupt if it has expired.
    pub(super) fn advance(&mut self, now: VmTime) {
        if self.timer.expire(self.timer_mode(), now) && self.lvt[TIMER] & MASKED == 0 {
            self.accept_vector(self.lvt[TIMER] as u8, false);
        }
    }

    pub(super) fn tsc_deadline(&self) -> u64 {
        if self.timer_mode() == Mode::TscDeadline { self.timer.deadline } else { 0 }
    }

    pub(super) fn set_tsc_deadline(&mut self, value: u64) {
        if self.timer_mode() == Mode::TscDeadline {
            self.timer.deadline = value;
        }
    }

    /// Reads a register; `None` if there is none of that number.
    pub(super) fn read(&mut self, register: u32, now: VmTime) -> Option<u32> {
        Some(match register {
            ID => self.id,
            VERSION => VERSION_VALUE,
            TPR => self.tpr,
            APR | PPR => self.ppr().into(),
            LDR => self.ldr,
            DFR => self.dfr,
            SVR => self.svr,
            ISR..TMR => self.isr.word(register),
            TMR..IRR => self.tmr.word(register),
            IRR..ESR => self.irr.word(register),
            ESR => self.esr,
            ICR_LOW => self.icr as u32,
            ICR_HIGH => (self.icr >> 32) as u32,
            LVT_TIMER..=LVT_ERROR => self.lvt[(register - LVT_TIMER) as usize],
            INITIAL_COUNT => self.timer.initial,
            CURRENT_COUNT => self.timer.current(self.timer_mode(), now),
            DIVIDE => self.timer.divide,
            _ => return None,
        })
    }

    /// Writes a register; false if there is none of that number.
    pub(super) fn write(&mut self, register: u32, value: u32, now: VmTime) -> bool {
        match register {
            TPR => self.tpr = value & 0xff,
            EOI => self.end_of_interrupt(),
            SVR => {
                self.svr = value & 0x1ff;
                if !self.software_enabled() {
                    self.lvt.iter_mut().for_each(|lvt| *lvt |= MASKED);
                }
            }
            ESR => self.esr = std::mem::take(&mut self.errors),
            ICR_LOW => {
                self.icr = self.icr & !0xffff_ffff | u64::from(value & 0x000c_cfff);
                self.send();
            }
            ICR_HIGH => self.icr = self.icr & 0xffff_ffff | u64::from(value) << 32,
            LVT_TIMER..=LVT_ERROR => self.write_lvt((register - LVT_TIMER) as usize, value),
            INITIAL_COUNT => {
                if self.timer_mode() != Mode::TscDeadline {
                    self.timer.write_initial(value, now);
                }
            }
            DIVIDE => self.timer.write_divide(value, self.timer_mode(), now),
            ID | VERSION | APR | PPR | CURRENT_COUNT | ISR..ESR => {}
            _ => return false,
        }
        true
    }

    /// An access to a register that does not exist.
    pub(super) fn illegal_register(&mut self) {
        self.error(ILLEGAL_REGISTER);
    }

    fn write_lvt(&mut self, entry: usize, value: u32) {
        let before = self.lvt[entry];
        let masked = if self.software_enabled() { 0 } else { MASKED };
        self.lvt[entry] = value & LVT_BITS[entry] | before & REMOTE_IRR | masked;
        if entry == TIMER && (Mode::of(before) == Mode::TscDeadline) != (Mode::of(value) == Mode::TscDeadline) {
            self.timer.disarm();
        }
        // A request that stands at a pin is seen when its entry is unmasked.
        if (LINT0..LINT0 + 2).contains(&entry) && before & MASKED != 0 && self.lvt[entry] & MASKED == 0 {
            let pin = entry - LINT0;
            if std::mem::take(&mut self.lint[pin]) {
                self.set_lint(pin, true);
            }
        }
    }

    fn end_of_interrupt(&mut self) {
        let Some(vector) = self.isr.highest() else { return };
        self.isr.set(vector, false);
        if self.tmr.has(vector) {
            self.outputs.push(Output::Eoi(vector));
            if self.lvt[LINT0] & REMOTE_IRR != 0 && self.lvt[LINT0] as u8 == vector {
                self.lvt[LINT0] &= !REMOTE_IRR;
                self.set_lint(0, self.lint[0]);
            }
        }
    }

    /// Sends what the ICR says.
    pub(super) fn send(&mut self) {
        let low = self.icr as u32;
        let (mode, vector) = (DeliveryMode::of(low), low as u8);
        let level = low & LEVEL_TRIGGERED != 0;
        if mode == DeliveryMode::Init && level && low & 1 << 14 == 0 {
            return; // INIT level de-assert: only ever meant something to the 82489DX
        }
        if mode == DeliveryMode::ExtInt || mode == DeliveryMode::Reserved {
            return;
        }
        if vector < 16 && matches!(mode, DeliveryMode::Fixed | DeliveryMode::LowestPriority) {
            self.error(SEND_ILLEGAL_VECTOR);
            return;
        }
        let target = if self.x2apic { (self.icr >> 32) as u32 } else { (self.icr >> 56) as u32 };
        let cpu = self.cpu as usize;
        let destination = match low >> 18 & 3 {
            1 => Destination::Cpu(cpu),
            2 => Destination::All,
            3 => Destination::Others(cpu),
            _ if low & 1 << 11 != 0 => Destination::Logical(target),
            _ => Destination::Physical(target),
        };
        // The trigger mode counts for INIT only: IPIs are edge-triggered.
        self.outputs.push(Output::Ipi(Message { destination, short: !self.x2apic, mode, vector, level: false }));
    }

    /// The x2APIC's self IPI register.
    pub(super) fn send_self(&mut self, vector: u8) {
        if vector < 16 {
            self.error(SEND_ILLEGAL_VECTOR);
        } else {
            self.accept_vector(vector, false);
        }
    }
}
