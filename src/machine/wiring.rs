//! Which line leads where. Several lines may share an interrupt: it is asserted while any of them is.

use devices::pci::Piix3;
use lyrebird_core::{Line, LineBus};
use std::sync::Arc;

/// Where a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A global system interrupt: 0 to 15 are the ISA IRQs, of both the 8259A pair and the IOAPIC; 16 to 23 are the IOAPIC's.
    Gsi(u8),
    /// The same for the 8254's IRQ 0 and the clock chip's IRQ 8, which an HPET can put itself in place of.
    Replaceable(u8),
    /// PCI interrupt line A to D (0 to 3), which the PIIX3 routes to an ISA IRQ.
    Pirq(u8),
}

/// All lines.
pub struct Wiring {
    bus: Arc<LineBus>,
    wires: Vec<(Target, bool)>,
    /// An HPET has replaced what can be replaced.
    replaced: bool,
}

impl Wiring {
    /// No lines.
    pub(super) fn new() -> Self {
        Wiring { bus: LineBus::new(), wires: Vec::new(), replaced: false }
    }

    /// A new line that ends there.
    pub fn line(&mut self, target: Target) -> Line {
        self.wires.push((target, false));
        self.bus.line(self.wires.len() as u32 - 1)
    }

    /// The line of a PCI function's interrupt pin (1 to 4), as the i440FX board swizzles them.
    pub fn pci_line(&mut self, device: u8, pin: u8) -> Line {
        self.line(Target::Pirq(device.wrapping_add(pin.wrapping_sub(1)).wrapping_sub(1) & 3))
    }

    /// Whether a line changed.
    pub fn pending(&self) -> bool {
        self.bus.pending()
    }

    /// The changes, in order.
    pub fn take(&self) -> Vec<(u32, bool)> {
        self.bus.take()
    }

    /// Notes a change and gives where it leads.
    pub fn set(&mut self, wire: u32, level: bool) -> Option<Target> {
        let wire = self.wires.get_mut(wire as usize)?;
        wire.1 = level;
        Some(wire.0)
    }

    /// Whether a global system interrupt is asserted.
    pub fn gsi(&self, gsi: u8, router: &Piix3) -> bool {
        self.wires.iter().any(|(target, level)| {
            *level
                && match *target {
                    Target::Gsi(own) => own == gsi,
                    Target::Replaceable(own) => own == gsi && !self.replaced,
                    Target::Pirq(pirq) => router.route(pirq) == Some(gsi),
                }
        })
    }

    /// Whether an HPET has replaced what can be replaced; says whether that is new.
    pub fn replace(&mut self, replaced: bool) -> bool {
        std::mem::replace(&mut self.replaced, replaced) != replaced
    }

    /// The levels, for a snapshot.
    pub fn levels(&self) -> Vec<bool> {
        self.wires.iter().map(|wire| wire.1).collect()
    }

    /// Takes a snapshot's levels over.
    pub fn restore(&mut self, levels: &[bool]) {
        self.wires.iter_mut().zip(levels).for_each(|(wire, level)| wire.1 = *level);
    }
}
