//! What leads from chip to chip: lines to the interrupt controllers, these to the CPUs, messages between APICs, and the windows
//! of PCI functions that move in the maps of ports and memory.

use super::super::describe;
use super::super::maps::{MmioRange, PortRange};
use super::super::wiring::Target;
use super::{Board, PM, SMBUS_WINDOW};
use devices::apic::{self, Message, Output};
use devices::hpet::Hpet;
use devices::pci::{Space, Window};
use lyrebird_core::{Signals, VmTime};

impl Board {
    /// Carries what an access has changed to where it leads.
    pub(in super::super) fn settle(&mut self) {
        if self.windows.pending() {
            self.move_windows();
        }
        if self.wiring.replace(self.hpet.as_ref().is_some_and(Hpet::replaces_legacy)) {
            self.drive(0);
            self.drive(8);
        }
        loop {
            let mut quiet = true;
            if self.wiring.pending() {
                quiet = false;
                for (wire, level) in self.wiring.take() {
                    match self.wiring.set(wire, level) {
                        Some(Target::Gsi(gsi) | Target::Replaceable(gsi)) => self.drive(gsi),
                        Some(Target::Pirq(pirq)) => {
                            if let Some(irq) = self.piix3.route(pirq) {
                                self.drive(irq);
                            }
                        }
                        None => {}
                    }
                }
            }
            let intr = self.pic.intr();
            if intr != self.pic_intr {
                self.pic_intr = intr;
                self.apics.iter_mut().for_each(|apic| apic.set_lint(0, intr));
            }
            if let Some(ioapic) = self.ioapic.as_mut().filter(|ioapic| ioapic.has_outputs()) {
                quiet = false;
                for message in ioapic.take_outputs() {
                    apic::deliver(&mut self.apics, &message);
                }
            }
            for cpu in 0..self.apics.len() {
                if self.apics[cpu].has_outputs() {
                    quiet = false;
                    self.carry_outputs(cpu);
                }
            }
            if quiet {
                break;
            }
        }
        self.signal_cpus();
    }

    fn carry_outputs(&mut self, cpu: usize) {
        for output in self.apics[cpu].take_outputs() {
            match output {
                Output::Ipi(message) => _ = apic::deliver(&mut self.apics, &message),
                Output::Eoi(vector) => {
                    if let Some(ioapic) = &mut self.ioapic {
                        ioapic.end_of_interrupt(vector);
                    }
                }
            }
        }
    }

    /// Drives an interrupt's inputs to the level of its lines.
    pub(super) fn drive(&mut self, gsi: u8) {
        let level = self.wiring.gsi(gsi, &self.piix3);
        if gsi < 16 {
            self.pic.set_irq(gsi, level);
        }
        if let Some(ioapic) = &mut self.ioapic {
            // The timer is at pin 2, where the 8259A has its cascade.
            ioapic.set_pin(if gsi == 0 { 2 } else { gsi.into() }, level);
        }
    }

    fn signal_cpus(&mut self) {
        if self.apics.is_empty() {
            self.signals[0].set_intr(self.pic_intr);
            return;
        }
        for (apic, signals) in self.apics.iter_mut().zip(&self.signals) {
            let events = apic.take_events();
            if events.nmi {
                signals.raise(Signals::NMI);
            }
            if events.init {
                signals.raise(Signals::INIT);
            }
            if let Some(page) = events.sipi {
                signals.send_sipi(page);
            }
            let intr = apic.request().is_some() || self.pic_intr && apic.accepts_pic();
            if intr != (signals.bits() & Signals::INTR != 0) {
                signals.set_intr(intr);
            }
        }
    }

    /// A device writes a message-signalled interrupt.
    pub fn send_msi(&mut self, address: u64, data: u32) {
        if let Some(message) = Message::msi(address, data) {
            apic::deliver(&mut self.apics, &message);
            self.settle();
        }
    }

    /// Somebody pulls the NMI line.
    pub fn nmi(&mut self) {
        if self.rtc.nmi_masked() {
            return;
        }
        if self.apics.is_empty() {
            self.signals[0].raise(Signals::NMI);
        }
        for apic in &mut self.apics {
            apic.set_lint(1, true);
            apic.set_lint(1, false);
        }
        self.settle();
    }

    /// Somebody wants to choose what our firmware starts, the next time.
    pub fn ask_what_to_start(&mut self) {
        if let Some(firmware) = &mut self.firmware {
            firmware.ask_what_to_start();
        }
    }

    /// Somebody presses the power button.
    pub fn press_power_button(&mut self, now: VmTime) {
        self.pm.press_power_button(now);
        self.settle();
    }

    fn move_windows(&mut self) {
        for (id, window) in self.windows.take() {
            let Some(owner) = self.window_owners.get_mut(id as usize) else { continue };
            let device = owner.device;
            if let (false, PM, Some(window), Some(tables)) = (id == SMBUS_WINDOW, device, &window, &mut self.tables) {
                // The tables that firmware gets name the ports where it has just put the power management.
                tables.pm_base = window.base as u16;
                describe::tables(&mut self.fw_cfg, tables);
            }
            let (mut ports, mut memory) = (None, None);
            match window {
                Some(Window { space: Space::Port, base, bytes, .. }) => {
                    // A window never reaches beyond the last port.
                    let last = (base + bytes - 1).min(0xffff) as u16;
                    ports = Some(PortRange { first: base as u16, last, width: 4, device });
                }
                Some(Window { base, bytes, offset, .. }) => memory = Some(MmioRange { base, bytes, offset, device }),
                None => {}
            }
            match (owner.port_slot, ports) {
                (Some(slot), _) => self.ports.replace(slot, ports),
                (None, Some(range)) => owner.port_slot = Some(self.ports.add(range)),
                (None, None) => {}
            }
            match (owner.mmio_slot, memory) {
                (Some(slot), _) => self.mmio.replace(slot, memory),
                (None, Some(range)) => owner.mmio_slot = Some(self.mmio.add(range)),
                (None, None) => {}
            }
        }
    }
}
