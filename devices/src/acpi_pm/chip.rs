//! The registers, without bus. The timer is evaluated when somebody looks.

use lyrebird_core::{Frequency, VmTime};
use serde::{Deserialize, Serialize};

/// 14.31818 MHz divided by 4: 315/88 MHz.
pub const PM_CLOCK: Frequency = Frequency::ratio(315_000_000, 88);
/// The timer's status is set whenever its highest bit changes.
const TIMER_BITS: u32 = 24;
const HALF: u64 = 1 << (TIMER_BITS - 1);

// PM1 status and enable.
const TMR: u16 = 1 << 0;
const GBL: u16 = 1 << 5;
const PWRBTN: u16 = 1 << 8;
const RTC: u16 = 1 << 10;
const WAK: u16 = 1 << 15;
const STATUS: u16 = TMR | 1 << 4 | GBL | PWRBTN | RTC | WAK;
const ENABLE: u16 = TMR | GBL | PWRBTN | RTC;
// PM1 control.
const SCI_EN: u16 = 1 << 0;
const SLP_EN: u16 = 1 << 13;
const SLP_TYP: u16 = 7 << 10;

// Register offsets from PMBASE.
const PM1_STS: u16 = 0;
const PM1_EN: u16 = 2;
const PM1_CNT: u16 = 4;
const PM_TMR: u16 = 8;

/// What a write asked of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Soft off.
    Off,
    /// Suspend to RAM.
    Suspend,
}

/// The registers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Chip {
    status: u16,
    enable: u16,
    control: u16,
    /// Up to which tick the timer's status is complete.
    seen: u64,
    pub(super) gpe_status: u16,
    pub(super) gpe_enable: u16,
    /// Ports B2h and B3h.
    pub(super) apm: [u8; 2],
}

impl Chip {
    /// After reset; the timer goes on.
    pub fn starting_at(now: VmTime) -> Self {
        Chip { seen: PM_CLOCK.ticks_at(now), ..Chip::default() }
    }

    /// Brings the timer's status up to now.
    pub fn advance(&mut self, now: VmTime) {
        let tick = PM_CLOCK.ticks_at(now);
        if tick / HALF != self.seen / HALF {
            self.status |= TMR;
        }
        self.seen = self.seen.max(tick);
    }

    /// When the timer will next want to interrupt.
    pub fn deadline(&self) -> VmTime {
        if self.enable & TMR == 0 || self.status & TMR != 0 || self.control & SCI_EN == 0 {
            return VmTime::NEVER;
        }
        PM_CLOCK.time_of((self.seen / HALF + 1) * HALF)
    }

    /// The system control interrupt.
    pub fn sci(&self) -> bool {
        self.control & SCI_EN != 0
            && (self.status & self.enable & ENABLE != 0 || self.gpe_status & self.gpe_enable != 0)
    }

    /// Switches between ACPI and legacy mode.
    pub fn set_acpi(&mut self, on: bool) {
        if on { self.control |= SCI_EN } else { self.control &= !SCI_EN }
    }

    /// Somebody presses the power button.
    pub fn press_power_button(&mut self) {
        self.status |= PWRBTN;
    }

    /// A sleep that we cannot do is over as soon as it begins.
    pub fn wake(&mut self) {
        self.status |= WAK;
    }

    /// The real-time clock's alarm, for those that enable it as a wake event.
    pub fn rtc_alarm(&mut self) {
        self.status |= RTC;
    }

    /// Reads one byte at an offset from PMBASE.
    pub fn read(&self, offset: u16, now: VmTime) -> u8 {
        let byte = usize::from(offset & 1);
        match offset & !1 {
            PM1_STS => self.status.to_le_bytes()[byte],
            PM1_EN => self.enable.to_le_bytes()[byte],
            PM1_CNT => self.control.to_le_bytes()[byte],
            PM_TMR | 0x0a => {
                let tick = PM_CLOCK.ticks_at(now) & ((1 << TIMER_BITS) - 1);
                tick.to_le_bytes()[usize::from(offset & 3)]
            }
            0x0c => self.gpe_status.to_le_bytes()[byte],
            0x0e => self.gpe_enable.to_le_bytes()[byte],
            _ => 0,
        }
    }

    /// Writes one byte.
    pub fn write(&mut self, offset: u16, value: u8) -> Option<Sleep> {
        let shift = 8 * (offset & 1);
        let (wide, mask) = (u16::from(value) << shift, 0xff << shift);
        let merge = |old: u16| old & !mask | wide;
        match offset & !1 {
            PM1_STS => self.status &= !(wide & STATUS),
            PM1_EN => self.enable = merge(self.enable) & ENABLE,
            PM1_CNT => {
                let new = merge(self.control);
                self.control = new & (SCI_EN | 2 | SLP_TYP);
                if wide & SLP_EN != 0 {
                    return match (new & SLP_TYP) >> 10 {
                        0 | 2 => Some(Sleep::Off), // S5, and S4 as firmware's tables number it
                        1 => Some(Sleep::Suspend),
                        _ => None,
                    };
                }
            }
            0x0c => self.gpe_status &= !wide,
            0x0e => self.gpe_enable = merge(self.gpe_enable),
            _ => {}
        }
        None
    }
}
