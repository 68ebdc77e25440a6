//! What travels between interrupt controllers: interrupt messages, and who takes them (Intel SDM vol. 3, sections 11.6 and
//! 11.11).

use super::LocalApic;
use serde::{Deserialize, Serialize};

/// The delivery mode field of the ICR, an LVT entry, a redirection entry or an MSI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum DeliveryMode {
    Fixed,
    LowestPriority,
    Smi,
    Reserved,
    Nmi,
    Init,
    StartUp,
    ExtInt,
}

impl DeliveryMode {
    /// From bits 10 to 8 of a register.
    pub fn of(register: u32) -> Self {
        match register >> 8 & 7 {
            0 => DeliveryMode::Fixed,
            1 => DeliveryMode::LowestPriority,
            2 => DeliveryMode::Smi,
            4 => DeliveryMode::Nmi,
            5 => DeliveryMode::Init,
            6 => DeliveryMode::StartUp,
            7 => DeliveryMode::ExtInt,
            _ => DeliveryMode::Reserved,
        }
    }
}

/// Who is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The APIC with this ID; all ones is everybody.
    Physical(u32),
    /// Those whose logical ID matches.
    Logical(u32),
    /// Everybody.
    All,
    /// Everybody but this CPU.
    Others(usize),
    /// This CPU.
    Cpu(usize),
}

/// One interrupt message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// To whom.
    pub destination: Destination,
    /// The sender has 8-bit destinations (an IOAPIC, an MSI or an xAPIC), where FFh is everybody.
    pub short: bool,
    /// What it is.
    pub mode: DeliveryMode,
    /// The vector, or a start-up IPI's page.
    pub vector: u8,
    /// Level-triggered: its EOI is told to the IOAPICs.
    pub level: bool,
}

impl Message {
    /// The message that a write of `data` to `address` means (SDM vol. 3, section 11.11), if the address is one for messages.
    pub fn msi(address: u64, data: u32) -> Option<Message> {
        if address >> 20 != 0xfee {
            return None;
        }
        let id = (address >> 12 & 0xff) as u32;
        let logical = address & 4 != 0;
        Some(Message {
            destination: if logical { Destination::Logical(id) } else { Destination::Physical(id) },
            short: true,
            mode: DeliveryMode::of(data),
            vector: data as u8,
            level: data & 1 << 15 != 0,
        })
    }
}

/// Hands a message to those APICs that take it. False if nobody did.
pub fn deliver(apics: &mut [LocalApic], message: &Message) -> bool {
    let takes = |index: usize, apic: &LocalApic| match message.destination {
        Destination::Physical(id) => apic.has_id(id, message.short),
        Destination::Logical(id) => apic.has_logical_id(id, message.short),
        Destination::All => true,
        Destination::Others(cpu) => index != cpu,
        Destination::Cpu(cpu) => index == cpu,
    };
    let mut taken = false;
    if message.mode == DeliveryMode::LowestPriority {
        let candidates = apics.iter().enumerate().filter(|(index, apic)| takes(*index, apic) && apic.enabled());
        if let Some((index, _)) = candidates.min_by_key(|(_, apic)| apic.arbitration_priority()) {
            apics[index].accept(message);
            taken = true;
        }
        return taken;
    }
    for (index, apic) in apics.iter_mut().enumerate() {
        if takes(index, apic) {
            apic.accept(message);
            taken = true;
        }
    }
    taken
}
