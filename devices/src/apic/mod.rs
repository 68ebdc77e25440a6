//! The local APIC of one CPU (Intel SDM vol. 3, chapter 11): as a page of registers (xAPIC) or as MSRs (x2APIC). The IOAPIC
//! is in [`crate::ioapic`].

mod chip;
mod message;
#[cfg(test)]
mod tests;
mod timer;
mod vectors;

pub use chip::{Chip, CpuEvents, Output};
pub use message::{DeliveryMode, Destination, Message, deliver};
pub use timer::{BUS_CLOCK, TSC_CLOCK};

use lyrebird_core::{Device, MmioIo, ResetKind, RestoreError, Timer, Unit, VmTime};
use serde::{Deserialize, Serialize};

/// IA32_APIC_BASE.
const APIC_BASE: u32 = 0x1b;
const BSP: u64 = 1 << 8;
const EXTD: u64 = 1 << 10;
const ENABLE: u64 = 1 << 11;
/// IA32_TSC_DEADLINE.
const TSC_DEADLINE: u32 = 0x6e0;
/// The x2APIC's first MSR.
const X2APIC: u32 = 0x800;
/// Physical addresses have at most 52 bits, pages 12.
const BASE_MASK: u64 = (1 << 52) - (1 << 12);

/// The APIC with its timer and its place.
pub struct LocalApic {
    name: String,
    // Wiring.
    timer: Timer,
    // State.
    chip: Chip,
    apic_base: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    chip: Chip,
    apic_base: u64,
}

impl LocalApic {
    /// The APIC of the CPU with this index, which is also its ID.
    pub fn new(cpu: u32, timer: Timer) -> Self {
        LocalApic { name: format!("apic{cpu}"), timer, chip: Chip::new(cpu), apic_base: Self::base_after_reset(cpu) }
    }

    fn base_after_reset(cpu: u32) -> u64 {
        0xfee0_0000 | ENABLE | if cpu == 0 { BSP } else { 0 }
    }

    /// Globally enabled, by IA32_APIC_BASE.
    pub fn enabled(&self) -> bool {
        self.apic_base & ENABLE != 0
    }

    /// Where its page of registers is, unless it is switched off or an x2APIC.
    pub fn page(&self) -> Option<u64> {
        (self.apic_base & (ENABLE | EXTD) == ENABLE).then_some(self.apic_base & BASE_MASK)
    }

    /// The vector that it asks its CPU to take.
    pub fn request(&self) -> Option<u8> {
        if self.enabled() { self.chip.request() } else { None }
    }

    /// Whether the 8259A's INTR reaches the CPU: through LINT0, or directly when the APIC is switched off.
    pub fn accepts_pic(&self) -> bool {
        if self.enabled() { self.chip.accepts_pic() } else { self.chip.cpu == 0 }
    }

    /// The CPU's acknowledge cycle: the vector, if the request is its own.
    pub fn acknowledge(&mut self) -> Option<u8> {
        if self.enabled() { self.chip.acknowledge() } else { None }
    }

    /// The 8259A's vector has been taken.
    pub fn pic_acknowledged(&mut self) {
        self.chip.pic_acknowledged();
    }

    /// Drives LINT0 (the 8259A's INTR) or LINT1 (NMI). When the APIC is off, LINT1 is the CPU's NMI pin.
    pub fn set_lint(&mut self, pin: usize, level: bool) {
        if self.enabled() {
            self.chip.set_lint(pin & 1, level);
        } else if pin == 1 && level {
            self.chip.events.nmi = true;
        }
    }

    pub(crate) fn has_id(&self, id: u32, short: bool) -> bool {
        let broadcast = if short { id == 0xff } else { id == u32::MAX };
        self.enabled() && (broadcast || id == self.chip.id)
    }

    pub(crate) fn has_logical_id(&self, id: u32, short: bool) -> bool {
        let chip = &self.chip;
        if !self.enabled() {
            false
        } else if chip.x2apic {
            (!short && id == u32::MAX) || id >> 16 == chip.ldr >> 16 && id & chip.ldr & 0xffff != 0
        } else {
            let (id, own) = (if short { id } else { id.min(0xff) }, chip.ldr >> 24);
            match chip.dfr >> 28 {
                0 => (id >> 4 == own >> 4 || id >> 4 == 15) && id & own & 15 != 0,
                _ => id & own != 0,
            }
        }
    }

    /// What lowest-priority arbitration compares.
    pub(crate) fn arbitration_priority(&self) -> (bool, u8) {
        (!self.chip.software_enabled(), self.chip.ppr())
    }

    pub(crate) fn accept(&mut self, message: &Message) {
        // A CPU whose APIC is switched off hears nothing on the bus.
        if self.enabled() {
            self.chip.accept(message);
        }
    }

    /// The IPIs and EOIs to pass on.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.chip.outputs)
    }

    /// Whether there are any.
    pub fn has_outputs(&self) -> bool {
        !self.chip.outputs.is_empty()
    }

    /// NMI, INIT and start-up for the CPU. An INIT resets the APIC too.
    pub fn take_events(&mut self) -> CpuEvents {
        let events = std::mem::take(&mut self.chip.events);
        if events.init {
            self.chip.reset();
            self.chip.events = CpuEvents::default();
            self.arm();
        }
        events
    }

    /// Bits 7 to 4 of the task priority, as CR8 shows them.
    pub fn cr8(&self) -> u8 {
        self.chip.tpr() >> 4
    }

    /// Sets them.
    pub fn set_cr8(&mut self, value: u8) {
        self.chip.set_tpr(value << 4);
    }

    fn arm(&self) {
        let at = if self.enabled() { self.chip.timer_deadline() } else { VmTime::NEVER };
        if self.timer.deadline() != at {
            self.timer.arm(at);
        }
    }

    /// Reads one of the APIC's MSRs; `None` asks for #GP. A TSC deadline is in ticks of the machine's counter: the engine
    /// takes its CPU's own offset off.
    pub fn read_msr(&mut self, index: u32, now: VmTime) -> Option<u64> {
        self.chip.advance(now);
        match index {
            APIC_BASE => Some(self.apic_base),
            TSC_DEADLINE => Some(self.chip.tsc_deadline()),
            _ if self.apic_base & EXTD == 0 => None,
            _ => match index.wrapping_sub(X2APIC) {
                chip::ICR_LOW => Some(self.chip.icr),
                chip::ICR_HIGH | chip::DFR | chip::SELF_IPI => None,
                0x0b => None, // EOI is write-only
                register => self.chip.read(register, now).map(u64::from),
            },
        }
    }

    /// Writes one; false asks for #GP.
    pub fn write_msr(&mut self, index: u32, value: u64, now: VmTime) -> bool {
        self.chip.advance(now);
        let done = match index {
            APIC_BASE => self.write_base(value),
            TSC_DEADLINE => {
                self.chip.set_tsc_deadline(value);
                self.chip.advance(now);
                true
            }
            _ if self.apic_base & EXTD == 0 => false,
            _ => self.write_x2apic(index.wrapping_sub(X2APIC), value, now),
        };
        self.arm();
        done
    }

    fn write_x2apic(&mut self, register: u32, value: u64, now: VmTime) -> bool {
        let low = value as u32;
        match register {
            chip::ICR_LOW => {
                self.chip.icr = value & 0xffff_ffff_000c_cfff;
                self.chip.send();
                true
            }
            _ if value >> 32 != 0 => false,
            chip::SELF_IPI => {
                self.chip.send_self(low as u8);
                low < 0x100
            }
            // EOI and ESR take zero only; ID, LDR and the read-only ones take nothing.
            0x0b | 0x28 => low == 0 && self.chip.write(register, low, now),
            chip::ID | chip::LDR | chip::DFR | chip::ICR_HIGH | 0x03 | 0x09 | 0x0a | 0x10..=0x27 | 0x39 => false,
            _ => self.chip.write(register, low, now),
        }
    }

    fn write_base(&mut self, value: u64) -> bool {
        let (was, new) = (self.apic_base & (EXTD | ENABLE), value & (EXTD | ENABLE));
        // SDM vol. 3, figure 11-27: no way back from x2APIC to xAPIC, nor from off to x2APIC.
        let legal = new != EXTD && !(was == EXTD | ENABLE && new == ENABLE) && !(was == 0 && new == EXTD | ENABLE);
        if !legal || value & !(BASE_MASK | BSP | EXTD | ENABLE) != 0 {
            return false;
        }
        self.apic_base = value & !BSP | self.apic_base & BSP;
        self.chip.x2apic = new & EXTD != 0;
        if new == 0 && was != 0 {
            self.chip.reset();
        } else if self.chip.x2apic && was & EXTD == 0 {
            self.chip.id = self.chip.cpu;
            self.chip.ldr = self.chip.logical_x2apic_id();
        }
        true
    }

    fn read_register(&mut self, register: u32, now: VmTime) -> u32 {
        match register {
            chip::ID => self.chip.id << 24,
            _ => self.chip.read(register, now).unwrap_or_else(|| {
                self.chip.illegal_register();
                0
            }),
        }
    }

    fn write_register(&mut self, register: u32, value: u32, now: VmTime) {
        match register {
            chip::ID => self.chip.id = value >> 24,
            chip::LDR => self.chip.ldr = value & 0xff00_0000,
            chip::DFR => self.chip.dfr = value | 0x0fff_ffff,
            _ => {
                if !self.chip.write(register, value, now) {
                    self.chip.illegal_register();
                }
            }
        }
    }
}

impl Device for LocalApic {
    fn name(&self) -> &str {
        &self.name
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.chip = Chip::new(self.chip.cpu);
        self.apic_base = Self::base_after_reset(self.chip.cpu);
        self.arm();
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { name: _, timer: _, chip, apic_base } = self;
        Unit::pack("apic", 1, &Saved { chip: chip.clone(), apic_base: *apic_base })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { chip, apic_base } = unit.unpack("apic", 1)?;
        let cpu = self.chip.cpu;
        (self.chip, self.apic_base) = (chip, apic_base);
        self.chip.cpu = cpu;
        self.arm();
        Ok(())
    }

    fn mmio(&mut self) -> Option<&mut dyn MmioIo> {
        Some(self)
    }

    fn timer(&mut self, _timer: u32, now: VmTime) {
        self.chip.advance(now);
        self.arm();
    }
}

impl MmioIo for LocalApic {
    fn read(&mut self, offset: u64, bytes: u8, now: VmTime) -> u64 {
        self.chip.advance(now);
        // Registers are 32 bits wide at multiples of 16; bytes inside of one can be read.
        let (register, byte) = ((offset >> 4 & 0xff) as u32, offset & 15);
        if byte + u64::from(bytes) > 4 && bytes < 8 || byte != 0 && bytes == 8 {
            return 0;
        }
        u64::from(self.read_register(register, now)) >> (8 * byte)
    }

    fn write(&mut self, offset: u64, bytes: u8, value: u64, now: VmTime) {
        self.chip.advance(now);
        // Only whole registers can be written (SDM vol. 3, section 11.4.1).
        if offset & 15 == 0 && bytes >= 4 {
            self.write_register((offset >> 4 & 0xff) as u32, value as u32, now);
        }
        self.arm();
    }
}
